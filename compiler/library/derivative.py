"""Derivatives inside a net: saliency, adversarial examples, penalties on gradients."""

from __future__ import annotations

from typing import Any

from netc.compiler.language.words import Refused, Tensor, function
from netc.compiler.graph.types import TensorType

UNREACHED = "the first tensor does not depend on the second by anything that has a gradient"


@function(group="derivative")
def gradient(y: Tensor, x: Tensor) -> TensorType:
    """the gradient of the sum of y with respect to x, in x's shape; where rows do not mix, that of each row's y"""
    if not y.dtype.is_float or not x.dtype.is_float:
        raise Refused("dtype", "only tensors of floating-point numbers have gradients")
    return x


@gradient.lowering
def _(op: Any, y: Any, x: Any) -> Any:
    from netc.compiler.autodiff import backpropagate

    one = op.constant(1.0, y.dtype)
    (found,) = backpropagate(op, {y: op.expand(one, op.shape(y))}, [x])
    if found is None:
        raise Refused("no-gradient", UNREACHED)
    return found

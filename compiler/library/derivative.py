"""Derivatives inside a net: saliency, adversarial examples, penalties on gradients."""

from __future__ import annotations

from netc.compiler.graph.types import TensorType
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.slots import Tensor
from netc.compiler.language.words import function

UNREACHED = "the first tensor does not depend on the second by anything that has a gradient"


@function("derivative", derives=True)
class Gradient:
    """the gradient of the sum of y with respect to x, in x's shape; where rows do not mix, that of each row's y"""

    def type(self, y: Tensor, x: Tensor) -> TensorType:
        if not y.dtype.is_float or not x.dtype.is_float:
            raise Refused(
                "dtype", "only tensors of floating-point numbers have gradients", None, "convert it: `f32({whole})`"
            )
        return x

    def lower(self, op: Emitter, y: Value, x: Value) -> Value:
        from netc.compiler.autodiff import backpropagate

        one = op.constant(1.0, y.dtype)
        (found,) = backpropagate(op, {y: op.expand(one, op.shape(y))}, [x])
        return op.zeros_like(x) if found is None else found  # where every piece of y is constant in x

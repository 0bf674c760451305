"""Penalties on weights: `l2("*.weight")` by parameter pattern, `l1(x)` of any tensor."""

from __future__ import annotations

from typing import Any

from netc.compiler.language.words import LIBRARY, Tensor, floating, function
from netc.compiler.graph.types import F32, TensorType


@function(group="regularizer")
def l2(x: Tensor) -> TensorType:
    """half the sum of x^2, whose gradient is x; of a pattern (`l2("*.weight")`) over all matching parameters, and then
    0 in evaluation"""
    return floating(x).with_shape(())


@l2.lowering
def _(op: Any, x: Any) -> Any:
    return op.Mul(op.reduce("ReduceSumSquare", x, None, False), 0.5)


@function(group="regularizer")
def l1(x: Tensor) -> TensorType:
    """the sum of |x|, whose gradient is sign x; of a pattern (`l1("*.weight")`) over all matching parameters, and then
    0 in evaluation"""
    return floating(x).with_shape(())


@l1.lowering
def _(op: Any, x: Any) -> Any:
    return op.reduce("ReduceL1", x, None, False)


def of_pattern(name: str) -> None:
    """Registers `l2("*.weight")`: the penalty of every matching parameter while training, 0 otherwise."""
    penalty = LIBRARY.operations[name]

    def rule(pattern: str) -> TensorType:
        return TensorType(F32, ())

    def lower(op: Any, pattern: str) -> Any:
        weights = op.matching(pattern) if op.training else []
        terms = [op.cast(penalty.lower(op, [w], {}, {}), F32.onnx) for w in weights]
        if not terms:
            return op.constant(0.0, F32.onnx)
        return terms[0] if len(terms) == 1 else op.Sum(*terms)

    rule.__doc__ = penalty.doc
    function(name=f"{name} of a pattern", group="regularizer", user=False)(rule).lowering(lower)


of_pattern("l2")
of_pattern("l1")

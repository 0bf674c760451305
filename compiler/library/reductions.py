"""Sums, means and extremes over axes. `axis` is a number, a tuple, or nothing for all; `keep` leaves axes of size 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netc.compiler.graph import cost
from netc.compiler.graph.dimensions import Dim
from netc.compiler.graph.types import BOOL, I32, I64, TensorType
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.operations import Accumulated
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import axes_of, axis_of, floating, numeric
from netc.compiler.language.slots import Axes, Tensor
from netc.compiler.language.words import function


@dataclass(eq=False, repr=False)
class Reduction:
    """A reduction of floating-point tensors."""

    axis: Axes = None
    keep: bool = False

    def type(self, x: Tensor) -> TensorType:
        return self.left_of(floating(x))

    def left_of(self, x: TensorType) -> TensorType:
        """The type that is left of `x`."""
        axes = axes_of(x, self.axis)
        kept = tuple(1 if i in axes else d for i, d in enumerate(x.shape) if self.keep or i not in axes)
        return x.with_shape(kept)

    def reduce(self, op: Emitter, operator: str, x: Value) -> Value:
        return op.reduce(operator, x, self.axis, self.keep)

    def flops(self, x: TensorType) -> Dim:
        return cost.operations("ReduceSum", [x.shape], ())


class NumberReduction(Reduction):
    """A reduction of integer tensors too."""

    def type(self, x: Tensor) -> TensorType:
        return self.left_of(numeric(x))


@function("reduction")
class Sum(NumberReduction):
    """sum over the axes"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return self.reduce(op, "ReduceSum", x)


@function("reduction")
class Mean(Reduction):
    """mean over the axes"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return self.reduce(op, "ReduceMean", x)


@function("reduction")
class Max(NumberReduction):
    """largest over the axes; equal values share the gradient"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return self.reduce(op, "ReduceMax", x)

    def accumulate(self, op: Emitter, x: Value) -> Accumulated:
        return {"each": ("concat", op.Unsqueeze(self.lower(op, x), op.vector([0])))}

    def score(self, op: Emitter, accumulated: Mapping[str, Value]) -> Value:
        return op.reduce("ReduceMax", accumulated["each"], 0, False)


@function("reduction")
class Min(NumberReduction):
    """smallest over the axes; equal values share the gradient"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return self.reduce(op, "ReduceMin", x)

    def accumulate(self, op: Emitter, x: Value) -> Accumulated:
        return {"each": ("concat", op.Unsqueeze(self.lower(op, x), op.vector([0])))}

    def score(self, op: Emitter, accumulated: Mapping[str, Value]) -> Value:
        return op.reduce("ReduceMin", accumulated["each"], 0, False)


@function("reduction")
class Prod(NumberReduction):
    """product over the axes"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return self.reduce(op, "ReduceProd", x)


@function("reduction")
class Logsumexp(Reduction):
    """log of the sum of e^x over the axes"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return self.reduce(op, "ReduceLogSumExp", x)


@function("reduction")
class Variance(Reduction):
    """mean of (x - mean x)^2 over the axes"""

    def lower(self, op: Emitter, x: Value) -> Value:
        centred = op.Sub(x, op.reduce("ReduceMean", x, self.axis, True))
        return self.reduce(op, "ReduceMean", op.Mul(centred, centred))


@function("reduction")
class Std(Reduction):
    """square root of the variance over the axes; its gradient where all are equal is zero"""

    def lower(self, op: Emitter, x: Value) -> Value:
        centred = op.Sub(x, op.reduce("ReduceMean", x, self.axis, True))
        count = op.cast(op.element_count(x, self.axis), x.dtype)
        return op.Div(self.reduce(op, "ReduceL2", centred), op.Sqrt(count))


class ConditionReduction(Reduction):
    """A reduction of conditions."""

    def type(self, x: Tensor) -> TensorType:
        if x.dtype != BOOL:
            raise Refused("dtype", f"conditions are needed here, this is `{x}`", help="compare it: `{0} > 0`")
        return self.left_of(x)

    def extreme(self, op: Emitter, operator: str, x: Value) -> Value:
        return op.cast(self.reduce(op, operator, op.cast(x, I32)), BOOL)


@function("reduction", differentiable=False)
class Any(ConditionReduction):
    """true where a condition holds anywhere along the axes"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return self.extreme(op, "ReduceMax", x)


@function("reduction", differentiable=False)
class All(ConditionReduction):
    """true where a condition holds everywhere along the axes"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return self.extreme(op, "ReduceMin", x)


@function("reduction")
class Norm(Reduction):
    """square root of the sum of x^2 over the axes; its gradient at zero is zero"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return self.reduce(op, "ReduceL2", x)


@dataclass(eq=False, repr=False)
class Position:
    """A position along an axis, as i64."""

    axis: int = -1
    keep: bool = False

    def type(self, x: Tensor) -> TensorType:
        axis_of(x, self.axis)
        return Reduction(self.axis, self.keep).left_of(numeric(x)).with_dtype(I64)

    def flops(self, x: TensorType) -> Dim:
        return cost.operations("ArgMax", [x.shape], ())


@function("reduction", differentiable=False)
class Argmax(Position):
    """position of the largest value along `axis`, the first of equals"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.ArgMax(x, axis=self.axis, keepdims=int(self.keep))


@function("reduction", differentiable=False)
class Argmin(Position):
    """position of the smallest value along `axis`, the first of equals"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.ArgMin(x, axis=self.axis, keepdims=int(self.keep))

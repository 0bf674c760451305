"""Sums, means and extremes over axes. `axis` is a number, a tuple, or nothing for all; `keep` leaves axes of size 1."""

from __future__ import annotations

from typing import Any

from netc.compiler.language.words import Axes, Function, Tensor, axes_of, axis_of, floating, function, numeric
from netc.compiler.graph.types import I64, TensorType


def reduced(x: TensorType, axis: Axes, keep: bool) -> TensorType:
    """The type that is left of `x`."""
    axes = axes_of(x, axis)
    return x.with_shape(tuple(1 if i in axes else d for i, d in enumerate(x.shape) if keep or i not in axes))


def over_batch(x: TensorType, axis: Axes) -> bool:
    """Whether the first axis, the batch, is summed away."""
    return x.rank > 0 and 0 in axes_of(x, axis)


def reduction(name: str, operator: str, doc: str, integers: bool) -> Function:
    def rule(x: Tensor, axis: Axes = None, keep: bool = False) -> TensorType:
        return reduced(numeric(x) if integers else floating(x), axis, keep)

    rule.__doc__ = doc
    made = function(name=name, group="reduction")(rule)
    made.lowering(lambda op, x, axis, keep: op.reduce(operator, x, axis, keep))
    made.costing(lambda x, axis, keep: x.size)
    return made


total = reduction("sum", "ReduceSum", "sum over the axes", integers=True)
average = reduction("mean", "ReduceMean", "mean over the axes", integers=False)
largest = reduction("max", "ReduceMax", "largest over the axes; equal values share the gradient", integers=True)
smallest = reduction("min", "ReduceMin", "smallest over the axes; equal values share the gradient", integers=True)
product = reduction("prod", "ReduceProd", "product over the axes", integers=True)
logsumexp = reduction("logsumexp", "ReduceLogSumExp", "log of the sum of e^x over the axes", integers=False)


@total.accumulating
def _(op: Any, x: Any, axis: Axes, keep: bool) -> Any:
    return {"sum": ("sum", op.reduce("ReduceSum", x, axis, keep))}


@total.scoring
def _(op: Any, accumulated: Any, axis: Axes, keep: bool) -> Any:
    return accumulated["sum"]


@average.accumulating
def _(op: Any, x: Any, axis: Axes, keep: bool) -> Any:
    summed = op.reduce("ReduceSum", x, axis, keep)
    return {"sum": ("sum", summed), "count": ("sum", op.element_count(x, axis))}


@average.scoring
def _(op: Any, accumulated: Any, axis: Axes, keep: bool) -> Any:
    return op.Div(accumulated["sum"], accumulated["count"])


def _extreme(made: Function, operator: str) -> None:
    def accumulate(op: Any, x: Any, axis: Axes, keep: bool) -> Any:
        return {"each": ("concat", op.Unsqueeze(op.reduce(operator, x, axis, keep), op.vector([0])))}

    def score(op: Any, accumulated: Any, axis: Axes, keep: bool) -> Any:
        return op.reduce(operator, accumulated["each"], 0, False)

    made.accumulating(accumulate)
    made.scoring(score)


_extreme(largest, "ReduceMax")
_extreme(smallest, "ReduceMin")


@function(group="reduction")
def variance(x: Tensor, axis: Axes = None, keep: bool = False) -> TensorType:
    """mean of (x - mean x)^2 over the axes"""
    return reduced(floating(x), axis, keep)


@variance.lowering
def _(op: Any, x: Any, axis: Axes, keep: bool) -> Any:
    centred = op.Sub(x, op.reduce("ReduceMean", x, axis, True))
    return op.reduce("ReduceMean", op.Mul(centred, centred), axis, keep)


@function(group="reduction")
def norm(x: Tensor, axis: Axes = None, keep: bool = False) -> TensorType:
    """square root of the sum of x^2 over the axes; its gradient at zero is zero"""
    return reduced(floating(x), axis, keep)


@norm.lowering
def _(op: Any, x: Any, axis: Axes, keep: bool) -> Any:
    return op.reduce("ReduceL2", x, axis, keep)


@function(group="reduction", differentiable=False)
def argmax(x: Tensor, axis: int = -1, keep: bool = False) -> TensorType:
    """position of the largest value along `axis`, the first of equals"""
    axis_of(x, axis)
    return reduced(numeric(x), axis, keep).with_dtype(I64)


@argmax.lowering
def _(op: Any, x: Any, axis: int, keep: bool) -> Any:
    return op.ArgMax(x, axis=axis, keepdims=int(keep))


@function(group="reduction", differentiable=False)
def argmin(x: Tensor, axis: int = -1, keep: bool = False) -> TensorType:
    """position of the smallest value along `axis`, the first of equals"""
    axis_of(x, axis)
    return reduced(numeric(x), axis, keep).with_dtype(I64)


@argmin.lowering
def _(op: Any, x: Any, axis: int, keep: bool) -> Any:
    return op.ArgMin(x, axis=axis, keepdims=int(keep))

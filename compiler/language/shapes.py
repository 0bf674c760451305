"""What the shape rules of words say again and again. All raise Refused."""

from __future__ import annotations

from netc.compiler.graph.dimensions import Symbolic
from netc.compiler.graph.types import BOOL, TensorType, broadcast
from netc.compiler.language.refusal import Refused


def floating(x: TensorType) -> TensorType:
    """`x` itself, refused unless its dtype is floating-point."""
    if not x.dtype.is_float:
        raise Refused(
            "dtype", f"a floating-point tensor is needed here, this is `{x}`", help="convert it: `f32({whole})`"
        )
    return x


def floating_kernel(word: str, x: TensorType) -> TensorType:
    """`x` itself, refused unless it is f16 or f32: ONNX Runtime has no f64 kernel of what computes `word`."""
    if floating(x).dtype.name == "f64":
        raise Refused(
            "no-kernel", f"`{word}` of `{x}` has no kernel in ONNX Runtime", help="convert it: `f32({whole})`"
        )
    return x


def numeric(x: TensorType) -> TensorType:
    """`x` itself, refused for bool and for the integers that only hold data."""
    if not x.dtype.is_float and x.dtype.name not in ("i32", "i64"):
        raise Refused("dtype", f"`{x.dtype}` has no arithmetic", help="convert it: `f32({whole})`")
    return x


def equal_types(operation: str, a: TensorType, b: TensorType) -> TensorType:
    """`a`, refused unless both have the same shape and dtype: ready-made losses never broadcast."""
    if a.shape != b.shape:
        raise Refused(
            "shape-mismatch", f"`{operation}` needs two tensors of one shape, these are `{a}` and `{b}`",
            help=_one_shape(a, b),
        )  # fmt: skip
    if a.dtype != b.dtype:
        raise Refused(
            "dtype", f"`{operation}` needs two tensors of one dtype, these are `{a}` and `{b}`",
            help=f"convert the second: `{a.dtype}({{1}})`",
        )  # fmt: skip
    return a


def yes_or_no(operation: str, scores: TensorType, target: TensorType) -> TensorType:
    """`scores`, refused unless the target has the same shape, and truth values or the same dtype."""
    return scores if target == TensorType(BOOL, scores.shape) else equal_types(operation, scores, target)


def _one_shape(a: TensorType, b: TensorType) -> str:
    """How two tensors that should have one shape get it."""
    if (*b.shape, 1) == a.shape or (*a.shape, 1) == b.shape:
        return "drop the last axis, whose size is 1: " + _without_last(a, b)
    if b.dtype.is_integer and b.shape == a.shape[:-1]:
        return "numbers of classes belong to `softmax_cross_entropy({0}, {1})` and `accuracy({0}, {1})`"
    if a.rank == b.rank == 2 and a.shape[::-1] == b.shape:
        return "turn the first: `transpose({0})`"
    if a.rank > 2 and b.rank == 2:
        return "flatten the rows before the first layer: `{input} -> flatten`"
    if a.rank == b.rank and a.shape[:-1] == b.shape[:-1] and isinstance(b.shape[-1], int):
        return f"give the last layer as many units as the second tensor has columns: `Dense({b.shape[-1]})`"
    return "reshape one of them, or write the loss as arithmetic, which broadcasts"


def _without_last(a: TensorType, b: TensorType) -> str:
    """The one of two tensors that has an axis of size 1 more, without it."""
    longer, place = (a, 0) if a.rank > b.rank else (b, 1)
    return f"`{{{place}}}[{', '.join([':'] * (longer.rank - 1))}, 0]`"


def fitting(a: TensorType, b: TensorType) -> str:
    """Help for two tensors that do not broadcast."""
    if a.rank and b.rank and ((*b.shape, 1) == a.shape or (*a.shape, 1) == b.shape):
        return "drop the last axis, whose size is 1: " + _without_last(a, b)
    shorter, longer, place = (a, b, 0) if a.rank < b.rank else (b, a, 1)
    if longer.rank == shorter.rank + 1 and longer.shape[:-1] == shorter.shape:
        return f"give it a last axis of size 1: `unsqueeze({{{place}}}, {shorter.rank})`"
    if a.rank == b.rank == 1:
        rows = 0 if isinstance(a.shape[0], Symbolic) else 1
        return f"give the rows a second axis of size 1: `unsqueeze({{{rows}}}, 1)`"
    if a.rank == b.rank > 1 and a.shape[:-1] == b.shape[:-1] and all(isinstance(t.shape[-1], int) for t in (a, b)):
        return f"project one to the size of the other: `{{1}} -> Dense({a.shape[-1]})`"
    return "`netc check` prints every shape; `reshape`, `unsqueeze` and `x[:, 0]` change them"


def axis_of(x: TensorType, axis: int, at: str = "axis") -> int:
    """`axis` counted from the front, refused when `x` has no such axis."""
    if not -x.rank <= axis < x.rank:
        raise Refused("axis", f"there is no axis {axis} in `{x}`", at, f"axes run from {-x.rank} to {x.rank - 1}")
    return axis % x.rank


def axes_of(x: TensorType, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """The axes of a reduction, counted from the front; all of them for none."""
    if axis is None:
        return tuple(range(x.rank))
    axes = (axis,) if isinstance(axis, int) else axis
    found = tuple(axis_of(x, a) for a in axes)
    if len(set(found)) != len(found):
        raise Refused("axis", f"an axis is named twice in {axes}", "axis", "name each once")
    return found


def elementwise(*types: TensorType) -> TensorType:
    """The broadcast type of tensors of one dtype."""
    first = types[0]
    for place, t in enumerate(types[1:], 1):
        if t.dtype != first.dtype:
            raise Refused(
                "dtype",
                f"the dtypes differ: `{first}` and `{t}`",
                help=f"convert one of them: `{first.dtype}({{{place}}})`",
            )
        first = first.with_shape(broadcast(first.shape, t.shape))
    return first

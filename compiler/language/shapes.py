"""What the shape rules of words say again and again. All raise Refused."""

from __future__ import annotations

from netc.compiler.graph.types import TensorType, broadcast
from netc.compiler.language.refusal import Refused


def floating(x: TensorType) -> TensorType:
    """`x` itself, refused unless its dtype is floating-point."""
    if not x.dtype.is_float:
        raise Refused("dtype", f"a floating-point tensor is needed here, this is `{x}`", help="convert it: `f32(x)`")
    return x


def floating_kernel(word: str, x: TensorType) -> TensorType:
    """`x` itself, refused unless it is f16 or f32: ONNX Runtime has no f64 kernel of what computes `word`."""
    if floating(x).dtype.name == "f64":
        raise Refused("no-kernel", f"`{word}` of `{x}` has no kernel in ONNX Runtime", help="convert it: `f32(x)`")
    return x


def numeric(x: TensorType) -> TensorType:
    """`x` itself, refused for bool and for the integers that only hold data."""
    if not x.dtype.is_float and x.dtype.name not in ("i32", "i64"):
        raise Refused("dtype", f"`{x.dtype}` has no arithmetic", help="convert it: `f32(x)`")
    return x


def equal_types(operation: str, a: TensorType, b: TensorType) -> TensorType:
    """`a`, refused unless both have the same shape and dtype: ready-made losses never broadcast."""
    if a.shape != b.shape:
        raise Refused(
            "shape-mismatch", f"`{operation}` needs two tensors of one shape, these are `{a}` and `{b}`",
            help="reshape one of them, or write the loss as arithmetic, which broadcasts",
        )  # fmt: skip
    if a.dtype != b.dtype:
        raise Refused("dtype", f"`{operation}` needs two tensors of one dtype, these are `{a}` and `{b}`")
    return a


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
        raise Refused("axis", f"an axis is named twice in {axes}", "axis")
    return found


def elementwise(*types: TensorType) -> TensorType:
    """The broadcast type of tensors of one dtype."""
    first = types[0]
    for t in types[1:]:
        if t.dtype != first.dtype:
            raise Refused(
                "dtype", f"the dtypes differ: `{first}` and `{t}`", help=f"convert one of them: `{first.dtype}(x)`"
            )
        first = first.with_shape(broadcast(first.shape, t.shape))
    return first

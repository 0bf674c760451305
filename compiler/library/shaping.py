"""Functions that move elements without changing them."""

from __future__ import annotations

from typing import Any

from netc.compiler.graph.dimensions import Dim, Shape, add, product, quotient
from netc.compiler.language.words import Axes, Index, Refused, Tensor, axes_of, axis_of, function
from netc.compiler.graph.types import F32, BroadcastError, TensorType, broadcast, show_shape


@function(group="shape")
def flatten(x: Tensor) -> TensorType:
    """all axes but the batch in one: [N, 28, 28] becomes [N, 784]"""
    if x.rank < 1:
        raise Refused("shape-mismatch", f"`flatten` needs a batch axis, this is `{x}`")
    return x.with_shape((x.shape[0], product(x.shape[1:])))


@flatten.lowering
def _(op: Any, x: Any) -> Any:
    shape = op.shape(x)
    return op.reshape(x, (shape[0], product(shape[1:])))


@function(group="shape")
def reshape(x: Tensor, shape: Shape) -> TensorType:
    """the same elements in row-major order in another shape; one dimension may be -1"""
    return x.with_shape(_resolved(x, shape))


def _resolved(x: TensorType, shape: Shape) -> Shape:
    holes = [i for i, d in enumerate(shape) if d == -1]
    if len(holes) > 1:
        raise Refused("argument", f"more than one dimension of {show_shape(shape)} is -1", "shape")
    if any(isinstance(d, int) and d < 1 and d != -1 for d in shape):
        raise Refused("dimension", f"a dimension of {show_shape(shape)} is below 1", "shape")
    if holes:
        rest = quotient(x.size, product(d for d in shape if d != -1))
        if rest is None:
            raise Refused("shape-mismatch", f"`{x}` has no whole -1 in {show_shape(shape)}", "shape")
        return tuple(rest if d == -1 else d for d in shape)
    if product(shape) != x.size:
        raise Refused(
            "shape-mismatch", f"`{x}` has {x.size} elements, {show_shape(shape)} has {product(shape)}", "shape"
        )
    return shape


@reshape.lowering
def _(op: Any, x: Any, shape: Shape) -> Any:
    return op.reshape(x, _resolved(op.type_of(x), shape))


@function(group="shape")
def transpose(x: Tensor, axes: Axes = None) -> TensorType:
    """the axes in another order; without one the last two are swapped"""
    return x.with_shape(tuple(x.shape[i] for i in _order(x, axes)))


def _order(x: TensorType, axes: Axes) -> tuple[int, ...]:
    if axes is None:
        if x.rank < 2:
            raise Refused("shape-mismatch", f"`transpose` needs two axes, this is `{x}`")
        return (*range(x.rank - 2), x.rank - 1, x.rank - 2)
    order = axes_of(x, axes)
    if len(order) != x.rank:
        raise Refused("axis", f"`axes` names {len(order)} of the {x.rank} axes of `{x}`", "axes")
    return order


@transpose.lowering
def _(op: Any, x: Any, axes: Axes) -> Any:
    return op.Transpose(x, perm=list(_order(op.type_of(x), axes)))


@function(group="shape")
def concat(*xs: Tensor, axis: int = -1) -> TensorType:
    """tensors joined along an axis that exists"""
    first = xs[0]
    at = axis_of(first, axis)
    joined: Dim = first.shape[at]
    for x in xs[1:]:
        if (
            x.dtype != first.dtype
            or x.rank != first.rank
            or any(i != at and a != b for i, (a, b) in enumerate(zip(first.shape, x.shape)))
        ):
            raise Refused("shape-mismatch", f"`{first}` and `{x}` do not join along axis {axis}")
        joined = add(joined, x.shape[at])
    return first.with_shape((*first.shape[:at], joined, *first.shape[at + 1 :]))


@concat.lowering
def _(op: Any, *xs: Any, axis: int) -> Any:
    return op.Concat(*xs, axis=axis)


@function(group="shape")
def stack(*xs: Tensor, axis: int = -1) -> TensorType:
    """tensors of one shape joined along a new axis"""
    first = xs[0]
    for x in xs[1:]:
        if x != first:
            raise Refused("shape-mismatch", f"`stack` needs tensors of one type, these are `{first}` and `{x}`")
    if not -first.rank - 1 <= axis <= first.rank:
        raise Refused("axis", f"there is no place {axis} for a new axis in `{first}`", "axis")
    at = axis % (first.rank + 1)
    return first.with_shape((*first.shape[:at], len(xs), *first.shape[at:]))


@stack.lowering
def _(op: Any, *xs: Any, axis: int) -> Any:
    return op.Concat(*(op.Unsqueeze(x, op.vector([axis])) for x in xs), axis=axis)


@function(group="shape")
def split(x: Tensor, parts: int, axis: int = -1) -> tuple[TensorType, ...]:
    """`parts` equal pieces along an axis: `a, b = x -> split(2)`"""
    at = axis_of(x, axis)
    if parts < 1:
        raise Refused("argument", f"`parts` must be at least 1, not {parts}", "parts")
    size = quotient(x.shape[at], parts)
    if size is None:
        raise Refused("shape-mismatch", f"axis {axis} of `{x}` does not split into {parts} equal parts", "parts")
    return (x.with_shape((*x.shape[:at], size, *x.shape[at + 1 :])),) * parts


@split.lowering
def _(op: Any, x: Any, parts: int, axis: int) -> Any:
    if parts == 1:
        return (op.Identity(x),)
    return op.Split(x, axis=axis, num_outputs=parts)


@function(group="shape")
def squeeze(x: Tensor, axis: Axes) -> TensorType:
    """without the named axes, whose size is 1"""
    axes = axes_of(x, axis)
    if any(x.shape[a] != 1 for a in axes):
        raise Refused("shape-mismatch", f"not every named axis of `{x}` has size 1", "axis")
    return x.with_shape(tuple(d for i, d in enumerate(x.shape) if i not in axes))


@squeeze.lowering
def _(op: Any, x: Any, axis: Axes) -> Any:
    return op.Squeeze(x, op.vector(list(axes_of(op.type_of(x), axis))))


@function(group="shape")
def unsqueeze(x: Tensor, axis: int) -> TensorType:
    """with a new axis of size 1 at `axis`"""
    if not -x.rank - 1 <= axis <= x.rank:
        raise Refused("axis", f"there is no place {axis} for a new axis in `{x}`", "axis")
    at = axis % (x.rank + 1)
    return x.with_shape((*x.shape[:at], 1, *x.shape[at:]))


@unsqueeze.lowering
def _(op: Any, x: Any, axis: int) -> Any:
    return op.Unsqueeze(x, op.vector([axis]))


@function(group="shape")
def expand(x: Tensor, shape: Shape) -> TensorType:
    """repeated along axes of size 1 to the given shape"""
    try:
        result = broadcast(x.shape, shape)
    except BroadcastError as e:
        raise Refused("shape-mismatch", f"`{x}` does not expand to {show_shape(shape)}: {e}", "shape") from None
    if result != shape:
        raise Refused("shape-mismatch", f"`{x}` does not expand to {show_shape(shape)}", "shape")
    return x.with_shape(result)


@expand.lowering
def _(op: Any, x: Any, shape: Shape) -> Any:
    return op.expand(x, shape)


@function(group="shape", differentiable=False)
def one_hot(x: Index, classes: int) -> TensorType:
    """1 at the index and 0 elsewhere, along a new last axis, as f32"""
    if not x.dtype.is_integer:
        raise Refused("dtype", f"`one_hot` needs indices, this is `{x}`", help="convert them: `i64(x)`")
    if classes < 1:
        raise Refused("argument", f"`classes` must be at least 1, not {classes}", "classes")
    return TensorType(F32, (*x.shape, classes))


@one_hot.lowering
def _(op: Any, x: Any, classes: int) -> Any:
    return op.one_hot(x, classes)

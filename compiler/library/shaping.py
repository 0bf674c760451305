"""Functions that move elements without changing them."""

from __future__ import annotations

from netc.compiler.graph.dimensions import Dim, Shape, add, product, quotient
from netc.compiler.graph.types import F32, BroadcastError, TensorType, broadcast, show_shape
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import axes_of, axis_of
from netc.compiler.language.slots import Axes, Index, Sizes, Tensor
from netc.compiler.language.words import function

_SIZES = "the sizes multiply to as many elements; one may be -1, which is computed: `{0} -> reshape([N, -1])`"
_GROWS = "axes of size 1 grow, and new ones come in front; `unsqueeze({0}, 1)` adds one of size 1"
MAX_PARTS = 10_000  # of a split


@function("shape")
class Flatten:
    """all axes but the batch in one: [N, 28, 28] becomes [N, 784]"""

    def type(self, x: Tensor) -> TensorType:
        if x.rank < 1:
            raise Refused("shape-mismatch", f"`flatten` needs a batch axis, this is `{x}`", None, "leave it out")
        return x.with_shape((x.shape[0], product(x.shape[1:])))

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.reshape(x, self.type(op.type_of(x)).shape)


@function("shape")
class Reshape:
    """the same elements in row-major order in another shape; one dimension may be -1"""

    shape: Sizes

    def type(self, x: Tensor) -> TensorType:
        return x.with_shape(self.resolved(x))

    def resolved(self, x: TensorType) -> Shape:
        """The shape with its -1 filled in."""
        shape = self.shape
        holes = [i for i, d in enumerate(shape) if d == -1]
        if len(holes) > 1:
            raise Refused(
                "argument",
                f"more than one dimension of {show_shape(shape)} is -1",
                "shape",
                "write the others as numbers",
            )
        if any(isinstance(d, int) and d < 1 and d != -1 for d in shape):
            raise Refused(
                "dimension",
                f"a dimension of {show_shape(shape)} is below 1",
                "shape",
                "dimensions are 1 or more; one may be -1, which is computed",
            )
        if holes:
            rest = quotient(x.size, product(d for d in shape if d != -1))
            if rest is None:
                raise Refused("shape-mismatch", f"`{x}` has no whole -1 in {show_shape(shape)}", "shape", _SIZES)
            return tuple(rest if d == -1 else d for d in shape)
        if product(shape) != x.size:
            raise Refused(
                "shape-mismatch",
                f"`{x}` has {x.size} elements, {show_shape(shape)} has {product(shape)}",
                "shape",
                _SIZES,
            )
        return shape

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.reshape(x, self.resolved(op.type_of(x)))


@function("shape")
class Transpose:
    """the axes in another order; without one the last two are swapped"""

    axes: Axes = None

    def type(self, x: Tensor) -> TensorType:
        return x.with_shape(tuple(x.shape[i] for i in self.order(x)))

    def order(self, x: TensorType) -> tuple[int, ...]:
        if self.axes is None:
            if x.rank < 2:
                raise Refused(
                    "shape-mismatch", f"`transpose` needs two axes, this is `{x}`", None, "`unsqueeze({0}, 1)` adds one"
                )
            return (*range(x.rank - 2), x.rank - 1, x.rank - 2)
        order = axes_of(x, self.axes)
        if len(order) != x.rank:
            raise Refused("axis", f"`axes` names {len(order)} of the {x.rank} axes of `{x}`", "axes",
                          f"name them all, in their new order: `({', '.join(map(str, reversed(range(x.rank))))})`")  # fmt: skip
        return order

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Transpose(x, perm=list(self.order(op.type_of(x))))


@function("shape")
class Concat:
    """tensors joined along an axis that exists"""

    axis: int = -1

    def type(self, *xs: Tensor) -> TensorType:
        first = xs[0]
        at = axis_of(first, self.axis)
        joined: Dim = first.shape[at]
        for x in xs[1:]:
            if (
                x.dtype != first.dtype
                or x.rank != first.rank
                or any(i != at and a != b for i, (a, b) in enumerate(zip(first.shape, x.shape)))
            ):
                help = "they have one dtype, and the same size on every other axis"
                if not x.rank:
                    help = "numbers do not join; the axis is named: `axis = 1`"
                raise Refused("shape-mismatch", f"`{first}` and `{x}` do not join along axis {self.axis}", None, help)
            joined = add(joined, x.shape[at])
        return first.with_shape((*first.shape[:at], joined, *first.shape[at + 1 :]))

    def lower(self, op: Emitter, *xs: Value) -> Value:
        return op.Concat(*xs, axis=self.axis)


@function("shape")
class Stack:
    """tensors of one shape joined along a new axis"""

    axis: int = -1

    def type(self, *xs: Tensor) -> TensorType:
        first = xs[0]
        for x in xs[1:]:
            if x != first:
                raise Refused("shape-mismatch", f"`stack` needs tensors of one type, these are `{first}` and `{x}`", None,
                              "`concat` joins tensors of several sizes")  # fmt: skip
        at = new_axis(first, self.axis, first.rank + 1)
        return first.with_shape((*first.shape[:at], len(xs), *first.shape[at:]))

    def lower(self, op: Emitter, *xs: Value) -> Value:
        return op.Concat(*(op.Unsqueeze(x, op.vector([self.axis])) for x in xs), axis=self.axis)


def new_axis(x: TensorType, axis: int, rank: int) -> int:
    """The place of a new axis in a result of `rank` axes, counted from the front."""
    if not -rank <= axis < rank:
        raise Refused(
            "axis",
            f"there is no place {axis} for a new axis in `{x}`",
            "axis",
            f"places run from {-rank} to {rank - 1}",
        )
    return axis % rank


@function("shape")
class Split:
    """`parts` equal pieces along an axis: `a, b = x -> split(2)`"""

    parts: int
    axis: int = -1

    def type(self, x: Tensor) -> tuple[TensorType, ...]:
        at = axis_of(x, self.axis)
        if self.parts < 1:
            raise Refused("argument", f"`parts` must be at least 1, not {self.parts}", "parts")
        if self.parts > MAX_PARTS:
            raise Refused("argument", f"`parts` may be at most {MAX_PARTS:,}, not {self.parts:,}", "parts")
        size = quotient(x.shape[at], self.parts)
        if size is None:
            raise Refused(
                "shape-mismatch",
                f"axis {self.axis} of `{x}` does not split into {self.parts} equal parts",
                "parts",
                f"its size is {x.shape[at]}; ranges cut unequal parts: `x[:, 0:2]`",
            )
        return (x.with_shape((*x.shape[:at], size, *x.shape[at + 1 :])),) * self.parts

    def lower(self, op: Emitter, x: Value) -> tuple[Value, ...]:
        if self.parts == 1:
            return (op.Identity(x),)
        return op.Split(x, axis=self.axis, num_outputs=self.parts)


@function("shape")
class Squeeze:
    """without the named axes, whose size is 1"""

    axis: Axes

    def type(self, x: Tensor) -> TensorType:
        axes = axes_of(x, self.axis)
        if any(x.shape[a] != 1 for a in axes):
            raise Refused(
                "shape-mismatch",
                f"not every named axis of `{x}` has size 1",
                "axis",
                "`{0}[:, 0]` takes one entry of an axis",
            )
        return x.with_shape(tuple(d for i, d in enumerate(x.shape) if i not in axes))

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Squeeze(x, op.vector(list(axes_of(op.type_of(x), self.axis))))


@function("shape")
class Unsqueeze:
    """with a new axis of size 1 at `axis`, or at each of several"""

    axis: Axes

    def type(self, x: Tensor) -> TensorType:
        wanted = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        rank = x.rank + len(wanted)
        axes = [new_axis(x, a, rank) for a in wanted if a is not None]
        if len({*axes}) != len(axes):
            raise Refused("axis", f"a new axis is named twice in {wanted}", "axis")
        rest = iter(x.shape)
        return x.with_shape(tuple(1 if i in axes else next(rest) for i in range(rank)))

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Unsqueeze(x, op.vector(list(self.axis) if isinstance(self.axis, tuple) else [self.axis or 0]))


@function("shape")
class Expand:
    """repeated along axes of size 1 to the given shape"""

    shape: Sizes

    def type(self, x: Tensor) -> TensorType:
        shown = show_shape(self.shape)
        try:
            result = broadcast(x.shape, self.shape)
        except BroadcastError as e:
            raise Refused("shape-mismatch", f"`{x}` does not expand to {shown}: {e}", "shape", _GROWS) from None
        if result != self.shape:
            raise Refused("shape-mismatch", f"`{x}` does not expand to {shown}", "shape", _GROWS)
        return x.with_shape(result)

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.expand(x, self.shape)


@function("shape", differentiable=False)
class OneHot:
    """1 at the index and 0 elsewhere, along a new last axis, as f32"""

    classes: int

    def type(self, x: Index) -> TensorType:
        if not x.dtype.is_integer:
            raise Refused("dtype", f"`one_hot` needs indices, this is `{x}`", help="convert them: `i64(x)`")
        if self.classes < 1:
            raise Refused("argument", f"`classes` must be at least 1, not {self.classes}", "classes")
        return TensorType(F32, (*x.shape, self.classes))

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.one_hot(x, self.classes)

"""Indexing, as `x[:, 0]` writes it, and gathering by a tensor of indices."""

from __future__ import annotations

from netc.compiler.graph.dimensions import Dim
from netc.compiler.graph.types import TensorType
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import axis_of
from netc.compiler.language.slots import Index, Tensor
from netc.compiler.language.words import function

Item = int | tuple[int | None, int | None, int]  # an entry, or a range: start, stop, step
END = 2**31 - 1


@function("shape", name="index", user=False)
class Indexed:
    """x[items]: a number takes one entry and drops the axis, a range keeps it"""

    items: tuple[Item, ...]

    def type(self, x: Tensor) -> TensorType:
        if len(self.items) > x.rank:
            raise Refused(
                "index",
                f"{len(self.items)} indices for the {x.rank} axes of `{x}`",
                None,
                "give at most one for each axis",
            )
        shape: list[Dim] = []
        for axis, item in enumerate(self.items):
            size = x.shape[axis]
            if isinstance(item, int):
                if isinstance(size, int) and not -size <= item < size:
                    raise Refused("index", f"there is no entry {item} on axis {axis} of `{x}`", None,
                                  f"entries run from {-size} to {size - 1}")  # fmt: skip
                continue
            if item == (None, None, 1):
                shape.append(size)
                continue
            if not isinstance(size, int):
                help = (
                    "write `:` for the whole axis"
                    if axis == 0
                    else "write `:` there, or declare the dimension as a number"
                )
                raise Refused(
                    "index", f"axis {axis} of `{x}` has no fixed size; only `:` or a number can index it", None, help
                )
            beyond = [b for b in item[:2] if b is not None and not -size <= b <= size]
            if beyond:
                message = f"the range on axis {axis} of `{x}` reaches {beyond[0]}, beyond its size {size}"
                help = f"a range runs up to {size}, without its end; leave the end out for the rest: `x[:, 1:]`"
                raise Refused("index", message, None, help)
            length = len(range(size)[slice(*item)])
            if length == 0:
                raise Refused("index", f"the range on axis {axis} of `{x}` is empty", None,
                              f"a range runs up to {size}, without its end: `x[:, 0:2]`")  # fmt: skip
            shape.append(length)
        return x.with_shape((*shape, *x.shape[len(self.items) :]))

    def lower(self, op: Emitter, x: Value) -> Value:
        dropped = [a for a, item in enumerate(self.items) if isinstance(item, int)]
        cuts = []
        for axis, item in enumerate(self.items):
            if isinstance(item, int):
                cuts.append((axis, item, item + 1 if item != -1 else END, 1))
            elif item != (None, None, 1):
                start, stop, step = item
                back = step < 0
                first = start if start is not None else (END if back else 0)
                last = stop if stop is not None else (-END if back else END)
                cuts.append((axis, first, last, step))
        if cuts:
            axes, starts, ends, steps = (list(column) for column in zip(*cuts))
            x = op.Slice(x, op.vector(starts), op.vector(ends), op.vector(axes), op.vector(steps))
        return op.Squeeze(x, op.vector(dropped)) if dropped else x


@function("shape")
class Gather:
    """the entries of `x` along `axis` that `indices` names, in its shape"""

    axis: int = 0

    def type(self, x: Tensor, indices: Index) -> TensorType:
        at = axis_of(x, self.axis)
        if indices.dtype.name not in ("i32", "i64"):
            turned = x.dtype.name in ("i32", "i64") and indices.dtype.is_float
            help = "the table comes first: write `gather({1}, {0})`" if turned else "convert them: `i64({1})`"
            raise Refused("dtype", f"indices are i32 or i64, this is `{indices}`", "indices", help)
        return x.with_shape((*x.shape[:at], *indices.shape, *x.shape[at + 1 :]))

    def lower(self, op: Emitter, x: Value, indices: Value) -> Value:
        return op.Gather(x, indices, axis=self.axis)

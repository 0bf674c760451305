"""Functions that make a tensor larger at its edges, repeat it, or keep a triangle of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netc.compiler.graph.dimensions import Dim, add, multiply
from netc.compiler.graph.types import INT64, TensorType, show_shape
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import axis_of, floating, numeric
from netc.compiler.language.slots import Sizes, Tensor
from netc.compiler.language.words import function


@function("shape")
class Pad:
    """`before` and `after` more entries along `axis`: `value`, the mirrored entries, or the last one again"""

    before: int
    after: int
    axis: int = -1
    value: float = 0.0
    mode: Literal["constant", "reflect", "edge"] = "constant"

    def type(self, x: Tensor) -> TensorType:
        at = axis_of(numeric(x), self.axis)
        for name, count in (("before", self.before), ("after", self.after)):
            if count < 0:
                raise Refused(
                    "argument", f"`{name}` must be at least 0, not {count}", name, "`x[:, 1:]` cuts entries off"
                )
        size = x.shape[at]
        if self.mode != "constant" and not isinstance(size, int):
            raise Refused(
                "axis", f"`{self.mode}` needs an axis of a fixed size, axis {self.axis} of `{x}` is {size}", "mode"
            )
        if self.mode == "reflect" and isinstance(size, int) and max(self.before, self.after) >= size:
            raise Refused("argument", f"only {size - 1} entries can be mirrored on axis {self.axis} of `{x}`", "mode")
        if self.value != int(self.value) and not x.dtype.is_float:
            raise Refused("argument", f"`value` does not fit `{x.dtype}`: {float(self.value):g}", "value")
        longer = add(add(size, self.before), self.after)
        return x.with_shape((*x.shape[:at], longer, *x.shape[at + 1 :]))

    def lower(self, op: Emitter, x: Value) -> Value:
        value = op.constant(self.value if op.is_float(x) else int(self.value), x.dtype)
        pads, axes = op.vector([self.before, self.after]), op.vector([self.axis])
        padded = op.Pad(x, pads, value if self.mode == "constant" else None, axes, mode=self.mode)
        return op.stamp(padded, self.type(op.type_of(x)))


@function("shape")
class Tile:
    """the whole tensor `repeats[i]` times along each axis i"""

    repeats: Sizes

    def type(self, x: Tensor) -> TensorType:
        if len(self.repeats) != x.rank or any(not isinstance(r, int) or r < 1 for r in self.repeats):
            shown = show_shape(self.repeats)
            message = f"`repeats` has a positive count for each of the {x.rank} axes of `{x}`, not {shown}"
            raise Refused("argument", message, "repeats")
        longer: list[Dim] = [multiply(d, r) for d, r in zip(x.shape, self.repeats)]
        return x.with_shape(tuple(longer))

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.stamp(op.Tile(x, op.shape_tensor(self.repeats)), self.type(op.type_of(x)))


@dataclass(eq=False, repr=False)
class Triangle:
    """A triangle of the last two axes, from diagonal k on: 0 is the main one, 1 the one above."""

    k: int = 0

    def type(self, x: Tensor) -> TensorType:
        if floating(x).rank < 2:
            raise Refused("shape-mismatch", f"a triangle needs two axes, this is `{x}`")
        return x


@function("shape")
class Tril(Triangle):
    """the lower triangle of the last two axes up to diagonal k (0 is the main one), zeros above"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Trilu(x, op.constant(self.k, INT64), upper=0)


@function("shape")
class Triu(Triangle):
    """the upper triangle of the last two axes from diagonal k on (0 is the main one), zeros below"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Trilu(x, op.constant(self.k, INT64), upper=1)

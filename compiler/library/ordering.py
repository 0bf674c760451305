"""Functions along one axis that keep it: running sums, and what is sorted."""

from __future__ import annotations

from dataclasses import dataclass

from netc.compiler.graph.types import I64, TensorType
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import axis_of, numeric
from netc.compiler.language.slots import Tensor
from netc.compiler.language.words import function


@function("reduction")
class Cumsum:
    """sums of all entries up to each one along `axis`"""

    axis: int = -1

    def type(self, x: Tensor) -> TensorType:
        axis_of(x, self.axis)
        return numeric(x)

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.CumSum(x, op.constant(self.axis, I64))


def _fixed(word: str, x: TensorType, axis: int) -> int:
    """The size of an axis that is to be sorted."""
    size = numeric(x).shape[axis_of(x, axis)]
    if not isinstance(size, int):
        raise Refused(
            "axis", f"`{word}` needs an axis of a fixed size, axis {axis} of `{x}` is {size}", "axis",
            "an axis of features; of all rows there are `max`, `min` and `logsumexp`",
        )  # fmt: skip
    return size


@dataclass(eq=False, repr=False)
class Sorting:
    """Entries put in order along an axis."""

    axis: int = -1
    descending: bool = False

    def ordered(self, op: Emitter, x: Value) -> tuple[Value, Value]:
        size = op.shape(x)[self.axis]
        assert isinstance(size, int)
        values, at = op.TopK(x, op.vector([size]), axis=self.axis, largest=int(self.descending), num_outputs=2)
        return values, at


@function("reduction")
class Sort(Sorting):
    """the entries along `axis` from the smallest to the largest, or the reverse"""

    def type(self, x: Tensor) -> TensorType:
        _fixed("sort", x, self.axis)
        return x

    def lower(self, op: Emitter, x: Value) -> Value:
        return self.ordered(op, x)[0]


@function("reduction", differentiable=False)
class Argsort(Sorting):
    """the positions along `axis` of the entries from the smallest to the largest, or the reverse; the first of equals first"""

    def type(self, x: Tensor) -> TensorType:
        _fixed("argsort", x, self.axis)
        return x.with_dtype(I64)

    def lower(self, op: Emitter, x: Value) -> Value:
        return self.ordered(op, x)[1]


@function("reduction", name="top_k")
class TopK:
    """the `k` largest entries along `axis`, the largest first, and their positions: `best, at = top_k(x, 3)`"""

    k: int
    axis: int = -1

    def type(self, x: Tensor) -> tuple[TensorType, TensorType]:
        size, at = _fixed("top_k", x, self.axis), axis_of(x, self.axis)
        if not 1 <= self.k <= size:
            raise Refused("argument", f"`k` must be between 1 and {size}, the size of the axis, not {self.k}", "k")
        best = x.with_shape((*x.shape[:at], self.k, *x.shape[at + 1 :]))
        return best, best.with_dtype(I64)

    def lower(self, op: Emitter, x: Value) -> tuple[Value, Value]:
        values, at = op.TopK(x, op.vector([self.k]), axis=self.axis, num_outputs=2)
        return values, at

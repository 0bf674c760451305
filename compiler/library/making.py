"""Tensors made of numbers alone: `range`, `zeros`, `ones`, `full` and `eye`, in the dtype of the tensor beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from netc.compiler.graph.dimensions import Dim, Shape, Symbolic, add, evaluate, multiply, quotient
from netc.compiler.graph.types import F32, I64, INT64, DType, TensorType, array_of, show_shape
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.slots import Length, Number, Sizes
from netc.compiler.language.words import function, show_number

MAX_MADE = 1 << 28  # elements, where every symbolic dimension is 1
MAX_WRITTEN = 1 << 12  # elements that a program holds; more are computed by its nodes
_DOUBLE = 11  # of TensorProto.DataType


@dataclass(eq=False, repr=False)
class Made:
    """What these words share: the dtype, which is none of their arguments."""

    dtype: DType = field(default=F32, metadata={"hidden": True}, kw_only=True)

    def made(self, shape: Shape, at: str) -> TensorType:
        """The type of a tensor of this shape. Raises Refused."""
        if any(isinstance(d, int) and d < 1 for d in shape):
            message = f"a dimension of {show_shape(shape)} is below 1"
            raise Refused("dimension", message, at, "dimensions are 1 or more")
        fewest = math.prod(_least(d) for d in shape)
        if fewest > MAX_MADE:
            message = f"{show_shape(shape)} has {fewest:,} elements; what is made of numbers has at most {MAX_MADE:,}"
            raise Refused("dimension", message, at, "make its dimensions smaller")
        return TensorType(self.dtype, shape)

    def fits(self, number: Any, at: str) -> None:
        """Raises Refused for a number that the dtype cannot hold."""
        if isinstance(number, Symbolic):
            return
        if self.dtype.is_float:
            fitting = abs(number) <= float(np.finfo(self.dtype.numpy).max)
        else:
            limits = np.iinfo(self.dtype.numpy)
            fitting = Fraction(number).denominator == 1 and limits.min <= number <= limits.max
        if not fitting:
            raise Refused("literal", f"the number {show_number(number)} does not fit `{self.dtype}`", at)


def _least(size: Dim) -> int:
    return size if isinstance(size, int) else max(1, evaluate(size, dict.fromkeys(size.symbols, 1)))


def _number(number: Any, kind: int) -> int | float:
    return int(number) if kind == INT64 else float(number)


def _counted(op: Emitter, count: Dim) -> Value:
    """0, 1, ... count - 1 as i64."""
    zero, one = op.constant(0, INT64), op.constant(1, INT64)
    return op.Range(zero, op.dimension(count), one, type=TensorType(I64, (count,)))


@function("making")
class Range(Made):
    """`range(n)` is 0, 1, ... n - 1; `range(start, end, step)` goes from `start` by steps and stops before `end`"""

    start: Number
    end: Number = None
    step: Number = 1

    def type(self) -> TensorType:
        first, count = self.first_and_count()
        made = self.made((count,), "start" if self.end is None else "end")
        for number, at in ((first, "start"), (self.step, "step")):
            self.fits(number, at)
        if isinstance(count, int) and not isinstance(first, Symbolic):
            self.fits(first + (count - 1) * self.step, "start" if self.end is None else "end")
        return made

    def first_and_count(self) -> tuple[Any, Dim]:
        """The first number, and how many there are. Raises Refused."""
        first, end = (0, self.start) if self.end is None else (self.start, self.end)
        if isinstance(self.step, Symbolic):
            raise Refused("argument", f"`step` must be a number, this is `{self.step}`", "step")
        if self.step == 0:
            raise Refused("argument", "`step` may not be 0", "step", "write `1`, or `-1` to count down")
        if isinstance(first, Symbolic) or isinstance(end, Symbolic):
            return first, self._symbolic(first, end)
        count = max(0, math.ceil((Fraction(end) - Fraction(first)) / Fraction(self.step)))
        if not count:
            shown = [show_number(n) for n in (first, end, self.step)]
            message = f"no number lies from {shown[0]} to {shown[1]} by steps of {shown[2]}"
            back = self.end is not None and self.step > 0 and end < first
            help = f"a range that falls has a step below 0: `range({shown[0]}, {shown[1]}, -1)`" if back else ""
            raise Refused(
                "dimension", message, "start" if self.end is None else "end", help or "the end itself is left out"
            )
        return first, count

    def _symbolic(self, first: Any, end: Any) -> Dim:
        whole = [Fraction(n).denominator == 1 for n in (first, end, self.step) if not isinstance(n, Symbolic)]
        count = quotient(add(end, multiply(-1, first)), int(self.step)) if all(whole) else None
        if count is None or (isinstance(count, Symbolic) and count.terms[0][1] < 0):
            step = show_number(self.step)
            message = f"how many numbers lie from `{first}` to `{end}` by steps of {step} is not known"
            raise Refused("symbolic-arithmetic", message, "end", "the step divides the sizes: `range(0, 2 * N, 2)`")
        return count

    def turns(self) -> range | None:
        """The numbers, where they are whole and known while compiling."""
        first, count = self.first_and_count()
        if not all(isinstance(n, int) for n in (first, count, self.step)):
            return None
        assert isinstance(count, int)
        return range(first, first + count * self.step, self.step)

    def _counting_in(self, first: Any, count: Dim) -> int:
        """The number of a dtype that holds everything on the way: int64 where all is whole, else float64."""
        known = Fraction(0 if isinstance(first, Symbolic) else first), Fraction(self.step)
        reached = abs(known[0]) + abs(known[1]) * (count if isinstance(count, int) else 1)
        return INT64 if all(n.denominator == 1 for n in known) and reached < 1 << 62 else _DOUBLE

    def lower(self, op: Emitter) -> Value:
        first, count = self.first_and_count()
        if isinstance(count, int) and count <= MAX_WRITTEN and not isinstance(first, Symbolic):
            exact = (Fraction(first) + i * Fraction(self.step) for i in range(count))
            return op.tensor(array_of(tuple(n.numerator if n.denominator == 1 else n for n in exact), self.dtype))
        kind = self._counting_in(first, count)
        begin = op.dimension(first) if isinstance(first, Symbolic) else op.constant(_number(first, kind), kind)
        numbers = op.Mul(op.cast(_counted(op, count), kind), op.constant(_number(self.step, kind), kind))
        return op.cast(op.Add(numbers, begin), self.dtype)  # so that only the result is rounded


@dataclass(eq=False, repr=False)
class Alike(Made):
    """A shape filled with one number."""

    shape: Sizes

    def number(self) -> Any:
        raise NotImplementedError

    def type(self) -> TensorType:
        self.fits(self.number(), "value")
        return self.made(self.shape, "shape")

    def lower(self, op: Emitter) -> Value:
        number = self.number()
        t = TensorType(self.dtype, self.shape)
        if isinstance(number, Symbolic):
            return op.expand(op.cast(op.dimension(number), self.dtype), self.shape)
        if not self.shape:
            return op.constant(number, self.dtype)
        exact = number if isinstance(number, int) else float(number)
        return op.filled(op.shape_tensor(self.shape), exact, self.dtype.onnx, t)


@function("making", name="zeros")
class AllZeros(Alike):
    """0 everywhere in a shape: `zeros([N, 4])`"""

    def number(self) -> Any:
        return 0


@function("making", name="ones")
class AllOnes(Alike):
    """1 everywhere in a shape: `ones(x.shape)`"""

    def number(self) -> Any:
        return 1


@function("making", name="full")
class AllAlike(Alike):
    """`value` everywhere in a shape"""

    value: Number

    def number(self) -> Any:
        return self.value


@function("making")
class Eye(Made):
    """the identity matrix: 1 where row and column are the same, else 0; `columns` are as many as rows unless given"""

    rows: Length
    columns: Length = None

    def type(self) -> TensorType:
        self.fits(1, "rows")
        return self.made(self.sizes, "rows")

    @property
    def sizes(self) -> tuple[Dim, Dim]:
        return self.rows, self.rows if self.columns is None else self.columns

    def lower(self, op: Emitter) -> Value:
        rows, columns = self.sizes
        if isinstance(rows, int) and isinstance(columns, int) and rows * columns <= MAX_WRITTEN:
            return op.tensor(np.eye(rows, columns, dtype=self.dtype.numpy))
        down = op.Unsqueeze(_counted(op, rows), op.vector([1]))
        along = op.Unsqueeze(_counted(op, columns), op.vector([0]))
        return op.cast(op.Equal(down, along), self.dtype)

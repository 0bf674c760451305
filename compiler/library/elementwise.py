"""Elementwise functions of one tensor."""

from __future__ import annotations

import math

from netc.compiler.graph.types import BOOL, DTYPES, TensorType
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import floating, floating_kernel, numeric
from netc.compiler.language.slots import Tensor
from netc.compiler.language.words import function


class OfReals:
    """A function of floating-point tensors."""

    def type(self, x: Tensor) -> TensorType:
        return floating(x)


class OfNumbers:
    """A function of floating-point and integer tensors."""

    def type(self, x: Tensor) -> TensorType:
        return numeric(x)


def _root(x: float) -> float:
    """The square root of a plain number, whole where it comes out whole."""
    found = math.sqrt(x)
    return int(found) if found.is_integer() else found


@function("elementwise", static=math.exp)
class Exp(OfReals):
    """e^x"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Exp(x)


@function("elementwise", static=math.log)
class Log(OfReals):
    """natural logarithm"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Log(x)


@function("elementwise", static=_root)
class Sqrt(OfReals):
    """square root"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Sqrt(x)


@function("elementwise")
class Erf:
    """error function"""

    def type(self, x: Tensor) -> TensorType:
        return floating_kernel("erf", x)

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Erf(x)


@function("elementwise", static=math.sin)
class Sin(OfReals):
    """sine"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Sin(x)


@function("elementwise", static=math.cos)
class Cos(OfReals):
    """cosine"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Cos(x)


@function("elementwise")
class Reciprocal(OfReals):
    """1 / x"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Reciprocal(x)


@function("elementwise", static=abs)
class Abs(OfNumbers):
    """absolute value"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Abs(x)


@function("elementwise", differentiable=False)
class Sign(OfNumbers):
    """-1, 0 or 1; its gradient is zero"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Sign(x)


@function("elementwise", differentiable=False, static=math.floor)
class Floor(OfReals):
    """largest whole number below; its gradient is zero"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Floor(x)


@function("elementwise", differentiable=False, static=math.ceil)
class Ceil(OfReals):
    """smallest whole number above; its gradient is zero"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Ceil(x)


@function("elementwise", differentiable=False)
class Round(OfReals):
    """nearest whole number, halves to even; its gradient is zero"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Round(x)


@function("elementwise")
class Clip:
    """x limited to [low, high]; the gradient is zero outside"""

    low: float | None = None
    high: float | None = None

    def type(self, x: Tensor) -> TensorType:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise Refused("argument", f"`low` is {self.low}, above `high`, {self.high}", "low")
        return numeric(x)

    def lower(self, op: Emitter, x: Value) -> Value:
        low, high = (None if v is None else op.constant(v, x.dtype) for v in (self.low, self.high))
        return op.Clip(x, low, high)


@function("elementwise", differentiable=False)
class StopGradient:
    """x itself, through which no gradient flows"""

    def type(self, x: Tensor) -> TensorType:
        return x

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.stop_gradient(x)


@function("elementwise", differentiable=False)
class IsNan:
    """true where x is not a number"""

    def type(self, x: Tensor) -> TensorType:
        return floating(x).with_dtype(BOOL)

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.IsNaN(x)


@function("elementwise", differentiable=False)
class IsInf:
    """true where x is infinite"""

    def type(self, x: Tensor) -> TensorType:
        return floating(x).with_dtype(BOOL)

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.IsInf(x)


def cast(name: str) -> None:
    """Registers `f32(x)` and its siblings."""
    dtype = DTYPES[name]

    class Cast:
        def type(self, x: Tensor) -> TensorType:
            return x.with_dtype(dtype)

        def lower(self, op: Emitter, x: Value) -> Value:
            return op.cast(x, dtype)

    Cast.__doc__ = f"x as {dtype.numpy}; floating-point values are cut towards zero for whole numbers"
    function("cast", name=name, differentiable=dtype.is_float)(Cast)


for _name in DTYPES:
    cast(_name)

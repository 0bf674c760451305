"""Logarithms, circular and hyperbolic functions, and those of them that stay exact near zero."""

from __future__ import annotations

import math

from netc.compiler.graph.types import TensorType
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.operations import lower_case
from netc.compiler.language.shapes import floating, floating_kernel
from netc.compiler.language.slots import Tensor
from netc.compiler.language.words import function

SMALL = 0.5  # up to here the formulas for small arguments are used


class Transcendental:
    """A function of f16 and f32 tensors: there are no f64 kernels of these."""

    def type(self, x: Tensor) -> TensorType:
        return floating_kernel(lower_case(type(self).__name__), x)


class OfAll:
    """A function of floating-point tensors."""

    def type(self, x: Tensor) -> TensorType:
        return floating(x)


@function("elementwise", static=math.log2)
class Log2(OfAll):
    """logarithm to base 2"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Mul(op.Log(x), 1 / math.log(2))


@function("elementwise", static=math.log10)
class Log10(OfAll):
    """logarithm to base 10"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Mul(op.Log(x), 1 / math.log(10))


def _near_zero(op: Emitter, x: Value) -> tuple[Value, Value]:
    """Whether x is small, and x limited to small values, so that the other formula stays finite where it is not chosen."""
    limit = op.constant(SMALL, x.dtype)
    return op.Less(op.Abs(x), limit), op.Clip(x, op.Neg(limit), limit)


@function("elementwise", static=math.log1p)
class Log1p(Transcendental):
    """log(1 + x), exact near zero: there it is 2 artanh(x / (2 + x))"""

    def lower(self, op: Emitter, x: Value) -> Value:
        small, near = _near_zero(op, x)
        exact = op.Mul(op.Atanh(op.Div(near, op.Add(near, 2.0))), 2.0)
        return op.Where(small, exact, op.Log(op.Add(x, 1.0)))


@function("elementwise", static=math.expm1)
class Expm1(OfAll):
    """e^x - 1, exact near zero: there it is 2 t / (1 - t) with t = tanh(x / 2)"""

    def lower(self, op: Emitter, x: Value) -> Value:
        small, near = _near_zero(op, x)
        t = op.Tanh(op.Mul(near, 0.5))
        exact = op.Div(op.Mul(t, 2.0), op.Sub(1.0, t))
        return op.Where(small, exact, op.Sub(op.Exp(x), 1.0))


@function("elementwise", static=math.tan)
class Tan(Transcendental):
    """tangent"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Tan(x)


@function("elementwise", static=math.asin)
class Asin(Transcendental):
    """inverse sine"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Asin(x)


@function("elementwise", static=math.acos)
class Acos(Transcendental):
    """inverse cosine"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Acos(x)


@function("elementwise", static=math.atan)
class Atan(Transcendental):
    """inverse tangent"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Atan(x)


@function("elementwise", static=math.sinh)
class Sinh(Transcendental):
    """hyperbolic sine"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Sinh(x)


@function("elementwise", static=math.cosh)
class Cosh(Transcendental):
    """hyperbolic cosine"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Cosh(x)


@function("elementwise", static=math.asinh)
class Asinh(Transcendental):
    """inverse hyperbolic sine"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Asinh(x)


@function("elementwise", static=math.acosh)
class Acosh(Transcendental):
    """inverse hyperbolic cosine"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Acosh(x)


@function("elementwise", static=math.atanh)
class Atanh(Transcendental):
    """inverse hyperbolic tangent"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Atanh(x)

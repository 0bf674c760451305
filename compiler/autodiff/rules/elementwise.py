"""Elementwise arithmetic. Where operands broadcast, the engine sums each cotangent back to its operand's shape."""

from __future__ import annotations

import math

from netc.compiler.autodiff.registry import Cotangents, GraphNode, attribute, gradient
from netc.compiler.graph.emitter import Emitter, Value


@gradient("Add", broadcasts=True)
def add(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = a + b;  da = dy, db = dy"""
    return [dy, dy]


@gradient("Sub", broadcasts=True)
def sub(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = a - b;  da = dy, db = -dy"""
    return [dy, op.Neg(dy)]


@gradient("Mul", broadcasts=True)
def mul(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = a b;  da = dy b, db = dy a"""
    a, b = node.inputs
    if a is b:
        return [op.Mul(dy, op.Mul(a, 2.0)), None]
    return [op.Mul(dy, b), op.Mul(dy, a)]


@gradient("Div", broadcasts=True)
def div(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = a / b;  da = dy / b, db = -da y"""
    _, b = node.inputs
    da = op.Div(dy, b)
    return [da, op.Neg(op.Mul(da, node.outputs[0]))]


@gradient("Neg")
def neg(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = -x;  dx = -dy"""
    return [op.Neg(dy)]


@gradient("Identity")
def identity(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x;  dx = dy"""
    return [dy]


@gradient("Pow", broadcasts=True)
def pow_(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = a^b;  da = dy b a^(b-1) (0 where b = 0), db = dy y log a (0 where a <= 0)"""
    a, b = node.inputs
    exponent, number = op.cast(b, a.dtype), op.scalar_value(b)
    if number is not None:
        if number in (0, 1, 2):
            return [None if number == 0 else dy if number == 1 else op.Mul(dy, op.Mul(a, 2.0)), None]
        return [op.Mul(dy, op.Mul(exponent, op.Pow(a, op.Sub(exponent, 1.0)))), None]
    zero = op.Equal(exponent, op.constant(0, a.dtype))  # there, 0 times an infinite power of 0 would be NaN
    lower = op.Where(zero, exponent, op.Sub(exponent, 1.0))
    da = op.Mul(dy, op.Mul(exponent, op.Pow(a, lower)))
    positive = op.Greater(a, 0.0)
    log_a = op.Log(op.Where(positive, a, op.constant(1.0, a.dtype)))
    return [da, op.Mul(dy, op.Mul(node.outputs[0], log_a)) if op.is_float(b) else None]


@gradient("Sqrt")
def sqrt(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = sqrt(x);  dx = dy / (2 y)"""
    return [op.Div(op.Mul(dy, 0.5), node.outputs[0])]


@gradient("Exp")
def exp(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = e^x;  dx = dy y"""
    return [op.Mul(dy, node.outputs[0])]


@gradient("Log")
def log(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = log x;  dx = dy / x"""
    return [op.Div(dy, node.inputs[0])]


@gradient("Reciprocal")
def reciprocal(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = 1 / x;  dx = -dy y^2"""
    (y,) = node.outputs
    return [op.Neg(op.Mul(dy, op.Mul(y, y)))]


@gradient("Abs")
def abs_(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = |x|;  dx = dy sign x"""
    return [op.Mul(dy, op.Sign(node.inputs[0]))]


@gradient("Erf")
def erf(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = erf x;  dx = dy 2 / sqrt(pi) e^(-x^2)"""
    (x,) = node.inputs
    return [op.Mul(op.Mul(dy, 2 / math.sqrt(math.pi)), op.Exp(op.Neg(op.Mul(x, x))))]


@gradient("Sin")
def sin(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = sin x;  dx = dy cos x"""
    return [op.Mul(dy, op.Cos(node.inputs[0]))]


@gradient("Cos")
def cos(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = cos x;  dx = -dy sin x"""
    return [op.Neg(op.Mul(dy, op.Sin(node.inputs[0])))]


@gradient("Tan")
def tan(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = tan x;  dx = dy (1 + y^2)"""
    (y,) = node.outputs
    return [op.Mul(dy, op.Add(op.Mul(y, y), 1.0))]


@gradient("Asin")
def asin(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = asin x;  dx = dy / sqrt(1 - x^2)"""
    (x,) = node.inputs
    return [op.Div(dy, op.Sqrt(op.Sub(1.0, op.Mul(x, x))))]


@gradient("Acos")
def acos(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = acos x;  dx = -dy / sqrt(1 - x^2)"""
    (x,) = node.inputs
    return [op.Neg(op.Div(dy, op.Sqrt(op.Sub(1.0, op.Mul(x, x)))))]


@gradient("Atan")
def atan(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = atan x;  dx = dy / (1 + x^2)"""
    (x,) = node.inputs
    return [op.Div(dy, op.Add(op.Mul(x, x), 1.0))]


@gradient("Sinh")
def sinh(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = sinh x;  dx = dy cosh x"""
    return [op.Mul(dy, op.Cosh(node.inputs[0]))]


@gradient("Cosh")
def cosh(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = cosh x;  dx = dy sinh x"""
    return [op.Mul(dy, op.Sinh(node.inputs[0]))]


@gradient("Asinh")
def asinh(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = asinh x;  dx = dy / sqrt(x^2 + 1)"""
    (x,) = node.inputs
    return [op.Div(dy, op.Sqrt(op.Add(op.Mul(x, x), 1.0)))]


@gradient("Acosh")
def acosh(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = acosh x;  dx = dy / sqrt(x^2 - 1)"""
    (x,) = node.inputs
    return [op.Div(dy, op.Sqrt(op.Sub(op.Mul(x, x), 1.0)))]


@gradient("Atanh")
def atanh(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = atanh x;  dx = dy / (1 - x^2)"""
    (x,) = node.inputs
    return [op.Div(dy, op.Sub(1.0, op.Mul(x, x)))]


@gradient("Sum", broadcasts=True)
def sum_(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x1 + x2 + ...;  dxi = dy"""
    return [dy] * len(node.inputs)


@gradient("Mean", broadcasts=True)
def mean(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = (x1 + ... + xn) / n;  dxi = dy / n"""
    return [op.Mul(dy, 1 / len(node.inputs))] * len(node.inputs)


@gradient("Max", broadcasts=True)
@gradient("Min", broadcasts=True)
def extreme(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = max(x1, ...);  dxi = dy [xi = y] / (how many are equal to y)"""
    (y,) = node.outputs
    if len(node.inputs) == 1:
        return [dy]
    winners = [op.cast(op.Equal(x, y), dy.dtype) for x in node.inputs]
    share = op.Div(dy, op.Sum(*winners))
    return [op.Mul(share, w) for w in winners]


@gradient("Where", broadcasts=True)
def where(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = a where c, else b;  da = dy where c, db = dy elsewhere"""
    c = node.inputs[0]
    zero = op.constant(0.0, dy.dtype)
    return [None, op.Where(c, dy, zero), op.Where(c, zero, dy)]


@gradient("Clip")
def clip(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = min(max(x, low), high);  dhigh = dy [max(x, low) > high], dlow = dy [x < low] elsewhere, dx = dy elsewhere"""
    x, low, high = (*node.inputs, None, None)[:3]
    zero = op.constant(0.0, dy.dtype)
    dhigh = dlow = None
    if high is not None:
        above = op.Greater(x if low is None else op.Max(x, low), high)
        dy, dhigh = op.Where(above, zero, dy), op.Where(above, dy, zero)
    if low is not None:
        below = op.Less(x, low)
        dy, dlow = op.Where(below, zero, dy), op.Where(below, dy, zero)
    return [dy, dlow, dhigh]


@gradient("Mod", broadcasts=True)
def mod(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = a - b trunc(a / b) (or floor);  da = dy, db = -dy (a - y) / b"""
    a, b = node.inputs
    return [dy, op.Neg(op.Mul(dy, op.Div(op.Sub(a, node.outputs[0]), b)))]


@gradient("Cast")
def cast(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x in another dtype;  dx = dy in x's dtype, nothing through whole numbers"""
    x = node.inputs[0]
    flows = op.is_float(x) and op.is_float(node.outputs[0])
    return [op.cast(dy, x.dtype) if flows else None]


@gradient("PRelu", broadcasts=True)
def prelu(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x if x >= 0 else s x;  dx = dy (1 if x >= 0 else s), ds = dy (0 if x >= 0 else x)"""
    x, slope = node.inputs
    dx = op.Mul(dy, op.Where(op.Less(x, 0.0), slope, op.constant(1.0, x.dtype)))
    return [dx, op.Mul(dy, op.Min(x, op.constant(0.0, x.dtype)))]


@gradient("LeakyRelu")
def leaky_relu(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x if x >= 0 else alpha x;  dx = dy (1 if x >= 0 else alpha)"""
    alpha = op.constant(attribute(node, "alpha", 0.01), dy.dtype)
    return [op.Mul(dy, op.Where(op.Less(node.inputs[0], 0.0), alpha, op.constant(1.0, dy.dtype)))]


@gradient("CastLike")
def cast_like(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x in the dtype of another tensor;  dx = dy in x's dtype, nothing through whole numbers"""
    return [*cast(op, node, dy), None]

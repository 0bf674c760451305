"""The operators of expressions, and elementwise functions of several tensors. All broadcast as numpy does."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from netc.compiler.graph.dimensions import Dim, multiply
from netc.compiler.language.words import (
    Condition,
    Refused,
    Tensor,
    elementwise,
    floating,
    function,
    numeric,
)
from netc.compiler.graph.types import BOOL, DTYPES, TensorType, broadcast


def binary(name: str, operator: str, doc: str, user: bool = False) -> None:
    """Registers an operator that is one ONNX operator of two tensors."""

    def rule(a: Tensor, b: Tensor) -> TensorType:
        return elementwise(numeric(a), numeric(b))

    rule.__doc__ = doc
    function(name=name, group="arithmetic", user=user)(rule).lowering(lambda op, a, b: getattr(op, operator)(a, b))


binary("+", "Add", "a + b")
binary("-", "Sub", "a - b")
binary("*", "Mul", "a b")


@function(name="/", group="arithmetic", user=False)
def divide(a: Tensor, b: Tensor) -> TensorType:
    """a / b of floating-point tensors"""
    result = elementwise(numeric(a), numeric(b))
    if not result.dtype.is_float:
        raise Refused("dtype", f"`{result.dtype}` tensors have no `/`", help="write `f32(x) / y`, or `//` to floor")
    return result


@divide.lowering
def _(op: Any, a: Any, b: Any) -> Any:
    return op.Div(a, b)


@function(name="//", group="arithmetic", user=False, differentiable=False)
def floor_divide(a: Tensor, b: Tensor) -> TensorType:
    """the largest whole number not above a / b; its gradient is zero"""
    return elementwise(numeric(a), numeric(b))


@floor_divide.lowering
def _(op: Any, a: Any, b: Any) -> Any:
    if op.is_float(a):
        return op.Floor(op.Div(a, b))
    return op.Div(op.Sub(a, op.Mod(a, b)), b)  # Mod takes the divisor's sign, so this division is exact


@function(name="%", group="arithmetic", user=False)
def remainder(a: Tensor, b: Tensor) -> TensorType:
    """a - b floor(a / b), with the sign of b"""
    return elementwise(numeric(a), numeric(b))


@remainder.lowering
def _(op: Any, a: Any, b: Any) -> Any:
    return op.Sub(a, op.Mul(b, op.Floor(op.Div(a, b)))) if op.is_float(a) else op.Mod(a, b)


@function(name="^", group="arithmetic", user=False)
def power(a: Tensor, b: Tensor) -> TensorType:
    """a to the power b"""
    return elementwise(numeric(a), numeric(b))


@power.lowering
def _(op: Any, a: Any, b: Any) -> Any:
    exponent = op.scalar_value(b)
    if exponent == 2:
        return op.Mul(a, a)
    if exponent == Fraction(1, 2) and op.is_float(a):
        return op.Sqrt(a)
    if exponent == -1 and op.is_float(a):
        return op.Reciprocal(a)
    if exponent == 3:
        return op.Mul(op.Mul(a, a), a)
    return op.Pow(a, b)


@function(name="negative", group="arithmetic", user=False)
def negative(x: Tensor) -> TensorType:
    """-x"""
    return numeric(x)


@negative.lowering
def _(op: Any, x: Any) -> Any:
    return op.Neg(x)


@function(name="@", group="arithmetic", user=False)
def matmul(a: Tensor, b: Tensor) -> TensorType:
    """matrix product over the last two axes; leading axes broadcast"""
    if floating(a).dtype != floating(b).dtype:
        raise Refused("dtype", f"the dtypes differ: `{a}` and `{b}`")
    if a.rank < 1 or b.rank < 1:
        raise Refused("shape-mismatch", "`@` needs matrices, not scalars")
    inner = b.shape[-2] if b.rank > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise Refused("shape-mismatch", f"`{a}` @ `{b}`: the inner dimensions are {a.shape[-1]} and {inner}")
    if a.rank == 1 or b.rank == 1:
        return a.with_shape(a.shape[:-1] if b.rank == 1 else (*b.shape[:-2], b.shape[-1]))
    return a.with_shape((*broadcast(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]))


@matmul.lowering
def _(op: Any, a: Any, b: Any) -> Any:
    return op.MatMul(a, b)


@matmul.costing
def _(a: TensorType, b: TensorType) -> Dim:
    columns = b.shape[-1] if b.rank > 1 else 1
    return multiply(multiply(2, a.size), columns)


def comparison(name: str, operator: str, negated: bool = False) -> None:
    def rule(a: Tensor, b: Tensor) -> TensorType:
        if a.dtype == BOOL:
            raise Refused("dtype", f"`{name}` compares numbers, this is `{a}`")
        return elementwise(a, b).with_dtype(BOOL)

    def lower(op: Any, a: Any, b: Any) -> Any:
        result = getattr(op, operator)(a, b)
        return op.Not(result) if negated else result

    rule.__doc__ = f"a {name} b"
    function(name=name, group="arithmetic", user=False, differentiable=False)(rule).lowering(lower)


for _name, _operator, _negated in (
    ("==", "Equal", False), ("!=", "Equal", True), ("<", "Less", False), (">", "Greater", False),
    ("<=", "LessOrEqual", False), (">=", "GreaterOrEqual", False),
):  # fmt: skip
    comparison(_name, _operator, _negated)


def logical(name: str, operator: str) -> None:
    def rule(a: Condition, b: Condition) -> TensorType:
        for t in (a, b):
            if t.dtype != BOOL:
                raise Refused("dtype", f"`{name}` needs conditions, this is `{t}`", help="compare it: `x > 0`")
        return elementwise(a, b)

    rule.__doc__ = f"a {name} b of conditions"
    made = function(name=name, group="arithmetic", user=False, differentiable=False)(rule)
    made.lowering(lambda op, a, b: getattr(op, operator)(a, b))


logical("and", "And")
logical("or", "Or")


@function(name="not", group="arithmetic", user=False, differentiable=False)
def logical_not(x: Condition) -> TensorType:
    """the other truth value"""
    if x.dtype != BOOL:
        raise Refused("dtype", f"`not` needs a condition, this is `{x}`", help="compare it: `x > 0`")
    return x


@logical_not.lowering
def _(op: Any, x: Any) -> Any:
    return op.Not(x)


@function(group="elementwise")
def maximum(a: Tensor, b: Tensor) -> TensorType:
    """the larger of a and b; where they are equal the gradient is shared equally"""
    return elementwise(numeric(a), numeric(b))


@maximum.lowering
def _(op: Any, a: Any, b: Any) -> Any:
    if op.scalar_value(a) == 0 and op.is_float(b):
        return op.Relu(b)
    if op.scalar_value(b) == 0 and op.is_float(a):
        return op.Relu(a)
    return op.Max(a, b)


@function(group="elementwise")
def minimum(a: Tensor, b: Tensor) -> TensorType:
    """the smaller of a and b; where they are equal the gradient is shared equally"""
    return elementwise(numeric(a), numeric(b))


@minimum.lowering
def _(op: Any, a: Any, b: Any) -> Any:
    return op.Min(a, b)


@function(group="elementwise")
def where(condition: Condition, a: Tensor, b: Tensor) -> TensorType:
    """a where the condition holds, b elsewhere"""
    if condition.dtype != BOOL:
        raise Refused(
            "dtype", f"`where` needs a condition first, this is `{condition}`", "condition", "compare it: `x > 0`"
        )
    both = elementwise(a, b)
    return both.with_shape(broadcast(condition.shape, both.shape))


@where.lowering
def _(op: Any, condition: Any, a: Any, b: Any) -> Any:
    return op.Where(condition, a, b)


def cast(name: str) -> None:
    """Registers `f32(x)` and its siblings."""
    dtype = DTYPES[name]

    def rule(x: Tensor) -> TensorType:
        return x.with_dtype(dtype)

    rule.__doc__ = f"x as {dtype.numpy}; floating-point values are cut towards zero for whole numbers"
    made = function(name=name, group="cast", differentiable=dtype.is_float)(rule)
    made.lowering(lambda op, x: op.cast(x, dtype.onnx))


for _name in DTYPES:
    cast(_name)

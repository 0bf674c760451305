"""The operators of expressions, and elementwise functions of several tensors. All broadcast as numpy does."""

from __future__ import annotations

from fractions import Fraction

from netc.compiler.graph import cost
from netc.compiler.graph.dimensions import Dim
from netc.compiler.graph.types import BOOL, TensorType, broadcast
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import elementwise, floating, numeric
from netc.compiler.language.slots import Condition, Tensor
from netc.compiler.language.words import function


class OfTwo:
    """An operator of two tensors of numbers of one dtype."""

    def type(self, a: Tensor, b: Tensor) -> TensorType:
        return elementwise(numeric(a), numeric(b))


@function("arithmetic", name="+", user=False)
class Add(OfTwo):
    """a + b"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.Add(a, b)


@function("arithmetic", name="-", user=False)
class Subtract(OfTwo):
    """a - b"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.Sub(a, b)


@function("arithmetic", name="*", user=False)
class Multiply(OfTwo):
    """a b"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.Mul(a, b)


@function("arithmetic", name="/", user=False)
class Divide:
    """a / b of floating-point tensors"""

    def type(self, a: Tensor, b: Tensor) -> TensorType:
        result = elementwise(numeric(a), numeric(b))
        if not result.dtype.is_float:
            raise Refused(
                "dtype",
                f"`{result.dtype}` tensors have no `/`",
                help="write `f32({0}) / {1}`, or `{0} // {1}` to floor",
            )
        return result

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.Div(a, b)


@function("arithmetic", name="//", user=False, differentiable=False)
class FloorDivide(OfTwo):
    """the largest whole number not above a / b; its gradient is zero"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        if op.is_float(a):
            return op.Floor(op.Div(a, b))
        return op.Div(op.Sub(a, op.Mod(a, b)), b)  # Mod takes the divisor's sign, so this division is exact


@function("arithmetic", name="%", user=False)
class Remainder(OfTwo):
    """a - b floor(a / b), with the sign of b"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.Sub(a, op.Mul(b, op.Floor(op.Div(a, b)))) if op.is_float(a) else op.Mod(a, b)


@function("arithmetic", name="^", user=False)
class Power(OfTwo):
    """a to the power b"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
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


@function("arithmetic", user=False)
class Negative:
    """-x"""

    def type(self, x: Tensor) -> TensorType:
        return numeric(x)

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Neg(x)


@function("arithmetic", name="@", user=False)
class Matmul:
    """matrix product over the last two axes; leading axes broadcast"""

    def type(self, a: Tensor, b: Tensor) -> TensorType:
        if floating(a).dtype != floating(b).dtype:
            raise Refused(
                "dtype", f"the dtypes differ: `{a}` and `{b}`", None, f"convert one of them: `{a.dtype}({{1}})`"
            )
        if a.rank < 1 or b.rank < 1:
            raise Refused("shape-mismatch", "`@` needs matrices, not scalars", None, "write `{0} * {1}`")
        inner = b.shape[-2] if b.rank > 1 else b.shape[0]
        if a.shape[-1] != inner:
            raise Refused(
                "shape-mismatch",
                f"`{a}` @ `{b}`: the inner dimensions are {a.shape[-1]} and {inner}",
                None,
                _inner(a, b),
            )
        if a.rank == 1 or b.rank == 1:
            return a.with_shape(a.shape[:-1] if b.rank == 1 else (*b.shape[:-2], b.shape[-1]))
        return a.with_shape((*broadcast(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]))

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.MatMul(a, b)

    def flops(self, a: TensorType, b: TensorType) -> Dim:
        return cost.operations("MatMul", [a.shape, b.shape], self.type(a, b).shape)


@function("arithmetic", name="einsum")
class Einstein:
    """sums of products by the letters of the axes: `einsum(x, w, equation = "ij,jk->ik")`"""

    equation: str

    def type(self, *xs: Tensor) -> TensorType:
        for x in xs:
            if floating(x).dtype != xs[0].dtype:
                raise Refused("dtype", f"the dtypes differ: `{xs[0]}` and `{x}`")
        terms, arrow, result = self.equation.replace(" ", "").partition("->")
        operands = terms.split(",")
        if len(operands) != len(xs) or not all(t.isalpha() or not t for t in (*operands, result)):
            raise Refused(
                "argument", f"`{self.equation}` is no equation of {len(xs)} tensors", "equation",
                'letters name the axes, such as "ij,jk->ik"',
            )  # fmt: skip
        sizes: dict[str, Dim] = {}
        for term, x in zip(operands, xs):
            if len(term) != x.rank:
                raise Refused("shape-mismatch", f"`{term}` names {len(term)} axes, `{x}` has {x.rank}", "equation")
            for letter, size in zip(term, x.shape):
                if sizes.setdefault(letter, size) != size:
                    raise Refused("shape-mismatch", f"axis `{letter}` is {sizes[letter]} and {size}", "equation")
        if not arrow:  # numpy's rule: the letters that come once, in their order
            result = "".join(sorted(c for c in sizes if terms.count(c) == 1))
        if len({*result}) != len(result) or not {*result} <= sizes.keys():
            raise Refused("argument", f"`{result}` must have letters of the tensors, each once", "equation")
        return xs[0].with_shape(tuple(sizes[c] for c in result))

    def lower(self, op: Emitter, *xs: Value) -> Value:
        return op.Einsum(*xs, equation=self.equation.replace(" ", ""))


def _inner(a: TensorType, b: TensorType) -> str:
    """Help where inner dimensions differ."""
    if b.rank > 1 and a.shape[-1] == b.shape[-1]:
        return "turn the second: `{0} @ transpose({1})`"
    if a.rank > 1 and a.shape[-2] == (b.shape[-2] if b.rank > 1 else b.shape[0]):
        return "turn the first: `transpose({0}) @ {1}`"
    return "the columns of the first are as many as the rows of the second; `transpose` turns a matrix"


class Comparison:
    """A comparison of numbers."""

    def type(self, a: Tensor, b: Tensor) -> TensorType:
        if a.dtype == BOOL:
            raise Refused("dtype", f"a comparison needs numbers, this is `{a}`", None, "make it a number: `f32({0})`")
        return elementwise(a, b).with_dtype(BOOL)


class Equality:
    """A comparison of what is the same or not: of truth values too."""

    def type(self, a: Tensor, b: Tensor) -> TensorType:
        return elementwise(a, b).with_dtype(BOOL)


@function("arithmetic", name="==", user=False, differentiable=False)
class Equal(Equality):
    """a == b"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.Equal(a, b)


@function("arithmetic", name="!=", user=False, differentiable=False)
class Unequal(Equality):
    """a != b"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.Not(op.Equal(a, b))


@function("arithmetic", name="<", user=False, differentiable=False)
class Less(Comparison):
    """a < b"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.Less(a, b)


@function("arithmetic", name=">", user=False, differentiable=False)
class Greater(Comparison):
    """a > b"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.Greater(a, b)


@function("arithmetic", name="<=", user=False, differentiable=False)
class LessOrEqual(Comparison):
    """a <= b"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.LessOrEqual(a, b)


@function("arithmetic", name=">=", user=False, differentiable=False)
class GreaterOrEqual(Comparison):
    """a >= b"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.GreaterOrEqual(a, b)


def _condition(word: str, t: TensorType) -> TensorType:
    if t.dtype != BOOL:
        raise Refused("dtype", f"`{word}` needs conditions, this is `{t}`", help="compare it: `{0} > 0`")
    return t


@function("arithmetic", name="and", user=False, differentiable=False)
class And:
    """a and b of conditions"""

    def type(self, a: Condition, b: Condition) -> TensorType:
        return elementwise(_condition("and", a), _condition("and", b))

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.And(a, b)


@function("arithmetic", name="or", user=False, differentiable=False)
class Or:
    """a or b of conditions"""

    def type(self, a: Condition, b: Condition) -> TensorType:
        return elementwise(_condition("or", a), _condition("or", b))

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.Or(a, b)


@function("arithmetic", name="not", user=False, differentiable=False)
class Not:
    """the other truth value"""

    def type(self, x: Condition) -> TensorType:
        return _condition("not", x)

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Not(x)


@function("elementwise", static=max)
class Maximum(OfTwo):
    """the larger of a and b; where they are equal the gradient is shared equally"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        if op.scalar_value(a) == 0 and op.is_float(b):
            return op.Relu(b)
        if op.scalar_value(b) == 0 and op.is_float(a):
            return op.Relu(a)
        return op.Max(a, b)


@function("elementwise", static=min)
class Minimum(OfTwo):
    """the smaller of a and b; where they are equal the gradient is shared equally"""

    def lower(self, op: Emitter, a: Value, b: Value) -> Value:
        return op.Min(a, b)


@function("elementwise")
class Where:
    """a where the condition holds, b elsewhere"""

    def type(self, condition: Condition, a: Tensor, b: Tensor) -> TensorType:
        if condition.dtype != BOOL:
            raise Refused(
                "dtype", f"`where` needs a condition first, this is `{condition}`", "condition", "compare it: `{0} > 0`"
            )
        both = elementwise(a, b)
        if both.dtype != BOOL:
            numeric(both)
        return both.with_shape(broadcast(condition.shape, both.shape))

    def lower(self, op: Emitter, condition: Value, a: Value, b: Value) -> Value:
        if a.dtype == BOOL.onnx:  # for which there is no kernel of Where
            return op.Or(op.And(condition, a), op.And(op.Not(condition), b))
        return op.Where(condition, a, b)

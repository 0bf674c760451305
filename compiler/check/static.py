"""Exact arithmetic on numbers that are known while compiling: whole numbers and fractions stay exact."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from netc.compiler.check.values import describe
from netc.compiler.graph import dimensions
from netc.compiler.graph.dimensions import Dim, Symbolic
from netc.compiler.language.refusal import Refused
from netc.compiler.language.words import show_number

Number = int | Fraction | float
MAX_BITS = 2048
MAX_TERMS = 64  # of a polynomial over symbolic dimensions, and of factors in each

_COMPARE = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[[Any, Any], Number]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "//": lambda x, y: Fraction(math.floor(x / y)), "%": lambda x, y: x - y * math.floor(x / y),
}  # fmt: skip


def is_number(value: Any) -> bool:
    return isinstance(value, (int, Fraction, float)) and not isinstance(value, bool)


def binary(symbol: str, a: Any, b: Any) -> Any:
    """a symbol b for static values and symbolic dimensions. Raises Refused."""
    if symbol in _COMPARE:
        return _compare(symbol, a, b)
    if symbol in ("and", "or"):
        for v in (a, b):
            if not isinstance(v, bool):
                raise Refused(
                    "argument", f"`{symbol}` needs truth values, this is {describe(v)}", None, "compare: `hidden > 2`"
                )
        return (a and b) if symbol == "and" else (a or b)
    for v in (a, b):
        if not is_number(v) and not isinstance(v, Symbolic):
            raise Refused(
                "argument", f"`{symbol}` needs numbers, this is {describe(v)}", None, "write a number on both sides"
            )
    if isinstance(a, Symbolic) or isinstance(b, Symbolic):
        return _symbolic(symbol, a, b)
    return normal(_number(symbol, a, b))


def normal(value: Number) -> Number:
    """Whole fractions as int."""
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    return value


def negative(a: Any) -> Any:
    """-a"""
    return binary("*", -1, a)


def whole(value: Any, what: str, at: str | None = None) -> int:
    """`value` as an int. Raises Refused when it does not come out whole."""
    if is_number(value) and not isinstance(value, float) and Fraction(value).denominator == 1:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if is_number(value):
        shown = show_number(value)
        help = f"write `{math.floor(value)}`; `//` divides and rounds down"
        if 0 < value < 1:
            help = f"it is a count: multiply a share with the whole, as in `{shown} * 1000`"
        raise Refused("not-whole", f"{what} must be a whole number, this is {shown}", at, help)
    help = "write a number, or an argument of the net such as `net name(hidden = 64)`"
    if isinstance(value, str) and value.isdecimal():
        help = f"write `{value}`, without quotes"
    raise Refused("argument", f"{what} must be a whole number, this is {describe(value)}", at, help)


def _compare(symbol: str, a: Any, b: Any) -> bool:
    if isinstance(a, Symbolic) or isinstance(b, Symbolic):
        if symbol in ("==", "!=") and a == b:
            return symbol == "=="
        raise Refused("symbolic-condition", "the size of a symbolic dimension is not known while compiling", None,
                      "declare the dimension as a number, or choose by an argument of the net")  # fmt: skip
    same_kind = (is_number(a) and is_number(b)) or type(a) is type(b)
    if not same_kind:
        raise Refused(
            "argument", f"`{symbol}` cannot compare {describe(a)} with {describe(b)}", None, "compare two of a kind"
        )
    return bool(_COMPARE[symbol](a, b))


def _symbolic(symbol: str, a: Any, b: Any) -> Any:
    if all(isinstance(v, (int, Symbolic)) for v in (a, b)):
        if symbol == "+":
            return bounded(dimensions.add(a, b))
        if symbol == "-":
            return bounded(dimensions.add(a, dimensions.multiply(-1, b)))
        if symbol == "*":
            return bounded(dimensions.multiply(a, b))
        if symbol in ("/", "//"):
            exact = dimensions.quotient(a, b)
            if exact is not None:
                return exact
    raise Refused(
        "symbolic-arithmetic", f"`{a} {symbol} {b}` has no exact value for every size of the symbolic dimension",
        help="only +, -, * and exact quotients of dimensions are known while compiling",
    )  # fmt: skip


def bounded(dim: Dim) -> Dim:
    """The dimension, refused where its polynomial has grown beyond what any tensor could have. Raises Refused."""
    if isinstance(dim, Symbolic):
        largest = max(len(symbols) for symbols, _ in dim.terms)
        if len(dim.terms) > MAX_TERMS or largest > MAX_TERMS or any(abs(c) >= 1 << 63 for _, c in dim.terms):
            message = f"a size has more than {MAX_TERMS} terms or factors, or a number in it that passes 2^63"
            raise Refused("dimension", message)
    return dim


def _number(symbol: str, a: Number, b: Number) -> Number:
    if symbol in ("/", "//", "%") and b == 0:
        raise Refused(
            "division-by-zero",
            f"division by zero: `{show_number(a)} {symbol} 0`",
            None,
            "check the numbers that the divisor is computed from",
        )
    if symbol == "^":
        return _power(a, b)
    if symbol == "@":
        raise Refused("argument", "`@` multiplies matrices, not numbers", None, "write `*`")
    exact = not isinstance(a, float) and not isinstance(b, float)
    if exact and _bits(a) + _bits(b) > 2 * MAX_BITS:
        raise Refused("number", "the number is too large", None, "compute with smaller numbers")
    try:
        x: Any = Fraction(a) if exact else float(a)
        y: Any = Fraction(b) if exact else float(b)
        result = _ARITHMETIC[symbol](x, y)
    except OverflowError:
        result = math.inf
    if isinstance(result, float) and not math.isfinite(result):
        raise Refused(
            "number",
            f"`{show_number(a)} {symbol} {show_number(b)}` is out of range",
            None,
            "compute with smaller numbers",
        )
    return result


def _bits(value: Number) -> int:
    exact = Fraction(value)
    return max(exact.numerator.bit_length(), exact.denominator.bit_length())


def _power(a: Number, b: Number) -> Number:
    exponent = Fraction(b) if not isinstance(b, float) else None
    if exponent is not None and exponent.denominator == 1 and not isinstance(a, float):
        if a == 0 and exponent < 0:
            raise Refused(
                "division-by-zero", "division by zero: 0 to a negative power", None, "check the number that is raised"
            )
        if abs(exponent.numerator) * max(1, _bits(a)) > MAX_BITS:
            raise Refused(
                "number", f"`{show_number(a)} ^ {show_number(b)}` is too large", None, "compute with smaller numbers"
            )
        power: Any = Fraction(a) ** exponent.numerator
        assert isinstance(power, Fraction)
        return power
    try:
        value: Any = float(a) ** float(b)
    except (OverflowError, ZeroDivisionError):
        raise Refused(
            "number", f"`{show_number(a)} ^ {show_number(b)}` is out of range", None, "compute with smaller numbers"
        ) from None
    if isinstance(value, complex) or not math.isfinite(value):
        raise Refused(
            "number",
            f"`{show_number(a)} ^ {show_number(b)}` is not a real number",
            None,
            "a root is taken of numbers from 0 on",
        )
    return float(value)

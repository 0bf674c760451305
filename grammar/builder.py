"""One method a grammar rule: the parser's reductions as records of ast.py. Precedence is resolved here, by climbing."""

from __future__ import annotations

import re
from contextvars import ContextVar
from fractions import Fraction
from typing import Any

from lark import Token, Transformer, v_args

from netc.grammar import ast
from netc.grammar.depth import MAX_DEPTH, too_deep
from netc.grammar.diagnostics import NetError, error
from netc.grammar.source import Source, Span

MAX_DIGITS = 40
MAX_EXPONENT = 308

building: ContextVar[Source] = ContextVar("building")  # the source whose tokens are being reduced


def _span(first: Any, last: Any) -> Span:
    source = building.get()
    start = first.start_pos if isinstance(first, Token) else first.span.start
    end = last.end_pos if isinstance(last, Token) else last.span.end
    return Span(source, start, end)


def _name(token: Token) -> ast.Name:
    return ast.Name(_span(token, token), str(token))


def _nodes(children: tuple[Any, ...]) -> tuple[Any, ...]:
    """The children that are nodes: punctuation and absent parts dropped."""
    return tuple(c for c in children if c is not None and not isinstance(c, Token))


def _number(token: Token) -> ast.Number:
    text = str(token).replace("_", "")
    span = _span(token, token)
    mantissa, _, exponent = text.lower().partition("e")
    too_large = len(exponent.lstrip("+-0")) > 3 or (exponent and abs(int(exponent)) > MAX_EXPONENT)
    if len(mantissa) > MAX_DIGITS or too_large:
        raise error("number", "the number is out of range", span, help="numbers fit a 64-bit float")
    exact = mantissa.isdigit() and not exponent
    if exact and len(text) > 1 and text[0] == "0":
        help = "a number begins with another digit; thousands are written `1_000`, without a comma"
        raise error("number", f"`{token}` begins with 0", span, help=help)
    return ast.Number(span, int(text) if exact else Fraction(text))


_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}


def _string(token: Token) -> ast.String:
    span = _span(token, token)
    body, text, i = str(token)[1:-1], [], 0
    while i < len(body):
        if body[i] == "\\":
            if body[i + 1] not in _ESCAPES:
                raise error(
                    "string", f"unknown escape `\\{body[i + 1]}` in a string", span, help="write `\\\\` for `\\`"
                )
            text.append(_ESCAPES[body[i + 1]])
            i += 2
        else:
            text.append(body[i])
            i += 1
    return ast.String(span, "".join(text))


def _one_name(name: ast.Name, values: tuple[Any, ...]) -> NetError:
    """The error of `h = 0,5`: one name for several values without brackets."""
    first, second = values[0].span, values[1].span
    text = first.source.text
    whole = re.search(r"(?<![\w.])\d+$", text[first.start : first.end])
    decimal = re.match(r",(\d+)(?![\w.])", text[first.end :])
    listed = f"[{text[first.start : values[-1].span.end]}]"
    help = f"a list is written `{name.id} = {' '.join(listed.split())}`"
    if whole and decimal:
        help = f"a decimal point is written `{whole[0]}.{decimal[1]}`"
    return error("unpack", f"one name for {len(values)} values", second.to(values[-1].span), help=help)


# Loosest to tightest; `->` is 1, prefix `not` 4 and prefix `-` 9.
_BINDING = {
    "OR": 2, "AND": 3, "COMPARE": 5, "DOTDOT": 6, "PLUS": 7, "MINUS": 7, "STAR": 8, "SLASH": 8, "DSLASH": 8,
    "PERCENT": 8, "AT": 8, "CARET": 10,
}  # fmt: skip
_NOT, _NEGATIVE = 4, 9


class _Prefixed:
    """An operand with its prefix operators, until the chain around it is resolved."""

    __slots__ = ("operators", "value")

    def __init__(self, operators: tuple[Token, ...], value: Any):
        self.operators, self.value = operators, value


def _resolve(items: list[Any]) -> ast.Expression:
    """Operands and operators in turn -> a tree, by precedence climbing."""
    flat: list[Any] = []
    for item in items:
        if isinstance(item, _Prefixed):
            flat += [*item.operators, item.value]
        else:
            flat.append(item)
    head: ast.Expression
    head, at = _climb(flat, 0, 2)
    if at == len(flat):
        return head
    stages = []
    while at < len(flat):
        stage, at = _climb(flat, at + 1, 2)
        stages.append(stage)
    return ast.Pipe(_span(head, stages[-1]), head, tuple(stages))


def _climb(flat: list[Any], at: int, least: int, depth: int = 0) -> tuple[Any, int]:
    """The expression that begins at `at` and binds at least as tightly as `least`, and where it ends."""
    first = flat[at]
    if depth > MAX_DEPTH:
        raise too_deep(_span(first, first))
    if isinstance(first, Token):
        binding = _NOT if first.type == "NOT" else _NEGATIVE
        if binding < least and first.type == "NOT":
            raise error("syntax", "`not` needs parentheses here", _span(first, first), help="write `(not x)`")
        value, at = _climb(flat, at + 1, binding, depth + 1)
        left: Any = ast.Unary(_span(first, value), str(first), value)
    else:
        left, at = first, at + 1
    while at < len(flat):
        operator = flat[at]
        binding = _BINDING.get(operator.type, 0)
        if binding < least:
            break
        right, at = _climb(flat, at + 1, _NEGATIVE if binding == 10 else binding + 1, depth + 1)
        left = ast.Binary(_span(left, right), str(operator), left, right)
    return left, at


@v_args(inline=True)
class TreeBuilder(Transformer):  # type: ignore[misc]  # lark ships no types that strict mode accepts
    """One method a grammar rule: children -> record."""

    def start(self, *items: Any) -> ast.Spec:
        nodes = _nodes(items)
        source = building.get()

        def of(kind: type) -> tuple[Any, ...]:
            return tuple(n for n in nodes if isinstance(n, kind))

        imports = tuple(n for n in nodes if isinstance(n, ast.Import | ast.Broken))
        return ast.Spec(Span(source, 0, len(source.text)), imports, of(ast.Net), of(ast.Data), of(ast.Train))

    def net(self, word: Token, name: Token | None, parameters: Any, _: Token, body: Any, end: Token) -> ast.Net:
        return ast.Net(_span(word, end), name and _name(name), parameters or (), body or ())

    def data(self, word: Token, _: Token, settings: Any, end: Token) -> ast.Data:
        return ast.Data(_span(word, end), tuple(s for s in settings or () if isinstance(s, ast.Setting)))

    def train(self, word: Token, _: Token, rules: Any, end: Token) -> ast.Train:
        settings = tuple(s for s in rules or () if isinstance(s, ast.Setting))
        return ast.Train(_span(word, end), settings, tuple(r for r in rules or () if isinstance(r, ast.Rule)))

    def import_(self, word: Token, path: Token, _: Token, name: Token) -> ast.Import:
        return ast.Import(_span(word, name), _string(path), _name(name))

    def parameters(self, *children: Any) -> tuple[ast.Parameter, ...]:
        return _nodes(children)

    def parameter(self, name: Token, _: Any = None, default: Any = None) -> ast.Parameter:
        return ast.Parameter(_span(name, default or name), _name(name), default)

    def body(self, *children: Any) -> tuple[ast.Statement, ...]:
        return _nodes(children)

    settings = rules = adjustments = body

    def broken(self, mark: Token) -> ast.Broken:
        return ast.Broken(_span(mark, mark), tuple(mark.split()))

    def declare(self, role: Token, name: Token, _: Token, type: ast.Type) -> ast.Declare:
        return ast.Declare(_span(role, type), str(role), _name(name), type)

    def type(self, dtype: Token, *dims: Any) -> ast.Type:
        present = [d for d in dims if d is not None]
        return ast.Type(_span(dtype, present[-1] if present else dtype), _name(dtype), _nodes(dims))

    def bind(self, *children: Any) -> ast.Bind:
        names = tuple(_name(c) for c in children if isinstance(c, Token) and c.type == "NAME")
        values = _nodes(children)
        if len(names) == 1 < len(values):
            raise _one_name(names[0], values)
        value = values[0] if len(values) == 1 else ast.Tuple(_span(values[0], values[-1]), values)
        return ast.Bind(_span(children[0], children[-1]), names, value)

    def param(self, word: Token, name: Token, _: Token, type: ast.Type, __: Any, value: Any) -> ast.Param:
        return ast.Param(_span(word, value or type), _name(name), type, value)

    def output(self, word: Token, name: Token, _: Any, value: Any) -> ast.Output:
        return ast.Output(_span(word, value or name), _name(name), value)

    def metric(
        self, word: Token, name: Token, _: Any, mode: Token | None, close: Any, __: Any, value: Any
    ) -> ast.Metric:
        return ast.Metric(_span(word, value or close or name), _name(name), mode and _name(mode), value)

    def block(self, word: Token, name: Token, parameters: Any, _: Token, body: Any, end: Token) -> ast.Block:
        return ast.Block(_span(word, end), _name(name), parameters, body or ())

    def repeat(
        self, word: Token, count: Any, _: Any, index: Token | None, __: Token, body: Any, end: Token
    ) -> ast.Repeat:
        return ast.Repeat(_span(word, end), count, index and _name(index), body or ())

    def return_(self, word: Token, *values: Any) -> ast.Return:
        return ast.Return(_span(word, values[-1]), _nodes(values))

    def setting(self, name: Token, _: Token, value: Any) -> ast.Setting:
        return ast.Setting(_span(name, value), _name(name), value)

    def rule(self, word: Token, pattern: Token, _: Token, adjustments: Any, end: Token) -> ast.Rule:
        own = tuple(a for a in adjustments or () if isinstance(a, ast.Adjust))
        return ast.Rule(_span(word, end), _string(pattern), own)

    def adjust(self, name: Token, operator: Token | None = None, value: Any = None) -> ast.Adjust:
        return ast.Adjust(_span(name, value or name), _name(name), str(operator or ""), value)

    def conditional(self, then: Any, _: Token, test: Any, __: Token, otherwise: Any) -> ast.Conditional:
        return ast.Conditional(_span(then, otherwise), then, test, otherwise)

    def infix(self, *items: Any) -> ast.Expression:
        return _resolve(list(items))

    alone = infix

    def prefixed(self, *items: Any) -> _Prefixed:
        return _Prefixed(items[:-1], items[-1])

    def arrows(self, first: Token, *stages: Any) -> ast.Pipe:
        nodes = tuple(_resolve([s]) for s in stages if not isinstance(s, Token))
        return ast.Pipe(_span(first, nodes[-1]), None, nodes)

    def call(self, function: Any, *rest: Any) -> ast.Call:
        return ast.Call(_span(function, rest[-1]), function, _nodes(rest))

    def argument(self, value: Any) -> ast.Argument:
        return ast.Argument(value.span, None, value)

    def named(self, name: Token, _: Token, value: Any) -> ast.Argument:
        return ast.Argument(_span(name, value), _name(name), value)

    def index(self, value: Any, *rest: Any) -> ast.Index:
        return ast.Index(_span(value, rest[-1]), value, _nodes(rest))

    def slice_(self, *children: Any) -> ast.Slice:
        parts: list[Any] = [None]
        for child in children:
            if isinstance(child, Token):
                parts.append(None)
            elif child is not None:
                parts[-1] = child
        present = [c for c in children if c is not None]
        start, stop, step = (*parts, None, None)[:3]
        return ast.Slice(_span(present[0], present[-1]), start, stop, step)

    def attribute(self, value: Any, _: Token, name: Token) -> ast.Attribute:
        return ast.Attribute(_span(value, name), value, _name(name))

    def name(self, token: Token) -> ast.Name:
        return _name(token)

    def number(self, token: Token) -> ast.Number:
        return _number(token)

    def string(self, token: Token) -> ast.String:
        return _string(token)

    def boolean(self, token: Token) -> ast.Boolean:
        return ast.Boolean(_span(token, token), token == "true")

    def group(self, open: Token, value: Any, close: Token) -> ast.Group:
        return ast.Group(_span(open, close), value)

    def tuple_(self, open: Token, *rest: Any) -> ast.Tuple:
        return ast.Tuple(_span(open, [r for r in rest if r is not None][-1]), _nodes(rest))

    def list_(self, open: Token, *rest: Any) -> ast.List:
        return ast.List(_span(open, rest[-1]), _nodes(rest))

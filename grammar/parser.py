"""Text -> tree. Every error of the reader, the lexer and the parser ends here, as diagnostics in human words."""

from __future__ import annotations

import gc
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, VisitError

from netc.grammar import ast
from netc.grammar.diagnostics import Diagnostic, Label, NetError, diagnostic, error
from netc.grammar.layout import HARD, SOFT, lay_out
from netc.grammar.source import Source, Span

MAX_BYTES = 1_000_000
MAX_ERRORS = 50
MAX_DIGITS = 40
MAX_EXPONENT = 308

_HUMAN = {
    "NAME": "a name", "NUMBER": "a number", "STRING": "a string", "NL": "the end of the line", "$END": "the end of the file",
    "COMPARE": "a comparison", "ARROW": "`->`", "STAREQ": "`*=`", "DOTDOT": "`..`", "DSLASH": "`//`", "EQ": "`=`",
    "COMMA": "`,`", "COLON": "`:`", "DOT": "`.`", "LPAR": "`(`", "RPAR": "`)`", "LSQB": "`[`", "RSQB": "`]`",
    "LBRACE": "`{`", "RBRACE": "`}`", "PLUS": "`+`", "MINUS": "`-`", "STAR": "`*`", "SLASH": "`/`", "PERCENT": "`%`",
    "AT": "`@`", "CARET": "`^`",
}  # fmt: skip
_EXPRESSION = {"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "LPAR", "LSQB", "MINUS", "NOT", "ARROW"}
_STATEMENT = {"INPUT", "TARGET", "OUTPUT", "METRIC", "REPEAT", "BLOCK", "PARAM"}
_INFIX = {
    "PLUS", "MINUS", "STAR", "SLASH", "DSLASH", "PERCENT", "AT", "CARET", "COMPARE", "AND", "OR", "DOTDOT", "DOT", "IF",
    "ARROW", "LSQB", "LPAR",
}  # fmt: skip

_source: ContextVar[Source] = ContextVar("source")


def read(path: str | Path) -> Source:
    """The source at `path`: a regular file of at most 1 MB of UTF-8 text. Raises NetError."""
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise error("not-a-file", f"`{path}` is a folder, not a spec", help="name the .net file inside it")
        if not stat.S_ISREG(mode):
            raise error("not-a-file", f"`{path}` is not a regular file")
        if path.stat().st_size > MAX_BYTES:
            raise error("too-large", f"`{path}` has {path.stat().st_size:,} bytes; a spec has at most {MAX_BYTES:,}")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise error("no-such-file", f"there is no file `{path}`") from None
    except OSError as e:
        raise error("unreadable", f"`{path}` cannot be read: {e.strerror or e}") from None
    return decode(raw, str(path))


def decode(raw: bytes, name: str) -> Source:
    """Bytes -> source; a byte order mark is accepted, anything but UTF-8 is refused with its offset."""
    try:
        return Source(name, raw.decode("utf-8-sig"))
    except UnicodeDecodeError as e:
        raise error(
            "not-utf8", f"`{name}` is not UTF-8 text: byte 0x{raw[e.start]:02x} at offset {e.start}",
            help="save the file as UTF-8",
        ) from None  # fmt: skip


def parse(source: Source) -> ast.Spec:
    """The tree of a whole spec. Raises NetError with every syntax error of the file."""
    spec, problems = parse_tolerant(source)
    if problems:
        raise NetError(problems)
    return spec


def parse_tolerant(source: Source) -> tuple[ast.Spec, list[Diagnostic]]:
    """The tree with each statement that does not parse left out as `Broken`, and what was wrong with them."""
    with collector_paused():
        return _parse(source)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Without the cyclic collector, which finds nothing in a growing tree and takes 40 % of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _parse(source: Source) -> tuple[ast.Spec, list[Diagnostic]]:
    if len(source.text) > MAX_BYTES:
        raise error("too-large", f"the spec has {len(source.text):,} characters; at most {MAX_BYTES:,} are read")
    raw = [t for t in _lark().lex(source.text, dont_ignore=True) if t.type != "WS"]
    comments = _comments(source, [t for t in raw if t.type == "COMMENT"])
    problems = _lexical_problems(source, raw)
    if problems:
        raise NetError(problems)
    tokens, problems = lay_out(raw, source)
    if problems:
        raise NetError(problems)
    broken: list[ast.Broken] = []
    while True:
        failure = _attempt(source, tokens)
        if isinstance(failure, ast.Spec):
            break
        index, problem = failure
        if len(problems) < MAX_ERRORS:
            problems.append(problem)
        start, end = _statement(tokens, index)
        names = tuple(str(t) for t in tokens[start:end] if t.type == "NAME")[:1]
        if end <= start or len(problems) >= MAX_ERRORS:
            raise NetError(problems)
        broken.append(ast.Broken(_token_span(source, tokens[start]), names))
        tokens = _without(tokens, start, end)
        if not tokens:
            raise NetError(problems)
    spec = failure
    if broken:
        spec = _with_broken(spec, tuple(broken))
    spec = ast.Spec(spec.span, spec.imports, spec.nets, spec.datas, spec.trains, comments)
    return spec, problems


def parse_expression(source: Source, start: int = 0) -> ast.Expression:
    """One expression, as the command line gives it, from offset `start` on. Raises NetError."""
    blank = Source(source.name, " " * start + source.text[start:])
    raw = [t for t in _lark().lex(blank.text, dont_ignore=True) if t.type not in ("WS", "COMMENT")]
    problems = _lexical_problems(source, raw)
    tokens, more = lay_out(raw, source) if not problems else ([], [])
    if problems or more:
        raise NetError(problems or more)
    result = _attempt(source, tokens, "expression")
    if isinstance(result, tuple):
        raise NetError(result[1])
    expression: ast.Expression = result
    return expression


@lru_cache(maxsize=1)
def _lark() -> Lark:
    grammar = Path(__file__).with_name("net.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        start=["start", "expression"],
        parser="lalr",
        lexer="basic",
        transformer=_Builder(),
        maybe_placeholders=True,
    )


def _attempt(source: Source, tokens: list[Token], rule: str = "start") -> Any:
    """The tree, or the index of the first token that does not fit and why."""
    context = _source.set(source)
    parser = _lark().parse_interactive(start=rule)
    index = 0
    try:
        for token in tokens:
            parser.feed_token(token)
            index += 1
        result = parser.feed_eof(tokens[-1] if tokens else None)
    except UnexpectedInput as e:
        accepts = set(e.accepts or ()) if hasattr(e, "accepts") else set()
        accepts = accepts or set(parser.accepts())
        return min(index, len(tokens) - 1), _unexpected(source, tokens, index, accepts)
    except (NetError, VisitError) as e:
        cause = e.orig_exc if isinstance(e, VisitError) else e
        if not isinstance(cause, NetError):
            raise cause from None
        return _index_at(tokens, cause.diagnostics[0].labels[0].span), cause.diagnostics[0]
    finally:
        _source.reset(context)
    return result


def _unexpected(source: Source, tokens: list[Token], index: int, accepts: set[str]) -> Diagnostic:
    expected = _expectation(accepts, bool(index))
    if index >= len(tokens):
        end = len(source.text.rstrip())
        return diagnostic(
            "syntax", f"expected {expected}, found the end of the file", Span(source, max(0, end - 1), end)
        )
    token = tokens[index]
    if token.type == "NL":
        previous = _token_span(source, tokens[index - 1])
        spot = Label(Span(source, previous.end, previous.end), "the line ends here")
        return diagnostic("syntax", f"expected {expected}, found the end of the line", spot)
    help = ""
    word = str(token)
    if word in HARD | SOFT and "NAME" in accepts:
        help = f"`{word}` is a keyword here; choose another name"
    elif token.type == "EQ" and "COMPARE" in accepts:
        help = "equality is written `==`"
    elif token.type == "EQ" and index and str(tokens[index - 1]) in SOFT:
        help = f"`{tokens[index - 1]}` begins a declaration at the start of a line; choose another name"
    elif token.type == "STAR" and index and tokens[index - 1].type == "STAR":
        help = "a power is written `x ^ 2`"
    elif token.type == "NAME" and index and tokens[index - 1].type == "NL" and not accepts & {"NAME"}:
        help = "a spec holds `import`, `net`, `data` and `train`"
    return diagnostic("syntax", f"expected {expected}, found `{word}`", _token_span(source, token), help=help)


def _expectation(accepts: set[str], inside: bool) -> str:
    """What could have stood there, in a few words."""
    names: list[str] = []
    rest = set(accepts)
    if not inside and {"NET"} <= rest:
        return "`net`, `data`, `train` or `import`"
    if {"NET", "DATA"} <= rest:
        return "`net`, `data`, `train` or `import`"
    if rest >= _STATEMENT:
        return "a statement"
    if {"NAME", "NUMBER", "LPAR"} <= rest:
        names.append("an expression")
        rest -= _EXPRESSION
    if {"PLUS", "STAR"} <= rest:
        names.append("an operator")
        rest -= _INFIX | {"LPAR", "LSQB"}
    names += sorted({_HUMAN.get(t, f"`{t.lower()}`") for t in rest})
    names = names or ["something else"]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


def _statement(tokens: list[Token], index: int) -> tuple[int, int]:
    """Bounds of the statement that holds token `index`, nested braces included."""
    start = depth = 0
    for i in range(min(index, len(tokens) - 1), -1, -1):
        kind = tokens[i].type
        if kind == "RBRACE" and i != index:
            depth += 1
        elif kind == "LBRACE" and i != index:
            if depth == 0:
                start = i + 1
                break
            depth -= 1
        elif kind == "NL" and depth == 0 and i != index:
            start = i + 1
            break
    depth = 0
    for i in range(start, len(tokens)):
        kind = tokens[i].type
        if kind == "LBRACE":
            depth += 1
        elif kind == "RBRACE":
            if depth == 0:
                return start, i
            depth -= 1
        elif kind == "NL" and depth == 0 and i >= index:
            return start, i
    return start, len(tokens)


def _without(tokens: list[Token], start: int, end: int) -> list[Token]:
    """The tokens less one statement and one of the newlines around it."""
    if end < len(tokens) and tokens[end].type == "NL":
        end += 1
    elif start and tokens[start - 1].type == "NL":
        start -= 1
    return tokens[:start] + tokens[end:]


def _with_broken(spec: ast.Spec, broken: tuple[ast.Broken, ...]) -> ast.Spec:
    nets = tuple(ast.Net(n.span, n.name, n.parameters, broken + n.body) for n in spec.nets)
    return ast.Spec(spec.span, spec.imports, nets, spec.datas, spec.trains)


def _index_at(tokens: list[Token], span: Span) -> int:
    return next(i for i, t in enumerate(tokens) if t.end_pos is not None and t.end_pos > span.start)


def _token_span(source: Source, token: Token) -> Span:
    assert token.start_pos is not None
    assert token.end_pos is not None
    return Span(source, token.start_pos, token.end_pos)


def _comments(source: Source, tokens: list[Token]) -> tuple[ast.Comment, ...]:
    found = []
    for token in tokens:
        span = _token_span(source, token)
        before = source.text[source.line_starts[span.line - 1] : span.start]
        found.append(ast.Comment(span, str(token).rstrip(), not before.strip()))
    return tuple(found)


def _lexical_problems(source: Source, tokens: list[Token]) -> list[Diagnostic]:
    """Characters that no token begins with, names that are not ASCII, and text hidden from the eye."""
    problems = []
    for token in tokens:
        span = _token_span(source, token)
        foreign = next((c for c in token if not c.isascii()), None) if token.type == "NAME" else None
        hidden = next((c for c in token if unicodedata.bidirectional(c) in _BIDI or c in _INVISIBLE), None)
        if token.type == "UNKNOWN":
            problems.append(_unknown(source, token, span))
        elif foreign:
            problems.append(
                diagnostic(
                    "character", f"the name `{token}` has the character {_code_point(foreign)}", span,
                    help="names are written with a-z, A-Z, 0-9 and _",
                )
            )  # fmt: skip
        elif hidden:
            problems.append(diagnostic("character", f"there is a hidden character here {_code_point(hidden)}", span))
        if len(problems) >= MAX_ERRORS:
            break
    return problems


_BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_INVISIBLE = {"\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\x1b", "\x00"}


def _unknown(source: Source, token: Token, span: Span) -> Diagnostic:
    if token == '"':
        return diagnostic("unclosed", "a string is never closed", span, help='a string ends with `"` on the same line')
    if token in ("'", "\u2018", "\u201c", "\u201d"):
        return diagnostic("character", f"unexpected character {_code_point(token)}", span, help='strings use `"`')
    if token == "!":
        return diagnostic("character", "unexpected character `!`", span, help="negation is written `not x`")
    return diagnostic("character", f"unexpected character {_code_point(token)}", span)


def _code_point(character: str) -> str:
    name = unicodedata.name(character, "control character")
    shown = f"`{character}` " if character.isprintable() else ""
    return f"{shown}(U+{ord(character):04X}, {name})"


def _span(first: Any, last: Any) -> Span:
    source = _source.get()
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


def _climb(flat: list[Any], at: int, least: int) -> tuple[Any, int]:
    """The expression that begins at `at` and binds at least as tightly as `least`, and where it ends."""
    first = flat[at]
    if isinstance(first, Token):
        binding = _NOT if first.type == "NOT" else _NEGATIVE
        if binding < least and first.type == "NOT":
            raise error("syntax", "`not` needs parentheses here", _span(first, first), help="write `(not x)`")
        value, at = _climb(flat, at + 1, binding)
        left: Any = ast.Unary(_span(first, value), str(first), value)
    else:
        left, at = first, at + 1
    while at < len(flat):
        operator = flat[at]
        binding = _BINDING.get(operator.type, 0)
        if binding < least:
            break
        right, at = _climb(flat, at + 1, _NEGATIVE if binding == 10 else binding + 1)
        left = ast.Binary(_span(left, right), str(operator), left, right)
    return left, at


@v_args(inline=True)
class _Builder(Transformer):  # type: ignore[misc]  # lark ships no types that strict mode accepts
    """One method a grammar rule: children -> record."""

    def start(self, *items: Any) -> ast.Spec:
        nodes = _nodes(items)
        source = _source.get()

        def of(kind: type) -> tuple[Any, ...]:
            return tuple(n for n in nodes if isinstance(n, kind))

        return ast.Spec(Span(source, 0, len(source.text)), of(ast.Import), of(ast.Net), of(ast.Data), of(ast.Train))

    def net(self, word: Token, name: Token | None, parameters: Any, _: Token, body: Any, end: Token) -> ast.Net:
        return ast.Net(_span(word, end), name and _name(name), parameters or (), body or ())

    def data(self, word: Token, _: Token, settings: Any, end: Token) -> ast.Data:
        return ast.Data(_span(word, end), settings or ())

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

    def declare(self, role: Token, name: Token, _: Token, type: ast.Type) -> ast.Declare:
        return ast.Declare(_span(role, type), str(role), _name(name), type)

    def type(self, dtype: Token, *dims: Any) -> ast.Type:
        present = [d for d in dims if d is not None]
        return ast.Type(_span(dtype, present[-1] if present else dtype), _name(dtype), _nodes(dims))

    def bind(self, *children: Any) -> ast.Bind:
        names = tuple(_name(c) for c in children if isinstance(c, Token) and c.type == "NAME")
        return ast.Bind(_span(children[0], children[-1]), names, children[-1])

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
        return ast.Rule(_span(word, end), _string(pattern), adjustments or ())

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

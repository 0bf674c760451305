"""Text -> tree. Every error of the reader, the lexer and the parser ends here, as diagnostics in human words."""

from __future__ import annotations

import gc
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from lark import Lark, Token
from lark.exceptions import UnexpectedInput, VisitError

from netc.grammar import ast
from netc.grammar.builder import TreeBuilder, building
from netc.grammar.depth import check_depth
from netc.grammar.diagnostics import Diagnostic, Label, NetError, diagnostic, error
from netc.grammar.layout import HARD, SOFT, lay_out
from netc.grammar.reader import MAX_BYTES
from netc.grammar.source import Source, Span

MAX_ERRORS = 50

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
    check_depth(spec)
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
    check_depth(expression)
    return expression


@lru_cache(maxsize=1)
def _lark() -> Lark:
    grammar = Path(__file__).with_name("net.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        start=["start", "expression"],
        parser="lalr",
        lexer="basic",
        transformer=TreeBuilder(),
        maybe_placeholders=True,
    )


def _attempt(source: Source, tokens: list[Token], rule: str = "start") -> Any:
    """The tree, or the index of the first token that does not fit and why."""
    context = building.set(source)
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
        building.reset(context)
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

"""Text -> tree. Every error of the reader, the lexer and the parser ends here, as diagnostics in human words."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput, VisitError

from netc.grammar import ast
from netc.grammar.brackets import MAX_ERRORS, match
from netc.grammar.builder import TreeBuilder, building
from netc.grammar.characters import hidden
from netc.grammar.depth import check_depth
from netc.grammar.diagnostics import Diagnostic, NetError, error
from netc.grammar.expectation import span
from netc.grammar.layout import lay_out
from netc.grammar.reader import MAX_BYTES
from netc.grammar.repair import Repair
from netc.grammar.source import Source


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
    raw = _tokens(source.text)
    _refuse_data(source, raw)
    comments = _comments(source, [t for t in raw if t.type == "COMMENT"])
    tokens, problems = _laid_out(source, raw)
    spec = _read(source, tokens, problems)
    spec = ast.Spec(spec.span, spec.imports, spec.nets, spec.datas, spec.trains, comments)
    check_depth(spec)
    return spec, problems


def _refuse_data(source: Source, raw: list[Token]) -> None:
    """Raises NetError for a text that begins with a bracket, such as a JSON file: none of its lines could be read."""
    first = next((t for t in raw if t.type not in ("NL", "COMMENT")), None)
    if first is not None and first.type in ("LBRACE", "LSQB"):
        message = f"a spec begins with `net`, `data`, `train` or `import`, and this text with `{first}`"
        raise error("syntax", message, span(source, first), help="name a spec: a file of `net name { ... }`")


def parse_expression(source: Source, start: int = 0) -> ast.Expression:
    """One expression, as the command line gives it, from offset `start` on. Raises NetError."""
    text = " " * start + source.text[start:]
    tokens, problems = _laid_out(source, [t for t in _tokens(text) if t.type != "COMMENT"])
    if problems:
        raise NetError(problems)
    context = building.set(source)
    parser = _lark().parse_interactive(start="expression")
    at = 0
    try:
        for token in tokens:
            parser.feed_token(token)
            at += 1
        expression: ast.Expression = parser.feed_eof(tokens[-1] if tokens else None)
    except (UnexpectedInput, NetError, VisitError) as e:
        raise NetError(_problem(e) or Repair(source, tokens, ()).unexpected(0, at, parser.accepts)) from None
    finally:
        building.reset(context)
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


def _tokens(text: str) -> list[Token]:
    return [t for t in _lark().lex(text, dont_ignore=True) if t.type != "WS"]


def _laid_out(source: Source, raw: list[Token]) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens with only those newlines that end statements, and what is wrong with characters and brackets."""
    brackets = match(raw, source)
    if len(brackets.problems) >= MAX_ERRORS:
        raise NetError(brackets.problems)
    tokens, too_deep = lay_out(raw, source, brackets)
    if too_deep:
        raise NetError(too_deep)
    return tokens, [*hidden(source, raw), *brackets.problems][:MAX_ERRORS]


class Begun:
    """Where a statement begins, and the parser's stacks there."""

    def __init__(self, at: int, stacks: Any):
        self.at = at
        self.states, self.values = list(stacks.state_stack), list(stacks.value_stack)
        self.sizes = [(v.children, len(v.children)) for v in self.values[-2:] if isinstance(v, Tree)]

    def restore(self, stacks: Any) -> None:
        """Goes back to it; lists of statements, to which the parser only adds, lose those that were read since."""
        stacks.state_stack[:], stacks.value_stack[:] = self.states, self.values
        for children, size in self.sizes:
            del children[size:]


def _read(source: Source, tokens: list[Token], problems: list[Diagnostic]) -> ast.Spec:
    """The tree of a whole spec. What is wrong is added to `problems`, once for each statement. Raises NetError where
    nothing can be read on."""
    context = building.set(source)
    parser = _lark().parse_interactive(start="start")
    stacks = parser.parser_state
    repair = Repair(source, tokens, problems)
    begun = [[Begun(0, stacks)]]  # for each brace that is open, its last statement and the one before
    at = 0
    try:
        while True:
            token = tokens[at] if at < len(tokens) else None
            try:
                if token is None:
                    spec: ast.Spec = parser.feed_eof(tokens[-1] if tokens else None)
                    return spec
                parser.feed_token(token)
            except (UnexpectedInput, NetError, VisitError) as e:
                start = begun[-1][-1].at
                again = repair.after(start, at, parser.accepts, _problem(e), len(begun) == 1, begun[-1][0].at)
                if again is None or len(problems) >= MAX_ERRORS:
                    raise NetError(problems) from None
                if again < start:
                    begun[-1].pop()
                if again != at or again == start:
                    begun[-1][-1].restore(stacks)
                    at = again
                continue
            at += 1
            if token.type == "NL":
                begun[-1] = [begun[-1][-1], Begun(at, stacks)]
            elif token.type == "LBRACE":
                begun.append([Begun(at, stacks)])
            elif token.type == "RBRACE":
                begun.pop()
    finally:
        building.reset(context)


def _problem(e: Exception) -> Diagnostic | None:
    """What the builder refuses, where it was the builder."""
    cause = e.orig_exc if isinstance(e, VisitError) else e
    if isinstance(cause, UnexpectedInput):
        return None
    if not isinstance(cause, NetError):
        raise cause from None
    return cause.diagnostics[0]


def _comments(source: Source, tokens: list[Token]) -> tuple[ast.Comment, ...]:
    found = []
    for token in tokens:
        at = span(source, token)
        before = source.text[source.line_starts[at.line - 1] : at.start]
        found.append(ast.Comment(at, str(token).rstrip(), not before.strip()))
    return tuple(found)

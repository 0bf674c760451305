"""The message for a token that does not fit: what could have stood there, and what was found."""

from __future__ import annotations

from collections.abc import Sequence

from lark import Token

from netc.grammar.advice import NAMELESS, advice, share
from netc.grammar.diagnostics import Diagnostic, Label, diagnostic
from netc.grammar.foreign import CHOICE
from netc.grammar.forms import FORMS
from netc.grammar.layout import CONTINUED_AFTER
from netc.grammar.source import Source, Span

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


def unexpected(source: Source, tokens: Sequence[Token], start: int, index: int, accepts: set[str]) -> Diagnostic:
    """The error of token `index`, which does not fit into the statement that begins at `start`."""
    expected = _expectation(accepts, bool(index))
    if index >= len(tokens):
        end = len(source.text.rstrip())
        spot = Span(source, max(0, end - 1), end)
        return diagnostic(
            "syntax", f"expected {expected}, found the end of the file", spot, help=_form(tokens, start, index)
        )
    token = tokens[index]
    if token.type == "NL":
        return unfinished(source, tokens, start, index, accepts)
    message = f"expected {expected}, found `{token}`"
    return diagnostic("syntax", message, span(source, token), help=advice(tokens, start, index, accepts))


def unfinished(source: Source, tokens: Sequence[Token], start: int, index: int, accepts: set[str]) -> Diagnostic:
    """The error of a line that ends before token `index`, too early."""
    previous = span(source, tokens[index - 1])
    spot = Label(Span(source, previous.end, previous.end), "the line ends here")
    message = f"expected {_expectation(accepts, True)}, found the end of the line"
    help = _form(tokens, start, index)
    if tokens[index - 1].type in CONTINUED_AFTER:
        help = share(tokens, index) or f"write what follows `{tokens[index - 1]}`, or remove it"
    if "LBRACE" in accepts and index + 1 < len(tokens) and tokens[index + 1].type == "LBRACE":
        help = "put the `{` at the end of this line"
    return diagnostic("syntax", message, spot, help=CHOICE if "ELSE" in accepts else help)


def _form(tokens: Sequence[Token], start: int, index: int) -> str:
    first = tokens[start].type if start < len(tokens) else ""
    if first == "NAME" and index == start + 1:
        return NAMELESS
    return f"it is written {FORMS[first]}" if first in FORMS else ""


def _expectation(accepts: set[str], inside: bool) -> str:
    """What could have stood there, in a few words."""
    names: list[str] = []
    rest = set(accepts) - {"BROKEN"}
    if {"NET"} <= rest and (not inside or {"DATA"} <= rest):
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


def span(source: Source, token: Token) -> Span:
    """Where a token stands."""
    assert token.start_pos is not None
    assert token.end_pos is not None
    return Span(source, token.start_pos, token.end_pos)

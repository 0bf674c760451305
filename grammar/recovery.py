"""After a statement that does not parse: where it ends, and which names it would have bound."""

from __future__ import annotations

from collections.abc import Sequence

from lark import Token

from netc.grammar.brackets import ITEMS
from netc.grammar.forms import FORMS
from netc.grammar.layout import CONTINUED_AFTER, HARD, SOFT

BEGINNINGS = {"repeat", "block", "param", "return", "import", "rule"} & HARD
_PARTS = ("NET", "DATA", "TRAIN", "IMPORT")
_NAMING = {"INPUT", "TARGET", "OUTPUT", "PARAM", "BLOCK", "AS", "METRIC"}  # a name that a statement binds follows
_OPEN, _CLOSE = {"LPAR", "LSQB", "LBRACE"}, {"RPAR", "RSQB", "RBRACE"}


def end_of(tokens: Sequence[Token], start: int, index: int, outside: bool) -> int:
    """Where the statement that begins at `start` and fails at `index` ends; of lines `outside` of all parts of a spec,
    where the next part begins."""
    depth = held = 0  # braces and other brackets that are open
    for i in range(start, len(tokens)):
        kind = tokens[i].type
        held = max(0, held + (kind in ("LPAR", "LSQB")) - (kind in ("RPAR", "RSQB")))
        if kind == "LBRACE":
            depth += 1
        elif kind == "RBRACE":
            if depth == 0:
                return i
            depth -= 1
        elif depth == 0 and i >= index:
            if kind == "NL" and (not outside or _part(tokens, i + 1)):
                return i
            if i > start and not held and not outside and begins_line(tokens, i) and begins_statement(tokens, i):
                if tokens[i - 1].type == "COMMA" and (tokens[i].column or 0) > (tokens[start].column or 0):
                    continue  # an argument on a line of its own
                return _indented(tokens, start, i) if tokens[i - 1].type == "COLON" else i
    return len(tokens)


def _indented(tokens: Sequence[Token], start: int, i: int) -> int:
    """Where the lines end that stand right of the one that begins at `start`: the body of a `def f(x):`."""
    while i < len(tokens) and tokens[i].type != "RBRACE":
        if begins_line(tokens, i) and tokens[i].type != "NL" and (tokens[i].column or 0) <= (tokens[start].column or 0):
            return i - 1 if tokens[i - 1].type == "NL" else i
        i += 1
    return i


def closing(tokens: Sequence[Token], at: int, opener: str = "LBRACE") -> int:
    """The place of the bracket that closes the one at a place."""
    depth, closer = 0, {"LBRACE": "RBRACE", "LPAR": "RPAR", "LSQB": "RSQB"}[opener]
    for i in range(at, len(tokens)):
        depth += (tokens[i].type == opener) - (tokens[i].type == closer)
        if depth == 0:
            return i
    return len(tokens)


def _part(tokens: Sequence[Token], i: int) -> bool:
    return i < len(tokens) and tokens[i].type in _PARTS


def line_break(tokens: Sequence[Token], start: int, index: int) -> int | None:
    """The token before which the statement should have ended: it begins a line that reads like a statement, and the line
    before it is not finished."""
    for i in range(start + 1, min(index + 1, len(tokens))):
        if tokens[i - 1].type in CONTINUED_AFTER and begins_line(tokens, i) and begins_statement(tokens, i):
            return i if _flat(tokens, start, i) else None
    return None


def goes_on(tokens: Sequence[Token], at: int) -> bool:
    """Whether a line begins with what belongs to the line before: no statement begins with a bracket or a text."""
    kind, after = tokens[at].type, tokens[at + 1].type if at + 1 < len(tokens) else ""
    if kind not in ("LPAR", "LSQB", "COLON", "STRING", "DOT") or not at or tokens[at - 1].type != "NL":
        return False
    if kind == "STRING":
        return after not in ("COLON", "EQ")  # `"batch": 32`
    closed = closing(tokens, at, kind) + 1 if kind in ("LPAR", "LSQB") else len(tokens)
    return closed >= len(tokens) or tokens[closed].type != "EQ"  # `(a, b) = ...`


def is_torn(tokens: Sequence[Token], start: int, at: int) -> bool:
    """Whether a line ends at token `at` within a statement that begins with a keyword, and the next line is the rest."""
    first = tokens[start].type
    if tokens[at].type != "NL" or first not in FORMS or first.lower() in ITEMS:
        return False
    follows = tokens[at + 1].type if at + 1 < len(tokens) else ""
    return follows not in ("", "RBRACE", "NL", *FORMS) and not begins_statement(tokens, at + 1)


def _flat(tokens: Sequence[Token], start: int, end: int) -> bool:
    """Whether no bracket that opens between two tokens is still open at the second."""
    kinds = [t.type for t in tokens[start:end]]
    return sum(k in _OPEN for k in kinds) == sum(k in _CLOSE for k in kinds)


def begins_line(tokens: Sequence[Token], i: int) -> bool:
    """Whether a token is the first one of its line of the text."""
    return i == 0 or tokens[i].line != tokens[i - 1].line


def begins_statement(tokens: Sequence[Token], i: int) -> bool:
    """Whether a token reads like the beginning of a statement: `name =`, or a keyword and what follows it."""
    token, after = tokens[i], tokens[i + 1].type if i + 1 < len(tokens) else ""
    while token.type == "NAME" and after == "COMMA" and i + 3 < len(tokens) and tokens[i + 2].type == "NAME":
        i += 2  # `a, b = ...`
        after = tokens[i + 1].type
    if token.type == "NAME":
        second = tokens[i + 2].type if i + 2 < len(tokens) else ""
        if after == "NAME" and second in ("EQ", "COLON"):
            return True
        return after == "EQ" or (token in SOFT and after in ("NAME", "LBRACE"))
    return token.type.lower() in BEGINNINGS


def bound_names(tokens: Sequence[Token], head: bool = False) -> tuple[str, ...]:
    """The names that a broken statement, with all inside it, may have been meant to bind; of the `head` of a part of the spec
    its arguments."""
    found: dict[str, None] = {}
    depth = 0
    for i, token in enumerate(tokens):
        kind = token.type
        if kind in ("LPAR", "LSQB"):
            depth += 1
        elif kind in ("RPAR", "RSQB"):
            depth -= 1
        elif kind == "NAME":
            first = i == 0 or tokens[i - 1].type in ("NL", "LBRACE")
            typed = depth == 0 and i + 1 < len(tokens) and tokens[i + 1].type == "COLON"  # `x: f32[N]`
            named = i > 0 and (tokens[i - 1].type in _NAMING or (head and i > 1))
            second = (i == 1 and tokens[0].type in ("NAME", "IMPORT")) or (i == 2 and tokens[1].type == "COLON")
            if first or typed or named or second:
                found[str(token)] = None
        elif kind == "EQ" and i and (head or depth <= 0 or begins_line(tokens, i - 1)):
            back = i - 1
            if tokens[back] in SOFT:  # `input = ...`
                found[str(tokens[back])] = None
            while back >= 0 and tokens[back].type == "NAME":  # `a, b = ...`
                found[str(tokens[back])] = None
                back -= 2 if back and tokens[back - 1].type == "COMMA" else len(tokens)
    return tuple(found)

"""Newlines and keywords, decided between lexer and parser from brackets and neighbouring tokens.

A newline ends a statement except inside `(` or `[`, after an operator, `=` or a comma, or before an operator, `if` or
`else`. `net data train input target output metric` are keywords at the start of a statement only.
"""

from __future__ import annotations

from collections.abc import Iterable

from lark import Token

from netc.grammar.brackets import CLOSERS, MAX_NESTING, Brackets
from netc.grammar.diagnostics import Diagnostic, diagnostic
from netc.grammar.source import Source, Span

HARD = {
    "if", "else", "and", "or", "not", "true", "false", "return", "repeat", "block", "param", "rule", "import", "freeze",
    "as",
}  # fmt: skip
SOFT = {"net", "data", "train", "input", "target", "output", "metric"}
OPERATORS = {
    "ARROW", "COMPARE", "DOTDOT", "PLUS", "MINUS", "STAR", "SLASH", "DSLASH", "PERCENT", "AT", "CARET", "AND", "OR",
    "EQ", "STAREQ", "FOREIGN", "IF", "ELSE",
}  # fmt: skip
CONTINUED_AFTER = OPERATORS | {"COMMA", "NOT", "LBRACE", "LPAR", "LSQB", "NL", "COLON", "DOT"}
CONTINUED_BEFORE = OPERATORS | {"RBRACE", "RPAR", "RSQB", "COMMA"}


def lay_out(tokens: Iterable[Token], source: Source, found: Brackets) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens with keywords told apart and only those newlines that end a statement; braces that are missing are put in.

    Fails for brackets that are nested too deep.
    """
    out: list[Token] = []
    brackets: list[Token] = []
    newline: Token | None = None
    ended, strays, pairs, closed = found.ended, found.strays, found.pairs, found.closed
    for token in tokens:
        kind = token.type
        if closed and token.start_pos in closed:
            newline = _close(out, brackets, closed[token.start_pos], token) or newline
        if kind in ("COMMENT", "REMARK") or (kind in ("LBRACE", "RBRACE") and token.start_pos in strays):
            continue
        if kind == "NL":
            while brackets and brackets[-1].start_pos in ended and out[-1].type not in CONTINUED_AFTER:
                brackets.pop()
            inside = brackets and brackets[-1].type != "LBRACE" and brackets[-1].start_pos not in ended
            if newline is None and out and not inside and (token == ";" or out[-1].type not in CONTINUED_AFTER):
                newline = token
            continue
        if kind == "NAME" and token in HARD:
            token.type = kind = str(token).upper()
        if newline is not None:
            if kind not in CONTINUED_BEFORE and out[-1].type not in ("NL", "LBRACE"):
                out.append(_typed(newline, "NL"))
            newline = None
        elif out and out[-1].type == "RBRACE" and kind not in CONTINUED_BEFORE:
            out.append(_typed(token, "NL"))  # a closing brace ends its statement by itself
        if kind == "NAME" and token in SOFT and (not out or out[-1].type in ("NL", "LBRACE")):
            token.type = kind = str(token).upper()
        if kind in ("LPAR", "LSQB", "LBRACE"):
            brackets.append(token)
            if len(brackets) > MAX_NESTING:
                return out, [
                    diagnostic(
                        "too-deep", f"brackets are nested more than {MAX_NESTING} deep", _span(source, token),
                        help="name the inner parts on lines of their own",
                    )
                ]  # fmt: skip
        elif token.start_pos in pairs and brackets:
            brackets.pop()
        elif kind in CLOSERS and token.start_pos not in strays:
            while brackets and brackets[-1].type != CLOSERS[kind]:
                brackets.pop()  # one that is never closed
            if brackets:  # else a stray one, of a text that is nested too deep to be paired
                brackets.pop()
        out.append(token)
        if token.start_pos in found.opened:
            brackets.append(Token.new_borrow_pos("LBRACE", "{", token))
            out.append(brackets[-1])
    if out:
        _close(out, brackets, closed.get(-1, 0), out[-1])
    return out, []


def _close(out: list[Token], brackets: list[Token], count: int, at: Token) -> Token | None:
    """Puts in the `}` that are missing before a token; the newline that then follows, where one does."""
    while out and count and out[-1].type == "NL":
        out.pop()
    for _ in range(count):
        out.append(Token.new_borrow_pos("RBRACE", "}", at))
        while brackets and brackets.pop().type != "LBRACE":
            pass
    return _typed(at, "NL") if count else None


def _typed(token: Token, kind: str) -> Token:
    return Token.new_borrow_pos(kind, "\n", token)


def _span(source: Source, token: Token) -> Span:
    assert token.start_pos is not None
    assert token.end_pos is not None
    return Span(source, token.start_pos, token.end_pos)

"""Comments as other languages write them, among the tokens of a statement that does not parse."""

from __future__ import annotations

from collections.abc import Sequence

from lark import Token

from netc.grammar.source import Source


def is_remark(tokens: Sequence[Token], place: int, at: int) -> bool:
    """Whether a token begins a comment of another language (`//`, `--`, `%`), in a line that does not go on at `at`."""
    kind, after = tokens[place].type, tokens[place + 1] if place + 1 < len(tokens) else None
    if kind not in ("MINUS", "PERCENT"):
        return bool(kind == "DSLASH")
    if after is not None and after.type == kind and tokens[place].end_pos == after.start_pos:
        return True
    return bool(kind == "PERCENT") and at > place + 1 and all(t.type == "NAME" for t in tokens[place + 1 : at + 1])


def is_prose(tokens: Sequence[Token], start: int, source: Source) -> bool:
    """Whether a statement is nothing but words: three, or two behind a `;`."""
    end = next((i for i in range(start, len(tokens)) if tokens[i].type != "NAME"), len(tokens))
    before = tokens[start - 1].start_pos if start else None
    behind = before is not None and source.text[before] == ";"
    return end - start > 2 - behind and (end == len(tokens) or tokens[end].type in ("NL", "RBRACE"))

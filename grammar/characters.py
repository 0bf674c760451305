"""Characters: what no token begins with, names that are not ASCII, and text that is hidden from the eye."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from lark import Token

from netc.grammar.diagnostics import Diagnostic, diagnostic
from netc.grammar.foreign import COMMENT, LETTERS, SIGNS, STRING
from netc.grammar.source import Source, Span

STRANGE = {"UNKNOWN", "FOREIGN", "REMARK", "QUOTED", "UNCLOSED"}  # tokens of no sentence
_BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_INVISIBLE = {"\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\x1b", "\x00"}
_QUOTES = ("'", "`", "\u2018", "\u2019", "\u201c", "\u201d")


def hidden(source: Source, tokens: Iterable[Token]) -> Iterator[Diagnostic]:
    """Letters in names that only look like ASCII, characters that are not seen at all, and comments of other languages."""
    for token in tokens:
        if token.type == "REMARK":
            yield strange(source, token)
        if token.isascii() and token.isprintable():
            continue
        foreign = next((c for c in token if not c.isascii()), None) if token.type == "NAME" else None
        unseen = next((c for c in token if unicodedata.bidirectional(c) in _BIDI or c in _INVISIBLE), None)
        if foreign:
            yield diagnostic(
                "character", f"the name `{token}` has the character {_code_point(foreign)}", _span(source, token),
                help=f"write `{LETTERS[foreign]}`" if foreign in LETTERS else "names are written with a-z, A-Z, 0-9 and _",
            )  # fmt: skip
        elif unseen and token.type != "UNKNOWN":
            yield diagnostic(
                "character", f"there is a hidden character here {_code_point(unseen)}", _span(source, token),
                help="delete it, and type the text around it anew",
            )  # fmt: skip


def strange(source: Source, token: Token) -> Diagnostic:
    """What is wrong with a token that belongs to no sentence of the language."""
    span = _span(source, token)
    if token.type == "UNCLOSED":
        return diagnostic("unclosed", "a string is never closed", span, help='a string ends with `"` on the same line')
    if token.type == "REMARK":
        return diagnostic("syntax", "a comment is written with `#`", span, help=f"write `{COMMENT}`")
    if token.type == "QUOTED":
        written = f'"{token[1:-1]}"' if '"' not in token and "\\" not in token else STRING
        return diagnostic("character", "strings are written between double quotes", span, help=f"write `{written}`")
    if token in SIGNS and token.isascii():
        return diagnostic("syntax", f"there is no operator `{token}`", span, help=f"write `{SIGNS[token][1]}`")
    return diagnostic("character", f"unexpected character {_code_point(token)}", span, help=_instead(token, span))


def _instead(token: Token, at: Span) -> str:
    """What to write in the place of a character that no token begins with."""
    if token in SIGNS:
        return f"write `{SIGNS[token][1]}`"
    if token == "'" and re.search(r"[\w)\]]$", at.source.text[: at.start]):
        return "names are written with a-z, A-Z, 0-9 and _; a matrix is turned by `transpose(x)`"
    if token in _QUOTES:
        return 'strings are written between `"`'
    plain = unicodedata.normalize("NFKC", token)
    if plain != token and plain.isascii() and plain.isprintable():
        return f"write `{plain}`" if plain.strip() else "type a plain space"
    return "remove it; a line goes on inside parentheses" if token == "\\" else "remove it"


def _code_point(character: str) -> str:
    name = unicodedata.name(character, "control character")
    shown = f"`{character}` " if character.isprintable() else ""
    return f"{shown}(U+{ord(character):04X}, {name})"


def _span(source: Source, token: Token) -> Span:
    assert token.start_pos is not None
    assert token.end_pos is not None
    return Span(source, token.start_pos, token.end_pos)

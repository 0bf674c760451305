"""The message for a token that does not fit: what could have stood there, what was found, and what to write."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from lark import Token

from netc.grammar.diagnostics import Diagnostic, Label, diagnostic
from netc.grammar.foreign import SIGNS
from netc.grammar.forms import FORMS
from netc.grammar.layout import CONTINUED_AFTER, HARD, OPERATORS, SOFT
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
_CHOICE = "`if` chooses between two values: `a if condition else b`"
_NAMELESS = "a line gives a name to what it computes: `h = x -> relu`"
_OUTSIDE = "lines of a net stand inside `net name { ... }`, settings inside `data { ... }` or `train { ... }`"


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
    return diagnostic("syntax", message, span(source, token), help=_help(tokens, start, index, accepts))


def unfinished(source: Source, tokens: Sequence[Token], start: int, index: int, accepts: set[str]) -> Diagnostic:
    """The error of a line that ends before token `index`, too early."""
    previous = span(source, tokens[index - 1])
    spot = Label(Span(source, previous.end, previous.end), "the line ends here")
    message = f"expected {_expectation(accepts, True)}, found the end of the line"
    help = _form(tokens, start, index)
    if tokens[index - 1].type in CONTINUED_AFTER:
        help = f"write what follows `{tokens[index - 1]}`, or remove it"
    return diagnostic("syntax", message, spot, help=_CHOICE if "ELSE" in accepts else help)


def _help(tokens: Sequence[Token], start: int, index: int, accepts: set[str]) -> str:
    """What to write instead, where that can be told from the token and the beginning of its statement."""
    token, first = tokens[index], tokens[start]
    word = str(token)
    previous = tokens[index - 1] if index else None
    if index > start and word in HARD | SOFT and "NAME" in accepts:
        return f"`{word}` is a keyword here; choose another name"
    if index == start and word in HARD | SOFT and index + 1 < len(tokens) and tokens[index + 1].type == "EQ":
        return f"`{word}` is a keyword; choose another name"
    if index == start and first.type in ("NET", "DATA", "TRAIN") and "NET" not in accepts:
        return f"`{word}` stands behind the net: close the `}}` of the net before it"
    if index == start and token.type in ("LPAR", "LSQB"):
        return _unpacked(tokens, index)
    if index == start and token.type == "NUMBER":
        return "a name begins with a letter"
    if word == "for" and index > start and accepts & {"RSQB", "RPAR"}:
        return "a list is written out: `[0, 1, 2]`, or counted by `range(3)`"
    if str(previous) == "-" and word == ">":
        return "write `->`, without a space"
    if (
        previous is not None
        and {previous.type, token.type} == {"NAME"}
        and "COMMA" in accepts
        and accepts & {"RPAR", "RSQB"}
    ):
        return f"arguments are separated by `,`: `{previous}, {token}`"
    if previous is not None and index > start + 1 and first.type not in FORMS:
        joined = _joined(previous, token)
        if joined:
            return joined
    if token.type == "NAME" and word.lower() in HARD:
        return f"write `{word.lower()}`"
    if token.type == "EQ" and previous is not None and previous.type == "EQ":
        return "write one `=`"
    if token.type == "EQ" and "COMPARE" in accepts:
        return "equality is written `==`"
    if token.type == "EQ" and previous is not None and str(previous) in HARD | SOFT and index == start + 1:
        return f"`{previous}` is a keyword; choose another name"
    if token.type == "STAREQ":
        return f"write `{SIGNS[word][1]}`"
    if previous is not None and {previous.type, token.type} <= OPERATORS and "NAME" in accepts:
        return f"write what stands between `{previous}` and `{word}`, or remove one of them"
    if "ELSE" in accepts:
        return _CHOICE
    if first.type == "NET" and token.type == "COLON" and previous is not None and "EQ" in accepts:
        return f"arguments have values, not types: `{previous} = 64`"
    if first.type in ("INPUT", "TARGET") and token.type == "COMMA":
        return f"declare each on a line of its own: {FORMS[first.type]}"
    if (
        first.type == "NAME"
        and token.type == "COLON"
        and tokens[index + 2 : index + 3]
        and tokens[index + 2].type == "LSQB"
    ):
        return f"a declaration begins with `input` or `target`: `input {first}: {tokens[index + 1]}[N, 4]`"
    if token.type == "STAR" and previous is not None and previous.type == "LPAR":
        return 'a pattern is a string: `l2("*.weight")`'
    if token.type == "FREEZE":
        return f"it is written {FORMS['RULE']}"
    if token.type == "COLON" and "EQ" in accepts and first.type == "NAME":
        return f"write `{first} = ...`"
    if index == start and not accepts & {"NAME"} and accepts & {"NET"}:
        return _OUTSIDE
    if first.type == "IMPORT" and token.type == "NAME":
        return f"words need no import: leave the line out; another spec is brought in by {FORMS['IMPORT']}"
    if first.type in FORMS:
        return f"it is written {FORMS[first.type]}"
    if index == start + 1 and first.type == "NAME" and _named(tokens, index):
        return _named(tokens, index)
    if index == start + 1 and first.type == "NAME" and token.type in ("LPAR", "DOT", "ARROW"):
        return _NAMELESS
    if index == start + 1 and first.type == "NAME":
        return f"write `{first} = ...`"
    if token.type in ("NAME", "NUMBER", "STRING", "LPAR") and "COMMA" in accepts and accepts & {"RPAR", "RSQB"}:
        return "arguments are separated by `,`"
    if token.type == "COLON":
        return f"{_CHOICE}; ranges stand in brackets: `x[:, 1:3]`"
    return "a line has one statement: begin a new line, or separate with `;`" if "NL" in accepts else ""


def _named(tokens: Sequence[Token], index: int) -> str:
    """Help for what stands between the first name of a line and its `=`: a type before a name, a dot or a minus within one."""
    token = tokens[index]
    after = [t.type for t in tokens[index + 1 : index + 3]]
    if token.type == "NAME" and after[:1] == ["EQ"]:
        return f"write `{token} = ...`"
    if token.type == "DOT" and after == ["NAME", "EQ"]:
        return f"write `{tokens[index + 1]} = ...`; a name has no dots"
    if token.type == "MINUS" and after == ["NAME", "EQ"]:
        return f"write `{tokens[index - 1]}_{tokens[index + 1]} = ...`"
    return ""


def _unpacked(tokens: Sequence[Token], index: int) -> str:
    """Help for `(a, b) = ...`: names stand without brackets."""
    names = list(takewhile(lambda t: t.type in ("NAME", "COMMA"), tokens[index + 1 :]))
    after = [t.type for t in tokens[index + 1 + len(names) :][:2]]
    if not names or after not in (["RPAR", "EQ"], ["RSQB", "EQ"]):
        return ""
    return f"write `{', '.join(t for t in names if t.type == 'NAME')} = ...`"


def _joined(previous: Token, token: Token) -> str:
    """Help for two tokens that stand side by side without anything between them."""
    touching = previous.end_pos == token.start_pos
    if previous == "lambda":
        return "a function is a block: `block unit(a) { return relu(a) }`"
    if token.type == "STRING" and previous.type == "NAME" and touching:
        return f"write `{token}`: a string has no letter before it"
    if token.type == "LBRACE" and previous.type == "NAME":
        return f"arguments stand in parentheses: `{previous}(...)`"
    if token.type == "RPAR" and previous.type == "COMMA":
        return "a list of one entry is written `[...]`"
    if previous.type == "NUMBER" and token.type == "NAME":
        return (
            f"write `{previous}`, numbers have no suffix"
            if touching and token == "f"
            else f"write `{previous} * {token}`"
        )
    if previous.type == "NAME" and token.type in ("NAME", "NUMBER") and previous.line == token.line:
        return f"a function is called: `{previous}({token})`; names have no spaces"
    if token.type == "COMMA":
        return "remove it: a line ends without a sign"
    return "write `0.5` with its 0" if token.type == "DOT" and previous.type not in ("NAME", "RPAR", "RSQB") else ""


def _form(tokens: Sequence[Token], start: int, index: int) -> str:
    first = tokens[start].type if start < len(tokens) else ""
    if first == "NAME" and index == start + 1:
        return _NAMELESS
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

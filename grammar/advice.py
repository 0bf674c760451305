"""What to write in the place of a token that does not fit, where that can be told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from lark import Token

from netc.grammar.foreign import CHOICE, INSIDE, SIGNS
from netc.grammar.forms import FORMS
from netc.grammar.layout import HARD, OPERATORS, SOFT

NAMELESS = "a line gives a name to what it computes: `h = x -> relu`"
_SIGNS = {"PLUS", "STAR", "SLASH", "PERCENT", "AT", "CARET", "AND", "OR", "LPAR", "DOT", "ARROW"}  # behind a value
_ONE = "a line has one statement: begin a new line, or separate with `;`"
_SPLIT, _SOURCE = "split = random(train = 0.8, val = 0.2)", 'source = csv(train = "a.csv", ...)'
_OUTSIDE = "lines of a net stand inside `net name { ... }`, settings inside `data { ... }` or `train { ... }`"


def advice(tokens: Sequence[Token], start: int, index: int, accepts: set[str]) -> str:
    """What to write instead, where that can be told from the token and the beginning of its statement."""
    token, first = tokens[index], tokens[start]
    word = str(token)
    previous = tokens[index - 1] if index else None
    special = _keyword(tokens, start, index, accepts) or _in_a_call(tokens, index, accepts) or share(tokens, index)
    if special:
        return special
    if index == start and token.type == "STRING" and _kind(tokens, index + 1) in ("COLON", "EQ"):
        return f"write `{word[1:-1]} = ...`"
    if index == start and token.type in ("LPAR", "LSQB"):
        return _unpacked(tokens, index)
    if index == start and token.type == "NUMBER":
        return "a name begins with a letter"
    if word == "for" and index > start and accepts & {"RSQB", "RPAR"}:
        return "a list is written out: `[0, 1, 2]`, or counted by `range(3)`"
    for said in (word, str(previous)):
        if (
            said in INSIDE
            and index > start + 1
            and {token.type, *(t.type for t in tokens[index - 1 : index])} == {"NAME"}
        ):
            return INSIDE[said]
    if token.type == "NAME" and word in INSIDE and "ELSE" in accepts:
        return INSIDE[word]
    if token.type == "LBRACE" and "NAME" in accepts and "NUMBER" in accepts:
        return "values are bound one by one, `units = 4`, and lists stand in brackets: `[1, 2]`"
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
        joined = _joined(previous, token, _kind(tokens, index + 1))
        if joined:
            return joined
    if token.type == "NAME" and word.lower() in HARD:
        return f"write `{word.lower()}`"
    if token.type == "EQ" and previous is not None and previous.type == "EQ":
        return "write one `=`"
    if token.type == "EQ" and "RPAR" not in accepts and _kind(tokens, index - 2) == "COMMA":
        return _ONE
    if token.type == "EQ" and index > 1 and tokens[index - 2] == "<":
        return f"arguments stand in parentheses: `f(x, {previous} = 1)`"
    if token.type == "EQ" and "COMPARE" in accepts:
        return "equality is written `==`"
    if token.type == "STAREQ":
        return f"write `{SIGNS[word][1]}`"
    if previous is not None and {previous.type, token.type} <= OPERATORS and "NAME" in accepts:
        return f"write what stands between `{previous}` and `{word}`, or remove one of them"
    if "ELSE" in accepts:
        return CHOICE
    if first.type == "NET" and token.type == "COLON" and previous is not None and "EQ" in accepts:
        return f"arguments have values, not types: `{previous} = 64`"
    if first.type in ("INPUT", "TARGET") and token.type == "COMMA":
        return f"declare each on a line of its own: {FORMS[first.type]}"
    if first.type in ("OUTPUT", "METRIC") and token.type == "COMMA" and index == start + 2:
        return f"publish each on a line of its own: `{first} {previous}`"
    if first.type == "RULE" and token.type in ("COMMA", "LSQB"):
        return "a rule has one pattern: write a rule for each"
    if (
        first.type == "NAME"
        and token.type == "COLON"
        and tokens[index + 2 : index + 3]
        and tokens[index + 2].type == "LSQB"
    ):
        return f"a declaration begins with `input` or `target`: `input {first}: {tokens[index + 1]}[N, 4]`"
    if token.type == "STAR" and _kind(tokens, index + 1) in ("LSQB", "LPAR"):
        return "tensors are given one by one: `concat(a, b)`"
    if token.type == "STAR" and previous is not None and previous.type == "LPAR":
        return 'a pattern is a string: `l2("*.weight")`'
    if token.type == "FREEZE":
        return f"it is written {FORMS['RULE']}"
    if token.type == "COLON" and "EQ" in accepts and first.type == "NAME":
        return f"write `{previous} = ...`"
    if index == start and not accepts & {"NAME"} and accepts & {"NET"}:
        return _OUTSIDE
    if first.type == "IMPORT" and token.type == "NAME":
        return f"words need no import: leave the line out; another spec is brought in by {FORMS['IMPORT']}"
    if first.type in FORMS:
        return f"it is written {FORMS[first.type]}"
    if index == start + 1 and first.type == "NAME" and _named(tokens, index):
        return _named(tokens, index)
    if index == start + 1 and first.type == "NAME" and token.type == "LSQB" and _assigns(tokens, index):
        return "no value is changed in place: bind a new one, such as `h = where(x > 0, x, 0)` or `h = concat(a, b)`"
    if index == start + 1 and first.type == "NAME" and token.type in _SIGNS:
        return f"{NAMELESS}; a block ends with `return x`" if _last(tokens, index) else NAMELESS
    if index == start + 1 and first.type == "NAME":
        return f"write `{first} = ...`"
    if token.type in ("NAME", "NUMBER", "STRING", "LPAR") and "COMMA" in accepts and accepts & {"RPAR", "RSQB"}:
        return "arguments are separated by `,`"
    if token.type == "COLON":
        return f"{CHOICE}; ranges stand in brackets: `x[:, 1:3]`"
    return _ONE if "NL" in accepts else ""


def _keyword(tokens: Sequence[Token], start: int, index: int, accepts: set[str]) -> str:
    """Help for a keyword where none fits, and for what stands behind one."""
    token, first = tokens[index], tokens[start]
    word, follows = str(token), _kind(tokens, index + 1)
    if index > start and word in HARD | SOFT and "NAME" in accepts:
        if word in ("if", "else"):
            return CHOICE
        if (
            word.upper() in FORMS
            and follows not in ("NL", "RPAR", "RSQB", "RBRACE", "COMMA", "")
            and follows not in OPERATORS
        ):
            return f"`{word}` begins a statement: {FORMS[word.upper()]}"
        return f"`{word}` is a keyword here; choose another name"
    if token.type == "EQ" and index == start + 1 and first.type == "FREEZE":
        return "`freeze` stands alone"
    if index == start and token.type == "FREEZE":
        return f"it is written {FORMS['RULE']}"
    if index == start and word in HARD | SOFT and follows == "EQ":
        if word in ("train", "val", "test") and not accepts & {"INPUT", "RULE"}:
            return "write `" + (_SPLIT if _kind(tokens, index + 2) == "NUMBER" else _SOURCE) + "`"
        return f"`{word}` is a keyword; choose another name"
    if index == start and first.type in ("NET", "DATA", "TRAIN") and "NET" not in accepts:
        block = "net" if "INPUT" in accepts else "train block" if "RULE" in accepts else "data block"
        return f"`{word}` stands behind the {block}: close the `}}` of the {block} before it"
    if token.type == "EQ" and index == start + 1 and first.type in ("NET", "DATA", "TRAIN"):
        return f"it is written {FORMS[first.type]}"
    if token.type == "EQ" and index == start + 1 and str(first) in HARD | SOFT:
        return f"`{first}` is a keyword; choose another name"
    return ""


def _in_a_call(tokens: Sequence[Token], index: int, accepts: set[str]) -> str:
    """Help for what does not fit between the parentheses of a call: `f(units: 4)`, `f(x,, 4)`."""
    token, before, previous = tokens[index], _kind(tokens, index - 2), tokens[index - 1] if index else None
    if previous is None:
        return ""
    if token.type == "COLON" and previous.type == "NAME" and before in ("LPAR", "COMMA") and {"EQ", "RPAR"} <= accepts:
        return f"write `{previous} = ...`"
    if token.type == "COMMA" and previous.type in ("COMMA", "LPAR", "LSQB") and "NAME" in accepts:
        return "write what stands before the comma, or remove it"
    return ""


def share(tokens: Sequence[Token], index: int) -> str:
    """Help for a number of percent, behind whose sign token `index` stands: `dropout(20%)`."""
    if index < 2 or _kind(tokens, index - 1) != "PERCENT" or _kind(tokens, index - 2) != "NUMBER":
        return ""
    if tokens[index - 2].end_pos != tokens[index - 1].start_pos:
        return ""
    return f"a share is a number from 0 to 1: write `{float(tokens[index - 2]) / 100:g}`"


def of_sign(tokens: Sequence[Token], index: int, accepts: set[str]) -> str:
    """Help for a sign of another language, where it depends on its place: in a rule, and for `|x|`."""
    token, by = tokens[index], tokens[index + 1] if index + 1 < len(tokens) else None
    if "STAREQ" in accepts and token in ("/=", "+=", "-="):
        number = float(by) if by is not None and by.type == "NUMBER" else 0
        return f"write `rate *= {1 / number:g}`" if token == "/=" and number else "write `rate *= 0.1` or `rate = 1e-4`"
    if token == "|" and "NAME" in accepts:
        return "the absolute value is `abs(x)`; a function is a block: `block unit(a) { return relu(a) }`"
    return ""


def _assigns(tokens: Sequence[Token], index: int) -> bool:
    """Whether an `=` follows the bracket that opens at `index`: `h[:, 0] = 1`."""
    kinds = [t.type for t in tokens[index : index + 20]]
    return "RSQB" in kinds and kinds[kinds.index("RSQB") + 1 : kinds.index("RSQB") + 2] == ["EQ"]


def _last(tokens: Sequence[Token], index: int) -> bool:
    """Whether the line of a token is the last before a `}`."""
    rest = (t.type for t in tokens[index:] if t.type in ("NL", "RBRACE"))
    return next(rest, "") == "RBRACE" or next(rest, "") == "RBRACE"


def _kind(tokens: Sequence[Token], index: int) -> str:
    return str(tokens[index].type) if 0 <= index < len(tokens) else ""


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


def _joined(previous: Token, token: Token, after: str) -> str:
    """Help for two tokens that stand side by side without anything between them."""
    touching = previous.end_pos == token.start_pos
    if token.type == "STRING" and previous.type == "NAME" and touching:
        return f"write `{token}`: a string has no letter before it"
    if token.type == "LBRACE" and previous.type == "NAME":
        return f"arguments stand in parentheses: `{previous}(...)`"
    if token.type == "RPAR" and previous.type == "COMMA":
        return "a list of one entry is written `[...]`"
    if previous == "0" and touching and re.fullmatch(r"x[0-9a-fA-F]+", token):
        return f"write `{int(token[1:], 16)}`: numbers are decimal"
    if previous.type == "NUMBER" and token.type == "NAME":
        return (
            f"write `{previous}`, numbers have no suffix"
            if touching and token == "f"
            else f"write `{previous} * {token}`"
        )
    if previous.type == "NAME" and token.type == "NAME" and after == "LPAR":
        return f"a tensor flows into it: write `{previous} -> {token}(...)`"
    if previous.type == "NAME" and token.type in ("NAME", "NUMBER") and previous.line == token.line:
        return f"a function is called: `{previous}({token})`; names have no spaces"
    if token.type == "COMMA":
        return "remove it: a line ends without a sign"
    return "write `0.5` with its 0" if token.type == "DOT" and previous.type not in ("NAME", "RPAR", "RSQB") else ""

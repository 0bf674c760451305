"""Which brackets belong together, found before anything is parsed, so that one that is missing costs one statement only."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from lark import Token

from netc.grammar.diagnostics import Diagnostic, Label, diagnostic
from netc.grammar.forms import FORMS
from netc.grammar.source import Source, Span

OPENERS = {"LPAR": ")", "LSQB": "]", "LBRACE": "}"}
CLOSERS = {"RPAR": "LPAR", "RSQB": "LSQB", "RBRACE": "LBRACE"}
STATEMENTS = ("input", "target", "output", "metric", "param", "block", "repeat", "return")
OPERANDS = ("NAME", "NUMBER", "STRING", "RPAR", "RSQB")
ITEMS = ("net", "data", "train")
MAX_NESTING = 200
MAX_ERRORS = 50  # after which nothing new is said
LOOKED_AT = 500  # tokens of a line behind a bracket that does not fit


@dataclass
class Brackets:
    """What is wrong with the brackets of a text. Tokens are named by their offset.

    `ended` are those `(` and `[` that are never closed: their statement ends with its line. `strays` close nothing, or are a
    `{` that stands twice. `pairs` close a bracket of another kind. `opened` are the tokens behind which a `{` is missing;
    `closed` says how many `}` are missing before a token (at -1: at the end).
    """

    ended: set[int] = field(default_factory=set)
    strays: set[int] = field(default_factory=set)
    pairs: set[int] = field(default_factory=set)
    opened: set[int] = field(default_factory=set)
    closed: dict[int, int] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)


def match(tokens: Sequence[Token], source: Source) -> Brackets:
    """Pairs brackets; where braces do not add up, by the layout of the lines."""
    return _Matching(tokens, source).run()


class _Matching:
    def __init__(self, tokens: Sequence[Token], source: Source):
        self.tokens, self.source = tokens, source
        self.found = Brackets()
        self.open: list[tuple[Token, int]] = []  # with the column at which its line begins
        self.told: set[int] = set()  # lines that something is said of
        self.garbled = 0  # a line with a character of no token, which the parser names
        self.missing = sum((t.type == "LBRACE") - (t.type == "RBRACE") for t in tokens)  # how many `}`

    def run(self) -> Brackets:
        column, begins = 1, True
        for at, token in enumerate(self.tokens):
            kind = token.type
            if len(self.found.problems) >= MAX_ERRORS:
                return self.found
            if kind == "NL":
                begins = begins or token != ";"
                continue
            if begins and kind != "COMMENT":
                column, begins = token.column or 1, False
                self.line(at, token, column)
                self.header(at, column)
            if kind == "LBRACE" and at and self.tokens[at - 1].type == "LBRACE":
                self.stray(token, "stands twice", [])
                self.missing -= 1
                continue
            if self.misplaced(token):
                continue
            if kind == "LBRACE":
                while self.open and self.open[-1][0].type != "LBRACE":  # no brace stands inside other brackets
                    self.unclosed(_at(token), token)
            if kind in OPENERS:
                self.open.append((token, column))
                if len(self.open) > MAX_NESTING:
                    return Brackets()  # which is refused as a whole
            elif kind == "RBRACE":
                self.brace(at, token, column)
            elif kind in CLOSERS:
                self.closer(at, token)
            elif kind == "UNKNOWN":
                self.garbled = token.line or 0
            elif kind == "UNCLOSED":  # the rest of its line is in the string: what was open there is not missing
                self.garbled = token.line or 0
                held = token.count(")") + token.count("]") - token.count("(") - token.count("[")
                while (
                    held > 0 and self.open and self.open[-1][0].type != "LBRACE" and self.open[-1][0].line == token.line
                ):
                    self.found.ended.add(_at(self.open.pop()[0]))
                    held -= 1
                if token.rstrip().endswith("{"):
                    self.found.opened.add(_at(token))
                    self.open.append((Token.new_borrow_pos("LBRACE", "{", token), column))
                    self.missing += 1
        while self.open:
            self.unclosed(-1)
        return self.found

    def line(self, at: int, token: Token, column: int) -> None:
        """A `}` is missing before a line that begins a new part of the spec, or that stands left of an inner `{`."""
        follows = self.after(at)
        item = token in ITEMS and (
            follows == "LBRACE" or (follows == "NAME" and self.after(at, 1) in ("LBRACE", "LPAR"))
        )
        while (
            self.open
            and self.open[-1][0].type != "LBRACE"
            and (
                (token in STATEMENTS and follows == "NAME")
                or (token.type == "NAME" and follows == "EQ" and column <= self.open[-1][1] and self.ends_before(at))
            )
        ):
            self.unclosed(_at(token), token)
        while self.open and self.missing > 0 and token.type != "RBRACE":
            braces = [(t, c) for t, c in self.open if t.type == "LBRACE"]
            if not braces or not (item or (len(braces) > 1 and column <= braces[-1][1])):
                return
            self.unclosed(_at(token))

    def misplaced(self, token: Token) -> bool:
        """A brace too many stands inside other brackets, where none belongs."""
        too_many = {"LBRACE": self.missing > 0, "RBRACE": self.missing < 0}.get(token.type, False)
        if not too_many or not self.open or self.open[-1][0].type == "LBRACE":
            return False
        self.stray(token, f"stands inside `{self.open[-1][0]}`", self.open[-1:])
        self.missing += 1 if token.type == "RBRACE" else -1
        return True

    def header(self, at: int, column: int) -> None:
        """A `{` is missing behind what stands before one, such as `train` or `block Unit(x)`."""
        end = self.header_end(at) if self.missing < 0 else None
        if end is None:
            return
        last, follows = self.tokens[end], self.after(end)
        spot = Label(_span(self.source, last), "the line ends here")
        spot = Label(Span(self.source, spot.span.end, spot.span.end), spot.text)
        found = "the end of the line"
        if follows not in ("NL", "COMMENT", ""):
            found, spot = f"`{self.tokens[end + 1]}`", Label(_span(self.source, self.tokens[end + 1]))
        help = f"it is written {FORMS[str(self.tokens[at]).upper()]}"
        self.tell(diagnostic("syntax", f"expected `{{`, found {found}", spot, help=help))
        self.found.opened.add(_at(last))
        self.open.append((Token.new_borrow_pos("LBRACE", "{", last), column))
        self.missing += 1

    def header_end(self, at: int) -> int | None:
        """The last token of a header that has no `{`; None for other lines."""
        word, end = str(self.tokens[at]), at
        if word == "repeat":
            while self.after(end) not in ("NL", "COMMENT", "LBRACE", "UNCLOSED", ""):
                end += 1
        elif word == "rule" and self.after(at) == "STRING":
            end += 1
        elif word in ("net", "block"):
            end += self.after(end) == "NAME"
            if self.after(end) == "LPAR":
                depth = 1
                end += 1
                while depth and end - at < LOOKED_AT and end + 1 < len(self.tokens):
                    end += 1
                    depth += (self.tokens[end].type == "LPAR") - (self.tokens[end].type == "RPAR")
                if depth:
                    return None
        elif word not in ITEMS:
            return None
        follows = self.after(end)
        if follows in ("NL", "COMMENT", ""):
            rest = (self.after(i) for i in range(end, len(self.tokens)))
            return end if next((k for k in rest if k not in ("NL", "COMMENT")), "") != "LBRACE" else None
        setting = follows == "NAME" and self.after(end, 1) in ("EQ", "STAREQ", "RBRACE")
        return end if setting and word in ("rule", "data", "train") else None

    def brace(self, at: int, token: Token, column: int) -> None:
        while self.open and self.open[-1][0].type != "LBRACE":
            self.unclosed(_at(token), token)
        inner = [c for t, c in self.open if t.type == "LBRACE"]
        first = token.column == column
        while self.missing > 0 and first and len(inner) > 1 and column < inner[-1]:
            self.unclosed(_at(token))
            inner.pop()
        amid = self.after(at) not in ("NL", "COMMENT", "RBRACE", "")
        early = self.missing < 0 and (amid or (len(self.open) == 1 and not self.part_follows(at)))
        if not self.open or early:
            self.stray(token, "closes nothing" if not self.open else "ends the block too early", self.open[-1:])
            self.missing += 1
        else:
            self.open.pop()

    def closer(self, at: int, token: Token) -> None:
        wanted = CLOSERS[token.type]
        kinds = [t.type for t, _ in self.open[-2:]]
        if kinds[-1:] == [wanted]:
            self.open.pop()
        elif len(kinds) == 2 and kinds[-1] != "LBRACE" and kinds[0] == wanted and not self.enough(at, wanted):
            self.unclosed(_at(token), token)
            self.open.pop()
        elif kinds and kinds[-1] != "LBRACE":
            opener = self.open[-1][0]
            right = OPENERS[opener.type]
            self.stray(token, f"does not close `{opener}`", [self.open.pop()], f"write `{right}`")
            self.found.strays.discard(_at(token))
            self.found.pairs.add(_at(token))
        else:
            self.stray(token, "closes nothing", [], "remove it, or open the bracket before it")

    def enough(self, at: int, wanted: str) -> bool:
        """Whether behind a token its line has a closing bracket for each of the kind `wanted` that is open."""
        left = 0
        for i in range(at + 1, min(at + LOOKED_AT, len(self.tokens))):
            kind = self.tokens[i].type
            if kind == "NL":
                break
            left += (CLOSERS.get(kind) == wanted) - (kind == wanted)
        held = itertools.takewhile(
            lambda o: o[0].type != "LBRACE" and o[0].line == self.tokens[at].line, reversed(self.open)
        )
        return bool(left >= sum(t.type == wanted for t, _ in held))

    def unclosed(self, at: int, before: Token | None = None) -> None:
        """The innermost bracket is never closed; a `}` is thought before the token at offset `at`."""
        token, _ = self.open.pop()
        spot = Label(_span(self.source, token), "opened here")
        if token.type == "LBRACE":
            self.found.closed[at] = self.found.closed.get(at, 0) + 1
            self.missing -= 1
        else:
            self.found.ended.add(_at(token))
            if token.line == self.garbled:
                return
        what = f"`{token}` is never closed" if before is None else f"`{token}` is not closed before `{before}`"
        self.tell(diagnostic("unclosed", what, spot, help=f"add the `{OPENERS[token.type]}` that belongs to it"))

    def stray(self, token: Token, why: str, opened: Sequence[tuple[Token, int]], help: str = "remove it") -> None:
        self.found.strays.add(_at(token))
        labels = [Label(_span(self.source, t), "opened here") for t, _ in opened]
        self.tell(diagnostic("syntax", f"`{token}` {why}", _span(self.source, token), *labels, help=help))

    def tell(self, problem: Diagnostic) -> None:
        """Adds a problem, the first of its line: others there come from it."""
        line = problem.labels[0].span.line
        if line not in self.told:
            self.found.problems.append(problem)
        self.told.add(line)

    def part_follows(self, at: int) -> bool:
        """Whether the text ends behind a token, or a new part of the spec begins."""
        rest = (self.tokens[i] for i in range(at + 1, len(self.tokens)))
        following = next((t for t in rest if t.type not in ("NL", "COMMENT")), None)
        return following is None or following in (*ITEMS, "import")

    def ends_before(self, at: int) -> bool:
        """Whether the line before a token could be the end of a statement."""
        before = (self.tokens[i].type for i in range(at - 1, -1, -1))
        return str(next((k for k in before if k not in ("NL", "COMMENT")), "NL")) in OPERANDS

    def after(self, at: int, skip: int = 0) -> str:
        """The kind of the next token but `skip`."""
        at += 1 + skip
        return str(self.tokens[at].type) if at < len(self.tokens) else ""


def _at(token: Token) -> int:
    assert token.start_pos is not None
    return int(token.start_pos)


def _span(source: Source, token: Token) -> Span:
    assert token.end_pos is not None
    return Span(source, _at(token), token.end_pos)

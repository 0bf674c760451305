"""What is done where a statement does not parse: it is mended where it is clear what was meant, and left out elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lark import Token

from netc.grammar import expectation
from netc.grammar.advice import of_sign
from netc.grammar.characters import STRANGE, strange
from netc.grammar.diagnostics import Diagnostic, diagnostic, nearest
from netc.grammar.expectation import span
from netc.grammar.foreign import COMMENT, KEYWORD_OF, SIGNS, STATEMENT_OF
from netc.grammar.forms import FORMS
from netc.grammar.layout import CONTINUED_AFTER, SOFT
from netc.grammar.recovery import begins_line, bound_names, closing, end_of, goes_on, is_torn, line_break
from netc.grammar.remarks import is_prose, is_remark
from netc.grammar.source import Source

_OUTSIDE = ("net", "data", "train", "import")
_KINDS = {
    "^": "CARET", "and": "AND", "or": "OR", "not": "NOT", "==": "COMPARE", "!=": "COMPARE", "->": "ARROW", "=": "EQ",
    "<=": "COMPARE", ">=": "COMPARE", "-": "MINUS", "*": "STAR", "/": "SLASH", "@": "AT",
}  # fmt: skip
_AFTER_KEYWORD = ("NAME", "STRING", "NUMBER", "LBRACE", "NL", "RBRACE", "FREEZE")
_VALUES = ("NUMBER", "STRING", "TRUE", "FALSE", "LSQB")
_INSIDE = ("input", "target", "output", "metric", "param", "block", "repeat", "return", "import", "rule", "freeze")


Accepts = Callable[[], set[str]]  # the kinds of tokens that would fit, which takes a while to find


class Repair:
    """Mends `tokens` in place, and adds what was wrong to `problems`, once for each statement."""

    def __init__(self, source: Source, tokens: list[Token], problems: list[Diagnostic] | tuple[Diagnostic, ...]):
        self.source, self.tokens = source, tokens
        self.problems = list(problems) if isinstance(problems, tuple) else problems
        self.placed = [x.span.start for d in problems for x in d.labels]  # where something is reported already
        self.lines = {d.labels[0].span.line for d in problems if d.labels}  # on which a statement was left out
        self.signed = ("", 0)  # the last foreign sign, and its line
        self.joints: set[int] = set()  # where a line was joined to the one before
        self.branched = False  # whether the statement before was an `if`

    def after(
        self, start: int, at: int, accepts: Accepts, refused: Diagnostic | None, outside: bool, before: int
    ) -> int | None:
        """Where to read on after token `at` of the statement that begins at `start` did not fit: `at` itself where it was
        exchanged, `before`, where the statement before begins, if that goes on here, else `start`; None where nothing can
        be done. `refused` is what the builder said."""
        if refused is None and at < len(self.tokens):
            mended = (
                self.sign(at, accepts)
                or self.continued(start, at, before)
                or self.keyword(start, at, outside)
                or self.comment(start, at)
            )
            if mended is not None:
                return mended[0]
            if is_torn(self.tokens, start, at):
                self.told(self.tokens[start], self.tokens[at], self.unexpected(start, at, accepts))
                if self.joined(at):
                    return start
        if self.header(start, at, accepts, refused):
            return start
        end = line_break(self.tokens, start, at)
        if end is None:
            end = self.condition(start, at)
        if end is None:
            problem = refused or self.unexpected(start, at, accepts)
            end = end_of(self.tokens, start, at, outside)
            if end < len(self.tokens) and self.tokens[end].type not in ("NL", "RBRACE"):
                self.begin(end)
        elif self.tokens[end].type in ("IF", "ELSE"):
            self.tokens.insert(end, _like(self.tokens[end], "NL", "\n"))  # what stands before it may be right
            return start
        else:
            problem = expectation.unfinished(self.source, self.tokens, start, end, {"NAME", "NUMBER", "LPAR"})
            self.begin(end)
        return self.leave_out(start, end, problem)

    def leave_out(self, start: int, end: int, problem: Diagnostic) -> int | None:
        """Puts a mark in the place of a statement."""
        if end <= start or self.tokens[start].type == "BROKEN":
            if problem.labels[0].span.line not in self.lines:
                self.problems.append(problem)
            return None
        first, last = self.tokens[start], self.tokens[end - 1]
        self.told(first, last, problem)
        mark = _like(first, "BROKEN", " ".join(bound_names(self.tokens[start:end])))
        self.tokens[start:end] = [mark]
        return start

    def told(self, first: Token, last: Token, problem: Diagnostic) -> None:
        """Adds a problem of a statement, unless another is reported within it, or on its line."""
        line = problem.labels[0].span.line
        if line not in self.lines and not any(_at(first) <= p <= _at(last) for p in self.placed):
            self.problems.append(problem)
        self.lines.add(line)

    def unexpected(self, start: int, at: int, accepts: Accepts) -> Diagnostic:
        """The error of a token that does not fit."""
        if at < len(self.tokens) and self.tokens[at] == "?" and self.tokens[start].type in ("INPUT", "TARGET"):
            help = "write `N`: a size that varies has a capital name"
            return diagnostic("syntax", "`?` is no size", span(self.source, self.tokens[at]), help=help)
        if at < len(self.tokens) and self.tokens[at].type in STRANGE:
            found = strange(self.source, self.tokens[at])
            help = of_sign(self.tokens, at, accepts())
            return replace(found, help=help) if help else found
        if (
            0 < start < at < len(self.tokens)
            and begins_line(self.tokens, at)
            and self.tokens[at - 1].type in CONTINUED_AFTER
        ):
            return expectation.unfinished(self.source, self.tokens, start, at, accepts())
        return expectation.unexpected(self.source, self.tokens, start, at, accepts())

    # --- what can be mended -------------------------------------------------------------------------------------------

    def sign(self, at: int, accepts: Accepts) -> tuple[int] | None:
        """`**` read as `^`, `'a'` as `"a"`, and `f(units => 4)` as `f(units = 4)`, where that fits."""
        token = self.tokens[at]
        operator = SIGNS.get(str(token), ("", ""))[0]
        problem = strange(self.source, token) if token.type in STRANGE else None
        if token == "=>" and self.kind(at + 1) in _VALUES and "EQ" in accepts():
            operator = "="
            problem = replace(
                strange(self.source, token), help=f"write `{self.tokens[at - 1]} = {self.tokens[at + 1]}`"
            )
        if token.type == "QUOTED":
            self.tokens[at] = _like(token, "STRING", f'"{token[1:-1]}"')
        elif problem is not None and operator and _KINDS[operator] in accepts():
            self.tokens[at] = _like(token, _KINDS[operator], operator)
        else:
            return None
        if problem is not None and (token != self.signed[0] or token.line != self.signed[1]):
            self.problems.append(problem)
            self.signed = (str(token), token.line or 0)
        self.lines.add(token.line or 0)
        return (at,)

    def continued(self, start: int, at: int, before: int) -> tuple[int] | None:
        """A line that begins with what belongs to the line before."""
        if at != start or before >= start or not goes_on(self.tokens, at):
            return None
        token = self.tokens[at]
        self.report(token, f"a line does not begin with `{token}`", "write it at the end of the line before")
        return (before,) if self.joined(at - 1) else None

    def joined(self, at: int) -> bool:
        """Takes the end of a line away, once: what comes to the same place again is not mended so."""
        place = _at(self.tokens[at + 1])
        if place in self.joints:
            return False
        self.joints.add(place)
        del self.tokens[at]
        return True

    def keyword(self, start: int, at: int, outside: bool) -> tuple[int] | None:
        """The first word of a statement is a keyword misspelt, or what another language writes there."""
        first = self.tokens[start]
        if first.type in ("IF", "ELSE") and at == start:
            return self.foreign(start, STATEMENT_OF["if"], first.type == "ELSE" and self.branched)
        if first.type != "NAME" or at > start + 1 or (at == start and not outside):
            return None
        word, found = str(first), self.kind(start + 1)
        known = ("freeze",) if found in ("NL", "RBRACE") else _OUTSIDE if outside else _INSIDE
        meant = KEYWORD_OF.get(word.lower(), "")
        meant = "net" if outside and meant == "block" else meant
        fits = meant in known and self.fits(meant, start, outside)
        near = nearest(word, known, limit=1) if found in _AFTER_KEYWORD and not fits else []
        if near or fits:
            meant = near[0] if near else meant
            help = f"did you mean `{meant}`?" if near else f"it is written {FORMS[meant.upper()]}"
            self.report(first, f"no statement begins with `{word}`", help)
            self.tokens[start] = _like(first, meant.upper(), meant)
            return (start,)
        written = STATEMENT_OF.get(word.lower(), "h = x -> relu" if meant and self.kind(start + 2) == "EQ" else "")
        if not written or found not in {*_AFTER_KEYWORD, "LPAR"}:
            return None
        if self.kind(start + 2) not in ("EQ", "COMMA") or found != "NAME":
            return self.foreign(start, written)
        self.report(first, f"no statement begins with `{word}`", f"write `{written}`")
        del self.tokens[start]  # `let h = ...`
        return (start,)

    def fits(self, meant: str, start: int, outside: bool) -> bool:
        """Whether a statement goes on as one that begins with the keyword `meant`."""
        after = (self.kind(start + 1), self.kind(start + 2))
        if outside:
            named = after[0] == "NAME" and after[1] in ("LBRACE", "LPAR")
            return after[0] == "LBRACE" or (named and meant not in ("data", "train"))
        if meant in ("input", "target", "param"):
            return after == ("NAME", "COLON")
        if meant == "block":
            return after == ("NAME", "LPAR")
        return after[0] in _AFTER_KEYWORD

    def foreign(self, start: int, written: str, silent: bool = False) -> tuple[int] | None:
        """Leaves out a statement that is written in another way here."""
        first = self.tokens[start]
        if not silent:
            self.report(first, f"no statement begins with `{first}`", f"write `{written}`")
        self.branched = first.type == "IF"
        self.placed.append(_at(first))
        again = self.leave_out(start, end_of(self.tokens, start, start + 1, False), self.problems[-1])
        return None if again is None else (again,)

    def header(self, start: int, at: int, accepts: Accepts, refused: Diagnostic | None) -> bool:
        """What stands before a brace: left out, with its names unknown, so that what is inside is read all the same."""
        first = self.tokens[start]
        rest = range(start, len(self.tokens))
        line = next((i for i in rest if self.kind(i) == "NL" and self.kind(i + 1) != "LBRACE"), len(self.tokens))
        brace = next((i for i in rest[: line - start] if self.kind(i) == "LBRACE"), -1)
        if first.type not in ("NET", "DATA", "TRAIN", "BLOCK", "REPEAT") or not start < at <= brace:
            return False
        if first.type == "BLOCK" and self.kind(start + 1) != "NAME":
            return False  # nobody could call it
        problem = refused or self.unexpected(start, at, accepts)
        head = self.tokens[start:brace]
        self.told(first, head[-1], problem)
        kept = [first]
        if first.type == "BLOCK":
            kept += [self.tokens[start + 1], _like(first, "LPAR", "("), _like(first, "RPAR", ")")]
            end = closing(self.tokens, brace)
            self.tokens[end + 1 : end + 1] = [_like(first, "NL", "\n"), _like(first, "BROKEN", str(kept[1]))]
        elif first.type == "REPEAT":
            kept.append(_like(first, "NUMBER", "1"))
        inside = [_like(first, "BROKEN", " ".join(bound_names(head, head=True)))]
        if self.kind(brace + 1) != "RBRACE":
            inside.append(_like(first, "NL", "\n"))
        self.tokens[start : brace + 1] = [*kept, self.tokens[brace], *inside]
        return True

    def condition(self, start: int, at: int) -> int | None:
        """An `if` that begins a line of its own, and was read as the end of the line before."""
        for i in range(start + 1, min(at + 1, len(self.tokens))):
            if self.tokens[i].type in ("IF", "ELSE") and begins_line(self.tokens, i):
                return i
        return None

    def comment(self, start: int, at: int) -> tuple[int] | None:
        """`// words`, `-- words`, `% words`, `; words`, and a line of words alone, read as a comment."""
        line = self.tokens[at].line
        place = at
        while place > start and not is_remark(self.tokens, place, at) and self.tokens[place - 1].line == line:
            place -= 1
        if not is_remark(self.tokens, place, at) and not (place == start and is_prose(self.tokens, start, self.source)):
            return None
        end = place
        while end < len(self.tokens) and self.tokens[end].line == line and self.tokens[end].type != "NL":
            end += 1
        self.report(self.tokens[place], "a comment begins with `#`", f"write `{COMMENT}`")
        self.tokens[place:end] = [] if is_remark(self.tokens, place, at) else [_like(self.tokens[place], "BROKEN", "")]
        return (start,)

    # --- small things -------------------------------------------------------------------------------------------------

    def begin(self, at: int) -> None:
        """Begins a statement at a token that was read as the rest of the line before."""
        token = self.tokens[at]
        if token.type == "NAME" and token in SOFT and self.kind(at + 1) != "EQ":
            self.tokens[at] = _like(token, str(token).upper(), str(token))
        self.tokens.insert(at, _like(token, "NL", "\n"))

    def report(self, token: Token, message: str, help: str) -> None:
        if token.line not in self.lines:
            self.problems.append(diagnostic("syntax", message, span(self.source, token), help=help))
        self.placed.append(_at(token))
        self.lines.add(token.line or 0)

    def kind(self, at: int) -> str:
        return str(self.tokens[at].type) if at < len(self.tokens) else ""


def _at(token: Token) -> int:
    assert token.start_pos is not None
    return int(token.start_pos)


def _like(token: Token, kind: str, text: str) -> Token:
    """Another token in the place of one."""
    return Token.new_borrow_pos(kind, text, token)

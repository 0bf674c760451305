"""What a user is told when something is wrong: one record, one renderer, one exception."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from netc.grammar.source import Span

EXCERPT_COLUMNS = 160
MAX_GUESSED = 60  # longer names are not compared
_BOLD, _RED, _YELLOW, _BLUE, _RESET = "\x1b[1m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m", "\x1b[0m"


@dataclass(frozen=True)
class Label:
    """A span to underline, with a few words beside it."""

    span: Span
    text: str = ""


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning. `slug` is stable and names a page of docs/errors.md."""

    slug: str
    message: str
    labels: tuple[Label, ...] = ()
    help: str = ""
    severity: str = "error"

    def render(self, color: bool = False) -> str:
        """The text shown to a user: header, place, excerpt with carets, help."""
        return _Renderer(color).render(self)

    def __str__(self) -> str:
        return self.render()


class NetError(Exception):
    """The input is wrong. Carries every diagnostic that was found, the first one first."""

    def __init__(self, diagnostics: Diagnostic | Sequence[Diagnostic]):
        self.diagnostics = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n".join(d.render() for d in self.diagnostics)

    def render(self, color: bool = False) -> str:
        return "\n\n".join(d.render(color) for d in self.diagnostics)


def error(slug: str, message: str, *spans: Span | Label | None, help: str = "") -> NetError:
    """A `NetError` of one diagnostic; the first span is the primary one."""
    return NetError(diagnostic(slug, message, *spans, help=help))


def diagnostic(
    slug: str, message: str, *spans: Span | Label | None, help: str = "", severity: str = "error"
) -> Diagnostic:
    labels = tuple(s if isinstance(s, Label) else Label(s) for s in spans if s is not None)
    return Diagnostic(slug, message, labels, help, severity)


def nearest(name: str, candidates: Iterable[str], limit: int = 3) -> list[str]:
    """The candidates that `name` most likely stood for, best first: those that differ in case and underscores alone, else
    those a few slips of the hand away, else those of which it is some of the words. None where all are far."""
    pool = sorted(c for c in set(candidates) if len(c) <= MAX_GUESSED)
    plain = _plain(name)
    if len(plain) > MAX_GUESSED:
        return []
    found = spelt_alike(name, pool)
    if not found:
        away = {c: _slips(plain, _plain(c), most) for c in pool if (most := _allowed(plain, _plain(c)))}
        found = sorted((c for c, d in away.items() if d <= _allowed(plain, _plain(c))), key=lambda c: (away[c], c))
    if not found:
        words = set(_words(name))
        if len(plain) > 5:
            found = [c for c in pool if words < set(_words(c))]
    return found[:limit]


def spelt_alike(name: str, candidates: Iterable[str]) -> list[str]:
    """The candidates that differ from `name` in case and underscores alone."""
    plain = _plain(name)
    return sorted({c for c in candidates if _plain(c) == plain})


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _words(name: str) -> list[str]:
    """`CrossEntropy`, `cross_entropy` -> cross, entropy"""
    return [w for w in re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_") if w]


def _allowed(name: str, other: str) -> int:
    """How many slips lie between a name and one that it may stand for; short ones begin with the same letter."""
    size = min(len(name), len(other))
    if size < 3 or (size < 5 and name[0] != other[0] and sorted(name[:2]) != sorted(other[:2])):
        return 0
    return 1 if size < 6 else 2 if size < 9 else 3


def _slips(a: str, b: str, most: int) -> int:
    """Letters missing, too many, wrong, or changed with their neighbour (optimal string alignment), counted to `most` + 1."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row, before_above = row, [i], before
        for j, y in enumerate(b, 1):
            least = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                least = min(least, before_above[j - 2] + 1)
            row.append(least)
        before = above
    return row[-1]


def did_you_mean(name: str, candidates: Iterable[str], otherwise: str = "") -> str:
    """Help text naming the nearest candidates, or `otherwise` when none is near."""
    near = nearest(name, candidates)
    return "did you mean " + " or ".join(f"`{n}`" for n in near) + "?" if near else otherwise


def printable(text: str) -> str:
    """`text` with control, bidirectional and zero-width characters escaped, safe for a terminal."""
    return "".join(
        c if c == "\t" or unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp", "Cs") else f"\\u{{{ord(c):x}}}"
        for c in text
    )


class _Renderer:
    def __init__(self, color: bool):
        self.color = color

    def paint(self, code: str, text: str) -> str:
        return f"{code}{text}{_RESET}" if self.color and text else text

    def render(self, d: Diagnostic) -> str:
        tint = _RED if d.severity == "error" else _YELLOW
        lines = [self.paint(tint, f"{d.severity}[{d.slug}]") + self.paint(_BOLD, f": {printable(d.message)}")]
        if d.labels:
            lines += self.excerpts(d.labels, tint)
        if d.help:
            gutter = " " * self.gutter_width(d.labels) if d.labels else " "
            lines.append(f"{gutter} {self.paint(_BLUE, '=')} help: {printable(d.help)}")
        return "\n".join(lines)

    @staticmethod
    def gutter_width(labels: Sequence[Label]) -> int:
        return max(len(str(label.span.line)) for label in labels) + 1

    def excerpts(self, labels: Sequence[Label], tint: str) -> list[str]:
        primary = labels[0]
        width = self.gutter_width(labels)
        bar = self.paint(_BLUE, "|")
        arrow = self.paint(_BLUE, "-->")
        lines = [f"{' ' * (width - 1)} {arrow} {printable(primary.span.place)}", f"{' ' * width} {bar}"]
        sources = [primary.span.source] + [
            s for s in dict.fromkeys(x.span.source for x in labels) if s is not primary.span.source
        ]
        for source in sources:
            if source is not primary.span.source:
                first = next(x for x in labels if x.span.source is source)
                lines.append(f"{' ' * (width - 1)} {self.paint(_BLUE, ':::')} {printable(first.span.place)}")
                lines.append(f"{' ' * width} {bar}")
            here = [x for x in labels if x.span.source is source]
            previous = None
            for number in sorted({x.span.line for x in here}):
                if previous is not None and number > previous + 1:
                    lines.append(f"{' ' * (width - 1)}{self.paint(_BLUE, '...')}")
                previous = number
                lines += self.line(number, [x for x in here if x.span.line == number], primary, width, tint)
        lines.append(f"{' ' * width} {bar}")
        return lines

    def line(self, number: int, labels: list[Label], primary: Label, width: int, tint: str) -> list[str]:
        source = labels[0].span.source
        raw = source.line(number)
        first = min(source.position(x.span.start)[1] for x in labels) - 1
        cut = max(0, first - EXCERPT_COLUMNS // 2) if len(raw) > EXCERPT_COLUMNS else 0
        shown = raw[cut : cut + EXCERPT_COLUMNS]
        head, tail = ("..." if cut else ""), ("..." if cut + EXCERPT_COLUMNS < len(raw) else "")
        bar = self.paint(_BLUE, "|")
        text = head + _expand(shown) + tail
        lines = [f"{self.paint(_BLUE, str(number).rjust(width))} {bar} {text}".rstrip()]
        for label in sorted(labels, key=lambda x: (x is not primary, x.span.start)):
            start = source.position(label.span.start)[1] - 1 - cut
            length = max(1, min(label.span.end - label.span.start, len(raw) - cut - start))
            length = min(length, max(1, EXCERPT_COLUMNS - start))
            left = len(head) + len(_expand(shown[:start]))
            marks = max(1, len(_expand(shown[: start + length])) - len(_expand(shown[:start])))
            mark = ("^" if label is primary else "-") * marks
            code = tint if label is primary else _BLUE
            note = f" {printable(label.text)}" if label.text else ""
            lines.append(f"{' ' * width} {bar} {' ' * left}{self.paint(code, mark + note)}".rstrip())
        return lines


def _expand(text: str) -> str:
    """One line of source as shown in an excerpt: tabs as four spaces, nothing unprintable."""
    return printable(text.replace("\t", "    "))

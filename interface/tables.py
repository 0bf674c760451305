"""Text that fits the terminal it is printed on: nothing is left out, and no number is broken."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Collection, Sequence

GAP = "  "
LEAST = 2  # columns for names; with fewer, a table is written as a list


def terminal_width() -> int | None:
    """The columns of the terminal; None for a file or a pipe, which has room for everything."""
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


def table(
    lines: Sequence[Sequence[str]], right: Collection[int], width: int | None, rule_before_last: bool = False
) -> str:
    """Columns under a head, a rule below it; those in `right` are flush right.

    A first cell that is too long for `width` has a line of its own above the rest of its row.
    """
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    if width is not None:
        room = width - sum(widths[1:]) - len(GAP) * len(widths[1:])
        if room < min(LEAST, widths[0]):
            return _listed(lines, right)
        widths[0] = min(widths[0], room)
    text = [row for line in lines for row in _row(line, widths, right)]
    rule = "-" * (sum(widths) + len(GAP) * len(widths[1:]))
    text.insert(1, rule)
    if rule_before_last:
        text.insert(len(text) - 1, rule)
    return "\n".join(text)


def _row(line: Sequence[str], widths: Sequence[int], right: Collection[int]) -> list[str]:
    above = [line[0]] if len(line[0]) > widths[0] else []
    cells = ["", *line[1:]] if above else line
    row = GAP.join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths)))
    return [*above, row.rstrip()]


def _listed(lines: Sequence[Sequence[str]], right: Collection[int]) -> str:
    """Each row as a few lines; numbers with the name of their column."""
    head, *rows = lines
    return "\n".join(
        text
        for row in rows
        for text in [row[0], *(f"  {c} {head[i]}" if i in right else f"  {c}" for i, c in enumerate(row) if i and c)]
    )


def wrapped(text: str, width: int | None) -> str:
    """Lines that are too long go on in the next one, behind the `=` of a setting or indented by two."""
    if width is None:
        return text
    return "\n".join(_wrapped(line, width) for line in text.split("\n"))


def _wrapped(line: str, width: int) -> str:
    indent = line.find(" = ") + 3 if " = " in line[: width // 3] else 2
    together = line.replace(" = ", "\xa0=\xa0")  # a name and its value; only plain spaces are places to break
    made = textwrap.wrap(
        together, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(made).replace("\xa0=\xa0", " = ")

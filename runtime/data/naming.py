"""Names and texts from data as messages show them: cut where they are long, few of many, the nearest first."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

MOST_CHARACTERS = 40
MOST_NAMES = 6
MOST_COMPARED = 5000  # names that a wrong one is compared with


def short(text: str) -> str:
    """A text in one line, cut where it is long."""
    line = re.sub("[ \t\r\n]+", " ", text).strip(" ")
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 3]}..."


def few(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    every = list(names)
    shown = ", ".join(f"`{short(n)}`" for n in every[:MOST_NAMES])
    return f"{shown} and {len(every) - MOST_NAMES:,} more" if len(every) > MOST_NAMES else shown


def counted(count: int, noun: str) -> str:
    """As `1 row`, `2 rows`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def plural(count: int, noun: str) -> str:
    """As `is 1 row`, `are 2 rows`."""
    return f"{'is' if count == 1 else 'are'} {counted(count, noun)}"


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The names that a wrong one most likely stands for, the best first."""
    alike = [n for n in list(names)[:MOST_COMPARED] if isinstance(n, str) and len(n) <= 2 * len(name) + MOST_CHARACTERS]
    same = [n for n in alike if n.strip().lower() == name.strip().lower()]
    return same[:1] or difflib.get_close_matches(name, alike, n=3, cutoff=0.7)


def offer(name: str, names: Iterable[str], what: str) -> str:
    """Help for a wrong name: the nearest of the names, and the first of them all. `what` are they: "its columns"."""
    every = list(names)
    have = f"{what} are {few(every)}" if every else "it holds nothing"
    near = " or ".join(f"`{short(n)}`" for n in nearest(name, every))
    return f"did you mean {near}? {have[0].upper()}{have[1:]}" if near else have

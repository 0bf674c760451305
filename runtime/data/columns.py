"""The columns of a table by name: which of them an input is read from, and help where they are not there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from netc.runtime.data.naming import few, offer, short
from netc.runtime.data.numerals import is_number
from netc.runtime.data.read import Row
from netc.runtime.errors import InputError

DELIMITERS = {";": '";"', "\t": r'"\t"', "|": '"|"', ",": '","'}  # and how a spec writes them


@dataclass(frozen=True)
class TableHeader:
    """The names of the columns of a table, in order; numbers from 0 where the file has no header."""

    file: str
    names: list[str]
    written: bool = True

    @cached_property
    def counts(self) -> Counter[str]:
        return Counter(self.names)

    @cached_property
    def positions(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def of(self, row: Row, wanted: Any) -> list[int]:
        """The positions of the columns of an input: of a name, of several, or of all from the first to the last of a range
        in the order of the file. Raises InputError."""
        if isinstance(wanted, str):
            found = self.numbered(wanted, row["shape"][1:]) or [self.position(wanted)]
        elif isinstance(wanted, Mapping):
            found = self.range(wanted["first"], wanted["last"])
        else:
            found = [self.position(name) for name in wanted]
        sizes = row["shape"][1:]
        if all(isinstance(d, int) for d in sizes) and math.prod(sizes) != len(found):
            names = few([self.names[i] for i in found])
            raise InputError(
                f"`{row['name']}` needs {math.prod(sizes):,} columns of {self.file}, {len(found):,} are named",
                f"they are {names}" + (", in the order of the file" if isinstance(wanted, Mapping) else ""),
            )
        return found

    def numbered(self, name: str, sizes: list[Any]) -> list[int]:
        """The columns `x_0`, `x_1`, ... of an input of several elements that has no column of its name."""
        fixed = all(isinstance(d, int) for d in sizes)
        names = [f"{name}_{k}" for k in range(min(math.prod(sizes), len(self.names)))] if fixed and sizes else []
        there = name not in self.positions and bool(names) and all(n in self.positions for n in names)
        return [self.position(n) for n in names] if there else []

    def position(self, name: str) -> int:
        """Where a column is."""
        if self.counts[name] > 1:
            raise InputError(f"{self.file} has {self.counts[name]} columns `{short(name)}`", "give each its own name")
        if name not in self.positions:
            raise InputError(f"{self.file} has no column `{short(name)}`", self.help(name))
        return self.positions[name]

    def range(self, first: str, last: str) -> list[int]:
        """The columns from the first to the last."""
        start, end = self.position(first), self.position(last)
        if end < start:
            raise InputError(
                f"{self.file} has column `{short(last)}` before `{short(first)}`",
                f'a range goes in the order of the file: `"{short(last)}".."{short(first)}"`',
            )
        return [self.position(name) for name in self.names[start : end + 1]]

    def help(self, name: str) -> str:
        """What may be wrong where a column is not there."""
        if self.written and self.names[0].lower().startswith("sep="):
            return f"delete the line `{short(self.names[0])}`, which a spreadsheet wrote, and give the `delimiter`"
        if self.written and self.names[0].startswith("#"):
            return f"the first line names the columns: delete `{short(self.names[0])}`, and what else stands above them"
        if len(self.names) == 1:
            found = [shown for d, shown in DELIMITERS.items() if d in self.names[0]]
            if not found and name in self.names[0].split(" "):
                found = ['" "']
            if found:
                return f"the file seems to have another delimiter: add `delimiter = {found[0]}`"
        if self.written and all(map(is_number, self.names)):
            return "the first line holds numbers: without a header, add `header = false` and number the columns from 0"
        return offer(name, self.names, "the columns in its first line" if self.written else "its columns")

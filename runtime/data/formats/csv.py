"""CSV files."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from netc.runtime.data.check import first, takes_texts
from netc.runtime.data.columns import DELIMITERS, TableHeader
from netc.runtime.data.files import DataFile
from netc.runtime.data.format import WrongSetting, data_format
from netc.runtime.data.naming import short
from netc.runtime.data.numerals import BLANKS, is_number
from netc.runtime.data.read import Read, Row
from netc.runtime.data.text import TextRows
from netc.runtime.errors import InputError

INEXACT = 2.0**53  # from here on float64 does not hold every whole number
NO_TEXT = frozenset({"na", "n/a", "#n/a", "nan", "null", "?"})  # what stands for a missing text
NO_NUMBER = NO_TEXT | {"none", "missing", "-", "--", "."}
_GROUPING = str.maketrans("", "", ",_ '")


@data_format(".csv", columns="columns")
class Csv:
    """a CSV file, .gz too: `name = "column"` or `name = "first".."last"` for each input and target"""

    header: bool = True
    delimiter: str = ","

    def __post_init__(self) -> None:
        d = self.delimiter
        if len(d) != 1 or d.isalnum() or d in '"+-_.\r\n\0':
            raise WrongSetting(
                "delimiter", f"`delimiter` must be one character that no number has, not `{short(d)}`",
                r'for example `","`, `";"`, `"|"` or `"\t"`',
            )  # fmt: skip

    def read(self, files: list[DataFile], inputs: list[Row], columns: Mapping[str, Any]) -> Read:
        """Columns by header name, or by number where there is no header."""
        (file,) = files
        with file.open() as content:
            text = TextRows(content, self.delimiter)
            table: Table | None = None
            for cells in text:
                if table is None:
                    names = [c.strip() for c in cells] if self.header else [str(i) for i in range(len(cells))]
                    table = Table(file, TableHeader(str(file), names, self.header), inputs, columns)
                    if self.header:
                        continue
                table.take(cells, text)
        if table is None:
            raise InputError(f"{file} is empty")
        if not table.lines:
            raise InputError(f"{file} has no rows below its header")
        table.finish()
        return table


class Table(Read):
    """The wanted columns: numbers in float64, texts as numbers of words; and the line that each row began in."""

    def __init__(self, file: DataFile, header: TableHeader, inputs: list[Row], columns: Mapping[str, Any]):
        super().__init__(typed=False)
        self.file, self.header, self.rows = file, header, {i["name"]: i for i in inputs}
        self.positions = {i["name"]: header.of(i, columns.get(i["name"], i["name"])) for i in inputs}
        self.columns = {n: tuple(header.names[k] for k in at) for n, at in self.positions.items()}
        self.lines = array("q")
        self.values = {i["name"]: array("d") for i in inputs}
        self.numbers: dict[str, dict[str, int]] = {
            n: {} for n, i in self.rows.items() if "texts" in i
        }  # of their words
        self.pick = {
            n: _picker(at) for n, at in self.positions.items() if n not in self.numbers
        }  # of columns of numbers
        self.bytes_of_row = 8 * (1 + sum(map(len, self.positions.values())))
        self.holes: dict[str, tuple[int, int, str]] = {}  # row, column and text of the first missing cell of each input

    def take(self, cells: list[str], text: TextRows) -> None:
        """Adds a row. Raises InputError for another number of cells, and for a cell that is neither a number nor missing
        where no text may stand."""
        if len(cells) != len(self.header.names):
            raise self._ragged(cells, text.line)
        try:
            for name, pick in self.pick.items():
                self.values[name].extend(map(float, pick(cells)))
            plain = text.plain
        except ValueError:
            plain = False
        if not plain:
            self._take_each(cells, text.line)
        for name, words in self.numbers.items():
            cell = cells[self.positions[name][0]].strip(BLANKS)
            missing = self._is_missing(name, 0, cell, NO_TEXT)
            self.values[name].append(math.nan if missing else words.setdefault(cell, len(words)))
        self.lines.append(text.line)
        if len(self.lines) * self.bytes_of_row > self.file.limit:
            raise self.file.too_large(self.file.limit + 1)

    def _take_each(self, cells: list[str], line: int) -> None:
        """The numbers of a row in which some cell may be none; a column of which all cells so far are missing may turn out
        to hold texts."""
        for name in list(self.pick):
            values, positions = self.values[name], self.positions[name]
            texts = takes_texts(self.rows[name])
            del values[len(self.lines) * len(positions) :]
            for k, at in enumerate(positions):
                cell = cells[at].strip(BLANKS)
                if is_number(cell):
                    values.append(float(cell))
                elif self._is_missing(name, k, cell, NO_TEXT if texts else NO_NUMBER):
                    values.append(math.nan)
                elif texts and all(v != v for v in values):
                    self.numbers[name] = {}
                    del self.pick[name]
                else:
                    raise self._no_number(at, cell, line, mixed=texts)

    def _is_missing(self, name: str, column: int, cell: str, words: frozenset[str]) -> bool:
        """Whether a cell says that its value is missing; the first one of an input is kept."""
        missing = not cell or cell.lower() in words
        if missing:
            self.holes.setdefault(name, (len(self.lines), column, cell))
        return missing

    def finish(self) -> None:
        """Gives each input its array, in the shape that it has."""
        for name, i in self.rows.items():
            sizes = i["shape"][1:]
            fixed = all(isinstance(d, int) for d in sizes)
            shape = sizes if fixed else [len(self.positions[name])]
            found = np.frombuffer(self.values[name]).reshape(len(self.lines), *shape)
            if name in self.numbers:
                self.words[name] = list(self.numbers[name])
                found = np.where(np.isnan(found), -1, found).astype(np.int64)
            self.add(name, found, str(self.file))
            if np.dtype(i["dtype"]).kind in "iu":
                wrong = first(self.arrays[name], lambda b: np.isfinite(b) & (abs(b) >= INEXACT))
                if wrong is not None:
                    raise InputError(
                        f"{self.place(name, wrong)} is beyond 2^53, where text is not read exactly",
                        "keep such numbers in an .npz file",
                    )

    def place(self, name: str, index: tuple[int, ...]) -> str:
        row, *rest = index
        return f"{self.file}, line {self.lines[row]}, column `{self._column(name, rest)}`"

    def column(self, name: str, index: tuple[int, ...]) -> str:
        return f"{self.file}, column `{self._column(name, index)}`"

    def _column(self, name: str, rest: Sequence[int]) -> str:
        return short(self.columns[name][self._flat(name, rest)])

    def _flat(self, name: str, rest: Sequence[int]) -> int:
        return int(np.ravel_multi_index(tuple(rest), self.arrays[name].shape[1:])) if rest else 0

    def missing(self, name: str, index: tuple[int, ...]) -> str:
        row, column, cell = self.holes.get(name, (-1, -1, ""))
        if (row, column) != (index[0], self._flat(name, index[1:])):
            return ""
        return f"is `{short(cell)}`, which says that it is missing" if cell else "is blank"

    def _ragged(self, cells: list[str], line: int) -> InputError:
        width = len(self.header.names)
        if any("\n" in c for c in cells):
            help = 'a quotation mark `"` that is not closed takes the next lines into its cell'
        elif len(cells) == width + 1 and not cells[-1].strip():
            help = "the line ends in a delimiter, the first line does not"
        elif len(cells) == 1 and any(d in cells[0] for d in DELIMITERS):
            help = "the line seems to have another delimiter than the first"
        elif len(cells) < width:
            help = "the line is cut off, or lacks a delimiter"
        else:
            help = "a cell that has a delimiter in it stands in quotation marks"
        count = f"{len(cells):,} cell{'s' * (len(cells) != 1)}"
        return InputError(f"{self.file}, line {line}: {count} where the first line has {width:,}", help)

    def _no_number(self, at: int, cell: str, line: int, mixed: bool) -> InputError:
        """What can be done about a cell that is neither a number nor missing."""
        if not self.header.written and not self.lines:
            help = "the first line seems to name the columns: leave `header = false` out, and use the names"
        else:
            help = _advice(cell, mixed)
        place = f"{self.file}, line {line}, column `{short(self.header.names[at])}`"
        return InputError(f"{place} is `{short(cell)}`, not a number", help)


def _picker(at: Sequence[int]) -> Callable[[list[str]], Sequence[str]]:
    """What takes the cells at these positions from a row."""
    if list(at) == list(range(at[0], at[0] + len(at))):
        return itemgetter(slice(at[0], at[0] + len(at)))
    return itemgetter(*at)


def _advice(cell: str, mixed: bool) -> str:
    """What to do about a cell that is no number, in a column that began with numbers where those and texts are `mixed`."""
    if cell.lower() in ("true", "false"):
        return "write 1 for true and 0 for false"
    if is_number(cell.translate(_GROUPING)):
        return "decimals are written with a point, and digits are not grouped: `1234.5`"
    if mixed:
        return "the cells above are numbers; where all cells are texts they are numbered"
    return (
        "numbers are written like `1000`, `-0.5` or `1e-3`; texts are numbered where an input is declared as `i64[N]`"
    )

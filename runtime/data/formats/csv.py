"""CSV files."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from netc.runtime.data.advice import of_cell, of_width, takes_texts
from netc.runtime.data.check import first
from netc.runtime.data.columns import DELIMITERS, TableHeader
from netc.runtime.data.files import DataFile
from netc.runtime.data.format import WrongSetting, data_format
from netc.runtime.data.naming import counted, short
from netc.runtime.data.numerals import BLANKS, is_number
from netc.runtime.data.read import Read, Row
from netc.runtime.data.text import TextRows
from netc.runtime.errors import InputError

INEXACT = 2.0**53  # from here on float64 does not hold every whole number
NO_TEXT = frozenset({"na", "n/a", "#n/a", "nan", "null", "?"})  # what stands for a missing text
NO_NUMBER = NO_TEXT | {"none", "missing", "-", "--", "."}


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
                    table = Table(file, TableHeader(str(file), names, self.header), inputs, columns, self.delimiter)
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
    """The wanted columns: numbers in float64, texts as numbers of words; and the line that each row began in.

    What may be texts is kept as words until the end, when it is known whether all of them are numbers.
    """

    def __init__(
        self, file: DataFile, header: TableHeader, inputs: list[Row], columns: Mapping[str, Any], delimiter: str
    ):
        super().__init__(typed=False)
        self.delimiter = delimiter
        self.file, self.header, self.rows = file, header, {i["name"]: i for i in inputs}
        self.positions = {i["name"]: header.of(i, columns.get(i["name"], i["name"])) for i in inputs}
        self.columns = {n: tuple(header.names[k] for k in at) for n, at in self.positions.items()}
        self.lines = array("q")
        self.values = {n: array("d") for n, i in self.rows.items() if not takes_texts(i)}
        self.pick = {n: _picker(self.positions[n]) for n in self.values}
        self.cells: dict[str, tuple[dict[str, int], array[int]]] = {
            n: ({}, array("q")) for n, i in self.rows.items() if takes_texts(i)
        }  # the different words of a column, and the number of that in each row
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
        for name, (words, codes) in self.cells.items():
            codes.append(words.setdefault(cells[self.positions[name][0]].strip(BLANKS), len(words)))
        self.lines.append(text.line)
        if len(self.lines) * self.bytes_of_row > self.file.limit:
            raise self.file.too_large(self.file.limit + 1)

    def _take_each(self, cells: list[str], line: int) -> None:
        """The numbers of a row in which some cell may be none."""
        for name, values in self.values.items():
            positions = self.positions[name]
            del values[len(self.lines) * len(positions) :]
            for k, at in enumerate(positions):
                cell = cells[at].strip(BLANKS)
                if is_number(cell):
                    values.append(float(cell))
                elif not cell or cell.lower() in NO_NUMBER:
                    values.append(math.nan)
                    self.holes.setdefault(name, (len(self.lines), k, cell))
                else:
                    raise self._no_number(at, cell, line)

    def finish(self) -> None:
        """Gives each input its array, in the shape that it has."""
        for name, values in self.values.items():
            sizes = self.rows[name]["shape"][1:]
            fixed = all(isinstance(d, int) for d in sizes)
            shape = sizes if fixed else [len(self.positions[name])]
            self.add(name, np.frombuffer(values).reshape(len(self.lines), *shape), str(self.file))
        for name, (words, numbers) in self.cells.items():
            codes = np.frombuffer(numbers, np.int64)
            if self._is_text(name, list(words), codes):
                there = [w for w in words if w and w.lower() not in NO_TEXT]
                self.words[name] = there
                known = {w: k for k, w in enumerate(there)}
                found = np.array([known.get(w, -1) for w in words])
            else:
                found = np.array([float(w) if is_number(w) else math.nan for w in words])
            self.add(name, found[codes], str(self.file))
        for name, i in self.rows.items():
            if np.dtype(i["dtype"]).kind in "iu" and name not in self.words:
                wrong = first(self.arrays[name], lambda b: np.isfinite(b) & (abs(b) >= INEXACT))
                if wrong is not None:
                    raise InputError(
                        f"{self.place(name, wrong)} is beyond 2^53, where text is not read exactly",
                        "keep such numbers in an .npz file",
                    )

    def _is_text(self, name: str, words: list[str], codes: np.ndarray) -> bool:
        """Whether a column holds texts. Numbers beside texts are names as well where they stand for nothing else: in a column
        that rows are split by, and in inputs whose classes are counted; elsewhere they are refused."""
        row = self.rows[name]
        if "texts" in row:
            return True
        numbers = [w for w in words if is_number(w) and w.lower() not in NO_TEXT]
        missing = NO_NUMBER if numbers else NO_TEXT
        other = [k for k, w in enumerate(words) if w and not is_number(w) and w.lower() not in missing]
        if row["role"] == "split":
            return bool(other) or any(abs(float(w)) >= INEXACT for w in numbers)
        if numbers and other and not (row["role"] == "input" and "classes" in row):
            at = int(np.isin(codes, other).argmax())
            raise self._no_number(self.positions[name][0], words[codes[at]], self.lines[at], numbers[0])
        return bool(other)

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
        if name in self.cells:
            words, codes = self.cells[name]
            cell = list(words)[codes[index[0]]]
        else:
            row, column, cell = self.holes.get(name, (-1, -1, ""))
            if (row, column) != (index[0], self._flat(name, index[1:])):
                return ""
        return f"is `{short(cell)}`, which says that it is missing" if cell else "is blank"

    def _ragged(self, cells: list[str], line: int) -> InputError:
        width = len(self.header.names)
        help = of_width(cells, width, self.delimiter, list(DELIMITERS))
        return InputError(
            f"{self.file}, line {line}: {counted(len(cells), 'cell')} where the first line has {width:,}", help
        )

    def _no_number(self, at: int, cell: str, line: int, number: str = "") -> InputError:
        """What can be done about a cell that is neither a number nor missing, in a column that has a `number` or in one where
        no text may stand."""
        if not self.header.written and line == (self.lines[0] if self.lines else line):
            help = "the first line seems to name the columns: leave `header = false` out, and use the names"
        else:
            help = of_cell(cell, number)
        place = f"{self.file}, line {line}, column `{short(self.header.names[at])}`"
        return InputError(f"{place} is `{short(cell)}`, not a number", help)


def _picker(at: Sequence[int]) -> Callable[[list[str]], Sequence[str]]:
    """What takes the cells at these positions from a row."""
    if list(at) == list(range(at[0], at[0] + len(at))):
        return itemgetter(slice(at[0], at[0] + len(at)))
    return itemgetter(*at)

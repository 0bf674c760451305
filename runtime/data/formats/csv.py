"""CSV files."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from netc.runtime.data.check import first
from netc.runtime.data.columns import DELIMITERS, TableHeader
from netc.runtime.data.files import DataFile
from netc.runtime.data.format import Read, Row, WrongSetting, data_format, only
from netc.runtime.data.naming import short
from netc.runtime.data.numerals import BLANKS, is_number
from netc.runtime.data.text import TextRows
from netc.runtime.errors import InputError

INEXACT = 2.0**53  # from here on float64 does not hold every whole number
_MISSING = {"na", "n/a", "null", "none", "missing", "?", "-", "--", "."}
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
        file = only(files, "csv", "file")
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
    """The numbers of the wanted columns, in float64, and the line that each row began in."""

    typed = False

    def __init__(self, file: DataFile, header: TableHeader, inputs: list[Row], columns: Mapping[str, Any]):
        super().__init__()
        self.file, self.header, self.inputs = file, header, inputs
        self.positions = {i["name"]: header.of(i, columns.get(i["name"], i["name"])) for i in inputs}
        self.columns = {n: tuple(header.names[k] for k in at) for n, at in self.positions.items()}
        self.lines = array("q")
        self.values = {i["name"]: array("d") for i in inputs}
        self.pick = [(self.values[n], _picker(at)) for n, at in self.positions.items()]
        self.bytes_of_row = 8 * (1 + sum(map(len, self.positions.values())))

    def take(self, cells: list[str], text: TextRows) -> None:
        """Adds a row. Raises InputError for another number of cells, and for a cell that is no number."""
        if len(cells) != len(self.header.names):
            raise self._ragged(cells, text.line)
        try:
            for values, pick in self.pick:
                values.extend(map(float, pick(cells)))
        except ValueError:
            raise self._no_number(cells, text.line) from None
        if not text.plain and not all(is_number(c) for _, pick in self.pick for c in pick(cells)):
            raise self._no_number(cells, text.line)
        self.lines.append(text.line)
        if len(self.lines) * self.bytes_of_row > self.file.limit:
            raise self.file.too_large(self.file.limit + 1)

    def finish(self) -> None:
        """Gives each input its array, in the shape that it has."""
        for i in self.inputs:
            name, sizes = i["name"], i["shape"][1:]
            fixed = all(isinstance(d, int) for d in sizes)
            shape = sizes if fixed else [len(self.positions[name])]
            self.add(name, np.frombuffer(self.values[name]).reshape(len(self.lines), *shape), str(self.file))
            if np.dtype(i["dtype"]).kind in "iu":
                found = first(self.arrays[name], lambda b: np.isfinite(b) & (abs(b) >= INEXACT))
                if found is not None:
                    raise InputError(
                        f"{self.place(name, found)} is beyond 2^53, where text is not read exactly",
                        "keep such numbers in an .npz file",
                    )

    def place(self, name: str, index: tuple[int, ...]) -> str:
        row, *rest = index
        column = int(np.ravel_multi_index(rest, self.arrays[name].shape[1:])) if rest else 0
        return f"{self.file}, line {self.lines[row]}, column `{short(self.columns[name][column])}`"

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

    def _no_number(self, cells: list[str], line: int) -> InputError:
        """The first wanted cell of a row that is no number, and what can be done about it."""
        name, at = next((n, k) for n, positions in self.positions.items() for k in positions if not is_number(cells[k]))
        cell, place = cells[at].strip(BLANKS), f"{self.file}, line {line}, column `{short(self.header.names[at])}`"
        if not cell:
            return InputError(f"{place} is blank", "leave the row out, or put a number in its place")
        if not self.header.written and not self.lines:
            help = "the first line seems to name the columns: leave `header = false` out, and use the names"
            return InputError(f"{place} is `{short(cell)}`, not a number", help)
        row = next(i for i in self.inputs if i["name"] == name)
        return InputError(f"{place} is `{short(cell)}`, not a number", _advice(cell, row))


def _picker(at: Sequence[int]) -> Callable[[list[str]], Sequence[str]]:
    """What takes the cells at these positions from a row."""
    if list(at) == list(range(at[0], at[0] + len(at))):
        return itemgetter(slice(at[0], at[0] + len(at)))
    return itemgetter(*at)


def _advice(cell: str, row: Row) -> str:
    """What to do about a cell that is no number."""
    if cell.lower() in ("true", "false"):
        return "write 1 for true and 0 for false"
    if cell.lower() in _MISSING:
        return "leave the row out, or put a number in its place"
    if is_number(cell.translate(_GROUPING)):
        return "decimals are written with a point, and digits are not grouped: `1234.5`"
    if np.dtype(row["dtype"]).kind in "iu":
        return "number the classes from 0, one for each text; in Python: `numpy.unique(texts, return_inverse=True)[1]`"
    return "numbers are written like `1000`, `-0.5` or `1e-3`; texts are given numbers first, one for each"

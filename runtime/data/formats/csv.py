"""CSV files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netc.runtime.data.format import Arrays, Row, content, data_format, only
from netc.runtime.errors import InputError


@data_format(".csv", columns="needed")
class Csv:
    """a CSV file, .gz too: `name = "column"` or `name = "first".."last"` for each input and target"""

    header: bool = True
    delimiter: str = ","

    def read(self, paths: list[Path], inputs: list[Row], columns: Mapping[str, Any]) -> Arrays:
        """Columns by header name, or by number where there is no header."""
        path = only(paths, "csv", "file")
        try:
            text = content(path).decode("utf-8-sig")
        except UnicodeDecodeError as e:
            raise InputError(f"`{path}` is not UTF-8 text: byte offset {e.start}") from None
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=self.delimiter) if line]
        if not lines:
            raise InputError(f"`{path}` is empty")
        header = [c.strip() for c in lines[0]] if self.header else [str(i) for i in range(len(lines[0]))]
        body = lines[1:] if self.header else lines
        if not body:
            raise InputError(f"`{path}` has no rows below its header")
        first = 2 if self.header else 1
        for i, line in enumerate(body):
            if len(line) != len(header):
                raise InputError(
                    f"`{path}`, line {i + first}: {len(line)} cells where the first line has {len(header)}"
                )
        wanted = columns or {i["name"]: i["name"] for i in inputs}
        return {
            i["name"]: _cells(path, body, first, _columns(path, header, wanted[i["name"]], self.header), i)
            for i in inputs
        }


def _columns(path: Path, header: list[str], wanted: Any, has_header: bool) -> list[tuple[str, int]]:
    """The (name, position) of each wanted column."""
    if isinstance(wanted, Mapping):
        stem, low = re.fullmatch(r"(.*?)(\d+)", wanted["first"]).groups()  # type: ignore[union-attr]
        high = int(re.fullmatch(r".*?(\d+)", wanted["last"])[1])  # type: ignore[index]
        names = [f"{stem}{n:0{len(low)}d}" for n in range(int(low), high + 1)]
    else:
        names = [wanted] if isinstance(wanted, str) else list(wanted)
    where = {name: i for i, name in enumerate(header)}
    for name in names:
        if name not in where:
            shown = ", ".join(f"`{h}`" for h in header[:8]) + (", ..." if len(header) > 8 else "")
            help = f"its columns are {shown}"
            if len(header) == 1 and any(d in header[0] for d in ";\t|"):
                help = 'the file seems to have another delimiter: `csv(..., delimiter = ";")`'
            elif all(_is_number(h) for h in header) and has_header:
                help = "the first line holds numbers: without a header, write `header = false` and number the columns from 0"
            raise InputError(f"`{path}` has no column `{name}`", help)
    return [(name, where[name]) for name in names]


def _cells(path: Path, body: list[list[str]], first: int, columns: list[tuple[str, int]], row: Row) -> np.ndarray:
    shape = row["shape"][1:]
    table = np.empty((len(body), len(columns)), dtype=np.float64)
    for k, (name, at) in enumerate(columns):
        cells = [line[at] for line in body]
        try:
            table[:, k] = cells
        except ValueError:
            bad = next(i for i, c in enumerate(cells) if not _is_number(c))
            what = "is blank" if not cells[bad].strip() else f"is `{cells[bad]}`, not a number"
            raise InputError(f"`{path}`, line {bad + first}: column `{name}` {what}") from None
    if all(isinstance(d, int) for d in shape):
        if int(np.prod(shape, dtype=np.int64)) != len(columns):
            raise InputError(
                f"`{row['name']}` needs {int(np.prod(shape, dtype=np.int64))} columns of `{path}`, {len(columns)} are named"
            )
        table = table.reshape(len(body), *shape)
    return table.astype(row["dtype"]) if np.dtype(row["dtype"]).kind == "f" else table


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

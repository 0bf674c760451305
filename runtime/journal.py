"""A CSV file of numbers that grows row by row: metrics.csv and watch.csv of a run."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from netc.runtime.errors import InputError, RunError
from netc.runtime.files import write_atomically

Row = dict[str, float]
WHOLE = ("epoch", "step")  # numbers that nine digits may not hold


class Journal:
    """Rows of numbers by name, under a head of names. Steps and epochs are whole; others have nine digits."""

    def __init__(self, path: Path):
        self.path = path
        self._head: list[str] | None = None

    def rows(self) -> list[Row]:
        """Every whole row. A last line that a crash cut off is none. Raises InputError for a line that holds other things."""
        head, lines = self._read()
        found = []
        for number, line in enumerate(lines, start=2):
            try:
                found.append({name: float(cell) for name, cell in zip(head, line, strict=True) if cell})
            except ValueError:
                raise InputError(
                    f"`{self.path}`, line {number} is no row of numbers under the {len(head)} names of its head",
                    "correct or delete the line",
                ) from None
        return found

    def keep(self, wanted: Callable[[Row], bool]) -> list[Row]:
        """Drops all other rows, which a run that goes on from an earlier checkpoint will write again."""
        every = self.rows()
        kept = [row for row in every if wanted(row)]
        if self.path.exists():
            self._rewrite(self._read()[0], kept)
        return kept

    def add(self, row: Mapping[str, float]) -> None:
        """Appends a row; a name that the head lacks is added to it. Raises RunError."""
        if self._head is None:
            self._head, _ = self._read()
        missing = [name for name in row if name not in self._head]
        if missing:
            self._rewrite([*self._head, *missing], [*self.rows(), row])
            return
        try:
            with self.path.open("a", newline="", encoding="utf-8") as f:
                f.write(_text([_cells(self._head, row)]))
        except OSError as e:
            raise RunError(f"`{self.path}` cannot be written: {e.strerror or e}") from None

    def _read(self) -> tuple[list[str], list[list[str]]]:
        try:
            text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        except (OSError, ValueError) as e:
            reason = e.strerror if isinstance(e, OSError) and e.strerror else e
            raise RunError(f"`{self.path}` cannot be read: {reason}") from None
        whole = text[: text.rfind("\n") + 1]
        lines = list(csv.reader(io.StringIO(whole)))
        return (lines[0], lines[1:]) if lines else ([], [])

    def _rewrite(self, head: list[str], rows: Iterable[Mapping[str, float]]) -> None:
        write_atomically(self.path, _text([head, *(_cells(head, row) for row in rows)]).encode())
        self._head = head


def _cells(head: Sequence[str], row: Mapping[str, float]) -> list[str]:
    return [_cell(name, row[name]) if name in row else "" for name in head]


def _cell(name: str, value: float) -> str:
    return str(int(value)) if name in WHOLE else f"{value:.9g}"


def _text(lines: Iterable[Sequence[str]]) -> str:
    made = io.StringIO()
    csv.writer(made, lineterminator="\n").writerows(lines)
    return made.getvalue()

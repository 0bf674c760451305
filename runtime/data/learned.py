"""What the training rows teach of a table: the numbers of its texts, and the means that fill what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netc.runtime.data.check import missing_help
from netc.runtime.data.naming import few, short
from netc.runtime.data.read import Read, Row, Rule
from netc.runtime.errors import InputError
from netc.runtime.records import read_record

MOST_TOLD = 12  # texts of a column that are told with their numbers
Say = Callable[[str], None]


@dataclass
class Learned:
    """`columns` are the names that inputs were read from, `texts` the texts of an input by their numbers, `means` the mean
    of an input over the training rows, in the shape of a row."""

    columns: dict[str, list[str]] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    means: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Learned:
        """What a run has written. Raises InputError."""
        try:
            found = read_record(cls, path)
            found.means = {n: np.asarray(m, np.float64).tolist() for n, m in found.means.items()}
            if any(t != sorted(set(t)) for t in found.texts.values()):
                raise ValueError("texts that are not in order")
            return found
        except (OSError, ValueError, TypeError):
            raise InputError(f"`{path}` is missing or damaged", "train again, or bring the file back") from None

    def text(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def learn(self, read: Read, training: np.ndarray, inputs: Sequence[Row], rule: Rule, say: Say) -> None:
        """Learns from the training rows of what was read. Raises InputError."""
        for row in inputs:
            name, array = row["name"], read.arrays[row["name"]]
            if name in read.words:
                used = np.unique(array[training])
                self.texts[name] = sorted(read.words[name][k] for k in used if k >= 0)
                self._tell(row, read, say)
            elif rule and rule["kind"] == "mean" and fillable(row) and array.dtype.kind == "f":
                self.means[name] = _mean(array[training], read, name).tolist()

    def _tell(self, row: Row, read: Read, say: Say) -> None:
        """Says which number each text has. Raises InputError where there are more texts than classes."""
        texts, classes = self.texts[row["name"]], row.get("classes")
        if classes is not None and len(texts) > classes:
            raise InputError(
                f"{read.what(row['name'])} has {len(texts):,} different texts in the training rows, and the net {classes} classes",
                f"they are {few(texts)}; give the net as many classes",
            )
        shown = ", ".join(f"{k} {short(t)}" for k, t in enumerate(texts[:MOST_TOLD]))
        more = f" and {len(texts) - MOST_TOLD:,} more" if len(texts) > MOST_TOLD else ""
        say(f"`{row['name']}` is text, numbered by the training rows: {shown}{more}")

    def prepare(self, read: Read, kept: np.ndarray, inputs: Sequence[Row], rule: Rule, say: Say) -> None:
        """Puts numbers in the place of texts, and what the rule says in the place of what is missing; of rows that are not
        `kept` nothing is asked. Raises InputError."""
        for row in inputs:
            name = row["name"]
            if name in read.words:
                read.arrays[name] = self._numbered(read, kept, row, rule, say)
                del read.words[name]
            elif rule and read.arrays[name].dtype.kind == "f":
                read.arrays[name] = self._filled(read.arrays[name], kept, name, rule)

    def _numbered(self, read: Read, kept: np.ndarray, row: Row, rule: Rule, say: Say) -> np.ndarray:
        """The number of each text. One that no training row has gets the last class of an input, if that is free; so does one
        that is missing, where a rule fills what is."""
        name, codes = row["name"], read.arrays[row["name"]]
        texts, classes = self.texts.get(name, []), row.get("classes", 0)
        spare = classes - 1 if row["role"] == "input" and texts and classes > len(texts) else -1
        known = {t: k for k, t in enumerate(texts)}
        blank = spare if rule and rule["kind"] != "drop" else -1
        of_words = np.array([*(known.get(w, spare) for w in read.words[name]), blank])  # a missing text is -1, the last
        numbers = of_words[codes]
        wrong = kept[numbers[kept] < 0]
        if len(wrong):
            at = int(wrong[0])
            place, code = read.place(name, (at,)), int(codes[at])
            if code < 0:
                raise InputError(
                    f"{place} {read.missing(name, (at,)) or 'is missing'}", missing_help(row, rule, text=True)
                )
            have = f"the texts are {few(known)}" if known else f"in the training rows `{name}` was numbers"
            if known and row["role"] == "input":
                have += "; with a class more than there are texts, the last is for all others"
            raise InputError(f"{place} is `{short(read.words[name][code])}`, which no training row has", have)
        others = int((numbers[kept] == spare).sum()) if spare >= 0 else 0
        if others:
            rows = f"{others:,} row{'s' * (others != 1)}"
            what = "no text, or one that no training row has," if blank == spare else "texts that no training row has,"
            say(f"{read.what(name)} has {what} in {rows}; their number is {spare}")
        found: np.ndarray = np.maximum(numbers, 0)
        return found

    def _filled(self, array: np.ndarray, kept: np.ndarray, name: str, rule: Mapping[str, Any]) -> np.ndarray:
        value: Any = {"drop": 0.0, "value": rule.get("value")}.get(rule["kind"], self.means.get(name))
        if value is None:
            return array
        if np.shape(value) not in ((), array.shape[1:]):
            raise InputError(f"the run has learned a mean of `{name}` of another shape", "train again")
        holes = np.isnan(array)
        if rule["kind"] == "drop":
            holes[kept] = False
        return np.where(holes, np.asarray(value, array.dtype), array) if holes.any() else array


def fillable(row: Row) -> bool:
    """Whether a mean may stand for what is missing: in an input of floating-point numbers."""
    return row["role"] == "input" and np.dtype(row["dtype"]).kind == "f"


def whole_rows(read: Read, inputs: Sequence[Row], rule: Rule) -> np.ndarray:
    """The numbers of the rows that stay: all, or where the rule drops others those that miss nothing. Raises InputError
    where none stays."""
    rows = len(next(iter(read.arrays.values())))
    if not rule or rule["kind"] != "drop":
        return np.arange(rows)
    holes = {i["name"]: _holes(read, read.arrays[i["name"]], i["name"]) for i in inputs}
    keep = ~np.any([*holes.values()], axis=0)
    if not keep.any():
        most = max(holes, key=lambda n: int(holes[n].sum()))
        raise InputError(
            f"each of {rows:,} rows misses a value, so that `missing = drop` leaves none",
            f"{read.what(most)} misses most, in {int(holes[most].sum()):,}: leave it out, or write `missing = mean`",
        )
    return np.flatnonzero(keep)


def _holes(read: Read, array: np.ndarray, name: str) -> np.ndarray:
    if name in read.words:
        return array < 0
    if array.dtype.kind != "f":
        return np.zeros(len(array), bool)
    holes: np.ndarray = np.isnan(array).reshape(len(array), -1).any(axis=1)
    return holes


def _mean(array: np.ndarray, read: Read, name: str) -> np.ndarray:
    """The mean of each element over the rows that have it. Raises InputError where none has."""
    there = ~np.isnan(array)
    count = there.sum(axis=0)
    if not np.all(count):
        at = tuple(int(k) for k in np.argwhere(np.atleast_1d(count) == 0)[0]) if count.ndim else ()
        raise InputError(f"{read.column(name, at)} is missing in all training rows", "leave the column out")
    mean: np.ndarray = np.where(there, array, 0).sum(axis=0, dtype=np.float64) / count
    return mean

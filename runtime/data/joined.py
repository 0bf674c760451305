"""Files that hold the rows of one table, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netc.runtime.data.naming import short
from netc.runtime.data.read import Read
from netc.runtime.errors import InputError


class Joined(Read):
    """The rows of several files, one after the other."""

    def __init__(self, parts: Sequence[Read]):
        first, *others = parts
        super().__init__(where=first.where, columns=first.columns)
        self.parts, self.typed = parts, first.typed
        for other in others:
            refuse_other_columns(first, other)
        for name, array in first.arrays.items():
            for other in others:
                if array.shape[1:] != other.arrays[name].shape[1:]:
                    raise InputError(
                        f"a row of {first.what(name)} has shape {list(array.shape[1:])}, of {other.what(name)} "
                        f"{list(other.arrays[name].shape[1:])}"
                    )
            arrays = [p.arrays[name] for p in parts]
            if any(name in p.words for p in parts):
                arrays, self.words[name] = _one_list(name, parts)
            self.arrays[name] = np.concatenate(arrays)

    def what(self, name: str) -> str:
        more = len(self.parts) - 1
        return f"{self.parts[0].what(name)} and {more} more file{'s' * (more > 1)}"

    def _part(self, index: tuple[int, ...]) -> tuple[Read, tuple[int, ...]]:
        row, *rest = index
        for part in self.parts:
            rows = len(next(iter(part.arrays.values())))
            if row < rows:
                break
            row -= rows
        return part, (row, *rest)

    def place(self, name: str, index: tuple[int, ...]) -> str:
        part, at = self._part(index)
        return part.place(name, at)

    def column(self, name: str, index: tuple[int, ...]) -> str:
        return self.parts[0].column(name, index)

    def missing(self, name: str, index: tuple[int, ...]) -> str:
        part, at = self._part(index)
        return part.missing(name, at)


def _one_list(name: str, parts: Sequence[Read]) -> tuple[list[np.ndarray], list[str]]:
    """The numbers of texts in each part, by one list of words. Raises InputError where a part has numbers."""
    agree_on_texts(name, parts)
    words: dict[str, int] = {}
    for part in parts:
        for word in part.words[name]:
            words.setdefault(word, len(words))
    codes = [np.array([words[w] for w in p.words[name]] + [-1])[p.arrays[name]] for p in parts]
    return codes, list(words)


def agree_on_texts(name: str, parts: Sequence[Read]) -> None:
    """A column of texts is one in all parts, also where all of its cells are blank. Raises InputError where it has texts in
    one part and numbers in another."""
    texts = next((p for p in parts if name in p.words), None)
    for part in parts if texts is not None else ():
        array = part.arrays[name]
        if name not in part.words and array.dtype.kind == "f" and np.isnan(array).all():
            part.arrays[name], part.words[name] = np.full(len(array), -1), []
    numbers = next((p for p in parts if name not in p.words), None)
    if texts is not None and numbers is not None:
        raise InputError(f"{texts.what(name)} has texts where {numbers.what(name)} has numbers", "write both alike")


def refuse_other_columns(one: Read, other: Read) -> None:
    """Refuses files in which a range of columns means different ones, or in another order."""
    for name, columns in one.columns.items():
        for here, there in zip(columns, other.columns[name]):
            if here != there:
                raise InputError(
                    f"{one.what(name)} is read from column `{short(here)}` where {other.what(name)} has `{short(there)}`",
                    "a range goes in the order of the file: name the columns one by one, or give the files one order",
                )

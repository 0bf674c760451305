"""What was read from files or given from Python, with the places that its elements came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Rule = Mapping[str, Any] | None  # what a data block says of missing values
Row = Mapping[str, Any]  # of the manifest: an input or target; with `texts` where its numbers stand for texts


@dataclass
class Read:
    """What was read: the array of each input and target, and where it comes from, so that a bad element can be named.

    Where a column holds texts, its array has numbers of `words`, and -1 where a text is missing. A missing number is NaN.
    """

    arrays: Arrays = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)  # that an input was read from, where it has some
    words: dict[str, list[str]] = field(default_factory=dict)
    files: frozenset[str] = frozenset()  # that were read
    typed: bool = True  # false where numbers are text: to give them a dtype is no news

    def add(self, name: str, array: np.ndarray, where: str) -> None:
        """The array of an input, and what its user calls the place that it lies in: "`x.npy`"."""
        if array.dtype.kind == "U" and array.ndim == 1:
            array, self.words[name] = _numbered(array)
        self.arrays[name], self.where[name] = array, where

    def what(self, name: str) -> str:
        """An input and where it lies."""
        return f"`{name}` ({self.where[name]})"

    def place(self, name: str, index: tuple[int, ...]) -> str:
        """Where the element of an index lies."""
        return f"{self.where[name]}, index {list(index)}"

    def column(self, name: str, index: tuple[int, ...]) -> str:
        """Where the elements of an index lie, in all rows."""
        return f"{self.what(name)}" + (f", index {list(index)} of a row" if index else "")

    def missing(self, name: str, index: tuple[int, ...]) -> str:
        """What stands in the place of a missing element, as "is blank"; "" where it is a NaN."""
        return ""


def _numbered(array: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Texts as numbers of words."""
    words, codes = np.unique(np.char.strip(array), return_inverse=True)
    blank = int(len(words) > 0 and not words[0])
    return codes - blank, [str(w) for w in words[blank:]]

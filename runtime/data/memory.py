"""Arrays that come from Python: a batch, or the data of a whole run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netc.runtime.data.arrays import array_of, example, kind_of
from netc.runtime.data.batches import is_batches, joined_batches
from netc.runtime.data.check import conform, refuse_misfits, silent
from netc.runtime.data.learned import Learned
from netc.runtime.data.naming import offer, short
from netc.runtime.data.read import Arrays, Read, Row, Rule
from netc.runtime.data.split import SPLITS
from netc.runtime.errors import InputError


class InMemory(Read):
    """Arrays by name; `where` says of which split they are, or nothing."""

    def what(self, name: str) -> str:
        return f"`{name}`" + (f" of the {self.where[name]} split" if self.where[name] else "")

    def place(self, name: str, index: tuple[int, ...]) -> str:
        at = f"`{name}{list(index)}`"
        return at + (f" of the {self.where[name]} split" if self.where[name] else "")


def in_memory(data: Any, inputs: Sequence[Row], split: str = "") -> InMemory:
    """What `data` holds, a mapping of arrays by the names of `inputs`. Raises InputError."""
    names = [i["name"] for i in inputs]
    if not isinstance(data, Mapping):
        help = "call it, so that it gives its batches" if callable(data) else example(names)
        raise InputError(f"data is a mapping of arrays by name, this is {kind_of(data)}", help)
    read = InMemory()
    for name, value in data.items():
        if name not in names:
            help = offer(str(name), names, "its inputs and targets")
            raise InputError(f"the net has no input or target `{short(str(name))}`", help)
        read.where[name] = split
        read.add(name, array_of(value, read.what(name)), split)
    return read


def given(data: Any, inputs: Sequence[Row], wanted: Sequence[Row], learned: Learned, rule: Rule) -> Arrays:
    """The `wanted` of the inputs of a program, from a mapping that Python gives: texts are numbered and missing values filled
    as a run has `learned` it, and no row is dropped. Raises InputError."""
    read = in_memory(data, inputs)
    refuse_misfits(read, wanted, texts=bool(learned.texts))
    filling = None if rule and rule["kind"] == "drop" else rule
    learned.prepare(read, np.arange(len(next(iter(read.arrays.values())))), wanted, filling, silent)
    return conform(read, wanted, rule=filling)


def parts_in_memory(data: Any, inputs: Sequence[Row]) -> dict[str, InMemory]:
    """`in_memory` of each split, where `data` is a mapping of splits; else of `all` rows. What is an iterable of batches is
    read to its end. Raises InputError."""
    names = [i["name"] for i in inputs]
    if not _of_splits(data, names):
        return {"all": in_memory(joined_batches(data, names, ""), inputs)}
    for name, part in data.items():
        if name not in SPLITS:
            raise InputError(f"there is no split `{short(str(name))}`", "the splits are `train`, `val` and `test`")
        if not isinstance(part, Mapping) and not is_batches(part):
            raise InputError(
                f"the {name} split is a mapping of arrays by name, this is {kind_of(part)}", example(names)
            )
    return {s: in_memory(joined_batches(data[s], names, s), inputs, s) for s in SPLITS if s in data}


def _of_splits(data: Any, names: Sequence[str]) -> bool:
    """Whether data is given split by split."""
    if not isinstance(data, Mapping):
        return False
    named = any(n in SPLITS and n not in names for n in data)
    return named or any(isinstance(v, Mapping) for v in data.values())

"""Arrays that come from Python: a batch, or the data of a whole run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netc.runtime.data.naming import offer, short
from netc.runtime.data.read import Read, Row
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
        raise InputError(f"data is a mapping of arrays by name, this is {_kind(data)}", _example(names))
    read = InMemory()
    for name, value in data.items():
        if name not in names:
            help = offer(str(name), names, "its inputs and targets")
            raise InputError(f"the net has no input or target `{short(str(name))}`", help)
        read.where[name] = split
        read.add(name, array_of(value, read.what(name)), split)
    return read


def parts_in_memory(data: Any, inputs: Sequence[Row]) -> dict[str, InMemory]:
    """`in_memory` of each split, where `data` is a mapping of splits; else of `all` rows. Raises InputError."""
    if not isinstance(data, Mapping) or not any(isinstance(v, Mapping) for v in data.values()):
        return {"all": in_memory(data, inputs)}
    for name, part in data.items():
        if name not in SPLITS:
            raise InputError(f"there is no split `{short(str(name))}`", "the splits are `train`, `val` and `test`")
        if not isinstance(part, Mapping):
            raise InputError(
                f"the {name} split is a mapping of arrays by name, this is {_kind(part)}",
                _example([i["name"] for i in inputs]),
            )
    return {s: in_memory(data[s], inputs, s) for s in SPLITS if s in data}


def array_of(value: Any, what: str) -> np.ndarray:
    """`value` as an array. Raises InputError for what is none."""
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise InputError(f"{what} has masked elements", "fill them first: `x.filled(0)`")
        value = value.data
    try:
        array = np.asarray(value)
    except Exception as e:  # an object's own way to become an array may fail in any way
        if isinstance(value, list | tuple) and isinstance(e, ValueError):
            raise InputError(
                f"{what} is ragged: its rows have different lengths", "an array has rows of one length"
            ) from None
        raise InputError(f"{what} cannot be made an array: it is {_kind(value)}", "give a NumPy array") from None
    if array.dtype.kind == "O" and any(isinstance(v, str) for v in array.flat):
        texts = ["" if _is_missing(v) else v for v in array.flat]
        if all(isinstance(v, str) for v in texts):
            return np.array(texts).reshape(array.shape)
    if array.dtype.kind == "O":
        large = ", or whole numbers beyond 64 bits" if isinstance(value, list | tuple) else ""
        raise InputError(f"{what} holds Python objects{large}: it is {_kind(value)}", "give a NumPy array of numbers")
    return array


def _is_missing(value: Any) -> bool:
    """Whether tables of Python objects have this in the place of a text."""
    return value is None or (isinstance(value, float) and value != value)


def _kind(value: Any) -> str:
    """What a value is, in a few words."""
    if value is None:
        return "None"
    name = type(value).__name__
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _example(names: Sequence[str]) -> str:
    return "give {" + ", ".join(f"'{n}': array" for n in names) + "}"

"""Values from Python as arrays, and what messages call those that cannot be."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from netc.runtime.errors import InputError


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
        raise InputError(f"{what} cannot be made an array: it is {kind_of(value)}", "give a NumPy array") from None
    if array.dtype.kind == "O" and any(isinstance(v, str) for v in array.flat):
        texts = ["" if _is_missing(v) else v for v in array.flat]
        if all(isinstance(v, str) for v in texts):
            return np.array(texts).reshape(array.shape)
    if array.dtype.kind == "O":
        large = ", or whole numbers beyond 64 bits" if isinstance(value, list | tuple) else ""
        raise InputError(f"{what} holds Python objects{large}: it is {kind_of(value)}", "give a NumPy array of numbers")
    return array


def _is_missing(value: Any) -> bool:
    """Whether tables of Python objects have this in the place of a text."""
    return value is None or (isinstance(value, float) and value != value)


def kind_of(value: Any) -> str:
    """What a value is, in a few words."""
    if value is None:
        return "None"
    if inspect.isroutine(value):
        return "a function"
    name = type(value).__name__
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def example(names: Sequence[str]) -> str:
    return "give {" + ", ".join(f"'{n}': array" for n in names) + "}"

"""Arrays that lie in a file as bytes behind a header, which says how many they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from netc.runtime.data.check import fits, shown_shape
from netc.runtime.data.files import Content
from netc.runtime.data.read import Row
from netc.runtime.errors import InputError


@dataclass(frozen=True)
class ArrayHeader:
    """What a header declares of the array behind it."""

    dtype: np.dtype
    shape: tuple[int, ...]
    fortran: bool


def body(content: Content, header: ArrayHeader, row: Row) -> np.ndarray:
    """The array behind a header, which is compared with what an input needs and with what the file can hold before
    memory is taken for it. Raises InputError."""
    what = content.what
    if any(isinstance(d, bool) or d < 0 for d in header.shape):
        raise InputError(f"{what} declares the shape {shown_shape(header.shape)}: it is damaged")
    fits(what, header.dtype, header.shape, row)
    declared, held = math.prod(header.shape) * header.dtype.itemsize, content.most - content.taken
    if declared > held or (content.exact and declared < held):
        most = "" if content.exact else "at most "
        raise InputError(f"{what} declares {declared:,} bytes and has {most}{held:,}: it is truncated or damaged")
    raw = np.empty(declared, np.uint8)
    found = content.fill(raw.data)
    if found < declared:
        raise InputError(f"{what} declares {declared:,} bytes and has {found:,}: it is truncated or damaged")
    if content.read(1):  # reading to the end also compares the checksum
        raise InputError(f"{what} goes on after the {declared:,} bytes that it declares: it is damaged")
    if header.dtype.kind == "U":
        _refuse_no_characters(raw, header.dtype, what)
    return raw.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")


def _refuse_no_characters(raw: np.ndarray, dtype: np.dtype, what: str) -> None:
    """Refuses texts with numbers in them that no character has."""
    numbers = raw.view(np.dtype("u4").newbyteorder(dtype.byteorder))
    if ((numbers > 0x10FFFF) | ((numbers >= 0xD800) & (numbers <= 0xDFFF))).any():
        raise InputError(f"{what} holds text that is none: it is damaged")

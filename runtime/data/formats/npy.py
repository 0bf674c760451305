"""NPY files. Pickles are refused."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from netc.runtime.data.binary import ArrayHeader, body
from netc.runtime.data.files import Content, DataFile
from netc.runtime.data.format import data_format, one_each
from netc.runtime.data.read import Read, Row
from netc.runtime.data.signatures import LONGEST, seems
from netc.runtime.errors import InputError

MAX_HEADER = 10_000  # bytes, as NumPy has it
VERSIONS = {(1, 0): 2, (2, 0): 4, (3, 0): 4}  # bytes of the length of the header


@data_format(".npy")
class Npy:
    """.npy files, .gz too, one for each input and target, in the order of their declarations"""

    def read(self, files: list[DataFile], inputs: list[Row], columns: Mapping[str, Any]) -> Read:
        """One file for each input and target, in order."""
        one_each(files, inputs, "npy")
        read = Read()
        for file, i in zip(files, inputs):
            with file.open() as content:
                read.add(i["name"], read_array(content, i), str(file))
        return read


def read_array(content: Content, row: Row) -> np.ndarray:
    """The one array of NPY content, for an input. Raises InputError."""
    return body(content, _header(content), row)


def _header(content: Content) -> ArrayHeader:
    begin = content.read(8)
    version = tuple(begin[6:])
    if begin[:6] != b"\x93NUMPY" or version not in VERSIONS:
        raise InputError(
            f"{content.what} is no NPY file: it begins with the bytes {begin.hex(' ') or '(none)'}",
            seems(begin + content.read(LONGEST)),
        )
    length = content.read(VERSIONS[version])
    size = int.from_bytes(length, "little")
    text = content.read(min(size, MAX_HEADER))
    if len(length) < VERSIONS[version] or len(text) < size:
        raise InputError(f"{content.what} declares a header of {size:,} bytes: it is truncated or damaged")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        with warnings.catch_warnings(action="ignore"):
            shape, fortran, dtype = read(io.BytesIO(length + text))
    except Exception:  # NumPy reads the header as Python text, which can fail in any way of Python's
        raise InputError(f"{content.what} has a damaged NPY header", "write it again with `numpy.save`") from None
    return ArrayHeader(dtype, shape, fortran)

"""IDX files, the format of MNIST."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from netc.runtime.data.binary import ArrayHeader, body
from netc.runtime.data.files import Content, DataFile
from netc.runtime.data.format import data_format, one_each
from netc.runtime.data.read import Read, Row
from netc.runtime.data.signatures import LONGEST, seems
from netc.runtime.errors import InputError

_IDX = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@data_format("ubyte", ".idx")
class Idx:
    """IDX files, .gz too (the format of MNIST), one for each input and target, in the order of their declarations"""

    def read(self, files: list[DataFile], inputs: list[Row], columns: Mapping[str, Any]) -> Read:
        """One file for each input and target, in order."""
        one_each(files, inputs, "idx")
        read = Read()
        for file, i in zip(files, inputs):
            with file.open() as content:
                read.add(i["name"], body(content, _header(content), i), str(file))
        return read


def _header(content: Content) -> ArrayHeader:
    """Two zeros, a code for the dtype, the rank, and each dimension as a big-endian 32-bit number."""
    begin = content.read(4)
    if len(begin) < 4 or begin[:2] != b"\0\0" or begin[2] not in _IDX:
        raise InputError(
            f"{content.what} is no IDX file: it begins with the bytes {begin.hex(' ') or '(none)'}",
            seems(begin + content.read(LONGEST)),
        )
    rank = begin[3]
    dimensions = content.read(4 * rank)
    if len(dimensions) < 4 * rank:
        raise InputError(f"{content.what} is truncated: its header is cut off")
    return ArrayHeader(np.dtype(_IDX[begin[2]]), struct.unpack(f">{rank}I", dimensions), fortran=False)

"""IDX files, the format of MNIST."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netc.runtime.data.format import Arrays, Row, content, data_format, one_each
from netc.runtime.errors import InputError

_IDX = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@data_format("ubyte", ".idx")
class Idx:
    """IDX files, .gz too (the format of MNIST), one for each input and target, in the order of their declarations"""

    def read(self, paths: list[Path], inputs: list[Row], columns: Mapping[str, Any]) -> Arrays:
        """One file for each input and target, in order."""
        one_each(paths, inputs, "idx")
        return {i["name"]: _idx(path) for path, i in zip(paths, inputs)}


def _idx(path: Path) -> np.ndarray:
    raw = content(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in _IDX:
        raise InputError(f"`{path}` is no IDX file: it begins with {raw[:4].hex() or 'nothing'}")
    dtype, rank = np.dtype(_IDX[raw[2]]), raw[3]
    if len(raw) < 4 + 4 * rank:
        raise InputError(f"`{path}` is truncated: its header is cut off")
    shape = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
    count = int(np.prod(shape, dtype=object)) if shape else 1
    body = len(raw) - 4 - 4 * rank
    if count * dtype.itemsize != body:
        raise InputError(
            f"`{path}` declares {count * dtype.itemsize:,} bytes and has {body:,}: it is truncated or damaged"
        )
    return np.frombuffer(raw, dtype=dtype, offset=4 + 4 * rank).reshape(shape)

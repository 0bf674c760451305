"""NPY files. Pickles are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netc.runtime.data.format import Arrays, Row, data_format, one_each
from netc.runtime.errors import InputError

MAX_BYTES = 1 << 37  # of one array; more than that is taken for a damaged header


@data_format(".npy")
class Npy:
    """.npy files, one for each input and target, in the order of their declarations"""

    def read(self, paths: list[Path], inputs: list[Row], columns: Mapping[str, Any]) -> Arrays:
        """One file for each input and target, in order."""
        one_each(paths, inputs, "npy")
        arrays = {}
        for path, i in zip(paths, inputs):
            with path.open("rb") as f:
                arrays[i["name"]] = read_array(f, f"`{path}`", path.stat().st_size)
        return arrays


def read_array(f: Any, what: str, size: int) -> np.ndarray:
    """An array from a stream; its header is compared with the stream's size before anything is read."""
    fmt = np.lib.format
    try:
        version = fmt.read_magic(f)
        read = fmt.read_array_header_1_0 if version == (1, 0) else fmt.read_array_header_2_0
        shape, fortran, dtype = read(f)
    except (ValueError, EOFError) as e:
        raise InputError(f"{what}: no NPY header ({e})") from None
    if dtype.hasobject:
        raise InputError(f"{what} holds Python objects, which are never loaded", "save an array of numbers")
    count = int(np.prod(shape, dtype=object)) if shape else 1
    declared = count * dtype.itemsize
    if declared > MAX_BYTES or declared > size:
        raise InputError(f"{what} declares {declared:,} bytes and has {size:,}: it is truncated or damaged")
    raw = f.read(declared)
    if len(raw) < declared:
        raise InputError(f"{what} is truncated: {len(raw):,} of {declared:,} bytes")
    return np.frombuffer(raw, dtype=dtype, count=count).reshape(shape, order="F" if fortran else "C")

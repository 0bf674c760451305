"""Predictions as files: .npz, or .csv with a row for each row of the data."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from netc.runtime.errors import InputError
from netc.runtime.files import write_atomically

EXACT = {2: 5, 4: 9, 8: 17}  # digits that tell a float of so many bytes from every other


def refuse_unknown(out: Path) -> None:
    """Raises InputError for a file that outputs are not written to."""
    if out.suffix.lower() not in (".npz", ".csv"):
        raise InputError(f"`{out}` is of no known format", "outputs are written to .npz or .csv")


def write_outputs(outputs: Mapping[str, np.ndarray], out: Path, whole: Collection[str] = ()) -> None:
    """Writes the outputs for some rows, of which the `whole` are one value for all of them. Raises InputError for these where
    the file is a table, RunError."""
    write_atomically(out, _table(outputs, whole) if out.suffix.lower() == ".csv" else _archive(outputs))


def _archive(outputs: Mapping[str, np.ndarray]) -> bytes:
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **outputs)
    return content.getvalue()


def _table(outputs: Mapping[str, np.ndarray], whole: Collection[str]) -> bytes:
    header: list[str] = []
    columns: list[list[str]] = []
    for name, value in outputs.items():
        if name in whole:
            raise InputError(
                f"`{name}` has shape {list(value.shape)}, no row for each row", "write to .npz: `--out name.npz`"
            )
        flat = value.reshape(len(value), -1)
        header += [name] if flat.shape[1] == 1 else [f"{name}_{k}" for k in range(flat.shape[1])]
        columns += [_column(flat[:, k]) for k in range(flat.shape[1])]
    lines = [",".join(header), *map(",".join, zip(*columns))]
    return ("\n".join(lines) + "\n").encode()


def _column(values: np.ndarray) -> list[str]:
    """Numbers as text, from which the same are read again."""
    if values.dtype.kind == "f":
        digits = EXACT[values.dtype.itemsize]
        return [f"{v:.{digits}g}" for v in values.tolist()]
    return [str(int(v)) for v in values.tolist()]

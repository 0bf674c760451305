"""Readers of CSV, NPZ, NPY and IDX files. What a file declares is checked before memory is taken; pickles are refused."""

from __future__ import annotations

import csv
import gzip
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netc.runtime.data.sources import Arrays, reader
from netc.runtime.errors import InputError

MAX_UNPACKED = 1 << 33
MAX_BYTES = 1 << 37  # of one array; more than that is taken for a damaged header
Row = Mapping[str, Any]


def _content(path: Path) -> bytes:
    """The bytes of a file, unpacked where it is gzip."""
    try:
        raw = path.read_bytes()
        if raw[:2] != b"\x1f\x8b":
            return raw
        parts, total = [], 0
        with gzip.open(io.BytesIO(raw)) as f:
            while part := f.read(1 << 24):
                parts.append(part)
                total += len(part)
                if total > MAX_UNPACKED:
                    raise InputError(f"`{path}` unpacks to more than {MAX_UNPACKED >> 30} GiB")
        return b"".join(parts)
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise InputError(f"`{path}` is damaged: {e}") from None
    except OSError as e:
        raise InputError(f"`{path}` cannot be read: {e.strerror or e}") from None


# --- CSV --------------------------------------------------------------------------------------------------------------


@reader("csv")
def read_csv(record: Row, paths: list[Path], inputs: list[Row]) -> Arrays:
    """Columns by header name, or by number where there is no header."""
    if len(paths) != 1:
        raise InputError("`csv` reads one file for each split")
    (path,) = paths
    try:
        text = _content(path).decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise InputError(f"`{path}` is not UTF-8 text: byte offset {e.start}") from None
    lines = [line for line in csv.reader(io.StringIO(text), delimiter=record.get("delimiter", ",")) if line]
    if not lines:
        raise InputError(f"`{path}` is empty")
    header = [c.strip() for c in lines[0]] if record.get("header", True) else [str(i) for i in range(len(lines[0]))]
    body = lines[1:] if record.get("header", True) else lines
    if not body:
        raise InputError(f"`{path}` has no rows below its header")
    first = 2 if record.get("header", True) else 1
    for i, line in enumerate(body):
        if len(line) != len(header):
            raise InputError(f"`{path}`, line {i + first}: {len(line)} cells where the first line has {len(header)}")
    columns = record.get("columns") or {i["name"]: i["name"] for i in inputs}
    return {i["name"]: _cells(path, body, first, _columns(path, header, columns[i["name"]], record), i) for i in inputs}


def _columns(path: Path, header: list[str], wanted: Any, record: Row) -> list[tuple[str, int]]:
    """The (name, position) of each wanted column."""
    if isinstance(wanted, Mapping):
        stem, low = re.fullmatch(r"(.*?)(\d+)", wanted["first"]).groups()  # type: ignore[union-attr]
        high = int(re.fullmatch(r".*?(\d+)", wanted["last"])[1])  # type: ignore[index]
        names = [f"{stem}{n:0{len(low)}d}" for n in range(int(low), high + 1)]
    else:
        names = [wanted] if isinstance(wanted, str) else list(wanted)
    where = {name: i for i, name in enumerate(header)}
    for name in names:
        if name not in where:
            shown = ", ".join(f"`{h}`" for h in header[:8]) + (", ..." if len(header) > 8 else "")
            help = f"its columns are {shown}"
            if len(header) == 1 and any(d in header[0] for d in ";\t|"):
                help = 'the file seems to have another delimiter: `csv(..., delimiter = ";")`'
            elif all(_is_number(h) for h in header) and record.get("header", True):
                help = "the first line holds numbers: without a header, write `header = false` and number the columns from 0"
            raise InputError(f"`{path}` has no column `{name}`", help)
    return [(name, where[name]) for name in names]


def _cells(path: Path, body: list[list[str]], first: int, columns: list[tuple[str, int]], row: Row) -> np.ndarray:
    shape = row["shape"][1:]
    table = np.empty((len(body), len(columns)), dtype=np.float64)
    for k, (name, at) in enumerate(columns):
        cells = [line[at] for line in body]
        try:
            table[:, k] = cells
        except ValueError:
            bad = next(i for i, c in enumerate(cells) if not _is_number(c))
            what = "is blank" if not cells[bad].strip() else f"is `{cells[bad]}`, not a number"
            raise InputError(f"`{path}`, line {bad + first}: column `{name}` {what}") from None
    if all(isinstance(d, int) for d in shape):
        if int(np.prod(shape, dtype=np.int64)) != len(columns):
            raise InputError(
                f"`{row['name']}` needs {int(np.prod(shape, dtype=np.int64))} columns of `{path}`, {len(columns)} are named"
            )
        table = table.reshape(len(body), *shape)
    return table.astype(row["dtype"]) if np.dtype(row["dtype"]).kind == "f" else table


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# --- numpy ------------------------------------------------------------------------------------------------------------


@reader("npz")
def read_npz(record: Row, paths: list[Path], inputs: list[Row]) -> Arrays:
    """Members by key."""
    if len(paths) != 1:
        raise InputError("`npz` reads one archive for each split")
    (path,) = paths
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as e:
        raise InputError(f"`{path}` is no NPZ archive: {e}") from None
    columns = record.get("columns") or {}
    with archive:
        keys = {n.removesuffix(".npy"): n for n in archive.namelist()}
        arrays = {}
        for i in inputs:
            key = columns.get(i["name"], i["name"])
            if key not in keys:
                shown = ", ".join(f"`{k}`" for k in keys)
                raise InputError(
                    f"`{path}` has no array `{key}`", f'its arrays are {shown}; write `{i["name"]} = "key"`'
                )
            try:
                with archive.open(keys[key]) as f:
                    arrays[i["name"]] = _npy(f, f"`{path}`, array `{key}`", archive.getinfo(keys[key]).file_size)
            except (zipfile.BadZipFile, zlib.error, EOFError) as e:
                raise InputError(f"`{path}`, array `{key}`: damaged ({e})") from None
    return arrays


@reader("npy")
def read_npy(record: Row, paths: list[Path], inputs: list[Row]) -> Arrays:
    """One file for each input and target, in order."""
    _one_each(paths, inputs, "npy")
    arrays = {}
    for path, i in zip(paths, inputs):
        with path.open("rb") as f:
            arrays[i["name"]] = _npy(f, f"`{path}`", path.stat().st_size)
    return arrays


def _npy(f: Any, what: str, size: int) -> np.ndarray:
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


def _one_each(paths: list[Path], inputs: list[Row], kind: str) -> None:
    if len(paths) != len(inputs):
        names = ", ".join(f"`{i['name']}`" for i in inputs)
        raise InputError(
            f"`{kind}` names {len(paths)} files for {len(inputs)} inputs and targets", f"in the order {names}"
        )


# --- IDX --------------------------------------------------------------------------------------------------------------

_IDX = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@reader("idx")
def read_idx(record: Row, paths: list[Path], inputs: list[Row]) -> Arrays:
    """One file for each input and target, in order (the format of MNIST)."""
    _one_each(paths, inputs, "idx")
    return {i["name"]: _idx(path) for path, i in zip(paths, inputs)}


def _idx(path: Path) -> np.ndarray:
    raw = _content(path)
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

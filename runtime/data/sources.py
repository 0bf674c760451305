"""From a data block's record to checked arrays for train, val and test."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netc.runtime.data.check import conform
from netc.runtime.data.format import Arrays, Read, Row, format_of
from netc.runtime.data.formats import FORMATS
from netc.runtime.data.memory import parts_in_memory
from netc.runtime.data.naming import short
from netc.runtime.data.split import SPLITS, split_rows
from netc.runtime.errors import InputError


@dataclass
class LoadedData:
    """Checked arrays for each split, and a hash of them all. `columns` are the names that inputs were read from, if any."""

    splits: dict[str, Arrays] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def rows(self, split: str) -> int:
        """How many rows a split has; 0 when there is none."""
        arrays = self.splits.get(split)
        return len(next(iter(arrays.values()))) if arrays else 0

    def sha256(self) -> str:
        total = hashlib.sha256()
        for split, arrays in self.splits.items():
            for name, array in arrays.items():
                total.update(f"{split}/{name}{array.shape}{array.dtype}".encode())
                total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()

    def say(self, message: str) -> None:
        """Keeps a notice, once."""
        if message not in self.notices:
            self.notices.append(message)


def load(manifest: Mapping[str, Any], folder: str | Path | None = None, data: Any = None) -> LoadedData:
    """The data that a program names, or `data` in its place: a mapping of arrays, a mapping of splits, or a file.

    What each file holds is checked before it is divided, so that a bad element is named by its place there. Raises InputError.
    """
    inputs = list(manifest["inputs"])
    record = manifest.get("data") or {}
    if data is None and not record:
        raise InputError("the spec has no data block", "add one, or give the data: `--data file` or `data = arrays`")
    reads: Mapping[str, Read]
    if data is None:
        reads = _parts(record["source"], Path(record["folder"] if folder is None else folder), inputs)
    elif isinstance(data, str | Path):
        reads = {"all": _file(record, data, inputs)}
    else:
        reads = parts_in_memory(data, inputs)
    found = LoadedData(columns={n: list(c) for read in reads.values() for n, c in read.columns.items()})
    parts = {part: conform(read, inputs, found.say) for part, read in reads.items()}
    found.splits = _divided(parts, record.get("split"))
    _one_class(found, inputs)
    return found


def with_columns(manifest: Mapping[str, Any], columns: Mapping[str, list[str]]) -> dict[str, Any]:
    """A manifest whose data is read from these columns by name, so that a range means the same in a file of another order."""
    data = manifest.get("data") or {}
    source = data.get("source") or {}
    return {**manifest, "data": {**data, "source": {**source, "columns": {**source.get("columns", {}), **columns}}}}


def inputs_only(manifest: Mapping[str, Any], path: str | Path) -> Arrays:
    """The inputs, without targets, of every row of a file. Raises InputError."""
    rows = [r for r in manifest["inputs"] if r["role"] == "input"]
    return conform(_file(manifest.get("data") or {}, path, rows), rows)


def _file(record: Mapping[str, Any], path: str | Path, inputs: list[Row]) -> Read:
    """A file in the place of a source's own, read with the settings of that source; where columns lie is said for files of
    one format."""
    source, known = record.get("source") or {}, format_of(str(path))
    other = () if source.get("kind") == known.name else ("columns",)
    return known.read({k: v for k, v in source.items() if k not in other}, [Path(path)], inputs)


def _parts(source: Mapping[str, Any], folder: Path, inputs: list[Row]) -> dict[str, Read]:
    """What lies in the files of a source: by split, or `all` rows in one."""
    parts: dict[str, Read] = {}
    for part in ("path", *SPLITS):
        names = source.get(part)
        if names is not None:
            paths = [folder / n for n in ([names] if isinstance(names, str) else names)]
            parts["all" if part == "path" else part] = FORMATS[source["kind"]].read(source, paths, inputs)
    _same_columns(parts)
    return parts


def _same_columns(parts: Mapping[str, Read]) -> None:
    """Refuses files in which a range of columns means different ones, or in another order."""
    one, *others = parts.values()
    for other in others:
        for name, columns in one.columns.items():
            for here, there in zip(columns, other.columns[name]):
                if here != there:
                    raise InputError(
                        f"{one.what(name)} is read from column `{short(here)}` where {other.what(name)} has `{short(there)}`",
                        "a range goes in the order of the file: name the columns one by one, or give the files one order",
                    )


def _divided(parts: dict[str, Arrays], split: Mapping[str, Any] | None) -> dict[str, Arrays]:
    """The rows of each split."""
    if "all" in parts:
        whole = parts.pop("all")
        parts.update(_drawn(whole, split) if split else {"train": whole})
    elif split and "train" in parts:
        drawn = _drawn(parts.pop("train"), split)
        taken = [s for s in drawn if s in parts]
        if taken:
            raise InputError(f"`{taken[0]}` comes from a file and from the split", "leave one of them out")
        parts.update(drawn)
    if "train" not in parts:
        raise InputError("the data has no training rows", "give the `train` split, or all rows together")
    return {s: parts[s] for s in SPLITS if s in parts}


def _drawn(arrays: Arrays, split: Mapping[str, Any]) -> dict[str, Arrays]:
    drawn = split_rows(arrays, split)
    total = len(next(iter(arrays.values())))
    for name, part in drawn.items():
        if len(next(iter(part.values()))) == 0:
            raise InputError(
                f"the {name} split has no rows", f"there are {total:,} rows in all; give it a larger share"
            )
    return drawn


def _one_class(found: LoadedData, inputs: list[Row]) -> None:
    """Warns of a target that has one class alone in the training rows."""
    for row in inputs:
        array = found.splits["train"][row["name"]]
        if row.get("classes", 0) > 1 and (array == array.flat[0]).all():
            found.say(f"warning: `{row['name']}` has only the class {array.flat[0]} in the training rows")

"""From a data block's record to checked arrays for train, val and test."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netc.runtime.data.check import Say, conform
from netc.runtime.data.format import Arrays, format_of
from netc.runtime.data.formats import FORMATS
from netc.runtime.data.split import SPLITS, split_rows
from netc.runtime.errors import InputError


@dataclass
class LoadedData:
    """Checked arrays for each split, and a hash of them all."""

    splits: dict[str, Arrays] = field(default_factory=dict)
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


def load(manifest: Mapping[str, Any], folder: str | Path | None = None, data: Any = None) -> LoadedData:
    """The data that a program names, or `data` in its place: a mapping of arrays, a mapping of splits, or a file."""
    inputs = list(manifest["inputs"])
    record = manifest.get("data")
    found = LoadedData()
    if data is not None and not isinstance(data, str | Path):
        parts = _parts_of_arrays(data, found)
    else:
        if data is not None:
            source, folder = _of_file(manifest, str(data)), "."
        elif record is None:
            raise InputError(
                "the spec has no data block", "add one, or give the data: `--data file` or `data = arrays`"
            )
        else:
            source = record["source"]
            folder = record["folder"] if folder is None else folder
        parts = _parts_of_files(source, Path(folder), inputs, found)
    split = (record or {}).get("split")
    if "all" in parts:
        whole = parts.pop("all")
        parts.update(split_rows(whole, split) if split else {"train": whole})
    elif split and "train" in parts:
        drawn = split_rows(parts.pop("train"), split)
        taken = [s for s in drawn if s in parts]
        if taken:
            raise InputError(f"`{taken[0]}` comes from a file and from the split", "leave one of them out")
        parts.update(drawn)
    found.splits = {s: parts[s] for s in SPLITS if s in parts}
    _report(found, inputs)
    return found


def _of_file(manifest: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The spec's source with one file in place of its own; where columns lie is said for files of one format."""
    source, kind = (manifest.get("data") or {}).get("source") or {}, format_of(path).name
    other = {*SPLITS, *(() if source.get("kind") == kind else ("columns",))}
    return {**{k: v for k, v in source.items() if k not in other}, "path": path, "kind": kind}


def _parts_of_arrays(data: Any, found: LoadedData) -> dict[str, Arrays]:
    if not isinstance(data, Mapping):
        raise InputError("data is a mapping of arrays by name, or of splits", "data = {'image': x, 'label': y}")
    if set(data) <= {*SPLITS} and all(isinstance(v, Mapping) for v in data.values()):
        return {s: {n: np.asarray(a) for n, a in part.items()} for s, part in data.items()}
    return {"all": {n: np.asarray(a) for n, a in data.items()}}


def _parts_of_files(
    source: Mapping[str, Any], folder: Path, inputs: list[Mapping[str, Any]], found: LoadedData
) -> dict[str, Arrays]:
    read = FORMATS[source["kind"]].read
    parts = {}
    for part in ("path", *SPLITS):
        names = source.get(part)
        if names is None:
            continue
        paths = [folder / n for n in ([names] if isinstance(names, str) else names)]
        for path in paths:
            if path.is_dir() or not path.exists():
                raise InputError(f"there is no data file `{path}`" if not path.exists() else f"`{path}` is a folder")
        parts["all" if part == "path" else part] = read(source, paths, inputs)
    return parts


def _report(found: LoadedData, inputs: list[Mapping[str, Any]]) -> None:
    """Checks every split; says each cast once, and warns of a single class."""

    def say(message: str) -> None:
        if message not in found.notices:
            found.notices.append(message)

    checker: Say = say
    for split, arrays in found.splits.items():
        found.splits[split] = conform(arrays, inputs, checker)
        if found.rows(split) == 0:
            raise InputError(f"the {split} split has no rows")
    for row in inputs:
        array = found.splits.get("train", {}).get(row["name"])
        if row.get("classes", 0) > 1 and array is not None and array.size and (array == array.flat[0]).all():
            say(f"warning: `{row['name']}` has only the class {array.flat[0]} in the training rows")
    if "train" not in found.splits:
        raise InputError("the data has no training rows")


def inputs_only(manifest: Mapping[str, Any], path: str) -> Arrays:
    """The inputs, without targets, of every row of a file. Raises InputError."""
    rows = [r for r in manifest["inputs"] if r["role"] == "input"]
    source, file = _of_file(manifest, path), Path(path)
    if not file.is_file():
        raise InputError(f"there is no data file `{path}`")
    return conform(FORMATS[source["kind"]].read(source, [file], rows), rows)

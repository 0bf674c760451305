"""From a data block's record to checked arrays for train, val and test."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netc.runtime.data.check import conform, refuse_misfits, silent
from netc.runtime.data.format import format_of
from netc.runtime.data.formats import FORMATS
from netc.runtime.data.joined import agree_on_texts, refuse_other_columns
from netc.runtime.data.learned import Learned, Say, whole_rows
from netc.runtime.data.memory import parts_in_memory
from netc.runtime.data.naming import offer, plural, short
from netc.runtime.data.read import Arrays, Read, Row, Rule
from netc.runtime.data.split import SPLITS, split_rows
from netc.runtime.errors import InputError


@dataclass
class LoadedData:
    """Checked arrays for each split, a hash of them all, and what reading them has learned from the training rows."""

    splits: dict[str, Arrays] = field(default_factory=dict)
    learned: Learned = field(default_factory=Learned)
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


def load(
    manifest: Mapping[str, Any], folder: str | Path | None = None, data: Any = None, learned: Learned | None = None
) -> LoadedData:
    """The data that a program names, or `data` in its place: a mapping of arrays, a mapping of splits, or a file.

    What each file holds is checked before it is divided, so that a bad element is named by its place there. What texts and
    means the training rows teach is learned, unless a run has `learned` it before. Raises InputError.
    """
    record = manifest.get("data") or {}
    inputs = _told(manifest["inputs"], record, learned)
    if data is None and not record.get("source"):
        lacking = "the data block names no `source`" if record else "the spec has no data block"
        raise InputError(lacking, "add one, or give the data: `--data file` or `data = arrays`")
    split, rule = record.get("split") or {}, record.get("missing")
    source = _with_columns(record, learned)
    rows = [*inputs, *_row_of_split(split, inputs)]
    if data is None:
        reads = _parts(source, Path(record["folder"] if folder is None else folder), rows)
    elif isinstance(data, str | Path):
        reads = {"all": _file(source, data, rows)}
    else:
        reads = dict(parts_in_memory(data, rows))
    found = LoadedData()
    _tell_leaks(reads, found.say)
    there = {part: [r for r in rows if r in inputs or r["name"] in read.arrays] for part, read in reads.items()}
    for part, read in reads.items():
        refuse_misfits(read, there[part], texts=True)
    _same_texts(reads, inputs)
    kept = {part: whole_rows(read, there[part], rule) for part, read in reads.items()}
    divided = _divided(reads, kept, rule, split)
    if learned is None:
        part, training = divided["train"]
        found.learned.columns = {n: list(c) for read in reads.values() for n, c in read.columns.items()}
        found.learned.learn(reads[part], training, inputs, rule, found.say)
    else:
        found.learned = learned
    checked = {}
    for part, read in reads.items():
        found.learned.prepare(read, kept[part], inputs, rule, found.say)
        checked[part] = conform(read, inputs, found.say, rule)
    for name, (part, taken) in divided.items():
        found.splits[name] = {n: a if len(taken) == len(a) else a[taken] for n, a in checked[part].items()}
    _one_class(found, inputs)
    return found


def inputs_only(manifest: Mapping[str, Any], path: str | Path, learned: Learned | None = None) -> Arrays:
    """The inputs, without targets, of every row of a file; what is missing is filled, not dropped. Raises InputError."""
    record = manifest.get("data") or {}
    rows = _told((r for r in manifest["inputs"] if r["role"] == "input"), record, learned)
    rule = record.get("missing")
    read = _file(_with_columns(record, learned), path, rows)
    refuse_misfits(read, rows, texts=True)
    (learned or Learned()).prepare(read, whole_rows(read, rows, None), rows, rule, silent)
    return conform(read, rows, rule=rule)


def _told(inputs: Iterable[Row], record: Mapping[str, Any], learned: Learned | None) -> list[Row]:
    """The inputs, and which of them are texts: those that the spec calls categories, or that were texts in the training rows."""
    texts = (record.get("source") or {}).get("categories", ()) if learned is None else learned.texts
    return [{**i, "texts": True} if i["name"] in texts else i for i in inputs]


def _with_columns(record: Mapping[str, Any], learned: Learned | None) -> dict[str, Any]:
    """A source whose columns are those that a run has read, by name, so that a range means the same in a file of another order."""
    source = dict(record.get("source") or {})
    if learned is not None and learned.columns:
        source["columns"] = {**source.get("columns", {}), **learned.columns}
    return source


def _row_of_split(split: Mapping[str, Any], inputs: list[Row]) -> list[Row]:
    """What a split reads beside the inputs: the column that it goes by, where that is none of them."""
    by = split.get("by")
    if by is None or any(i["name"] == by for i in inputs):
        return []
    return [{"name": by, "dtype": "int64", "shape": inputs[0]["shape"][:1], "role": "split"}]


def _file(source: Mapping[str, Any], path: str | Path, inputs: list[Row]) -> Read:
    """A file in the place of a source's own, read with the settings of that source, and as its format where the name tells
    none; where columns lie is said for files of one format."""
    known = format_of(str(path), source.get("kind"))
    other = () if source.get("kind") == known.name else ("columns",)
    return known.read({k: v for k, v in source.items() if k not in other}, [Path(path)], inputs)


def _parts(source: Mapping[str, Any], folder: Path, inputs: list[Row]) -> dict[str, Read]:
    """What lies in the files of a source: by split, or `all` rows in one."""
    parts: dict[str, Read] = {}
    for part in ("path", *SPLITS):
        names = source.get(part)
        if names is not None:
            paths = [p for n in ([names] if isinstance(names, str) else names) for p in _paths(folder, n)]
            _refuse_twice(paths, source["kind"])
            parts["all" if part == "path" else part] = FORMATS[source["kind"]].read(source, paths, inputs)
    one, *others = parts.values()
    for other in others:
        refuse_other_columns(one, other)
    return parts


def _refuse_twice(paths: list[Path], kind: str) -> None:
    """Refuses a file whose rows would be counted twice."""
    if FORMATS[kind].columns != "none" and len(set(paths)) < len(paths):
        again = next(p for k, p in enumerate(paths) if p in paths[:k])
        raise InputError(f"`{again}` is named twice in one source", "a pattern names all the files that it matches")


def _paths(folder: Path, name: str) -> list[Path]:
    """The file of a name, or the files of a pattern such as `data/*.csv`, in order of their names."""
    if not any(c in name for c in "*?[") or (folder / name).exists():
        return [folder / name]
    found = sorted(Path(p) for p in glob.glob(str(Path(glob.escape(str(folder))) / name)))
    if not found:
        raise InputError(f"no data file matches `{folder / name}`", "the paths of a spec are relative to its folder")
    return found


def _tell_leaks(reads: Mapping[str, Read], say: Say) -> None:
    """Warns of a file whose rows are trained on and scored."""
    for part in reads.keys() & {"val", "test"}:
        for path in sorted(reads["train"].files & reads[part].files if "train" in reads else ()):
            say(f"warning: `{path}` is both in train and in {part}, whose scores say little then")


def _same_texts(reads: Mapping[str, Read], inputs: list[Row]) -> None:
    for row in inputs:
        agree_on_texts(row["name"], list(reads.values()))


Place = tuple[str, np.ndarray]  # of a split: what it is read from, and its rows there


def _divided(
    reads: Mapping[str, Read], kept: Mapping[str, np.ndarray], rule: Rule, split: Mapping[str, Any]
) -> dict[str, Place]:
    """The rows of each split, of those that are kept. Raises InputError for a split without rows."""
    places = {part: (part, rows) for part, rows in kept.items()}
    if "all" in places:
        whole = places.pop("all")
        places.update(_drawn(reads, whole, split) if split else {"train": whole})
    elif split and "train" in places:
        drawn = _drawn(reads, places.pop("train"), split)
        taken = [s for s in drawn if s in places]
        if taken:
            raise InputError(f"`{taken[0]}` comes from a file and from the split", "leave one of them out")
        places.update(drawn)
    if "train" not in places:
        raise InputError("the data has no training rows", "give the `train` split, or all rows together")
    for name, (part, taken_rows) in places.items():
        if not len(taken_rows):
            total = len(next(iter(reads[part].arrays.values())))
            why = f"there {plural(total, 'row')} in all; give it a larger share"
            if split and split.get("kind") == "grouped" and part in ("all", "train"):
                groups = len(np.unique(reads[part].arrays[split["by"]]))
                why = f"none of {groups:,} groups of `{short(split['by'])}` falls into its share; give it a larger one"
            if rule and rule["kind"] == "drop":
                why = f"of {total:,} rows those that miss a value are dropped; `missing = mean` keeps them"
            raise InputError(f"the {name} split has no rows", why)
    return {s: places[s] for s in SPLITS if s in places}


def _drawn(reads: Mapping[str, Read], place: Place, split: Mapping[str, Any]) -> dict[str, Place]:
    part, rows = place
    read, by = reads[part], split.get("by")
    if by is not None:
        if by not in read.arrays:
            raise InputError(f"the data has no `{short(by)}` to split by", offer(by, read.arrays, "its arrays"))
        found = read.arrays[by]
        if found.ndim != 1:
            raise InputError(f"{read.what(by)} has shape {list(found.shape)}; rows are split by one value each")
        holes = found < 0 if by in read.words else found != found
        if holes[rows].any():
            at = int(rows[holes[rows].argmax()])
            raise InputError(
                f"{read.place(by, (at,))} {read.missing(by, (at,)) or 'is missing'}; rows are split by it",
                "put a value in its place; `missing = drop` leaves such rows out",
            )
    drawn = split_rows(rows, split, None if by is None else read.arrays[by])
    return {name: (part, taken) for name, taken in drawn.items()}


def _one_class(found: LoadedData, inputs: list[Row]) -> None:
    """Warns of a target that has one class alone in the training rows."""
    for row in inputs:
        array = found.splits["train"][row["name"]]
        if row.get("classes", 0) > 1 and (array == array.flat[0]).all():
            found.say(f"warning: `{row['name']}` has only the class {array.flat[0]} in the training rows")

"""What a data format is, what it gives, and what several of them need to read files."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, dataclass_transform

from netc.runtime.data.files import GIB, LIMIT_GB, DataFile
from netc.runtime.data.joined import Joined
from netc.runtime.data.read import Read, Row
from netc.runtime.errors import InputError, RunError

Columns = Literal["none", "keys", "columns"]
C = TypeVar("C", bound=type[Any])


class WrongSetting(InputError):
    """A setting of a source has a value that it cannot have; `setting` is its name."""

    def __init__(self, setting: str, message: str, help: str = ""):
        super().__init__(message, help)
        self.setting = setting


@dataclass(frozen=True)
class Format:
    """A way in which data lies in files. `columns` says what a spec may write for an input: nothing, the key of an array
    that is not called like it, or the columns of a table that it has to name."""

    name: str
    suffixes: tuple[str, ...]
    columns: Columns
    doc: str
    cls: type[Any]

    def check(self, source: Mapping[str, Any]) -> None:
        """Refuses settings of a source's record that are out of bounds. Raises WrongSetting."""
        limit = source.get("limit_gb", LIMIT_GB)
        if not (limit > 0 and math.isfinite(limit * GIB)):
            message = f"`limit_gb` must be a positive number of GiB, not {limit:g}"
            raise WrongSetting("limit_gb", message, f"it is {LIMIT_GB:g} where nothing is written")
        self._made(source)

    def read(self, source: Mapping[str, Any], paths: Sequence[Path], inputs: list[Row]) -> Read:
        """The arrays of every input and target, from the record of a source. Raises InputError."""
        self.check(source)
        files = [DataFile(p, int(source.get("limit_gb", LIMIT_GB) * GIB)) for p in paths]
        for file in files:
            file.check()
        made, columns = self._made(source), source.get("columns") or {}
        try:
            if self.columns == "none" or len(files) == 1:
                found: Read = made.read(files, inputs, columns)
            else:
                found = Joined([made.read([file], inputs, columns) for file in files])
            found.files = frozenset(str(f.path.resolve()) for f in files)
            return found
        except MemoryError:
            raise RunError(
                f"{', '.join(map(str, files))}: the data does not fit in the memory of this machine"
            ) from None

    def _made(self, source: Mapping[str, Any]) -> Any:
        return self.cls(**{n: source[n] for n in self.cls.__dataclass_fields__ if n in source})


FORMATS: dict[str, Format] = {}


@dataclass_transform(frozen_default=True)
def data_format(*suffixes: str, columns: Columns = "none") -> Callable[[C], C]:
    """Registers a class as a data format, under its own name in lower case, for files that end in these suffixes."""

    def register(cls: C) -> C:
        dataclass(frozen=True)(cls)
        name = cls.__name__.lower()
        assert name not in FORMATS, f"`{name}` is registered twice"
        FORMATS[name] = Format(name, suffixes, columns, inspect.cleandoc(cls.__doc__ or ""), cls)
        return cls

    return register


def format_of(path: str, other: str | None = None) -> Format:
    """The format that a file's name tells, or the one called `other`. Raises InputError where there is neither."""
    name = path.lower().removesuffix(".gz")
    for known in FORMATS.values():
        if name.endswith(known.suffixes):
            return known
    if other is not None:
        return FORMATS[other]
    endings = ", ".join(s for f in FORMATS.values() for s in f.suffixes)
    raise InputError(f"`{path}` is of no known format", f"data files end in {endings}; .gz may follow")


def one_each(files: list[DataFile], inputs: list[Row], kind: str) -> None:
    """Refuses other than one file for each input and target."""
    if len(files) != len(inputs):
        names = ", ".join(f"`{i['name']}`" for i in inputs)
        raise InputError(
            f"`{kind}` has {len(files)} file{'s' * (len(files) != 1)} for {len(inputs)} inputs and targets",
            f"it reads one for each, in the order {names}; an .npz archive holds all of them in one file",
        )

"""What a data format is, and what several of them need to read files."""

from __future__ import annotations

import gzip
import inspect
import io
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, dataclass_transform

import numpy as np

from netc.runtime.errors import InputError

Arrays = dict[str, np.ndarray]
Row = Mapping[str, Any]  # of the manifest: an input or target
MAX_UNPACKED = 1 << 33
C = TypeVar("C", bound=type[Any])


@dataclass(frozen=True)
class Format:
    """A way in which data lies in files. `columns` says whether a spec names where each input lies in a file."""

    name: str
    suffixes: tuple[str, ...]
    columns: Literal["none", "optional", "needed"]
    doc: str
    cls: type[Any]

    def read(self, source: Mapping[str, Any], paths: list[Path], inputs: list[Row]) -> Arrays:
        """The arrays of every input and target, from the record of a source. Raises InputError."""
        settings = {n: source[n] for n in self.cls.__dataclass_fields__ if n in source}
        made: Arrays = self.cls(**settings).read(paths, inputs, source.get("columns") or {})
        return made


FORMATS: dict[str, Format] = {}


@dataclass_transform(frozen_default=True)
def data_format(*suffixes: str, columns: Literal["none", "optional", "needed"] = "none") -> Callable[[C], C]:
    """Registers a class as a data format, under its own name in lower case, for files that end in these suffixes."""

    def register(cls: C) -> C:
        dataclass(frozen=True)(cls)
        name = cls.__name__.lower()
        assert name not in FORMATS, f"`{name}` is registered twice"
        FORMATS[name] = Format(name, suffixes, columns, inspect.cleandoc(cls.__doc__ or ""), cls)
        return cls

    return register


def format_of(path: str) -> Format:
    """The format that a file's name tells. Raises InputError."""
    name = path.lower().removesuffix(".gz")
    for known in FORMATS.values():
        if name.endswith(known.suffixes):
            return known
    endings = ", ".join(s for f in FORMATS.values() for s in f.suffixes)
    raise InputError(f"`{path}` is of no known format", f"data files end in {endings}; .gz may follow")


def content(path: Path) -> bytes:
    """The bytes of a file, unpacked where it is gzip. Raises InputError."""
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


def only(paths: list[Path], kind: str, what: str) -> Path:
    """The one file of a split. Raises InputError."""
    if len(paths) != 1:
        raise InputError(f"`{kind}` reads one {what} for each split")
    return paths[0]


def one_each(paths: list[Path], inputs: list[Row], kind: str) -> None:
    """Refuses other than one file for each input and target."""
    if len(paths) != len(inputs):
        names = ", ".join(f"`{i['name']}`" for i in inputs)
        raise InputError(
            f"`{kind}` names {len(paths)} files for {len(inputs)} inputs and targets", f"in the order {names}"
        )

"""What a run folder keeps as JSON, read as the record that was written."""

from __future__ import annotations

import json
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

R = TypeVar("R")


def read_record(cls: type[R], path: Path) -> R:
    """A dataclass from a file that has its fields. Raises OSError or ValueError for a file that is missing or damaged."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    hints = get_type_hints(cls)
    if not isinstance(fields, dict) or fields.keys() != hints.keys():
        raise ValueError("other fields")
    wrong = next((n for n, hint in hints.items() if not _is(fields[n], hint)), None)
    if wrong is not None:
        raise ValueError(f"another type of `{wrong}`")
    return cls(**fields)


def _is(value: Any, hint: Any) -> bool:
    """Whether a value read from JSON is of a type."""
    origin, of = get_origin(hint), get_args(hint)
    if origin is dict:
        return isinstance(value, dict) and all(_is(v, of[1]) for v in value.values())
    if origin is list:
        return isinstance(value, list) and all(_is(v, of[0]) for v in value)
    if origin is UnionType:
        return any(_is(value, h) for h in of)
    return hint is Any or isinstance(value, hint)

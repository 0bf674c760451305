"""Which columns of a file two readers share: names, and ranges of numbered names, which are not written out."""

from __future__ import annotations

import re
from typing import Any


def repeated(columns: Any) -> str:
    """A column that a plain record of columns names twice; "" for none."""
    names = columns if isinstance(columns, list) else []
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return str(name)
        seen.add(name)
    return ""


def shared(a: Any, b: Any) -> str:
    """A column that two plain records of columns have in common; "" for none."""
    if isinstance(a, dict) and isinstance(b, dict):
        (stem, low, high), (other, first, last) = _range(a), _range(b)
        return f"{stem}{max(low, first)}" if stem == other and max(low, first) <= min(high, last) else ""
    if isinstance(a, dict) or isinstance(b, dict):
        numbered, names = (a, b) if isinstance(a, dict) else (b, a)
        stem, low, high = _range(numbered)
        return next((n for n in _names(names) if _split(n)[0] == stem and low <= _split(n)[1] <= high), "")
    of_b = set(_names(b))
    return next((n for n in _names(a) if n in of_b), "")


def _names(columns: Any) -> list[str]:
    return columns if isinstance(columns, list) else [columns]


def _range(columns: dict[str, str]) -> tuple[str, int, int]:
    """Stem, first and last number of `"p0".."p63"`."""
    stem, low = _split(columns["first"])
    return stem, low, _split(columns["last"])[1]


def _split(name: str) -> tuple[str, int]:
    """`p63` as p and 63; a name without a number is in no range."""
    found = re.fullmatch(r"(.*?)(\d+)", name)
    return (found[1], int(found[2])) if found else (name, -1)

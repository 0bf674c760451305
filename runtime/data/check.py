"""Arrays as a program wants them: names, dtypes, shapes and values checked, so that no wrong number is fed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from netc.runtime.data.advice import of_dtype, of_shape, takes_texts
from netc.runtime.data.naming import offer
from netc.runtime.data.read import Arrays, Read, Row, Rule
from netc.runtime.errors import InputError

Say = Callable[[str], None]
TEXT = np.dtype("U1")
BLOCK = 1 << 18  # elements that are looked at together, so that a check takes little memory beside the array
MOST_SHOWN = 8  # dimensions of a shape
NO_NUMBERS = {
    "c": "complex numbers", "O": "Python objects", "U": "text", "S": "text", "V": "records", "M": "dates", "m": "durations",
}  # fmt: skip


def silent(message: str) -> None:
    """Hears what nobody is told."""


def missing_help(row: Row, rule: Rule, text: bool = False) -> str:
    """What can be done about a number or a text that is missing although a data block has this rule."""
    kind = rule["kind"] if rule else ""
    if kind == "drop":
        return "a prediction is made for every row, so none is dropped: put a value in its place"
    if kind and text and row["role"] == "input" and row.get("classes"):
        return "with a class more than there are texts, the last is for those that are missing"
    if kind == "value":
        return "a number stands among numbers alone; `missing = drop` leaves such rows out"
    if kind:
        return "a mean stands in inputs of floating-point numbers alone; `missing = drop` leaves such rows out"
    if np.dtype(row["dtype"]).kind == "f":
        return "leave the row out, or put a number in its place, as `missing = drop` or `missing = mean` of a data block do"
    return "leave the row out, as `missing = drop` in the data block does"


def conform(read: Read, rows: Sequence[Row], say: Say = silent, rule: Rule = None) -> Arrays:
    """The arrays that were read in the dtypes of the program's inputs, `rows` of its manifest.

    `say` hears of casts; `rule` has been done with what is missing. Raises InputError with the place of the first bad value.
    """
    refuse_misfits(read, rows)
    return {r["name"]: _Elements(read, r, read.arrays[r["name"]], rule).converted(say) for r in rows}


def refuse_misfits(read: Read, rows: Sequence[Row], texts: bool = False) -> None:
    """Refuses arrays that are missing, or whose dtypes, shapes or numbers of rows do not fit the inputs; texts too, unless
    they are numbered later."""
    sizes: dict[str, tuple[int, str]] = {}
    for row in rows:
        name = row["name"]
        if name not in read.arrays:
            raise InputError(f"the data has no `{name}`", offer(name, read.arrays, "its arrays"))
        array = read.arrays[name]
        fits(read.what(name), TEXT if name in read.words else array.dtype, array.shape, row, texts)
        _one_size(read.what(name), array, row, sizes)


def fits(what: str, dtype: np.dtype, shape: Sequence[int], row: Row, texts: bool = True) -> None:
    """Refuses an array that is none of numbers or has not the shape of an input; what it holds is not looked at."""
    if dtype.kind not in "biuf" and not (
        texts and dtype.kind == "U" and dtype.itemsize and len(shape) == 1 and takes_texts(row)
    ):
        never = ", which are never loaded" if dtype.kind == "O" else ""
        raise InputError(
            f"{what} holds {NO_NUMBERS.get(dtype.kind, str(dtype))}{never}; numbers are needed",
            of_dtype(dtype, row, texts),
        )
    wanted = row["shape"]
    same = len(shape) == len(wanted) and all(isinstance(w, str) or w == s for s, w in zip(shape, wanted))
    if not same:
        raise InputError(
            f"{what} has shape {shown_shape(shape)}; `{row['name']}` needs {shown_shape(wanted)}",
            of_shape(shape, dtype, row),
        )
    if shape[0] == 0:
        raise InputError(f"{what} has no rows")
    if 0 in shape:
        raise InputError(f"{what} has shape {shown_shape(shape)}, so there is nothing in it")


def shown_shape(shape: Sequence[Any]) -> str:
    """A shape as messages show it, cut where it is long."""
    shown = [*map(str, shape[:MOST_SHOWN]), *(["..."] if len(shape) > MOST_SHOWN else [])]
    return f"[{', '.join(shown)}]"


def _one_size(what: str, array: np.ndarray, row: Row, sizes: dict[str, tuple[int, str]]) -> None:
    """Refuses a symbolic dimension that has two sizes."""
    for axis, (size, dim) in enumerate(zip(array.shape, row["shape"])):
        if isinstance(dim, int):
            continue
        known = sizes.setdefault(dim, (size, what))
        if known[0] != size:
            kind = "rows" if axis == 0 else f"for `{dim}`"
            raise InputError(f"{known[1]} has {known[0]:,} {kind}, {what} has {size:,}")


class _Elements:
    """One array, and the checks of its elements."""

    def __init__(self, read: Read, row: Row, array: np.ndarray, rule: Rule):
        self.read, self.row, self.array, self.rule = read, row, array, rule
        self.name = row["name"]
        self.wanted = np.dtype(row["dtype"])
        self.of_floats = array.dtype.kind == "f"

    def converted(self, say: Say) -> np.ndarray:
        """The array in the dtype of its input, every element of it checked."""
        if self.wanted.kind == "f":
            return self._floats(say)
        if self.wanted.kind == "b":
            self.refuse(lambda b: (b != 0) & (b != 1), "must be 0 or 1")
        else:
            self._whole()
        return self.array.astype(self.wanted, copy=False)

    def refuse(self, wrong: Callable[[np.ndarray], np.ndarray], must: str, help: str = "") -> None:
        """Refuses the first element for which `wrong` holds, of a block of rows at a time."""
        found = first(self.array, wrong)
        if found is not None:
            value = self.array[found]
            said = self.read.missing(self.name, found) if value != value else ""
            raise InputError(
                f"{self.read.place(self.name, found)} {said or f'is {shown_number(value)}; `{self.name}` {must}'}",
                missing_help(self.row, self.rule) if value != value else help,
            )

    def _floats(self, say: Say) -> np.ndarray:
        array, wanted = self.array, self.wanted
        if self.of_floats:
            self.refuse(lambda b: ~np.isfinite(b), "must be finite", "leave the row out, or put a number in its place")
        native = array.dtype.newbyteorder("=")
        if native == wanted:
            return array.astype(wanted, copy=False)
        limits = np.finfo(wanted)
        if not np.can_cast(native, wanted):
            most = f"must fit {wanted}, which ends at {limits.max:.3g}"
            self.refuse(lambda b: ~np.isfinite(b.astype(wanted)), most, "scale the data first")
        if self.read.typed and self.of_floats and not np.can_cast(native, wanted):
            say(f"{self.read.what(self.name)} is cast from {native} to {wanted}")
        elif self.read.typed and array.dtype.kind in "iu":
            largest, exact = max(int(array.max()), -int(array.min())), 1 << (limits.nmant + 1)
            if largest > exact:
                say(
                    f"{self.read.what(self.name)} is cast from {native} to {wanted}, which rounds whole numbers beyond "
                    f"{exact:,}; the largest is {largest:,}"
                )
        with np.errstate(all="ignore"):  # a value that is too small becomes 0
            return array.astype(wanted)

    def _whole(self) -> None:
        """Whole numbers, within the range of the dtype, and within the classes where there are some."""
        limits = np.iinfo(self.row["dtype"])
        low, beyond = int(limits.min), int(limits.max) + 1
        if self.of_floats:
            help = (
                "classes are numbered 0, 1, 2"
                if "classes" in self.row
                else f"round it, or declare `{self.name}` as f32"
            )
            self.refuse(lambda b: ~(b == np.floor(b)) | np.isinf(b), "must be a whole number", help)
            # the first float beyond the range is exact, the last one inside need not be
            self.refuse(lambda b: (b < float(low)) | (b >= float(beyond)), self._range(low, beyond))
        elif not np.can_cast(self.array.dtype, self.wanted):
            self.refuse(lambda b: (b < low) | (b > beyond - 1), self._range(low, beyond))
        classes = self.row.get("classes")
        if classes is not None:
            must = f"must lie in 0..{classes - 1}, as there are {classes} classes"
            self.refuse(lambda b: (b < 0) | (b >= classes), must, self._outside(classes))

    def _outside(self, classes: int) -> str:
        """Help for a number that is no class."""
        if int(self.array.min()) == 1 and int(self.array.max()) == classes:
            return "the labels seem to count from 1: subtract 1"
        help = "correct the label, or give the net more classes"
        if self.row["role"] == "input" and not self.read.typed:
            help += f'; names in digits are read as `{self.name} = category("column")`'
        return help

    def _range(self, low: int, beyond: int) -> str:
        return f"must fit {self.wanted}, {low:,} to {beyond - 1:,}"


def first(array: np.ndarray, wrong: Callable[[np.ndarray], np.ndarray]) -> tuple[int, ...] | None:
    """The index of the first element for which `wrong` holds, or None."""
    rows = max(1, BLOCK // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        with np.errstate(all="ignore"):
            found = wrong(array[start : start + rows])
        if found.any():
            row, *rest = np.unravel_index(int(found.argmax()), found.shape)
            return (start + int(row), *map(int, rest))
    return None


def shown_number(value: Any) -> str:
    """A number of an array as a message shows it: 7, 1.5, 1e+60, nan."""
    plain = value.item()
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() and abs(plain) < 1e15 else str(plain)

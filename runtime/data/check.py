"""Arrays as a program wants them: names, dtypes, shapes and values checked, so that no wrong number is fed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from netc.runtime.errors import InputError

Say = Callable[[str], None]


def _silent(message: str) -> None:
    pass


def conform(
    data: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    say: Say = _silent,
    places: Mapping[str, str] | None = None,
) -> dict[str, np.ndarray]:
    """The arrays of `data` in the dtypes of the program's inputs, `rows` of its manifest.

    `say` hears of casts; `places` says where an array came from. Raises InputError with the row of the first bad value.
    """
    out: dict[str, np.ndarray] = {}
    sizes: dict[str, tuple[int, str]] = {}
    for row in rows:
        name = row["name"]
        if name not in data:
            raise InputError(f"the data has no `{name}`", f"it has {', '.join(f'`{n}`' for n in data) or 'nothing'}")
        what = f"`{name}`" + (f" ({places[name]})" if places and name in places else "")
        array = np.asarray(data[name])
        out[name] = _values(_dtype(array, row, what, say), row, what)
        _shape(out[name], row, what, sizes)
    return out


def _dtype(array: np.ndarray, row: Mapping[str, Any], what: str, say: Say) -> np.ndarray:
    wanted = np.dtype(row["dtype"])
    if array.dtype.kind not in "biuf":
        raise InputError(f"{what} has dtype {array.dtype}; numbers are needed")
    if array.dtype == wanted and array.dtype.isnative:
        return array
    if wanted.kind == "f":
        if array.dtype.kind == "f" and array.dtype.newbyteorder("=") != wanted:
            say(f"{what} is cast from {array.dtype.newbyteorder('=')} to {wanted}")
        return array.astype(wanted)
    if wanted.kind == "b":
        if array.size and not np.isin(array, (0, 1)).all():
            raise InputError(f"{what} must be 0 or 1 everywhere")
        return array.astype(wanted)
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (array == np.floor(array))
        if not whole.all():
            bad = np.argwhere(~whole)[0]
            raise InputError(f"{what} must be whole numbers; row {bad[0]} has {array[tuple(bad)]}")
    limits = np.iinfo(wanted)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        bad = np.argwhere((array < limits.min) | (array > limits.max))[0]
        raise InputError(f"{what} must fit {wanted}; row {bad[0]} has {array[tuple(bad)]}")
    return array.astype(wanted)


def _values(array: np.ndarray, row: Mapping[str, Any], what: str) -> np.ndarray:
    if array.dtype.kind == "f":
        total = array.sum(dtype=np.float64) if array.size else 0.0
        if not np.isfinite(total):
            finite = np.isfinite(array)
            if not finite.all():
                bad = np.argwhere(~finite)[0]
                column = f", column {', '.join(str(i) for i in bad[1:])}" if len(bad) > 1 else ""
                raise InputError(f"{what} is not finite: row {bad[0]}{column} has {array[tuple(bad)]}")
    classes = row.get("classes")
    if classes is not None and array.size and (array.min() < 0 or array.max() >= classes):
        bad = np.argwhere((array < 0) | (array >= classes))[0]
        value = int(array[tuple(bad)])
        ones = int(array.min()) == 1 and int(array.max()) == classes
        raise InputError(
            f"{what} must lie in 0..{classes - 1}, there are {classes} classes; row {bad[0]} has {value}",
            "the labels seem to count from 1: subtract 1" if ones else "",
        )
    return array


def _shape(array: np.ndarray, row: Mapping[str, Any], what: str, sizes: dict[str, tuple[int, str]]) -> None:
    wanted = row["shape"]
    if array.ndim != len(wanted):
        raise InputError(f"{what} has shape {list(array.shape)}; the program needs {_shown(wanted)}")
    for size, dim in zip(array.shape, wanted):
        if isinstance(dim, int):
            if size != dim:
                raise InputError(f"{what} has shape {list(array.shape)}; the program needs {_shown(wanted)}")
            continue
        known = sizes.setdefault(dim, (size, what))
        if known[0] != size:
            kind = "rows" if dim == wanted[0] else f"for `{dim}`"
            raise InputError(f"{known[1]} has {known[0]} {kind}, {what} has {size}")


def _shown(shape: Sequence[Any]) -> str:
    return f"[{', '.join(map(str, shape))}]"

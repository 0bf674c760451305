"""Data from Python batch by batch: whatever can be iterated, read to its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from netc.runtime.data.arrays import array_of, example, kind_of
from netc.runtime.data.files import GIB, LIMIT_GB
from netc.runtime.data.naming import short
from netc.runtime.errors import InputError


def is_batches(value: Any) -> bool:
    """Whether a value is asked for batches: an iterable that is no array, text or mapping; of lists those of batches alone."""
    if isinstance(value, list | tuple):
        first = value[0] if value else None
        return isinstance(first, Mapping) or (isinstance(first, tuple) and any(hasattr(a, "__array__") for a in first))
    return isinstance(value, Iterable) and not (isinstance(value, Mapping | str | bytes) or hasattr(value, "__array__"))


def joined_batches(data: Any, names: Sequence[str], split: str) -> Any:
    """The arrays of all batches, one after the other; what is no iterable of batches as it is."""
    if not is_batches(data):
        return data
    parts: dict[str, list[np.ndarray]] = {}
    size, where = 0, f" of the {split} split" if split else ""
    for k, batch in enumerate(data):
        if isinstance(batch, tuple | list):
            if len(batch) != len(names):
                raise InputError(
                    f"batch {k}{where} has {len(batch)} arrays, the net {len(names)} inputs and targets",
                    f"give them in this order: {', '.join(names)}; or as a mapping by name",
                )
            batch = dict(zip(names, batch))
        if not isinstance(batch, Mapping):
            raise InputError(f"batch {k}{where} is {kind_of(batch)}", example(names))
        if parts and batch.keys() != parts.keys():
            raise InputError(f"batch {k}{where} has other names than the first", example(names))
        for name, value in batch.items():
            array = array_of(value, f"`{short(str(name))}` of batch {k}{where}")
            if array.ndim == 0:
                raise InputError(
                    f"`{short(str(name))}` of batch {k}{where} is a single value, and a batch holds rows",
                    "`numpy.stack` makes one array of the values of several rows",
                )
            known = parts.setdefault(name, [])
            if known and array.shape[1:] != known[0].shape[1:]:
                raise InputError(
                    f"`{short(str(name))}` of batch {k}{where} has shape {list(array.shape)}, unlike the first"
                )
            known.append(array)
            size += array.nbytes
        if size > LIMIT_GB * GIB:
            raise InputError(
                f"the batches{where} hold more than {LIMIT_GB:g} GiB",
                "an iterable must end; larger data comes from files",
            )
    if not parts:
        raise InputError(
            f"there are no batches{where}", "an iterator can be read once; give a list, or an object that begins anew"
        )
    return {n: np.concatenate(p) for n, p in parts.items()}

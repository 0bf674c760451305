"""Rows of one table into train, val and test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

SPLITS = ("train", "val", "test")


def split_rows(arrays: Mapping[str, np.ndarray], split: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """The named shares of the rows: in order, or drawn without replacement by the split's own seed."""
    total = len(next(iter(arrays.values())))
    order = np.arange(total)
    if split["kind"] == "random":
        order = np.random.Generator(np.random.Philox(split["seed"])).permutation(total)
    ends = np.round(np.cumsum([split[s] for s in SPLITS]) * total).astype(int)
    parts = {}
    for name, start, end in zip(SPLITS, [0, *ends[:-1]], ends):
        if split[name] > 0:
            taken = np.sort(order[start:end])
            parts[name] = {n: a[taken] for n, a in arrays.items()}
    return parts

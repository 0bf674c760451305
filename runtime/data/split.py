"""Rows of one table into train, val and test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netc.runtime.data.naming import plural, short
from netc.runtime.errors import InputError

SPLITS = ("train", "val", "test")


def split_rows(rows: np.ndarray, split: Mapping[str, Any], by: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The rows of each split: in order, drawn without replacement by the split's own seed, or drawn `by` a value of each row.

    `rows` are numbers of rows; those of a split come in order. A stratified split gives each split the same shares of every
    value, a grouped one all rows of a value to one split. Raises InputError.
    """
    shares = np.cumsum([split[s] for s in SPLITS])
    kind = split["kind"]
    if kind == "ordered":
        order, ends = rows, _ends(shares, len(rows))
    elif kind == "random":
        order, ends = _random(split).permutation(rows), _ends(shares, len(rows))
    else:
        assert by is not None
        order, ends = (_stratified if kind == "stratified" else _grouped)(rows, by[rows], shares, split)
    return {
        name: np.sort(order[start:end])
        for name, start, end in zip(SPLITS, [0, *ends[:-1]], ends)
        if split[name] > 0
    }  # fmt: skip


def _random(split: Mapping[str, Any]) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(split["seed"]))


def _ends(shares: np.ndarray, total: int) -> np.ndarray:
    return np.round(shares * total).astype(int)


def _stratified(
    rows: np.ndarray, by: np.ndarray, shares: np.ndarray, split: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Row k of a value in random order goes to a split as if rows were dealt out value by value, so that both the counts of
    each value and those of the splits are their shares, to within a row."""
    values, of_row = np.unique(by, return_inverse=True)
    if len(values) > max(2, len(rows) / 2):
        raise InputError(
            f"`{short(split['by'])}` has {len(values):,} different values in {len(rows):,} rows, too many to stratify by",
            "stratify by a class, or write `random(...)`",
        )
    order = _random(split).permutation(len(rows))
    dealt = order[np.argsort(of_row[order], kind="stable")]
    parts: list[list[np.ndarray]] = [[] for _ in SPLITS]
    start = 0
    for count in np.bincount(of_row):
        ends = _ends(shares, start + count) - _ends(shares, start)
        for part, first, end in zip(parts, [0, *ends[:-1]], ends):
            part.append(dealt[start + first : start + end])
        start += count
    joined = [np.concatenate(p) for p in parts]
    return rows[np.concatenate(joined)], np.cumsum([len(p) for p in joined])


def _grouped(
    rows: np.ndarray, by: np.ndarray, shares: np.ndarray, split: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Groups in random order, each to the split in whose share the middle of its rows falls."""
    values, of_row = np.unique(by, return_inverse=True)
    if len(values) < sum(split[s] > 0 for s in SPLITS):
        raise InputError(
            f"in `{short(split['by'])}` there {plural(len(values), 'group')}, fewer than splits",
            "give fewer splits, or write `random(...)`",
        )
    place = np.empty(len(values), int)
    place[_random(split).permutation(len(values))] = np.arange(len(values))  # of each group
    sizes = np.bincount(place[of_row], minlength=len(values))
    middles = (np.cumsum(sizes) - sizes / 2) / len(rows)
    target = np.searchsorted(shares, middles, side="right")
    part = np.minimum(target, max(k for k, s in enumerate(SPLITS) if split[s] > 0))[place[of_row]]
    return rows[np.argsort(part, kind="stable")], np.cumsum(np.bincount(part, minlength=len(SPLITS)))

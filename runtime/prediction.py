"""The outputs of a program for all rows of an input, as the deployed model gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netc.runtime.data.read import Arrays


def of_rows(output: Mapping[str, Any], inputs: list[Any]) -> bool:
    """Whether an output of the manifest has a row for each row of the inputs: its first dimension is the batch."""
    return bool(output["shape"][:1] == inputs[0]["shape"][:1])


def predicted(
    manifest: Mapping[str, Any], rows: Arrays, batch: int, run: Callable[[Arrays], list[np.ndarray]]
) -> dict[str, np.ndarray]:
    """Each output for all rows, `batch` of them at a time; `run` gives the outputs of some rows.

    What has no row for each of them, such as a sum over all or a weight, is one value of all rows: they run together.
    """
    outputs = manifest["outputs"]
    total = len(next(iter(rows.values())))
    if not all(of_rows(o, manifest["inputs"]) for o in outputs):
        batch = total
    parts = [run({n: a[start : start + batch] for n, a in rows.items()}) for start in range(0, total, batch)]
    found = (p[0] if len(p) == 1 else np.concatenate(p) for p in zip(*parts))
    return dict(zip((o["name"] for o in outputs), found))

"""Where the elements of a result come from: an operator that only moves elements moves their numbers just the same."""

from __future__ import annotations

from typing import Any

from netc.compiler.graph.types import INT64


def positions(op: Any, x: Any) -> Any:
    """The number of each element of x, counted from 0 in row-major order, in x's shape, as int64."""
    count = op.Range(op.constant(0, INT64), op.Size(x), op.constant(1, INT64))
    made = op.Reshape(count, op.sizes(x))
    return op.stamp(made, op.type_of(x).with_dtype(op.type_of(made).dtype)) if op.has_type(x) else made


def placed(op: Any, x: Any, at: Any, dy: Any, unique: bool, size: Any = None) -> Any:
    """Zeros in x's shape (or `size` of them in a row) with each element of dy added at its position in `at`.

    `unique` promises that no position comes twice, so that nothing has to be added up.
    """
    length = op.Unsqueeze(op.Size(x) if size is None else size, op.vector([0]))
    zeros = op.filled(length, 0, dy.dtype)
    flat = op.vector([-1])
    how = None if unique else "add"
    made = op.ScatterElements(zeros, op.Reshape(at, flat), op.Reshape(dy, flat), axis=0, reduction=how)
    return made if x is None else op.like(made, x)

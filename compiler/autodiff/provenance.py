"""Where the elements of a result come from: an operator that only moves elements moves their numbers just the same."""

from __future__ import annotations

from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.types import INT64


def positions(op: Emitter, x: Value) -> Value:
    """The number of each element of x, counted from 0 in row-major order, in x's shape, as int64."""
    count = op.Range(op.constant(0, INT64), op.count(x), op.constant(1, INT64))
    made = op.Reshape(count, op.sizes(x))
    return op.stamp(made, op.type_of(x).with_dtype(op.type_of(made).dtype)) if op.has_type(x) else made


def placed(op: Emitter, x: Value, at: Value, dy: Value, unique: bool) -> Value:
    """Zeros in x's shape with each element of dy added at its position in `at`.

    `unique` promises that no position comes twice, so that nothing has to be added up.
    """
    return op.like(in_a_row(op, op.count(x), at, dy, unique), x)


def in_a_row(op: Emitter, count: Value, at: Value, dy: Value, unique: bool) -> Value:
    """`placed`, in a row of `count` zeros."""
    zeros = op.filled(op.Unsqueeze(count, op.vector([0])), 0, dy.dtype)
    flat = op.vector([-1])
    how = None if unique else "add"
    return op.ScatterElements(zeros, op.Reshape(at, flat), op.Reshape(dy, flat), axis=0, reduction=how)

"""Where the elements of a result come from: an operator that only moves elements moves their numbers just the same."""

from __future__ import annotations

from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.types import FLOAT, INT64

SHORT = (10, 16)  # float16 and bfloat16, as numbers of TensorProto.DataType


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
    wide = dy.dtype if unique else summed_as(dy)
    zeros = op.filled(op.Unsqueeze(count, op.vector([0])), 0, wide)
    flat = op.vector([-1])
    added = op.ScatterElements(
        zeros, op.Reshape(at, flat), op.cast(op.Reshape(dy, flat), wide), axis=0, reduction=None if unique else "add"
    )
    return op.cast(added, dy.dtype)


def summed_as(dy: Value) -> int:
    """The dtype in which contributions that meet are added: no kernel adds in 16 bits, and sums would lose much there."""
    assert dy.dtype is not None
    return FLOAT if int(dy.dtype) in SHORT else int(dy.dtype)

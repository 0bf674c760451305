"""Operators that move elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.compiler.autodiff.registry import attribute, gradient


@gradient("Reshape")
@gradient("Flatten")
@gradient("Squeeze")
@gradient("Unsqueeze")
def reshape(op: Any, node: Any, dy: Any) -> list[Any]:
    """y = x in another shape;  dx = dy in x's shape"""
    return [op.reshape(dy, op.shape(node.inputs[0]))]


@gradient("Transpose")
def transpose(op: Any, node: Any, dy: Any) -> list[Any]:
    """y = x with permuted axes;  dx = dy with the inverse permutation"""
    rank = len(op.shape(node.inputs[0]))
    perm = attribute(node, "perm", list(reversed(range(rank))))
    return [op.Transpose(dy, perm=[int(i) for i in np.argsort(perm)])]


@gradient("Expand")
def expand(op: Any, node: Any, dy: Any) -> list[Any]:
    """y = x repeated;  dx = dy, which the engine sums over the repeats"""
    return [dy]


@gradient("Concat")
def concat(op: Any, node: Any, dy: Any) -> list[Any]:
    """y = [x1, x2, ...];  dxi = its part of dy"""
    axis = attribute(node, "axis")
    types = tuple(op.type_of(x) for x in node.inputs)
    if len(types) == 1:
        return [dy]
    sizes = op.shape_tensor(tuple(t.shape[axis] for t in types))
    return list(op.node("Split", [dy, sizes], {"axis": axis}, len(types), types))


@gradient("Split")
def split(op: Any, node: Any, *dys: Any) -> list[Any]:
    """[y1, y2, ...] = x;  dx = [dy1, dy2, ...], zeros where nothing flows back"""
    parts = [op.zeros_like(y) if dy is None else dy for y, dy in zip(node.outputs, dys)]
    return [op.Concat(*parts, axis=attribute(node, "axis", 0)) if len(parts) > 1 else parts[0]]


@gradient("Slice", since=10)
def slice_(op: Any, node: Any, dy: Any) -> list[Any]:
    """y = x[starts:ends:steps];  dx = zeros with dy written at the same places"""
    x, starts, _, axes, steps = (*node.inputs, None, None)[:5]
    rank = len(op.shape(x))
    first = op.integers(starts)
    along = op.integers(axes) if axes is not None else list(range(len(first)))
    strides = op.integers(steps) if steps is not None else [1] * len(first)
    for start, axis, step in zip(first, along, strides):
        dy = _unsliced(op, dy, op.shape(x)[axis], axis % rank, start, step)
    return [dy]


def _unsliced(op: Any, dy: Any, size: Any, axis: int, start: int, step: int) -> Any:
    """Zeros of the full size along one axis with dy at start, start + step, ..."""
    count = op.shape(dy)[axis]
    if size == count and step == 1:
        return dy
    total, taken = op.dimension(size), op.dimension(count)
    first = op.Add(total, op.constant(start, 7)) if start < 0 else op.constant(start, 7)
    first = op.Min(first, op.Sub(total, op.constant(1, 7)))
    last = op.Add(first, op.Mul(op.Sub(taken, op.constant(1, 7)), op.constant(step, 7)))
    positions = op.Range(first, op.Add(last, op.constant(1 if step > 0 else -1, 7)), op.constant(step, 7))
    shape = [1] * len(op.shape(dy))
    shape[axis] = -1
    target = op.type_of(dy).with_shape(tuple(size if i == axis else d for i, d in enumerate(op.shape(dy))))
    at = op.Expand(op.Reshape(positions, op.vector(shape)), op.shape_tensor(op.shape(dy)))
    zeros = op.stamp(op.ConstantOfShape(op.shape_tensor(target.shape), value=_zero(op, dy)), target)
    return op.ScatterElements(zeros, at, dy, axis=axis)


def _zero(op: Any, x: Any) -> Any:
    import onnx_ir as ir

    return ir.tensor(np.array([0], dtype=op.type_of(x).dtype.numpy))


@gradient("Tile")
def tile(op: Any, node: Any, dy: Any) -> list[Any]:
    """y = x repeated r times along each axis;  dx = the sum of dy over the repeats"""
    x, repeats = node.inputs
    counts = op.integers(repeats)
    split_shape = tuple(v for r, d in zip(counts, op.shape(x)) for v in (r, d))
    return [op.reduce("ReduceSum", op.reshape(dy, split_shape), list(range(0, 2 * len(counts), 2)), False)]


@gradient("CumSum")
def cum_sum(op: Any, node: Any, dy: Any) -> list[Any]:
    """y_i = x_1 + ... + x_i;  dx = the sum of dy from the other end"""
    flags = {"exclusive": attribute(node, "exclusive", 0), "reverse": 1 - attribute(node, "reverse", 0)}
    return [op.CumSum(dy, node.inputs[1], type=op.type_of(dy), **flags), None]


@gradient("Trilu")
def trilu(op: Any, node: Any, dy: Any) -> list[Any]:
    """y = x above (or below) a diagonal, 0 elsewhere;  dx = dy at the same places"""
    k = (*node.inputs, None)[1]
    return [op.Trilu(dy, k, upper=attribute(node, "upper", 1), type=op.type_of(dy)), None]

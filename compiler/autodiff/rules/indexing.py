"""Operators that select by an index tensor. An element that is selected twice receives the sum."""

from __future__ import annotations

from typing import Any

from netc.compiler.autodiff.registry import attribute, gradient


@gradient("GatherElements")
def gather_elements(op: Any, node: Any, dy: Any) -> list[Any]:
    """y[..., i, ...] = x[..., index[i], ...];  dx = zeros with dy added at the same places"""
    x, index = node.inputs
    axis = attribute(node, "axis", 0)
    one_each = op.shape(index)[axis] == 1  # then no place is written twice, and no reduction is needed
    return [op.ScatterElements(op.zeros_like(x), index, dy, axis=axis, reduction=None if one_each else "add"), None]


@gradient("Gather")
def gather(op: Any, node: Any, dy: Any) -> list[Any]:
    """y = x taken at indices along an axis;  dx = zeros with each slice of dy added at its index"""
    x, indices = node.inputs
    rank, axis = len(op.shape(x)), attribute(node, "axis", 0) % len(op.shape(x))
    count = len(op.shape(indices))
    moved = [*range(axis, axis + count), *range(axis), *range(axis + count, rank - 1 + count)]
    updates = op.Transpose(dy, perm=moved) if axis else dy
    order = [axis, *(i for i in range(rank) if i != axis)]
    shape = tuple(op.shape(x)[i] for i in order)
    start = op.zeros_like(x) if axis == 0 else op.Transpose(op.zeros_like(x), perm=order)
    at = op.Unsqueeze(op.cast(indices, 7), op.vector([-1]))
    added = op.stamp(op.ScatterND(start, at, updates, reduction="add"), op.type_of(x).with_shape(shape))
    back = [order.index(i) for i in range(rank)]
    return [op.Transpose(added, perm=back) if axis else added, None]


@gradient("TopK")
def top_k(op: Any, node: Any, dvalues: Any, _: Any) -> list[Any]:
    """(values, indices) = the k largest of x;  dx = zeros with dvalues at the indices"""
    if dvalues is None:
        return [None, None]
    x = node.inputs[0]
    axis = attribute(node, "axis", -1)
    return [op.ScatterElements(op.zeros_like(x), node.outputs[1], dvalues, axis=axis), None]

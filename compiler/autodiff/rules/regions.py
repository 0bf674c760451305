"""Reading boxes of an image: RoiAlign."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product as every

import numpy as np

from netc.compiler.autodiff.registry import GraphNode, attribute, lowered
from netc.compiler.autodiff.rules.sampling import edge_outside, extent, hat, limited, sampled
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.types import INT64


@lowered("RoiAlign")
def roi_align(op: Emitter, node: GraphNode) -> list[Value]:
    """Y[r, c, i, j] = mean (or largest weighted pixel) of X read at a grid of places in each part of each box"""
    x, rows, dtype = node.inputs[0], node.inputs[2], node.inputs[0].dtype
    height, width = (attribute(node, f"output_{n}", 1) for n in ("height", "width"))
    tall, wide = _taps(op, node, 0, height), _taps(op, node, 1, width)
    along, across, last = op.vector([2]), op.vector([1]), op.vector([-1])
    inside = op.And(op.Unsqueeze(tall.inside, along), op.Unsqueeze(wide.inside, across))  # [R, height taps, width taps]
    holds = op.Unsqueeze(op.cast(inside, dtype), last)
    even = op.Mul(op.cast(inside, dtype), 0.0)
    places = [op.Add(op.Unsqueeze(tall.places, along), even), op.Add(op.Unsqueeze(wide.places, across), even)]
    image = op.Transpose(op.Gather(x, op.cast(rows, INT64), axis=0), perm=[0, 2, 3, 1])
    shape = op.Concat(op.vector([0, height]), tall.number, op.vector([width]), wide.number, last, axis=0)
    if attribute(node, "mode", "avg") == "avg":
        read = op.Mul(sampled(op, image, places, "linear", edge_outside), holds)
        total = op.reduce("ReduceSum", op.Reshape(read, shape), [2, 4], False)
        pooled = op.Div(total, op.Unsqueeze(op.Mul(tall.count, wide.count), op.vector([1, 2, 3])))
    else:
        corners = [op.Mul(c, holds) for c in _weighted_corners(op, image, places)]
        if tall.used is not None and wide.used is not None:
            used = op.And(op.Unsqueeze(tall.used, along), op.Unsqueeze(wide.used, across))
            corners = [op.Where(op.Unsqueeze(used, last), c, op.constant(-math.inf, dtype)) for c in corners]
        pooled = op.Max(*(op.reduce("ReduceMax", op.Reshape(c, shape), [2, 4], False) for c in corners))
    return [op.Transpose(pooled, perm=[0, 3, 1, 2])]


@dataclass(frozen=True)
class _Taps:
    """Where boxes are read along one axis, [R, parts taps]: the places, which of them count (`inside`), which of them a box
    has (`used`, None where all have all); how many a box has in each part (`count`), and the most of any box (`number`)."""

    places: Value
    inside: Value
    used: Value | None
    count: Value
    number: Value


def _taps(op: Emitter, node: GraphNode, axis: int, parts: int) -> _Taps:
    """Without `sampling_ratio` a box has as many taps as a part of it spans pixels."""
    x, rois, _ = node.inputs
    dtype, one, inner, flat = x.dtype, op.constant(1.0, x.dtype), op.vector([1, 2]), op.vector([0, -1])
    half = attribute(node, "coordinate_transformation_mode", "half_pixel") == "half_pixel"
    scale, fixed = attribute(node, "spatial_scale", 1.0), attribute(node, "sampling_ratio", 0)
    low, high = (
        op.Sub(op.Mul(op.Gather(rois, op.constant(k, INT64), axis=1), scale), 0.5 * half) for k in (1 - axis, 3 - axis)
    )
    span = op.Sub(high, low) if half else op.Max(op.Sub(high, low), one)
    part = op.Div(span, float(parts))
    if fixed > 0:
        number, used = op.vector([fixed]), None
        count = op.tensor(np.array([fixed], dtype=dtype.numpy()))
        numbers = op.tensor(np.arange(fixed).astype(dtype.numpy()))
    else:
        own = op.Ceil(part)
        count = op.Max(own, one)
        most = op.ReduceMax(count, keepdims=0)
        number = op.Reshape(op.cast(most, INT64), op.vector([1]))
        numbers = op.Range(op.constant(0.0, dtype), most, one)
        used = op.Less(numbers, op.Unsqueeze(own, inner))  # [R, 1, taps]
    starts = op.tensor(np.arange(parts).astype(dtype.numpy()).reshape(-1, 1))
    steps = op.Add(starts, op.Div(op.Add(numbers, 0.5), op.Unsqueeze(count, inner)))
    at = op.Add(op.Unsqueeze(low, inner), op.Mul(op.Unsqueeze(part, inner), steps))  # [R, parts, taps]
    length = op.cast(extent(op, x, axis + 2), dtype)
    inside = op.Not(op.Or(op.Less(at, -1.0), op.Greater(at, length)))
    if used is not None:
        inside = op.And(inside, used)
        used = op.Reshape(op.Expand(used, op.Shape(at)), flat)
    at = limited(op, at, op.constant(0.0, dtype), op.Sub(length, 1.0))
    return _Taps(op.Reshape(at, flat), op.Reshape(inside, flat), used, count, number)


def _weighted_corners(op: Emitter, image: Value, places: list[Value]) -> list[Value]:
    """The four pixels around each place, each times its weight."""
    last = op.vector([-1])
    low = [op.Floor(p) for p in places]
    found = []
    for corner in every((0, 1), repeat=2):
        weights, index = [], []
        for i, (x, floor, k) in enumerate(zip(places, low, corner)):
            size = extent(op, image, i + 1)
            at, _ = edge_outside(op, op.Add(op.cast(floor, INT64), op.constant(k, INT64)), size)
            index.append(op.Unsqueeze(at, last))
            weights.append(hat(op, op.Sub(op.Sub(x, floor), float(k))))
        weight = op.Mul(*weights)
        value = op.GatherND(image, op.Concat(*index, axis=-1), batch_dims=1)
        found.append(op.Mul(value, op.Unsqueeze(weight, last)))
    return found

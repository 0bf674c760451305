"""Pooling: the largest, the mean or a norm of each window."""

from __future__ import annotations

import numpy as np

from netc.compiler.autodiff.provenance import placed
from netc.compiler.autodiff.registry import Cotangents, GraphNode, attribute, gradient, lowered
from netc.compiler.autodiff.windows import Windows, padded, run_time_pads, windows
from netc.compiler.graph.dimensions import add, product
from netc.compiler.graph.emitter import Emitter, Value


@gradient("MaxPool", rewrite=padded)
def max_pool(op: Emitter, node: GraphNode, dy: Value, _: Value | None = None) -> Cotangents:
    """y = the largest of each window;  dx = dy added where it was found (of equals, at the first)"""
    x = node.inputs[0]
    at = windows(op, node, x, ())
    kept = {n: a.value for n, a in node.attributes.items() if n != "storage_order"}
    _, found = op.node("MaxPool", [x], {n: list(v) if isinstance(v, tuple) else v for n, v in kept.items()}, 2)
    apart = all(isinstance(r, int) and s >= r for s, r in zip(at.strides, at.reach))
    return [placed(op, x, found, dy, unique=apart)]


@gradient("MaxUnpool")
def max_unpool(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = zeros with x at the indices of a MaxPool;  dx = dy at these indices"""
    x, at, shape = (*node.inputs, None)[:3]
    if shape is not None:  # the indices count in the smaller image that the windows imply
        window = windows(op, node, x, ())
        n = len(window.kernel)
        counts = op.Sub(op.Shape(x, start=2), op.constant(1, 7))
        sizes = op.Add(op.Mul(counts, op.vector(window.strides)), op.shape_tensor(window.reach))
        sizes = op.Sub(sizes, op.vector([b + e for b, e in zip(window.begin, window.end)]))
        dy = op.Slice(dy, op.vector([0] * n), sizes, op.vector(list(range(2, n + 2))))
    flat = op.vector([-1])
    return [op.like(op.Gather(op.Reshape(dy, flat), op.Reshape(at, flat), axis=0), x), None]


@lowered("AveragePool")
def average_pool(op: Emitter, node: GraphNode) -> list[Value]:
    """y = (sum of each window) / (how many elements it holds; with count_include_pad, pads among them)"""
    x, (y,) = node.inputs[0], node.outputs
    one = op.Unsqueeze(op.constant(1.0, x.dtype), op.vector(list(range(len(op.shape(x))))))
    space = op.Concat(op.vector([1, 1]), op.Shape(x, start=2), axis=0)
    ones = op.Expand(one, space, type=op.type_of(x).with_shape((1, 1, *op.shape(x)[2:])))
    filling = op.constant(float(attribute(node, "count_include_pad", 0)), x.dtype)
    pads = run_time_pads(op, node)
    if pads is not None:
        return [
            op.Div(_sums(op, _bare(node), op.Pad(x, pads), y), _sums(op, _bare(node), op.Pad(ones, pads, filling), y))
        ]
    at = windows(op, node, x, ())
    if not attribute(node, "count_include_pad", 0):
        return [op.Div(_sums(op, at, x, y), _sums(op, at, ones, y))]
    grown = tuple(add(d, b + e) for d, b, e in zip(op.shape(x)[2:], at.begin, at.end))
    margins = op.vector([0, 0, *at.begin, 0, 0, *at.end])
    wide = op.Pad(ones, margins, filling, type=op.type_of(x).with_shape((1, 1, *grown)))
    return [op.Div(_sums(op, at, x, y), _sums(op, _bare(node), wide, y))]


@lowered("LpPool")
def lp_pool(op: Emitter, node: GraphNode) -> list[Value]:
    """y = (sum of |x|^p over each window)^(1 / p)"""
    x, (y,), p = node.inputs[0], node.outputs, float(attribute(node, "p", 2))
    powers, pads = op.Pow(op.Abs(x), p), run_time_pads(op, node)
    if pads is not None:
        return [op.Pow(_sums(op, _bare(node), op.Pad(powers, pads), y), 1 / p)]
    return [op.Pow(_sums(op, windows(op, node, x, ()), powers, y), 1 / p)]


def _bare(node: GraphNode) -> Windows:
    """The windows of a pooling over an image that has its pads already."""
    kernel = tuple(attribute(node, "kernel_shape"))
    n = len(kernel)
    strides, dilations = (tuple(attribute(node, name) or [1] * n) for name in ("strides", "dilations"))
    return Windows(kernel, strides, dilations, (0,) * n, (0,) * n)


@lowered("GlobalAveragePool")
def global_average_pool(op: Emitter, node: GraphNode) -> list[Value]:
    """y = mean over space"""
    return [op.reduce("ReduceMean", node.inputs[0], _space(op, node), True)]


@lowered("GlobalMaxPool")
def global_max_pool(op: Emitter, node: GraphNode) -> list[Value]:
    """y = the largest over space"""
    return [op.reduce("ReduceMax", node.inputs[0], _space(op, node), True)]


@lowered("GlobalLpPool")
def global_lp_pool(op: Emitter, node: GraphNode) -> list[Value]:
    """y = (sum of |x|^p over space)^(1 / p)"""
    p = float(attribute(node, "p", 2))
    return [op.Pow(op.reduce("ReduceSum", op.Pow(op.Abs(node.inputs[0]), p), _space(op, node), True), 1 / p)]


def _space(op: Emitter, node: GraphNode) -> list[int]:
    return list(range(2, len(op.shape(node.inputs[0]))))


def _sums(op: Emitter, at: Windows, x: Value, y: Value) -> Value:
    """The sum of each window of x, with as many windows as y has: a convolution of each channel with ones."""
    rows, channels, *space = op.shape(x)
    n = len(space)
    counts = op.shape(y)[2:]
    left = [at.left_over(i, d, c) for i, (d, c) in enumerate(zip(space, counts))]
    end = [e + (s - 1 if over is None else max(-over, 0)) for e, s, over in zip(at.end, at.strides, left)]
    ones = op.numbers(np.ones((1, 1, *(int(str(k)) for k in at.kernel))), x)
    flat = op.reshape(x, (product((rows, channels)), 1, *space))
    sums = op.Conv(flat, ones, pads=[*at.begin, *end], **at.moves)
    if any(over is None for over in left):
        sums = op.Slice(sums, op.vector([0] * n), op.Shape(y, start=2), op.vector(list(range(2, n + 2))))
    lead = op.Slice(op.sizes(x), op.vector([0]), op.vector([2]))
    shape = op.Concat(lead, op.Shape(y, start=2), axis=0)
    return op.Reshape(sums, shape, type=op.type_of(x).with_shape((rows, channels, *counts)))

"""Operators that move elements."""

from __future__ import annotations

import numpy as np

from netc.compiler.autodiff.provenance import in_a_row, placed, positions
from netc.compiler.autodiff.registry import Cotangents, GraphNode, attribute, gradient
from netc.compiler.graph.dimensions import Dim
from netc.compiler.graph.emitter import Emitter, Value


@gradient("Reshape")
@gradient("Flatten")
@gradient("Squeeze")
@gradient("Unsqueeze")
def reshape(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x in another shape;  dx = dy in x's shape"""
    return [op.like(dy, node.inputs[0])]


@gradient("Transpose")
def transpose(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x with permuted axes;  dx = dy with the inverse permutation"""
    perm = attribute(node, "perm")
    return [op.Transpose(dy, perm=[int(i) for i in np.argsort(perm)]) if perm else op.Transpose(dy)]


@gradient("Expand", broadcasts=True)
def expand(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x repeated;  dx = dy, which the engine sums over the repeats"""
    return [dy]


@gradient("Concat")
def concat(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = [x1, x2, ...];  dxi = its part of dy"""
    axis = attribute(node, "axis")
    if len(node.inputs) == 1:
        return [dy]
    if not all(op.has_type(x) for x in node.inputs):
        parts = op.Concat(*(op.Shape(x, start=axis, end=axis + 1 or None) for x in node.inputs), axis=0)
        return list(op.node("Split", [dy, parts], {"axis": axis}, len(node.inputs)))
    sizes = [op.shape(x)[axis] for x in node.inputs]
    types = tuple(op.type_of(x) for x in node.inputs)
    return list(op.node("Split", [dy, op.shape_tensor(tuple(sizes))], {"axis": axis}, len(types), types))


@gradient("Split")
def split(op: Emitter, node: GraphNode, *dys: Value | None) -> Cotangents:
    """[y1, y2, ...] = x;  dx = [dy1, dy2, ...], zeros where nothing flows back"""
    parts = [op.zeros_like(y) if dy is None else dy for y, dy in zip(node.outputs, dys)]
    return [op.Concat(*parts, axis=attribute(node, "axis", 0)) if len(parts) > 1 else parts[0]]


@gradient("Slice")
def slice_(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x[starts:ends:steps];  dx = zeros with dy written at the same places"""
    x = node.inputs[0]
    margins = _margins(op, node)
    if margins is not None:
        return [op.Pad(dy, op.vector(margins), type=op.type_of(x))]
    return [placed(op, x, op.Slice(positions(op, x), *node.inputs[1:]), dy, unique=True)]


def _margins(op: Emitter, node: GraphNode) -> list[int] | None:
    """How many elements a Slice leaves out before and after along each axis; None for steps and computed bounds."""
    x, starts, ends, axes, steps = (*node.inputs, None, None)[:5]
    if not op.has_type(x) or any(v is not None and op.known(v) is None for v in (starts, ends, axes, steps)):
        return None
    first, last = op.integers(starts), op.integers(ends)
    along = op.integers(axes) if axes is not None else list(range(len(first)))
    if steps is not None and set(op.integers(steps)) != {1}:
        return None
    shape = op.shape(x)
    before, after = [0] * len(shape), [0] * len(shape)
    for begin, end, axis in zip(first, last, along):
        size: Dim = shape[axis]
        if not isinstance(size, int):
            return None
        low, high, _ = slice(begin, end).indices(size)
        if high < low:
            return None
        before[axis], after[axis] = low, size - high
    return before + after


@gradient("Pad")
def pad(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x with a margin;  dx = the part of dy that is x's, and in other modes the sum over copies; dvalue = the rest"""
    x, pads, value, axes = (*node.inputs, None, None)[:4]
    mode = attribute(node, "mode", "constant")
    inner = _inner(op, node) if mode == "constant" and value is None else None
    if inner is not None:
        starts, ends = inner
        return [
            op.Slice(dy, op.vector(starts), op.vector(ends), op.vector(list(range(len(starts)))), type=op.type_of(x))
        ]
    numbered = op.Add(positions(op, x), op.constant(1, 7))  # 0 stands for the margin
    at = op.Pad(numbered, pads, None, axes, mode=mode)
    both = in_a_row(op, op.Add(op.count(x), op.constant(1, 7)), at, dy, unique=False)
    far = op.vector([np.iinfo(np.int64).max])
    dvalue = op.Squeeze(op.Slice(both, op.vector([0]), op.vector([1])), op.vector([0]))
    if value is not None and op.has_type(value):
        dvalue = op.like(dvalue, value)
    return [op.like(op.Slice(both, op.vector([1]), far), x), None, dvalue if value is not None else None]


def _inner(op: Emitter, node: GraphNode) -> tuple[list[int], list[int]] | None:
    """Where the input lies in the output, if that is known and nothing was cut off."""
    x, pads, _, axes = (*node.inputs, None, None)[:4]
    if not op.has_type(x) or op.known(pads) is None or (axes is not None and op.known(axes) is None):
        return None
    rank = len(op.shape(x))
    along = [a % rank for a in op.integers(axes)] if axes is not None else list(range(rank))
    widths = op.integers(pads)
    if any(w < 0 for w in widths):
        return None
    starts, ends = [0] * rank, [int(np.iinfo(np.int64).max)] * rank
    for i, a in enumerate(along):
        starts[a] = widths[i]
        after = widths[i + len(along)]
        ends[a] = -after if after else ends[a]
    return starts, ends


@gradient("Tile")
def tile(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x repeated r times along each axis;  dx = the sum of dy over the repeats"""
    x, repeats = node.inputs
    rank = len(op.shape(x))
    if not rank:
        return [dy]
    pairs = op.Concat(op.Unsqueeze(repeats, op.vector([1])), op.Unsqueeze(op.sizes(x), op.vector([1])), axis=1)
    split_dy = op.Reshape(dy, op.Reshape(pairs, op.vector([-1])))
    return [op.ReduceSum(split_dy, op.vector(list(range(0, 2 * rank, 2))), keepdims=0, type=op.type_of(x))]


@gradient("CumSum")
def cum_sum(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y_i = x_1 + ... + x_i;  dx = the sum of dy from the other end"""
    flags = {"exclusive": attribute(node, "exclusive", 0), "reverse": 1 - attribute(node, "reverse", 0)}
    return [op.CumSum(dy, node.inputs[1], **flags), None]


@gradient("CumProd")
def cum_prod(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y_i = x_1 ... x_i;  dx_j = sum over i >= j of dy_i times the product of the others: y_i / x_j where nothing is 0;
    for the first 0 the products that hold no other; for what comes behind it, nothing"""
    x, at = node.inputs
    flags = {"exclusive": attribute(node, "exclusive", 0), "reverse": attribute(node, "reverse", 0)}
    back = {"exclusive": flags["exclusive"], "reverse": 1 - flags["reverse"]}
    zero = op.constant(0.0, x.dtype)
    empty = op.Equal(x, zero)
    filled = op.Where(empty, op.constant(1.0, x.dtype), x)
    zeros = op.cast(empty, x.dtype)
    products = op.Mul(dy, op.CumProd(filled, at, **flags))
    held = op.CumSum(zeros, at, **flags)  # zeros in each product
    before = op.CumSum(zeros, at, exclusive=1, reverse=flags["reverse"])
    none = op.CumSum(op.Where(op.Equal(held, zero), products, zero), at, **back)
    one = op.CumSum(op.Where(op.Equal(held, 1.0), products, zero), at, **back)
    first = op.And(empty, op.Equal(before, zero))
    return [op.Where(first, one, op.Where(empty, zero, op.Div(none, filled))), None]


@gradient("Trilu")
def trilu(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x above (or below) a diagonal, 0 elsewhere;  dx = dy at the same places"""
    k = (*node.inputs, None)[1]
    return [op.Trilu(dy, k, upper=attribute(node, "upper", 1)), None]


@gradient("ReverseSequence")
def reverse_sequence(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x with the first steps of each row reversed, its own inverse;  dx = dy with the same steps reversed"""
    kept = {n: attribute(node, n, d) for n, d in (("batch_axis", 1), ("time_axis", 0))}
    return [op.ReverseSequence(dy, node.inputs[1], **kept), None]


@gradient("DepthToSpace")
def depth_to_space(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = blocks of channels laid out in space;  dx = SpaceToDepth of dy, with the channels in the mode's order"""
    x, block = node.inputs[0], attribute(node, "blocksize")
    if attribute(node, "mode", "DCR") == "DCR":
        return [op.SpaceToDepth(dy, blocksize=block)]
    n, c, h, w = op.shape(x)
    rest = op.reshape(dy, (n, c // (block * block) if isinstance(c, int) else -1, h, block, w, block))
    return [op.like(op.Transpose(rest, perm=[0, 1, 3, 5, 2, 4]), x)]


@gradient("SpaceToDepth")
def space_to_depth(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = blocks of space laid out in channels;  dx = DepthToSpace of dy"""
    if attribute(node, "mode", "DCR") == "CRD":
        return [op.DepthToSpace(dy, blocksize=attribute(node, "blocksize"), mode="CRD")]
    return [op.DepthToSpace(dy, blocksize=attribute(node, "blocksize"))]

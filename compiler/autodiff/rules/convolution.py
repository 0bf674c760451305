"""Convolutions: each gradient of one is a convolution again (V. Dumoulin and F. Visin, 2016, chapter 4)."""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.compiler.autodiff.registry import Cotangents, GraphNode, attribute, gradient, lowered
from netc.compiler.autodiff.rules.sampling import sampled, zeros_outside
from netc.compiler.autodiff.windows import Windows, padded, windows
from netc.compiler.graph.dimensions import Dim, product, quotient
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.inference import UnknownError


@gradient("Conv", rewrite=padded)
def conv(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """Y = X * W + b;  dX = dY spread back through W, dW = X * dY with strides and dilations exchanged, db = sum dY"""
    x, w, b = (*node.inputs, None)[:3]
    at, group = windows(op, node, x, op.shape(w)[2:]), attribute(node, "group", 1)
    return [_spread(op, at, dy, w, x, group), _kernel(op, at, x, dy, w, group), None if b is None else _bias(op, dy)]


@gradient("ConvTranspose")
def conv_transpose(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """Y spreads X through W;  dX = dY * W, dW = dY * X with strides and dilations exchanged, db = sum dY"""
    x, w, b = (*node.inputs, None)[:3]
    at, group = _transposed_windows(op, node), attribute(node, "group", 1)
    dx = op.Conv(dy, w, group=group, pads=[*at.begin, *at.end], **at.moves)
    if any(e >= s for e, s in zip(attribute(node, "output_padding") or [], at.strides)):
        axes = list(range(2, len(op.shape(x))))
        dx = op.Slice(dx, op.vector([0] * len(axes)), op.Shape(x, start=2), op.vector(axes))
    return [op.stamp(dx, op.type_of(x)), _kernel(op, at, dy, x, w, group), None if b is None else _bias(op, dy)]


def _bias(op: Emitter, dy: Value) -> Value:
    return op.reduce("ReduceSum", dy, [0, *range(2, len(op.shape(dy)))], False)


def _spread(op: Emitter, at: Windows, dy: Value, w: Value, x: Value, group: int) -> Value:
    """dY laid back over X, each element through the kernel that read it."""
    sizes, counts = op.shape(x)[2:], op.shape(dy)[2:]
    left = [0 if s == 1 else at.left_over(i, d, c) for i, (s, d, c) in enumerate(zip(at.strides, sizes, counts))]
    if all(e is not None for e in left):
        known = [e or 0 for e in left]
        end = [p - min(e, 0) for p, e in zip(at.end, known)]
        more = [max(e, 0) for e in known]
        return op.ConvTranspose(
            dy, w, group=group, pads=[*at.begin, *end], output_padding=more if any(more) else None,
            type=op.type_of(x), **at.moves,
        )  # fmt: skip
    # sizes show at run time: what no window read is filled up generously, then x's part is cut out
    whole = op.ConvTranspose(dy, w, group=group, output_padding=[s - 1 for s in at.strides], **at.moves)
    first = op.vector(at.begin)
    axes = op.vector(list(range(2, 2 + len(sizes))))
    return op.Slice(whole, first, op.Add(first, op.Shape(x, start=2)), axes, type=op.type_of(x))


def _kernel(op: Emitter, at: Windows, x: Value, dy: Value, w: Value, group: int) -> Value:
    """How each element of the kernel met X and dY: X * dY with channels in the place of rows."""
    rows, channels, *space = op.shape(x)
    n = len(space)
    if group == 1:
        swapped = op.Transpose(x, perm=[1, 0, *range(2, n + 2)])
    else:
        each = quotient(channels, group)
        if each is None:
            raise UnknownError("the number of channels is not known")
        apart = op.reshape(x, (rows, group, each, *space))
        swapped = op.Transpose(apart, perm=[2, 1, 0, *range(3, n + 3)])
        swapped = op.reshape(swapped, (each, product((group, rows)), *space))
    kernels = op.Transpose(dy, perm=[1, 0, *range(2, n + 2)])
    met = op.Conv(
        swapped, kernels, group=group, pads=[*at.begin, *at.end], strides=list(at.dilations), dilations=list(at.strides)
    )
    found = op.Transpose(met, perm=[1, 0, *range(2, n + 2)])
    if any(s > 1 for s in at.strides):  # elements behind the last window would make the kernel larger
        axes = op.vector(list(range(2, n + 2)))
        sizes = op.shape_tensor(at.kernel) if all(isinstance(k, int) for k in at.kernel) else op.Shape(w, start=2)
        return op.Slice(found, op.vector([0] * n), sizes, axes, type=op.type_of(w))
    return op.stamp(found, op.type_of(w))


def _transposed_windows(op: Emitter, node: GraphNode) -> Windows:
    """The windows of the convolution that a ConvTranspose undoes, with the pads that its output's size implies."""
    x, w = node.inputs[:2]
    plain = _without_auto_pad(op, node, w)
    wanted: Any = attribute(node, "output_shape")
    auto = attribute(node, "auto_pad", "NOTSET")
    if wanted is None and auto not in ("SAME_UPPER", "SAME_LOWER"):
        return plain
    sizes: list[Dim] = list(op.shape(x)[2:])
    outs = wanted[-len(sizes) :] if wanted is not None else op.shape(node.outputs[0])[2:]
    extra = attribute(node, "output_padding") or [0] * len(sizes)
    begin, end = [], []
    for size, out, s, reach, e in zip(sizes, outs, plain.strides, plain.reach, extra):
        if wanted is None and isinstance(reach, int):  # SAME: s elements out for each element in
            total = max(reach + e - s, 0)
        elif isinstance(size, int) and isinstance(out, int) and isinstance(reach, int):
            total = max(s * (size - 1) + e + reach - out, 0)
        else:
            raise UnknownError("its pads depend on a size that is not known; give `pads`")
        begin.append(total // 2 if auto == "SAME_UPPER" else total - total // 2)
        end.append(total - begin[-1])
    return Windows(plain.kernel, plain.strides, plain.dilations, tuple(begin), tuple(end))


def _without_auto_pad(op: Emitter, node: GraphNode, w: Value) -> Windows:
    kernel = attribute(node, "kernel_shape") or op.shape(w)[2:]
    n = len(kernel)
    pads = attribute(node, "pads") or [0] * (2 * n)
    if attribute(node, "auto_pad", "NOTSET") != "NOTSET":
        pads = [0] * (2 * n)
    return Windows(
        tuple(kernel), tuple(attribute(node, "strides") or [1] * n), tuple(attribute(node, "dilations") or [1] * n),
        tuple(pads[:n]), tuple(pads[n:]),
    )  # fmt: skip


@lowered("DeformConv")
def deform_conv(op: Emitter, node: GraphNode) -> list[Value]:
    """Y = sum over kernel elements of W times X read between pixels, at places moved by `offset`, times `mask`."""
    x, w, offset, b, mask = (*node.inputs, None, None)[:5]
    at, group = windows(op, node, x, op.shape(w)[2:]), attribute(node, "group", 1)
    rows, channels, height, width = op.shape(x)
    outs, groups = op.shape(offset)[2:], attribute(node, "offset_group", 1)
    taps_of, filters = [k for k in at.kernel if isinstance(k, int)], op.shape(w)[0]
    grid = [d for d in outs if isinstance(d, int)]
    if len(taps_of) < 2 or len(grid) < 2 or not (isinstance(channels, int) and isinstance(filters, int)):
        raise UnknownError("the number of channels and the size of the output must be known")
    count = taps_of[0] * taps_of[1]
    moved = op.reshape(offset, (rows, groups, *at.kernel, 2, *outs))
    places = []
    for axis in range(2):
        shape: list[int] = [1] * 6
        shape[4 + axis] = grid[axis]
        steps = op.Reshape(_counted(op, grid[axis], at.strides[axis], -at.begin[axis], x), op.vector(shape))
        shape = [1] * 6
        shape[2 + axis] = taps_of[axis]
        taps = op.Reshape(_counted(op, taps_of[axis], at.dilations[axis], 0, x), op.vector(shape))
        shift = op.Gather(moved, op.constant(axis, 7), axis=4)
        place = op.Add(op.Add(steps, taps), shift)
        places.append(op.reshape(place, (product((rows, groups)), count, *outs)))
    each = channels // groups
    image = op.Transpose(op.reshape(x, (product((rows, groups)), each, height, width)), perm=[0, 2, 3, 1])
    read = sampled(op, image, places, "linear", zeros_outside)  # [rows groups, taps, out, out, channels / groups]
    if mask is not None:
        read = op.Mul(read, op.Unsqueeze(op.reshape(mask, (product((rows, groups)), count, *outs)), op.vector([-1])))
    columns = op.reshape(
        op.Transpose(read, perm=[0, 4, 1, 2, 3]), (rows, group, channels // group * count, product(outs))
    )
    kernel = op.reshape(w, (1, group, filters // group, channels // group * count))
    y = op.reshape(op.MatMul(kernel, columns), (rows, filters, *outs))
    return [y if b is None else op.Add(y, op.Unsqueeze(b, op.vector([1, 2])))]


def _counted(op: Emitter, count: int, step: int, start: int, x: Value) -> Value:
    """start, start + step, ... as numbers of x's dtype."""
    return op.numbers(start + step * np.arange(count), x)


@gradient("Col2Im")
def col2im(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = blocks added up where they overlap in the image;  dx = dy read at the place of each element of each block"""
    x, image, block = node.inputs
    n = op.shape(image)[0]
    if not isinstance(n, int):
        raise UnknownError("the number of spatial axes is not known")
    pads, strides = attribute(node, "pads") or [0] * (2 * n), attribute(node, "strides") or [1] * n
    dilations = attribute(node, "dilations") or [1] * n
    one, zero = op.constant(1, 7), op.constant(0, 7)
    place = inside = zero
    for axis in range(n):  # place [b1, ..., bn, l1, ..., ln] of each element in the image, row by row
        size, tall = (op.Gather(v, op.constant(axis, 7), axis=0) for v in (image, block))
        reach = op.Add(op.Mul(op.Sub(tall, one), op.constant(dilations[axis], 7)), one)
        room = op.Sub(op.Add(size, op.constant(pads[axis] + pads[n + axis], 7)), reach)
        count = op.Add(op.Div(room, op.constant(strides[axis], 7)), one)
        taps = op.Mul(op.Range(zero, tall, one), op.constant(dilations[axis], 7))
        steps = op.Mul(op.Range(zero, count, one), op.constant(strides[axis], 7))
        steps = op.Sub(steps, op.constant(pads[axis], 7))
        others = [i for i in range(2 * n) if i not in (axis, n + axis)]
        at = op.Add(op.Unsqueeze(taps, op.vector([1])), op.Unsqueeze(steps, op.vector([0])))
        at = op.Unsqueeze(at, op.vector(others)) if others else at
        within = op.And(op.GreaterOrEqual(at, zero), op.Less(at, size))
        inside = op.And(inside, within) if axis else within
        place = op.Add(op.Mul(place, size), at)
    pixels = op.ReduceProd(image, keepdims=1)
    lead = op.Slice(op.Shape(dy), op.vector([0]), op.vector([2]))
    flat = op.Reshape(dy, op.Concat(lead, pixels, axis=0))
    read = op.Gather(flat, op.Where(inside, place, zero), axis=2)
    return [op.like(op.Where(inside, read, op.constant(0.0, dy.dtype)), x)]

"""Normalisations and other operators that are short formulas of simpler ones; mostly the gradient is taken through these."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netc.compiler.autodiff.registry import Cotangents, GraphNode, Outputs, attribute, gradient, lowered
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.types import BOOL, F32, FLOAT, TensorType


def _normalized(op: Emitter, x: Value, axes: list[int], epsilon: float) -> tuple[Value, Value, Value]:
    """((x - mean) / sqrt(variance + epsilon), mean, 1 / sqrt(variance + epsilon)) over some axes."""
    mean = op.reduce("ReduceMean", x, axes, True)
    centred = op.Sub(x, mean)
    variance = op.reduce("ReduceMean", op.Mul(centred, centred), axes, True)
    scale = op.Reciprocal(op.Sqrt(op.Add(variance, epsilon)))
    return op.Mul(centred, scale), mean, scale


def _per_channel(op: Emitter, v: Value, x: Value) -> Value:
    """A vector [C] against x [N, C, ...]."""
    axes = list(range(1, len(op.shape(x)) - 1))
    return op.Unsqueeze(v, op.vector(axes)) if axes else v


@lowered("BatchNormalization")
def batch_normalization(op: Emitter, node: GraphNode) -> list[Value]:
    """y = (x - mean) / sqrt(variance + epsilon) scale + b; in training with the batch's own mean and (biased) variance,
    of which momentum goes into the running ones: r' = r momentum + batch (1 - momentum)"""
    x, scale, b, mean, variance = node.inputs
    epsilon, momentum = attribute(node, "epsilon", 1e-5), attribute(node, "momentum", 0.9)
    running: list[Value] = []
    if attribute(node, "training_mode", 0):
        axes = [0, *range(2, len(op.shape(x)))]
        batch_mean = op.reduce("ReduceMean", x, axes, False)
        centred = op.Sub(x, _per_channel(op, batch_mean, x))
        batch_variance = op.reduce("ReduceMean", op.Mul(centred, centred), axes, False)
        for old, new in ((mean, batch_mean), (variance, batch_variance)):
            running.append(op.Add(op.Mul(old, momentum), op.Mul(new, 1 - momentum)))
        mean, variance = batch_mean, batch_variance
    factor = op.Div(scale, op.Sqrt(op.Add(variance, epsilon)))
    y = op.Mul(op.Sub(x, _per_channel(op, mean, x)), _per_channel(op, factor, x))
    return [op.Add(y, _per_channel(op, b, x)), *running]


@lowered("InstanceNormalization")
def instance_normalization(op: Emitter, node: GraphNode) -> list[Value]:
    """y = (x - mean) / sqrt(variance + epsilon) scale + b, mean and variance over the space of each row and channel"""
    x, scale, b = node.inputs
    y, _, _ = _normalized(op, x, list(range(2, len(op.shape(x)))), attribute(node, "epsilon", 1e-5))
    return [op.Add(op.Mul(y, _per_channel(op, scale, x)), _per_channel(op, b, x))]


def _normalized_axes(op: Emitter, node: GraphNode) -> list[int]:
    rank = len(op.shape(node.inputs[0]))
    return list(range(attribute(node, "axis", -1) % rank, rank))


def _in_full(op: Emitter, node: GraphNode) -> Outputs | None:
    """A LayerNormalization written out where the statistics that it gives are too coarse: float32 for float64, bfloat16."""
    x, scale, b = (*node.inputs, None)[:3]
    if op.type_of(x).dtype.name != "f64" and attribute(node, "stash_type", 1) == FLOAT:
        return None
    wide = op.cast(x, FLOAT) if op.type_of(x).dtype.name == "f16" else x
    y, mean, inverse = _normalized(op, wide, _normalized_axes(op, node), attribute(node, "epsilon", 1e-5))
    y = op.Mul(op.cast(y, x.dtype), scale)
    statistics = [op.cast(s, o.dtype) for s, o in zip((mean, inverse), node.outputs[1:])]
    return [y if b is None else op.Add(y, b), *statistics]


def _statistics(op: Emitter, node: GraphNode, axes: list[int]) -> Sequence[Value]:
    """The mean and 1 / sqrt(variance + epsilon) that a LayerNormalization computes; it gives them where it did not."""
    shape = tuple(1 if i in axes else d for i, d in enumerate(op.shape(node.inputs[0])))
    return op.more_outputs(node, *[TensorType(F32, shape)] * (3 - len(node.outputs)))[1:]


@gradient("LayerNormalization", broadcasts=True, rewrite=_in_full)
def layer_normalization(
    op: Emitter, node: GraphNode, dy: Value | None, dmean: Value | None = None, dr: Value | None = None
) -> Cotangents:
    """y = z scale + b, z = (x - mean) r, r = 1 / sqrt(variance + epsilon), over the n elements of the axes from `axis` on;
    dscale = dy z, db = dy, dx = r (dz - mean dz - z (mean(dz z) + r dr / n)) + dmean / n, dz = dy scale"""
    x, scale = node.inputs[:2]
    axes = _normalized_axes(op, node)
    mean, r = _statistics(op, node, axes)
    dy = op.zeros_like(node.outputs[0]) if dy is None else dy
    wide, gain, n = op.cast(dy, FLOAT), op.cast(scale, FLOAT), op.element_count(x, axes)
    z = op.Mul(op.Sub(op.cast(x, FLOAT), mean), r)
    dscale, dz = op.Mul(wide, z), op.Mul(wide, gain)
    along = op.reduce("ReduceMean", op.Mul(dscale, gain), axes, True)
    if dr is not None:
        along = op.Add(along, op.Div(op.Mul(r, dr), n))
    dx = op.Mul(r, op.Sub(op.Sub(dz, op.reduce("ReduceMean", dz, axes, True)), op.Mul(z, along)))
    if dmean is not None:
        dx = op.Add(dx, op.Div(dmean, n))
    return [op.cast(dx, x.dtype), op.cast(dscale, scale.dtype), dy]


@lowered("GroupNormalization")
def group_normalization(op: Emitter, node: GraphNode) -> list[Value]:
    """y = (x - mean) / sqrt(variance + epsilon) scale + b, over groups of channels; scale and b per channel (opset 21; what
    opset 18 had is deprecated and no valid model has it)"""
    x, scale, b = node.inputs
    groups = attribute(node, "num_groups")
    rest = op.vector([0, groups, -1])
    y, _, _ = _normalized(op, op.Reshape(x, rest), [2], attribute(node, "epsilon", 1e-5))
    return [op.Add(op.Mul(op.like(y, x), _per_channel(op, scale, x)), _per_channel(op, b, x))]


@lowered("LpNormalization")
def lp_normalization(op: Emitter, node: GraphNode) -> list[Value]:
    """y = x / (sum |x|^p)^(1 / p), 0 where the norm is 0"""
    x, axis = node.inputs[0], attribute(node, "axis", -1)
    norm = op.reduce("ReduceL1" if attribute(node, "p", 2) == 1 else "ReduceL2", x, axis, True)
    empty = op.Equal(norm, 0.0)
    return [op.Where(empty, op.constant(0.0, x.dtype), op.Div(x, op.Where(empty, op.constant(1.0, x.dtype), norm)))]


@lowered("LRN")
def lrn(op: Emitter, node: GraphNode) -> list[Value]:
    """y = x / (bias + alpha / size (sum of x^2 over the nearest channels))^beta"""
    x, size = node.inputs[0], attribute(node, "size")
    alpha, beta, bias = (attribute(node, n, d) for n, d in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    rank, before = len(op.shape(x)), (size - 1) // 2
    margins = [0] * (2 * rank)
    margins[1], margins[rank + 1] = before, size - 1 - before
    padded = op.Pad(op.Mul(x, x), op.vector(margins))
    ends = [i - size + 1 or int(np.iinfo(np.int64).max) for i in range(size)]
    near = [op.Slice(padded, op.vector([i]), op.vector([e]), op.vector([1])) for i, e in enumerate(ends)]
    total = op.Sum(*near) if size > 1 else near[0]
    return [op.Div(x, op.Pow(op.Add(op.Mul(total, alpha / size), bias), beta))]


@gradient("Dropout")
def dropout(op: Emitter, node: GraphNode, dy: Value, _: Value | None = None) -> Cotangents:
    """y = x mask / (1 - ratio) in training, x otherwise;  dx = dy mask / (1 - ratio), dratio = sum(dy y) / (1 - ratio)"""
    _, ratio, training = (*node.inputs, None, None)[:3]
    if training is None or op.scalar_value(training) == 0:
        return [dy]
    if len(node.outputs) < 2:
        op.more_outputs(node, op.type_of(node.outputs[0]).with_dtype(BOOL))
    kept = op.cast(node.outputs[1], dy.dtype)
    rate = op.constant(0.5, dy.dtype) if ratio is None else op.cast(ratio, dy.dtype)
    scale = op.Where(training, op.Reciprocal(op.Sub(op.constant(1.0, dy.dtype), rate)), op.constant(1.0, dy.dtype))
    change = op.Mul(op.ReduceSum(op.Mul(dy, node.outputs[0]), keepdims=0), scale)
    dratio = op.Where(training, change, op.constant(0.0, dy.dtype))
    return [op.Mul(op.Mul(dy, kept), scale), None if ratio is None else op.cast(dratio, ratio.dtype)]


@lowered("DequantizeLinear")
def dequantize_linear(op: Emitter, node: GraphNode) -> list[Value]:
    """y = (x - zero point) scale, for the whole tensor, along an axis, or in blocks of an axis"""
    x, scale, zero = (*node.inputs, None)[:3]
    rank, axis = len(op.shape(scale)), attribute(node, "axis", 1)
    dtype = node.outputs[0].dtype
    count = op.cast(x, dtype) if zero is None else None

    def spread(v: Value) -> Value:
        """scale or zero point against x"""
        if rank == 0 or (len(x.shape) == rank == 1 and not attribute(node, "block_size", 0) and scale.shape == [1]):
            return v
        if rank == 1 and not attribute(node, "block_size", 0):
            behind = len(x.shape) - 1 - axis % len(x.shape)
            return op.Unsqueeze(v, op.vector(list(range(1, behind + 1)))) if behind else v
        at = axis % rank
        size = op.Squeeze(op.Shape(x, start=at, end=at + 1), op.vector([0]))
        numbers = op.Range(op.constant(0, 7), size, op.constant(1, 7))
        return op.Gather(v, op.Div(numbers, op.constant(attribute(node, "block_size", 0), 7)), axis=at)

    if count is None:
        count = op.Sub(op.cast(x, dtype), spread(op.cast(zero, dtype)))
    return [op.Mul(count, spread(op.cast(scale, dtype)))]


@lowered("OptionalGetElement")
def optional_get_element(op: Emitter, node: GraphNode) -> list[Value]:
    """y = x, for an x that is a tensor"""
    return [node.inputs[0]]

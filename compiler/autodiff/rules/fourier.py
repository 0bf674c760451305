"""Discrete Fourier transforms. Complex numbers are pairs along the last axis; the adjoint of a transform is its inverse
without the factor 1 / N."""

from __future__ import annotations

from typing import TypedDict, Unpack

from netc.compiler.autodiff.registry import Cotangents, GraphNode, attribute, gradient, lowered
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.types import INT64


@gradient("DFT")
def dft(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y_k = sum x_n e^(-2 pi i k n / N);  dx = N inverse(dy), cut to x's length, its real part where x is real"""
    x, length, at = (*node.inputs, None, None)[:3]
    inverse, onesided = attribute(node, "inverse", 0), attribute(node, "onesided", 0)
    if op.opset < 20:
        axis = op.vector([attribute(node, "axis", 1)])
    else:
        axis = op.vector([-2]) if at is None else op.Reshape(op.cast(at, INT64), op.vector([1]))
    size = op.Gather(op.Shape(x), axis, axis=0)
    if inverse and onesided:
        return [_half_spectrum(op, x, dy, axis, size), None, None]
    count = size if length is None else op.Reshape(op.cast(length, INT64), op.vector([1]))
    if onesided:
        dy = _resized(op, dy, axis, count)
    full = _transform(op, dy, axis, inverse=1 - inverse)
    number = op.cast(op.Squeeze(count, op.vector([0])), x.dtype)
    dx = op.Div(full, number) if inverse else op.Mul(full, number)
    if length is not None:
        dx = _resized(op, dx, axis, size)
    if op.shape(x)[-1] != 2:  # a real signal, or one of which that shows at run time
        dx = op.Slice(dx, op.vector([0]), op.Shape(x, start=-1), op.vector([-1]))
    return [op.stamp(dx, op.type_of(x)), None, None]


def _half_spectrum(op: Emitter, x: Value, dy: Value, axis: Value, size: Value) -> Value:
    """y_n = 1 / N sum c_k Re(x_k e^(2 pi i k n / N)), c_k = 1 at k = 0 and 2 k = N, else 2;  dx_k = c_k / N DFT(dy)_k"""
    spectrum = _transform(op, dy, axis, onesided=1)
    zero, one = op.constant(0, INT64), op.constant(1, INT64)
    count = op.Squeeze(op.Gather(op.Shape(dy), axis, axis=0), op.vector([0]))
    numbers = op.Range(zero, op.Add(op.Div(count, op.constant(2, INT64)), one), one)
    alone = op.Or(op.Equal(numbers, zero), op.Equal(op.Add(numbers, numbers), count))
    weights = op.Div(op.Sub(op.constant(2.0, x.dtype), op.cast(alone, x.dtype)), op.cast(count, x.dtype))
    along = op.ScatterElements(op.vector([1] * len(op.shape(x))), axis, op.vector([-1]))
    return op.stamp(_resized(op, op.Mul(spectrum, op.Reshape(weights, along)), axis, size), op.type_of(x))


class _Way(TypedDict, total=False):
    inverse: int
    onesided: int


def _transform(op: Emitter, x: Value, axis: Value, **way: Unpack[_Way]) -> Value:
    """DFT along an axis, given as a vector: an attribute before opset 20, an input since."""
    if op.opset < 20:
        return op.DFT(x, axis=op.integers(axis)[0], **way)
    return op.DFT(x, None, op.Squeeze(axis, op.vector([0])), **way)


def _resized(op: Emitter, x: Value, axis: Value, size: Value) -> Value:
    """x cut, or filled up with zeros, to a size [1] along an axis [1]."""
    zero = op.vector([0])
    room = op.Max(op.Sub(size, op.Gather(op.Shape(x), axis, axis=0)), zero)
    wide = op.Pad(x, op.Concat(zero, room, axis=0), None, axis)
    return op.Slice(wide, zero, size, axis)


@lowered("STFT")
def stft(op: Emitter, node: GraphNode) -> list[Value]:
    """y = the transform of each frame of the signal [rows, length, 1 or 2], times the window"""
    signal, step, window, length = (*node.inputs, None, None)[:4]
    zero, one = op.constant(0, INT64), op.constant(1, INT64)
    size = op.cast(length, INT64) if length is not None else op.Squeeze(op.Shape(window), op.vector([0]))
    size = op.like(size, one) if op.has_type(size) else size
    total = op.Squeeze(op.Shape(signal, start=1, end=2), op.vector([0]))
    stride = op.cast(op.like(step, one), INT64)
    count = op.Add(op.Div(op.Sub(total, size), stride), one)
    starts = op.Unsqueeze(op.Mul(op.Range(zero, count, one), stride), op.vector([1]))
    frames = op.Gather(signal, op.Add(starts, op.Unsqueeze(op.Range(zero, size, one), op.vector([0]))), axis=1)
    if window is not None:
        frames = op.Mul(frames, op.Unsqueeze(window, op.vector([1])))
    return [_transform(op, frames, op.vector([2]), onesided=attribute(node, "onesided", 1))]

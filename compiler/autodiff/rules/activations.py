"""Activation functions, in terms of their outputs where that saves work."""

from __future__ import annotations

import math

from netc.compiler.autodiff.registry import Cotangents, GraphNode, attribute, gradient
from netc.compiler.graph.emitter import Emitter, Value


@gradient("Relu")
def relu(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = max(0, x);  dx = dy [y > 0]"""
    return [op.Mul(dy, op.cast(op.Greater(node.outputs[0], 0.0), dy.dtype))]


@gradient("Sigmoid")
def sigmoid(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = 1 / (1 + e^-x);  dx = dy y (1 - y)"""
    (y,) = node.outputs
    return [op.Mul(dy, op.Mul(y, op.Sub(1.0, y)))]


@gradient("Tanh")
def tanh(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = tanh x;  dx = dy (1 - y^2)"""
    (y,) = node.outputs
    return [op.Mul(dy, op.Sub(1.0, op.Mul(y, y)))]


@gradient("Softplus")
def softplus(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = log(1 + e^x);  dx = dy sigmoid x"""
    return [op.Mul(dy, op.Sigmoid(node.inputs[0]))]


@gradient("Softsign")
def softsign(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x / (1 + |x|);  dx = dy / (1 + |x|)^2, from x: where |y| rounds to 1 nothing is left of 1 - |y|"""
    scale = op.Add(op.Abs(node.inputs[0]), 1.0)
    return [op.Div(op.Div(dy, scale), scale)]


@gradient("Elu")
def elu(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x if x >= 0 else a (e^x - 1);  dx = dy (1 if x >= 0 else y + a)"""
    (y,) = node.outputs
    alpha = attribute(node, "alpha", 1.0)
    slope = op.Where(op.Less(node.inputs[0], 0.0), op.Add(y, alpha), op.constant(1.0, y.dtype))
    return [op.Mul(dy, slope)]


@gradient("Selu")
def selu(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = g x if x >= 0 else g a (e^x - 1);  dx = dy (g if x >= 0 else y + g a)"""
    (y,) = node.outputs
    alpha, gamma = (
        attribute(node, "alpha", 1.67326319217681884765625),
        attribute(node, "gamma", 1.05070102214813232421875),
    )
    slope = op.Where(op.Less(node.inputs[0], 0.0), op.Add(y, gamma * alpha), op.constant(gamma, y.dtype))
    return [op.Mul(dy, slope)]


@gradient("HardSigmoid")
def hard_sigmoid(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = clip(a x + b, 0, 1);  dx = dy a [0 < y < 1]"""
    (y,) = node.outputs
    inside = op.And(op.Greater(y, 0.0), op.Less(y, 1.0))
    return [op.Mul(dy, op.Mul(op.cast(inside, dy.dtype), attribute(node, "alpha", 0.2)))]


@gradient("HardSwish")
def hard_swish(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x h, h = clip(x / 6 + 1/2, 0, 1);  dx = dy (h + x / 6 [0 < h < 1])"""
    (x,) = node.inputs
    h = op.HardSigmoid(x, alpha=1 / 6, beta=0.5)
    inside = op.cast(op.And(op.Greater(h, 0.0), op.Less(h, 1.0)), dy.dtype)
    return [op.Mul(dy, op.Add(h, op.Mul(op.Mul(x, 1 / 6), inside)))]


@gradient("Softmax", since=13)
def softmax(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = softmax(x);  dx = y (dy - sum(dy y)), 0 where a row is masked whole and y is NaN"""
    (y,) = node.outputs
    y = op.Where(op.IsNaN(y), op.constant(0.0, y.dtype), y)
    mean = op.reduce("ReduceSum", op.Mul(dy, y), attribute(node, "axis", -1), True)
    return [op.Mul(y, op.Sub(dy, mean))]


@gradient("LogSoftmax", since=13)
def log_softmax(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = log softmax(x);  dx = dy - e^y sum(dy)"""
    total = op.reduce("ReduceSum", dy, attribute(node, "axis", -1), True)
    return [op.Sub(dy, op.Mul(op.Exp(node.outputs[0]), total))]


@gradient("Gelu")
def gelu(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x P(x), P the normal distribution function or its tanh approximation;  dx = dy (P + x dP/dx)"""
    (x,) = node.inputs
    if attribute(node, "approximate", "none") == "tanh":
        c = math.sqrt(2 / math.pi)
        t = op.Tanh(op.Mul(op.Mul(x, c), op.Add(op.Mul(op.Mul(x, x), 0.044715), 1.0)))
        slope = op.Mul(op.Sub(1.0, op.Mul(t, t)), op.Mul(op.Add(op.Mul(op.Mul(x, x), 3 * 0.044715), 1.0), c))
        return [op.Mul(dy, op.Mul(op.Add(op.Add(t, 1.0), op.Mul(x, slope)), 0.5))]
    p = op.Mul(op.Add(op.Erf(op.Mul(x, math.sqrt(0.5))), 1.0), 0.5)
    density = op.Mul(op.Exp(op.Mul(op.Mul(x, x), -0.5)), 1 / math.sqrt(2 * math.pi))
    return [op.Mul(dy, op.Add(p, op.Mul(x, density)))]


@gradient("Mish")
def mish(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x t, t = tanh(log(1 + e^x));  dx = dy (t + x (1 - t^2) sigmoid x)"""
    (x,) = node.inputs
    t = op.Tanh(op.Softplus(x))
    return [op.Mul(dy, op.Add(t, op.Mul(op.Mul(x, op.Sub(1.0, op.Mul(t, t))), op.Sigmoid(x))))]


@gradient("ThresholdedRelu")
def thresholded_relu(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x if x > a else 0;  dx = dy [x > a]"""
    return [op.Mul(dy, op.cast(op.Greater(node.inputs[0], attribute(node, "alpha", 1.0)), dy.dtype))]


@gradient("Shrink")
def shrink(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x + b if x < -l, x - b if x > l, else 0;  dx = dy [|x| > l]"""
    return [op.Mul(dy, op.cast(op.Greater(op.Abs(node.inputs[0]), attribute(node, "lambd", 0.5)), dy.dtype))]

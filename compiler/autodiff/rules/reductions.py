"""Reductions, at opset 18 and later, where axes are an input: a constant, or computed at run time."""

from __future__ import annotations

from netc.compiler.autodiff.registry import Cotangents, GraphNode, attribute, gradient
from netc.compiler.graph.dimensions import product
from netc.compiler.graph.emitter import Emitter, Value


def _axes(op: Emitter, node: GraphNode) -> list[int] | None:
    """The reduced axes, counted from the front; None where they are known only at run time."""
    x, axes = (*node.inputs, None)[:2]
    if not op.has_type(x):
        return None
    rank = len(op.shape(x))
    if axes is None or (op.has_type(axes) and op.shape(axes) == (0,)):
        return [] if attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
    return None if op.known(axes) is None else [a % rank for a in op.integers(axes)]


def _spread(op: Emitter, node: GraphNode, value: Value) -> Value:
    """A reduced tensor with the reduced axes back as axes of size 1, so that it broadcasts over the input."""
    if attribute(node, "keepdims", 1) == 1:  # as ONNX Runtime reads it
        return value
    axes = _axes(op, node)
    if axes is None:
        return op.Reshape(value, op.Shape(_reduced(op, node, "ReduceSum", node.inputs[0])))
    if not axes or len(axes) == len(op.shape(node.inputs[0])):
        return value  # a scalar broadcasts as it is
    return op.Unsqueeze(value, op.vector(axes))


def _reduced(op: Emitter, node: GraphNode, operator: str, value: Value) -> Value:
    """Another reduction over the node's own axes, which are kept with size 1."""
    axes = _axes(op, node)
    if axes is not None:
        return op.reduce(operator, value, axes, True) if axes else value
    empty = attribute(node, "noop_with_empty_axes", 0)
    made: Value = op.node(operator, [value, *node.inputs[1:]], {"keepdims": 1, "noop_with_empty_axes": empty})
    return made


def _expanded(op: Emitter, node: GraphNode, value: Value) -> Value:
    return op.Expand(_spread(op, node, value), op.sizes(node.inputs[0]))


@gradient("ReduceSum")
def reduce_sum(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = sum x;  dx = dy, repeated"""
    return [_expanded(op, node, dy)]


@gradient("ReduceMean")
def reduce_mean(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = mean of n x;  dx = dy / n, repeated"""
    x, axes = node.inputs[0], _axes(op, node)
    count = op.Div(op.count(x), op.count(dy)) if axes is None else op.dimension(product(op.shape(x)[a] for a in axes))
    return [_expanded(op, node, op.Div(dy, op.cast(count, dy.dtype)))]


@gradient("ReduceSumSquare")
def reduce_sum_square(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = sum x^2;  dx = 2 x dy"""
    return [op.Mul(op.Mul(_spread(op, node, dy), 2.0), node.inputs[0])]


@gradient("ReduceL1")
def reduce_l1(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = sum |x|;  dx = dy sign x"""
    return [op.Mul(_spread(op, node, dy), op.Sign(node.inputs[0]))]


@gradient("ReduceL2")
def reduce_l2(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = sqrt(sum x^2);  dx = dy x / y, 0 where y = 0"""
    (y,) = node.outputs
    safe = op.Where(op.Greater(y, 0.0), y, op.constant(1.0, y.dtype))
    return [op.Mul(_spread(op, node, op.Div(dy, safe)), node.inputs[0])]


@gradient("ReduceLogSum")
def reduce_log_sum(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = log(sum x);  dx = dy e^-y, repeated"""
    return [_expanded(op, node, op.Mul(dy, op.Exp(op.Neg(node.outputs[0]))))]


@gradient("ReduceLogSumExp")
def reduce_log_sum_exp(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = log(sum e^x);  dx = dy e^(x - y)"""
    y = _spread(op, node, node.outputs[0])
    return [op.Mul(_spread(op, node, dy), op.Exp(op.Sub(node.inputs[0], y)))]


@gradient("ReduceMax")
@gradient("ReduceMin")
def reduce_extreme(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = max x;  dx = dy [x = y] / (how many are equal to y)"""
    x = node.inputs[0]
    winners = op.cast(op.Equal(x, _spread(op, node, node.outputs[0])), dy.dtype)
    count = op.Max(_reduced(op, node, "ReduceSum", winners), op.constant(1.0, dy.dtype))  # none where y is NaN
    share = op.Div(_spread(op, node, dy), count)
    return [op.Mul(winners, share)]


@gradient("ReduceProd")
def reduce_prod(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = prod x;  dx_i = dy prod of the others: y / x_i, or, where one x is zero, the product of the rest for that one"""
    x = node.inputs[0]
    is_zero = op.Equal(x, 0.0)
    zero = op.cast(is_zero, x.dtype)
    filled = op.Where(is_zero, op.constant(1.0, x.dtype), x)
    rest = _reduced(op, node, "ReduceProd", filled)  # the product of what is not zero
    others = op.Sub(_reduced(op, node, "ReduceSum", zero), zero)  # zeros among the other elements
    alone = op.cast(op.Equal(others, 0.0), x.dtype)
    return [op.Mul(_spread(op, node, dy), op.Mul(alone, op.Div(rest, filled)))]

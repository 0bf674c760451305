"""Operators that select or write by an index tensor. An element that is selected twice receives the sum."""

from __future__ import annotations

from collections.abc import Callable

from netc.compiler.autodiff.provenance import placed, positions, summed_as
from netc.compiler.autodiff.registry import Cotangents, GraphNode, attribute, gradient, lowered
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.types import I64, INT64, TensorType


@gradient("GatherElements")
def gather_elements(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y[..., i, ...] = x[..., index[i], ...];  dx = zeros with dy added at the same places"""
    x, index = node.inputs
    axis = attribute(node, "axis", 0) % len(op.shape(x))
    one_each = op.shape(index)[axis] == 1  # then no place is written twice, and no reduction is needed
    if one_each:
        return [op.ScatterElements(op.zeros_like(x), index, dy, axis=axis), None]
    zeros, updates = (op.cast(v, summed_as(dy)) for v in (op.zeros_like(x), dy))
    return [op.cast(op.ScatterElements(zeros, index, updates, axis=axis, reduction="add"), dy.dtype), None]


@gradient("Gather")
def gather(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x taken at indices along an axis;  dx = zeros with each slice of dy added at its index"""
    x, indices = node.inputs
    rank, axis = len(op.shape(x)), attribute(node, "axis", 0) % len(op.shape(x))
    count = len(op.shape(indices))
    moved = [*range(axis, axis + count), *range(axis), *range(axis + count, rank - 1 + count)]
    updates = op.cast(op.Transpose(dy, perm=moved) if axis else dy, summed_as(dy))
    order = [axis, *(i for i in range(rank) if i != axis)]
    shape = tuple(op.shape(x)[i] for i in order)
    zeros = op.cast(op.zeros_like(x), summed_as(dy))
    start = op.Transpose(zeros, perm=order) if axis else zeros
    at = op.Unsqueeze(op.cast(indices, INT64), op.vector([-1]))
    added = op.ScatterND(start, at, updates, reduction="add", type=op.type_of(start).with_shape(shape))
    back = [order.index(i) for i in range(rank)]
    return [op.cast(op.Transpose(added, perm=back) if axis else added, dy.dtype), None]


@gradient("GatherND")
def gather_nd(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x taken at index tuples;  dx = zeros with dy added at the same places"""
    x, indices = node.inputs
    at = op.GatherND(positions(op, x), indices, batch_dims=attribute(node, "batch_dims", 0))
    return [placed(op, x, at, dy, unique=False), None]


@gradient("Compress")
def compress(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = the slices of x where a condition holds;  dx = zeros with dy at the same places"""
    x, condition = node.inputs
    at = op.Compress(positions(op, x), condition, axis=attribute(node, "axis"))
    return [placed(op, x, at, dy, unique=True), None]


@lowered("Unique")
def unique(op: Emitter, node: GraphNode) -> list[Value]:
    """y = x read at the first place of each value; how many there are is taken as given"""
    x, axis = node.inputs[0], attribute(node, "axis")
    if len(node.outputs) < 2:
        op.more_outputs(node, TensorType(I64, (op.lost(),)))
    if axis is None:
        return [op.Gather(op.Reshape(x, op.vector([-1])), node.outputs[1], axis=0)]
    return [op.Gather(x, node.outputs[1], axis=axis)]


@gradient("TopK")
def top_k(op: Emitter, node: GraphNode, dvalues: Value | None, _: Value | None) -> Cotangents:
    """(values, indices) = the k largest of x;  dx = zeros with dvalues at the indices (of equals, at the one chosen)"""
    if dvalues is None:
        return [None, None]
    x = node.inputs[0]
    axis = attribute(node, "axis", -1) % len(op.shape(x))
    return [op.ScatterElements(op.zeros_like(x), node.outputs[1], dvalues, axis=axis), None]


@gradient("ScatterElements")
def scatter_elements(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x with updates written, added, multiplied in, or compared at an index; see `_scattered`"""
    index, axis = node.inputs[1], attribute(node, "axis", 0) % len(op.shape(node.inputs[0]))

    def read(x: Value) -> Value:
        """What lies at the places; in a row of elements a plain Gather does"""
        if len(op.shape(node.inputs[0])) == 1:
            return op.Gather(x, index, axis=0)
        return op.GatherElements(x, index, axis=axis)

    def write(x: Value, updates: Value, how: str | None) -> Value:
        return op.ScatterElements(x, index, updates, axis=axis, reduction=how)

    return _scattered(op, node, dy, read, write)


@gradient("ScatterND")
def scatter_nd(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x with slices written, added, multiplied in, or compared at index tuples; see `_scattered`"""
    index = node.inputs[1]

    def write(x: Value, updates: Value, how: str | None) -> Value:
        return op.ScatterND(x, index, updates, reduction=how)

    return _scattered(op, node, dy, lambda x: op.GatherND(x, index), write)


Read = Callable[[Value], Value]
Write = Callable[[Value, Value, str | None], Value]


def _scattered(op: Emitter, node: GraphNode, dy: Value, read: Read, write: Write) -> Cotangents:
    """y = x with u written at places:

    none  dx = dy, 0 at the places; du = dy there
    add   dx = dy; du = dy there
    mul   dx = dy prod u, du = dy x prod of the other u, zeros included
    max   dx, du = dy where they are the result, shared by all that are
    """
    x, _, u = node.inputs
    y, how = node.outputs[0], attribute(node, "reduction", "none")
    if how == "none":
        return [write(dy, op.zeros_like(u), None), None, read(dy)]
    if how == "add":
        return [dy, None, read(dy)]
    one, zero = op.constant(1.0, x.dtype), op.constant(0.0, x.dtype)
    if how == "mul":
        no_x, no_u = op.Equal(x, zero), op.Equal(u, zero)
        filled_x, filled_u = op.Where(no_x, one, x), op.Where(no_u, one, u)
        zero_x, zero_u = op.cast(no_x, x.dtype), op.cast(no_u, x.dtype)
        rest = write(filled_x, filled_u, "mul")  # the product of what is not zero
        zeros = write(zero_x, zero_u, "add")
        alone_x = op.cast(op.Equal(op.Sub(zeros, zero_x), zero), x.dtype)
        alone_u = op.cast(op.Equal(op.Sub(read(zeros), zero_u), zero), x.dtype)
        dx = op.Mul(dy, op.Mul(alone_x, op.Div(rest, filled_x)))
        return [dx, None, op.Mul(read(dy), op.Mul(alone_u, op.Div(read(rest), filled_u)))]
    x_wins, u_wins = op.cast(op.Equal(x, y), x.dtype), op.cast(op.Equal(u, read(y)), x.dtype)
    share = op.Div(dy, write(x_wins, u_wins, "add"))
    return [op.Mul(share, x_wins), None, op.Mul(read(share), u_wins)]


@gradient("TensorScatter")
def tensor_scatter(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = x with u written at a place of each row;  dx = dy where y is x's, du = dy at the places"""
    x, u, at = (*node.inputs, None)[:3]
    one = op.constant(1, INT64)
    kept = {n: attribute(node, n, d) for n, d in (("axis", -2), ("mode", "linear"))}
    ours, theirs = op.Neg(op.Add(positions(op, x), one)), positions(op, u)
    source = op.TensorScatter(ours, theirs, at, **kept)  # below 0: from x, else the number of an element of u
    from_u = op.Not(op.Less(source, op.constant(0, INT64)))
    zero = op.constant(0.0, dy.dtype)
    du = placed(op, u, op.Where(from_u, source, op.constant(0, INT64)), op.Where(from_u, dy, zero), unique=False)
    return [op.Where(from_u, zero, dy), du, None]


@gradient("OneHot")
def one_hot(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = on at each index, off elsewhere;  doff = sum of dy elsewhere, don = sum of dy at the indices"""
    indices, depth = node.inputs[:2]
    low, high = op.constant(0.0, dy.dtype), op.constant(1.0, dy.dtype)
    both = op.Concat(op.Unsqueeze(low, op.vector([0])), op.Unsqueeze(high, op.vector([0])), axis=0)
    hit = op.OneHot(indices, depth, both, axis=attribute(node, "axis", -1))
    on = op.ReduceSum(op.Mul(dy, hit), keepdims=0)
    off = op.Sub(op.ReduceSum(dy, keepdims=0), on)
    first = op.vector([0])
    return [None, None, op.Concat(op.Unsqueeze(off, first), op.Unsqueeze(on, first), axis=0)]


@gradient("Range")
def range_(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y_i = start + i delta;  dstart = sum dy, ddelta = sum i dy"""
    count = op.Range(op.constant(0, INT64), op.count(dy), op.constant(1, INT64))
    total = op.ReduceSum(dy, keepdims=0)
    return [total, None, op.ReduceSum(op.Mul(dy, op.cast(count, dy.dtype)), keepdims=0)]

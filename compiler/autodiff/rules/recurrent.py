"""RNN, GRU and LSTM written as a Scan over time, with all their options."""

from __future__ import annotations

from collections.abc import Callable

from netc.compiler.autodiff.registry import GraphNode, attribute, lowered
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.inference import UnknownError
from netc.compiler.graph.types import I64, INT64, TensorType

Activation = Callable[[Emitter, Value], Value]


def _activations(node: GraphNode, direction: int, defaults: list[str]) -> list[Activation]:
    """The activation functions of a direction; alpha and beta are handed out in order to those that take them."""
    count = len(defaults)
    names = [n.lower() for n in (attribute(node, "activations") or defaults * 2)]
    alphas, betas = list(attribute(node, "activation_alpha") or []), list(attribute(node, "activation_beta") or [])
    made: list[Activation] = []
    for name in names:
        known = _DEFAULTS.get(name, {})
        alpha = (alphas.pop(0) if alphas else known["alpha"]) if "alpha" in known else 0.0
        beta = (betas.pop(0) if betas else known["beta"]) if "beta" in known else 0.0
        made.append(_activation(name, alpha, beta))
    return made[direction * count : (direction + 1) * count]


_DEFAULTS: dict[str, dict[str, float]] = {
    "affine": {"alpha": 1.0, "beta": 0.0}, "leakyrelu": {"alpha": 0.01}, "thresholdedrelu": {"alpha": 1.0},
    "scaledtanh": {"alpha": 1.0, "beta": 1.0}, "hardsigmoid": {"alpha": 0.2, "beta": 0.5}, "elu": {"alpha": 1.0},
}  # fmt: skip


def _activation(name: str, alpha: float, beta: float) -> Activation:
    table: dict[str, Activation] = {
        "relu": lambda op, x: op.Relu(x),
        "tanh": lambda op, x: op.Tanh(x),
        "sigmoid": lambda op, x: op.Sigmoid(x),
        "affine": lambda op, x: op.Add(op.Mul(x, alpha), beta),
        "leakyrelu": lambda op, x: op.LeakyRelu(x, alpha=alpha),
        "thresholdedrelu": lambda op, x: op.ThresholdedRelu(x, alpha=alpha),
        "scaledtanh": lambda op, x: op.Mul(op.Tanh(op.Mul(x, beta)), alpha),
        "hardsigmoid": lambda op, x: op.HardSigmoid(x, alpha=alpha, beta=beta),
        "elu": lambda op, x: op.Elu(x, alpha=alpha),
        "softsign": lambda op, x: op.Softsign(x),
        "softplus": lambda op, x: op.Softplus(x),
    }
    if name not in table:
        raise UnknownError(f"its activation `{name}` is not known")
    return table[name]


Cell = Callable[[Emitter, Value, list[Value]], list[Value]]


def _recurrent(
    op: Emitter, node: GraphNode, gates: int, states: list[Value | None], cell: Callable[[int], Cell]
) -> list[Value]:
    """Runs a cell over time for each direction: (emitter, x W' [rows, gates H], states) -> new states, h first.

    `states` are the initial states [directions, rows, H] as given, or None. Returns Y, then the last states.
    """
    x, w, _, b, lengths = (*node.inputs, None, None)[:5]
    hidden = _hidden(op, node)
    way = attribute(node, "direction", "forward")
    batch_first = attribute(node, "layout", 0)
    if batch_first:
        x = op.Transpose(x, perm=[1, 0, 2])
        states = [None if s is None else op.Transpose(s, perm=[1, 0, 2]) for s in states]
    steps, rows = op.shape(x)[:2]
    ys, finals = [], []
    for d in range(2 if way == "bidirectional" else 1):
        backwards = way == "reverse" or d == 1
        xs = _turned(op, x, lengths) if backwards else x
        weights = op.Gather(w, op.constant(d, INT64), axis=0)
        projected = op.MatMul(xs, op.Transpose(weights, perm=[1, 0]))  # [steps, rows, gates H]
        if b is not None:
            projected = op.Add(projected, _part(op, b, d, 0, gates * hidden))
        shape = TensorType(op.type_of(x).dtype, (rows, hidden))
        starts = [
            op.Expand(op.constant(0.0, x.dtype), op.shape_tensor((rows, hidden)), type=shape)
            if s is None
            else op.stamp(op.Gather(s, op.constant(d, INT64), axis=0), shape)
            for s in states
        ]
        inner = op.nested("step")
        own = [inner.input(None, shape) for _ in starts]
        clock = inner.input(None, TensorType(I64, ())) if lengths is not None else None
        slice_ = inner.input(None, TensorType(shape.dtype, (rows, gates * hidden)))
        new = cell(d)(inner, slice_, own)
        y = new[0]
        outputs = []
        if clock is not None:
            going = inner.Unsqueeze(inner.Less(clock, op.cast(lengths, INT64)), op.vector([1]))
            new = [inner.Where(going, n, o) for n, o in zip(new, own)]
            y = inner.Where(going, y, op.constant(0.0, x.dtype))
            outputs.append(inner.Add(clock, op.constant(1, INT64)))
        results = [*new, *outputs, inner.Identity(y)]
        for r in results:
            inner.graph.outputs.append(inner.Identity(r) if r.is_graph_output() or r.producer() is None else r)
        clocks = [op.constant(0, INT64)] if clock is not None else []
        types = [shape] * len(starts) + [TensorType(I64, ())] * len(clocks)
        types.append(TensorType(shape.dtype, (steps, rows, hidden)))
        made = op.node(
            "Scan", [*starts, *clocks, projected],
            {"body": inner.graph, "num_scan_inputs": 1}, len(types), types,
        )  # fmt: skip
        y = _turned(op, made[-1], lengths) if backwards else made[-1]
        ys.append(op.Unsqueeze(y, op.vector([1])))
        finals.append([op.Unsqueeze(s, op.vector([0])) for s in made[: len(starts)]])
    y = ys[0] if len(ys) == 1 else op.Concat(*ys, axis=1)
    last = [f[0] if len(f) == 1 else op.Concat(*f, axis=0) for f in zip(*finals)]
    if batch_first:
        y = op.Transpose(y, perm=[2, 0, 1, 3])
        last = [op.Transpose(s, perm=[1, 0, 2]) for s in last]
    return [y, *last]


def _turned(op: Emitter, x: Value, lengths: Value | None) -> Value:
    """x [steps, rows, ...] with the steps of each row in reverse."""
    if lengths is None:
        return op.flip(x, 0)
    return op.ReverseSequence(x, op.cast(lengths, INT64), batch_axis=1, time_axis=0)


def _part(op: Emitter, v: Value, direction: int, start: int, count: int) -> Value:
    """Elements of a parameter [directions, n] of one direction."""
    row = op.Gather(v, op.constant(direction, INT64), axis=0)
    return op.Slice(row, op.vector([start]), op.vector([start + count]), op.vector([0]))


def _clipped(op: Emitter, node: GraphNode, x: Value) -> Value:
    limit = attribute(node, "clip")
    return x if limit is None else op.Clip(x, op.constant(-limit, x.dtype), op.constant(limit, x.dtype))


def _hidden(op: Emitter, node: GraphNode) -> int:
    found = attribute(node, "hidden_size") or op.shape(node.inputs[2])[-1]
    if not isinstance(found, int):
        raise UnknownError("its hidden size is not known")
    return found


def _recurrence(op: Emitter, node: GraphNode, direction: int) -> Value:
    """R' [H, gates H] of a direction."""
    return op.Transpose(op.Gather(node.inputs[2], op.constant(direction, INT64), axis=0), perm=[1, 0])


@lowered("RNN")
def rnn(op: Emitter, node: GraphNode) -> list[Value]:
    """h' = f(x W' + h R' + b)"""
    b, initial, n = (*node.inputs, None, None, None)[3], (*node.inputs, None, None, None)[5], _hidden(op, node)

    def cell(d: int) -> Cell:
        (f,), r = _activations(node, d, ["Tanh"]), _recurrence(op, node, d)
        rb = None if b is None else _part(op, b, d, n, n)

        def run(op: Emitter, x: Value, states: list[Value]) -> list[Value]:
            z = op.Add(x, op.MatMul(states[0], r))
            return [f(op, _clipped(op, node, z if rb is None else op.Add(z, rb)))]

        return run

    return _recurrent(op, node, 1, [initial], cell)


@lowered("GRU")
def gru(op: Emitter, node: GraphNode) -> list[Value]:
    """z = f(x Wz' + h Rz' + b), r = f(x Wr' + h Rr' + b), c = g(x Wc' + (r h) Rc' + b), h' = (1 - z) c + z h; with
    linear_before_reset c = g(x Wc' + r (h Rc' + b) + b)"""
    b, initial, n = (*node.inputs, None, None, None)[3], (*node.inputs, None, None, None)[5], _hidden(op, node)
    late = attribute(node, "linear_before_reset", 0)

    def cell(d: int) -> Cell:
        f, g = _activations(node, d, ["Sigmoid", "Tanh"])
        w = _recurrence(op, node, d)
        pieces = [op.Slice(w, op.vector([i]), op.vector([j]), op.vector([1])) for i, j in ((0, 2 * n), (2 * n, 3 * n))]
        rb = None if b is None else _part(op, b, d, 3 * n, 3 * n)

        def run(op: Emitter, x: Value, states: list[Value]) -> list[Value]:
            (h,) = states
            gates, bias = _cut(op, x, [2 * n, n]), None if rb is None else _cut(op, rb, [2 * n, n])
            zr = op.Add(gates[0], op.MatMul(h, pieces[0]))
            zr = f(op, _clipped(op, node, zr if bias is None else op.Add(zr, bias[0])))
            z, r = _cut(op, zr, [n, n])
            own = op.MatMul(h if late else op.Mul(r, h), pieces[1])
            own = own if bias is None else op.Add(own, bias[1])
            c = g(op, _clipped(op, node, op.Add(gates[1], op.Mul(r, own) if late else own)))
            return [op.Add(op.Mul(op.Sub(1.0, z), c), op.Mul(z, h))]

        return run

    return _recurrent(op, node, 3, [initial], cell)


@lowered("LSTM")
def lstm(op: Emitter, node: GraphNode) -> list[Value]:
    """i, o, f = f(x W' + h R' + b + P c), c' = f c + i g(x Wc' + h Rc' + b), h' = o h(c'); o sees the new c"""
    given = (*node.inputs, *[None] * 8)[:8]
    b, initial, memory, peep, n = given[3], given[5], given[6], given[7], _hidden(op, node)

    def cell(d: int) -> Cell:
        f, g, h = _activations(node, d, ["Sigmoid", "Tanh", "Tanh"])
        w = _recurrence(op, node, d)
        rb = None if b is None else _part(op, b, d, 4 * n, 4 * n)
        peeps = None if peep is None else [_part(op, peep, d, k * n, n) for k in range(3)]

        def run(op: Emitter, x: Value, states: list[Value]) -> list[Value]:
            old, c = states
            z = op.Add(x, op.MatMul(old, w))
            i, o, forget, new = _cut(op, z if rb is None else op.Add(z, rb), [n] * 4)
            if peeps is not None:
                i, forget = op.Add(i, op.Mul(peeps[0], c)), op.Add(forget, op.Mul(peeps[2], c))
            i = f(op, _clipped(op, node, i))
            forget = op.Sub(1.0, i) if attribute(node, "input_forget", 0) else f(op, _clipped(op, node, forget))
            c = op.Add(op.Mul(forget, c), op.Mul(i, g(op, _clipped(op, node, new))))
            o = f(op, _clipped(op, node, o if peeps is None else op.Add(o, op.Mul(peeps[1], c))))
            return [op.Mul(o, h(op, c)), c]

        return run

    return _recurrent(op, node, 4, [initial, memory], cell)


def _cut(op: Emitter, x: Value, sizes: list[int]) -> list[Value]:
    """x cut into parts along its last axis."""
    t = op.type_of(x)
    types = [t.with_shape((*t.shape[:-1], s)) for s in sizes]
    return list(op.node("Split", [x, op.vector(sizes)], {"axis": -1}, len(sizes), types))

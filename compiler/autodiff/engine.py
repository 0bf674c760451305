"""The engine: walks a graph backwards and adds the nodes of its gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import onnx_ir as ir

from netc.compiler.autodiff.expansion import by_specification
from netc.compiler.autodiff.registry import Cotangents, Entry, Needs, Outputs, lookup
from netc.compiler.graph.bodies import operands
from netc.compiler.graph.emitter import Emitter
from netc.compiler.graph.inference import UnknownError
from netc.compiler.graph.types import INT64

Operands = list[ir.Value | None]


class NoGradientError(Exception):
    """An operator on the path from the outputs to the inputs has no gradient rule, or `reason` keeps it from applying."""

    def __init__(self, node: ir.Node, reason: str = ""):
        self.node = node
        self.line = node.metadata_props.get("netc.line", "")
        place = f" ({self.line})" if self.line else ""
        self.reason = reason or "it has no gradient rule"
        super().__init__(f"the operator `{node.op_type}`{place} cannot be differentiated: {self.reason}")


def backpropagate(op: Emitter, cotangents: Mapping[ir.Value, ir.Value], wrt: Sequence[ir.Value]) -> Cotangents:
    """Adds reverse-mode nodes to `op`'s graph.

    `cotangents` gives, for each value to differentiate, a value of the same shape and dtype. The result has one
    cotangent for each of `wrt`, which are taken as independent, whatever they are computed from; None where no gradient
    reaches. Raises NoGradientError.
    """
    wanted = set(wrt)
    gathered: dict[ir.Value, list[ir.Value]] = {y: [dy] for y, dy in cotangents.items()}
    total: dict[ir.Value, ir.Value] = {}
    active = _between(op, cotangents, wanted)

    def collect(value: ir.Value) -> ir.Value | None:
        """The cotangent of a value, all its contributions added up."""
        parts = gathered.pop(value, None)
        if parts:
            with op.at(op.scope.line, name := f"grad/{value.name}"):
                added = parts[0] if len(parts) == 1 else op.Add(*parts) if len(parts) == 2 else op.Sum(*parts)
            total[value] = op.name(added, name)
        return total.get(value)

    def needed(x: ir.Value) -> bool:
        return (x in wanted or x.producer() in active) and op.is_float(x)

    for node, inputs in reversed(active.items()):
        with op.at(node.metadata_props.get("netc.line", ""), f"grad/{node.outputs[0].name}"):
            dys = [None if y in wanted else collect(y) for y in node.outputs]
            if node.metadata_props.get("netc.stop_gradient") or all(dy is None for dy in dys):
                continue
            entry = lookup(node.op_type, op.opset)
            try:
                for x, dx in zip(inputs, _pulled_back(op, node, entry, dys, needed)):
                    if x is not None and dx is not None and needed(x):
                        gathered.setdefault(x, []).append(_fitted(op, dx, x, entry is not None and entry.broadcasts))
            except UnknownError as e:
                raise NoGradientError(node, str(e)) from None
    return [collect(x) for x in wrt]


def _pulled_back(op: Emitter, node: ir.Node, entry: Entry | None, dys: Cotangents, needs: Needs) -> Cotangents:
    """The cotangents of a node's operands: by its rule, or through the operators that it stands for."""
    outputs: Outputs | None = None
    if entry is None:
        outputs = by_specification(op, node)
        if outputs is None:
            raise NoGradientError(node)
    elif entry.kind == "lowered" and entry.run is not None:
        outputs = entry.run(op, node)
    elif entry.rewrite is not None:
        outputs = entry.rewrite(op, node)
    if outputs is not None:
        inputs = [x for x in node.inputs if x is not None]
        flowing = {y: dy for y, dy in zip(outputs, dys) if y is not None and dy is not None}
        found = dict(zip(inputs, backpropagate(op, flowing, inputs)))
        return [found.pop(x, None) if x is not None else None for x in node.inputs]
    assert entry is not None
    if entry.kind == "refused":
        raise NoGradientError(node, entry.reason)
    asked = {"needs": needs} if entry.asks else {}
    return entry.run(op, node, *dys, **asked) if entry.run is not None else []


def _between(op: Emitter, targets: Iterable[ir.Value], wanted: set[ir.Value]) -> dict[ir.Node, Operands]:
    """The nodes of this graph on a path from `wanted` to `targets`, in their order, with their operands."""
    ordered: list[ir.Node] = []
    seen: dict[ir.Node, Operands] = {}
    stack: list[tuple[ir.Value | None, ir.Node | None]] = [(y, None) for y in targets]
    while stack:
        value, done = stack.pop()
        if done is not None:
            ordered.append(done)
            continue
        node = value.producer() if value is not None and value not in wanted else None
        if node is None or node in seen or node.graph is not op.graph:
            continue
        seen[node] = operands(node)
        stack.append((None, node))
        stack.extend((x, None) for x in seen[node])
    reached = set(wanted)
    active = {}
    for node in ordered:
        if not reached.isdisjoint(seen[node]):
            active[node] = seen[node]
            reached.update(node.outputs)
    return active


def _fitted(op: Emitter, dx: ir.Value, x: ir.Value, broadcasts: bool) -> ir.Value:
    """A contribution in the operand's shape: what broadcasting repeated is summed, an axis of size 1 is repeated."""
    t, primal = op.known_type(dx), op.known_type(x)
    if t is None or primal is None:
        return _summed_at_run_time(op, dx, x) if broadcasts else dx
    shape = t.shape
    if shape == primal.shape:
        return dx
    extra = len(shape) - primal.rank
    pairs = list(zip(shape[extra:], primal.shape))
    if broadcasts and any(a != b and a != 1 and b != 1 for a, b in pairs):
        return _summed_at_run_time(op, dx, x)
    summed = [*range(extra), *(i + extra for i, (a, b) in enumerate(pairs) if b == 1 and a != 1)]
    if summed:
        dx = op.reduce("ReduceSum", dx, summed, keep=len(summed) > extra)
    if len(op.shape(dx)) > primal.rank:
        dx = op.Squeeze(dx, op.vector(list(range(extra))))
    if any(a == 1 and b != 1 for a, b in zip(op.shape(dx), primal.shape)):
        return op.expand(dx, primal.shape)
    return op.stamp(dx, primal)


def _summed_at_run_time(op: Emitter, dx: ir.Value, x: ir.Value) -> ir.Value:
    """`_fitted` where the axes that were broadcast show only when the sizes are there."""
    wanted, sizes = op.sizes(x), op.sizes(op.Expand(dx, op.sizes(x)))
    missing = op.filled(op.Sub(op.sizes(sizes), op.sizes(wanted)), 1, INT64)
    repeated = op.Not(op.Equal(op.Concat(missing, wanted, axis=0), sizes))
    axes = op.Squeeze(op.NonZero(repeated), op.vector([0]))
    summed = op.ReduceSum(op.Expand(dx, wanted), axes, keepdims=1, noop_with_empty_axes=1)
    return op.like(summed, x)

"""The engine: walks a graph backwards and adds the nodes of its gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import onnx_ir as ir

from netc.compiler.autodiff.registry import Entry, lookup
from netc.compiler.emit import Emitter, UnknownError
from netc.compiler.types import TensorType


class NoGradientError(Exception):
    """An operator on the path from the outputs to the inputs has no gradient rule, or `reason` keeps it from applying."""

    def __init__(self, node: ir.Node, reason: str = ""):
        self.node = node
        self.line = node.metadata_props.get("netc.line", "")
        place = f" ({self.line})" if self.line else ""
        self.reason = reason or "it has no gradient rule"
        super().__init__(f"the operator `{node.op_type}`{place} cannot be differentiated: {self.reason}")


def backpropagate(
    op: Emitter, cotangents: Mapping[ir.Value, ir.Value], wrt: Sequence[ir.Value]
) -> list[ir.Value | None]:
    """Adds reverse-mode nodes to `op`'s graph.

    `cotangents` gives, for each value to differentiate, a value of the same shape and dtype. The result has one
    cotangent for each of `wrt`, None where no gradient reaches. Raises NoGradientError.
    """
    nodes = list(op.graph)
    wanted = set(wrt)
    active = _active(nodes, wanted)
    gathered: dict[ir.Value, list[ir.Value]] = {y: [dy] for y, dy in cotangents.items()}
    total: dict[ir.Value, ir.Value] = {}

    def collect(value: ir.Value) -> ir.Value | None:
        """The cotangent of a value, all its contributions added up."""
        parts = gathered.pop(value, None)
        if parts:
            total[value] = parts[0] if len(parts) == 1 else op.Add(*parts) if len(parts) == 2 else op.Sum(*parts)
        return total.get(value)

    for node in reversed(nodes):
        if node not in active:
            continue
        dys = [collect(y) for y in node.outputs]
        entry = _entry(op, node)
        if entry is None or entry.rule is None or all(dy is None for dy in dys):
            continue
        op.origin = node.metadata_props.get("netc.line", "")
        try:
            for x, dx in zip(node.inputs, entry.rule(op, node, *dys)):
                if x is not None and dx is not None and (x in wanted or x.producer() in active):
                    gathered.setdefault(x, []).append(_fitted(op, dx, op.type_of(x)))
        except UnknownError as e:
            raise NoGradientError(node, str(e)) from None
    op.origin = ""
    return [collect(x) for x in wrt]


def _entry(op: Emitter, node: ir.Node) -> Entry | None:
    """The rule of a node, or None where differentiation stops on request."""
    if node.metadata_props.get("netc.stop_gradient"):
        return None
    entry = lookup(node.domain, node.op_type, op.opset)
    if entry is None:
        raise NoGradientError(node)
    return entry


def _active(nodes: Iterable[ir.Node], wrt: Iterable[ir.Value]) -> set[ir.Node]:
    """The nodes that depend on `wrt`."""
    reached = set(wrt)
    active = set()
    for node in nodes:
        if any(x in reached for x in node.inputs if x is not None):
            active.add(node)
            reached.update(node.outputs)
    return active


def _fitted(op: Emitter, dx: ir.Value, primal: TensorType) -> ir.Value:
    """A contribution in the primal's shape: what broadcasting repeated is summed, what it left out is repeated."""
    shape = op.shape(dx)
    if shape == primal.shape:
        return dx
    extra = len(shape) - primal.rank
    if extra < 0:
        return op.expand(dx, primal.shape)
    summed = [i for i in range(len(shape)) if i < extra or (primal.shape[i - extra] == 1 and shape[i] != 1)]
    if summed:
        dx = op.reduce("ReduceSum", dx, summed, keep=len(summed) > extra)
    if len(op.shape(dx)) > primal.rank:
        dx = op.Squeeze(dx, op.vector(list(range(extra))))
    return op.stamp(dx, primal) if _same_extent(op.shape(dx), primal) else op.expand(dx, primal.shape)


def _same_extent(shape: tuple[object, ...], primal: TensorType) -> bool:
    """Whether no axis is still a 1 that stands for more."""
    return all(a != 1 or b == 1 for a, b in zip(shape, primal.shape))

"""Bodies of control-flow nodes, copied so that a backward node can compute them again and differentiate them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from netc.compiler.autodiff.registry import Cotangents
from netc.compiler.graph.emitter import Emitter


def copied(op: Emitter, body: ir.Graph) -> Emitter:
    """A copy of a body in an emitter nested in `op`; values of enclosing graphs stay what they are."""
    inner = op.nested(body.name or "body")
    inner.graph = body.clone(allow_outer_scope_values=True)
    inner.graph.name = f"{body.name or 'body'}_backward"
    inner.learn_sizes()
    return inner


def differentiated(
    inner: Emitter, pairs: Sequence[tuple[ir.Value, ir.Value | None]], wrt: Sequence[ir.Value]
) -> Cotangents:
    """Cotangents of `wrt` in a copied body; `pairs` are results with their cotangents, equal results add up."""
    from netc.compiler.autodiff.engine import backpropagate

    cotangents: dict[ir.Value, ir.Value] = {}
    for y, dy in pairs:
        if dy is not None:
            cotangents[y] = inner.Add(cotangents[y], dy) if y in cotangents else dy
    return backpropagate(inner, cotangents, wrt)


def finish(inner: Emitter, inputs: Sequence[ir.Value], outputs: Sequence[ir.Value]) -> ir.Graph:
    """The body with these inputs and outputs; an output that is no node's own gets an Identity."""
    graph = inner.graph
    graph.inputs.clear()
    graph.inputs.extend(inputs)
    graph.outputs.clear()
    for value in outputs:
        producer = value.producer()
        own = producer is not None and producer.graph is graph and not value.is_graph_output()
        graph.outputs.append(value if own else inner.Identity(value))
    return graph


def fresh(inner: Emitter, like: ir.Value) -> ir.Value:
    """A new value of another's type, to become an input of the body."""
    return inner.stamp(ir.Value(), inner.type_of(like))

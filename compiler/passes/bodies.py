"""Names in the bodies of control-flow nodes: each is used once in the whole model, as runtimes demand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import onnx_ir as ir


class BodyNamesPass(ir.passes.InPlacePass):
    """Renames values of bodies that share their name with a value elsewhere."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = {v.name for v in _values(model.graph)}
        changed = False
        for body in _bodies(model.graph):
            for value in _values(body):
                name = value.name or "value"
                if name in taken:
                    name = next(n for i in itertools.count(1) if (n := f"{value.name or 'value'}_{i}") not in taken)
                    value.name = name
                    changed = True
                taken.add(name)
        return ir.passes.PassResult(model, modified=changed)


def _values(graph: ir.Graph) -> Iterator[ir.Value]:
    """The values that a graph itself makes: inputs, initializers, results of its nodes."""
    yield from dict.fromkeys([*graph.inputs, *graph.initializers.values()])
    for node in graph:
        yield from node.outputs


def _bodies(graph: ir.Graph) -> Iterator[ir.Graph]:
    """Every body in a graph, bodies in bodies included."""
    for node in graph:
        for a in node.attributes.values():
            if a.type == ir.AttributeType.GRAPH:
                yield a.value
                yield from _bodies(a.value)

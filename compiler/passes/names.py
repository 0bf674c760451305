"""A name for every value, each used once in the whole model, bodies of control-flow nodes included."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import onnx_ir as ir


class NamesPass(ir.passes.InPlacePass):
    """Names what has no name and renames what shares one; inputs, outputs and initializers of the model keep theirs."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        public = dict.fromkeys([*graph.inputs, *graph.outputs, *graph.initializers.values()])
        numbers = itertools.count()
        for value in public:
            value.name = value.name or f"value_{next(numbers)}"
        taken = {v.name for v in public}
        counts: dict[str, int] = {}
        changed = False
        for value in _made(graph):
            name = value.name or "value"
            if value in public or (value.name and name not in taken):
                taken.add(name)
                continue
            while name in taken:
                counts[name] = counts.get(name, 0) + 1
                name = f"{value.name or 'value'}_{counts[name]}"
            value.name = name
            taken.add(name)
            changed = True
        return ir.passes.PassResult(model, modified=changed)


def _made(graph: ir.Graph, body: bool = False) -> Iterator[ir.Value]:
    """The values that a graph makes, and then those of its bodies."""
    if body:
        yield from dict.fromkeys([*graph.inputs, *graph.initializers.values()])
    for node in graph:
        yield from node.outputs
    for node in graph:
        for a in node.attributes.values():
            if a.type == ir.AttributeType.GRAPH:
                yield from _made(a.value, body=True)

"""A name for every value and node, each used once in the whole model, bodies of control-flow nodes included."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import onnx_ir as ir


class NamesPass(ir.passes.InPlacePass):
    """Names what has no name and renames what shares one; inputs, outputs and initializers of the model keep theirs."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        public = dict.fromkeys([*graph.inputs, *graph.outputs, *graph.initializers.values()])
        numbers = itertools.count()
        for value in public:
            value.name = value.name or f"value_{next(numbers)}"
        taken = _Names(str(v.name) for v in public)
        nodes = _Names()
        changed = False
        for made in _made(graph):
            if made in public:
                continue
            kind, names = ("node", nodes) if isinstance(made, ir.Node) else ("value", taken)
            name = names.free(made.name or kind, fresh=not made.name)
            changed |= name != made.name
            made.name = name
        return ir.passes.PassResult(model, modified=changed)


class _Names:
    """Names that are taken."""

    def __init__(self, names: Iterable[str] = ()):
        self.taken = set(names)
        self.counts: dict[str, int] = {}

    def free(self, wanted: str, fresh: bool) -> str:
        """The name itself where it is free (and not `fresh`), else with a number behind it."""
        name = wanted
        while fresh or name in self.taken:
            fresh = False
            self.counts[wanted] = self.counts.get(wanted, 0) + 1
            name = f"{wanted}_{self.counts[wanted]}"
        self.taken.add(name)
        return name


def _made(graph: ir.Graph, body: bool = False) -> Iterator[ir.Value | ir.Node]:
    """The nodes of a graph and the values that it makes, and then those of its bodies."""
    if body:
        yield from dict.fromkeys([*graph.inputs, *graph.initializers.values()])
    for node in graph:
        yield node
        yield from node.outputs
    for node in graph:
        for a in node.attributes.values():
            if a.type == ir.AttributeType.GRAPH:
                yield from _made(a.value, body=True)

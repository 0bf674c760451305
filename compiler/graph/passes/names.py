"""A name for every value and node, each used once in the whole model, bodies of control-flow nodes included."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import onnx_ir as ir

from netc.compiler.graph.bodies import bodies


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
        for made, kind in _made(graph):
            names = nodes if kind == "node" else taken
            if made in public or (made.name and names.take(made.name)):
                continue
            made.name = names.other(made.name or kind)
            changed = True
        return ir.passes.PassResult(model, modified=changed)


class _Names:
    """Names that are taken."""

    def __init__(self, names: Iterable[str] = ()):
        self.taken = set(names)
        self.counts: dict[str, int] = {}

    def take(self, name: str) -> bool:
        """Takes a name if it is free."""
        if name in self.taken:
            return False
        self.taken.add(name)
        return True

    def other(self, wanted: str) -> str:
        """A free name: the wanted one with a number behind it."""
        name = ""
        while not name or not self.take(name):
            self.counts[wanted] = self.counts.get(wanted, 0) + 1
            name = f"{wanted}_{self.counts[wanted]}"
        return name


def _made(graph: ir.Graph, body: bool = False) -> Iterator[tuple[ir.Value | ir.Node, str]]:
    """The nodes of a graph and the values that it makes, and then those of its bodies; with what each is."""
    if body:
        yield from ((v, "value") for v in dict.fromkeys([*graph.inputs, *graph.initializers.values()]))
    inner: list[ir.Graph] = []
    for node in graph:
        yield node, "node"
        for y in node.outputs:
            yield y, "value"
        inner += bodies(node)
    for each in inner:
        yield from _made(each, body=True)

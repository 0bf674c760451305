"""Nodes whose results nobody reads, and constants that only they read, are dropped."""

from __future__ import annotations

import onnx_ir as ir

from netc.compiler.graph.bodies import bodies


class UnusedPass(ir.passes.InPlacePass):
    """Goes through each graph from its end, so that what only dropped nodes read is dropped too."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        _drop_nodes(model.graph)
        for name, value in list(model.graph.initializers.items()):
            if not value.uses() and not value.is_graph_input() and not value.is_graph_output():
                del model.graph.initializers[name]
        return ir.passes.PassResult(model, modified=True)


def _drop_nodes(graph: ir.Graph) -> None:
    for node in reversed(graph):
        if not any(y.is_graph_output() or y.uses() for y in node.outputs):
            for body in bodies(node):
                for inner in reversed(body):  # so that it reads nothing from outside any more
                    for i in range(len(inner.inputs)):
                        inner.replace_input_with(i, None)
            graph.remove(node, safe=True)  # which lets go of its operands
            continue
        for body in bodies(node):
            _drop_nodes(body)

"""What the bodies of control-flow nodes take from outside."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

WITH_BODIES = {"If", "Loop", "Scan", "SequenceMap"}


def bodies(node: ir.Node) -> Iterator[ir.Graph]:
    """The graphs that are attributes of a node."""
    if node.op_type not in WITH_BODIES:
        return
    for a in node.attributes.values():
        if a.type == ir.AttributeType.GRAPH:
            yield a.value


def captured(graph: ir.Graph) -> list[ir.Value]:
    """The values of enclosing graphs that a body reads, each once, in order of use."""
    own: set[ir.Value] = {*graph.inputs, *graph.initializers.values()}
    found: dict[ir.Value, None] = {}
    for node in graph:
        for x in operands(node):
            if x is not None and x not in own:
                found[x] = None
        own.update(node.outputs)
    found.update((y, None) for y in graph.outputs if y not in own)
    return list(found)


def operands(node: ir.Node) -> list[ir.Value | None]:
    """The inputs of a node, then what its bodies capture (an input too, where they capture it): all that it depends on."""
    captures = dict.fromkeys(x for body in bodies(node) for x in captured(body))
    return [*node.inputs, *captures]

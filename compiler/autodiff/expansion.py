"""Operators as their specification spells them out: the function body that ONNX gives many operators."""

from __future__ import annotations

from typing import Any

import onnx
import onnx_ir as ir
from onnx import defs

from netc.compiler.graph.emitter import Emitter
from netc.compiler.graph.inference import type_proto
from netc.compiler.importer.replay import Replay, plain


def by_specification(op: Emitter, node: ir.Node) -> list[ir.Value | None] | None:
    """The outputs of a node computed by the function body of its operator; None where it has none."""
    schema = defs.get_schema(node.op_type, op.opset)
    function = _body(op, node, schema)
    if function is None:
        return None
    given = {n: plain(a.default_value) for n, a in schema.attributes.items() if a.default_value.name}
    given |= {n: plain(ir.to_proto(a)) for n, a in node.attributes.items()}
    values = {n: x for n, x in zip(function.input, node.inputs) if x is not None}
    Replay(attributes=given).nodes(op, function.node, values)
    return [values.get(n) for n in function.output[: len(node.outputs)]]


def has_body(operator: str, opset: int) -> bool:
    """Whether the specification gives a function body for an operator."""
    schema = defs.get_schema(operator, opset)
    return bool(schema.function_opset_versions or schema.context_dependent_function_opset_versions)


def _body(op: Emitter, node: ir.Node, schema: Any) -> onnx.FunctionProto | None:
    """The newest body that holds at the graph's opset; one that depends on the node is built for it."""
    fixed = [v for v in schema.function_opset_versions if v <= op.opset]
    built = [v for v in schema.context_dependent_function_opset_versions if v <= op.opset]
    if not fixed and not built:
        return None
    if fixed:
        content = schema.get_function_with_opset_version(max(fixed))
    else:
        proto = onnx.helper.make_node(
            node.op_type,
            ["" if x is None else f"x{i}" for i, x in enumerate(node.inputs)],
            ["" if not y.uses() and not y.is_graph_output() and i else f"y{i}" for i, y in enumerate(node.outputs)],
        )
        proto.attribute.extend(ir.to_proto(a) for a in node.attributes.values())
        types = [
            onnx.TypeProto() if x is None else type_proto(x, op.type_of(x) if op.has_type(x) else None)
            for x in node.inputs
        ]
        content = schema.get_context_dependent_function_with_opset_version(
            max(built), proto.SerializeToString(), [t.SerializeToString() for t in types]
        )
    function = onnx.FunctionProto()
    function.ParseFromString(content)
    return function if function.node else None

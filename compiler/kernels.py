"""Programs of a newer opset than usual: whether ONNX Runtime has kernels for all of it, before anything is promised."""

from __future__ import annotations

import re
from collections.abc import Iterable

import onnx

from netc.compiler.net import TypedNet
from netc.grammar.diagnostics import Label, error
from netc.grammar.source import Span


def refuse_missing(net: TypedNet, graphs: Iterable[onnx.ModelProto]) -> None:
    """Loads the graphs of a program in ONNX Runtime. Raises NetError at the operation that asks for the newest opset, and
    at the line whose operator has no kernel there."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    for model in graphs:
        try:
            ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as e:  # onnxruntime raises its own types
            found = re.search(r"Could not find an implementation for (\w+)\(\d+\) node with name '([^']*)'", str(e))
            if found is None:
                raise
            newest = max(net.applies, key=lambda a: a.operation.opset)
            raise error(
                "no-kernel", f"`onnx.{newest.operation.name}` needs opset {newest.operation.opset}, in which ONNX Runtime has "
                f"no kernel of `{found[1]}` for these dtypes", newest.span, *_place(net, model, found[2]),
                help="use f32, or leave one of the two out",
            ) from None  # fmt: skip


def _place(net: TypedNet, model: onnx.ModelProto, name: str) -> list[Label]:
    """The line of the spec that a node came from."""
    for node in model.graph.node:
        for entry in node.metadata_props:
            if node.name == name and entry.key == "netc.line":
                number = int(entry.value.rpartition(":")[2])
                start = net.source.line_starts[number - 1]
                line = net.source.line(number)
                indent = len(line) - len(line.lstrip())
                return [Label(Span(net.source, start + indent, start + len(line)), f"`{node.op_type}` comes from here")]
    return []

"""What a graph costs: operations and bytes, read off its nodes for given sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netc.compiler.graph.dimensions import Dim, Shape, evaluate, parse, product
from netc.compiler.graph.types import ONNX_DTYPES

if TYPE_CHECKING:
    import onnx  # by far the slowest import, which checking a spec does not need

FREE = {
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Shape", "Constant", "ConstantOfShape", "Transpose",
    "Concat", "Slice", "Split", "Expand", "Gather", "GatherElements", "Range",
}  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """`flops` counts two for a multiply-add; `bytes` is the sum of all values that nodes make, as if none were freed."""

    nodes: int
    flops: int
    bytes: int


def graph_cost(model: onnx.ModelProto, sizes: Mapping[str, int]) -> Cost:
    """The cost of running a graph once with the given sizes of its symbolic dimensions."""
    shapes: dict[str, tuple[list[int], int]] = {}
    graph = model.graph
    for value in (*graph.input, *graph.value_info, *graph.output):
        t = value.type.tensor_type
        dims = [d.dim_value if d.HasField("dim_value") else _size(d.dim_param, sizes) for d in t.shape.dim]
        shapes[value.name] = dims, ONNX_DTYPES[t.elem_type].bytes
    for tensor in graph.initializer:
        shapes[tensor.name] = list(tensor.dims), ONNX_DTYPES[tensor.data_type].bytes
    flops = total = 0
    for node in graph.node:
        for name in node.output:
            dims, width = shapes.get(name, ([], 4))
            total += math.prod(dims) * width
        flops += _flops(node, shapes)
    return Cost(len(graph.node), flops, total)


def _size(name: str, sizes: Mapping[str, int]) -> int:
    try:
        return evaluate(parse(name), dict(sizes))
    except KeyError:
        return 1


def _flops(node: onnx.NodeProto, shapes: Mapping[str, tuple[list[int], int]]) -> int:
    inputs = [tuple(shapes.get(n, ([], 4))[0]) for n in node.input]
    transposed = any(a.name == "transA" and a.i for a in node.attribute)
    found = operations(node.op_type, inputs, tuple(shapes.get(node.output[0], ([], 4))[0]), transposed)
    assert isinstance(found, int)
    return found


def operations(operator: str, inputs: Sequence[Shape], output: Shape, transposed: bool = False) -> Dim:
    """Floating-point operations of one operator: two for each multiply-add, one for each element that is reduced, none for
    elements that only move, else one for each element of the result."""
    if operator in FREE:
        return 0
    if operator in ("MatMul", "Gemm"):
        return product((2, *output, inputs[0][-2 if transposed else -1]))
    if operator in ("Conv", "ConvTranspose"):
        return product((2, *inputs[1][1:], *(output if operator == "Conv" else inputs[0])))
    if operator.startswith(("Reduce", "ArgM")) or operator in ("Softmax", "LogSoftmax"):
        return product(inputs[0])
    return product(output)

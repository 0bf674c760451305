"""What a graph costs: operations and bytes, read off its nodes for given sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netc.compiler.graph.dimensions import Dim, Shape, evaluate, multiply, parse, product
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


def matmul(result: Shape, inner: Dim) -> Dim:
    """Operations of a matrix product: a multiplication and an addition for each element and each step of the sum."""
    return multiply(2, multiply(product(result), inner))


def _size(name: str, sizes: Mapping[str, int]) -> int:
    try:
        return evaluate(parse(name), dict(sizes))
    except KeyError:
        return 1


def _flops(node: onnx.NodeProto, shapes: Mapping[str, tuple[list[int], int]]) -> int:
    out = math.prod(shapes.get(node.output[0], ([], 4))[0])
    if node.op_type in ("MatMul", "Gemm"):
        dims = shapes[node.input[0]][0]
        transposed = any(a.name == "transA" and a.i for a in node.attribute)
        return evaluate(matmul((out,), dims[-2] if transposed else dims[-1]), {})
    if node.op_type in ("Conv", "ConvTranspose"):
        weights = math.prod(shapes[node.input[1]][0][1:])
        return 2 * weights * (out if node.op_type == "Conv" else math.prod(shapes[node.input[0]][0]))
    if node.op_type.startswith(("Reduce", "ArgM")) or node.op_type in ("Softmax", "LogSoftmax"):
        return math.prod(shapes.get(node.input[0], ([], 4))[0])
    return 0 if node.op_type in FREE else out

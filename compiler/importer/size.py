"""How large a model is once its functions are written out: known before anything is written out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import onnx
from onnx import AttributeProto

from netc.compiler.graph.folding import GROWING
from netc.compiler.importer.tensors import clean
from netc.grammar.diagnostics import error

MAX_NODES = 200_000  # with each node counted once for every body that it stands in
MAX_VECTOR, MAX_STATIC = 1 << 16, 1 << 22  # elements, of one axis and of several
MAX_FUNCTION_DEPTH = 50  # calls of functions within one another
Key = tuple[str, str, str]


def check_nodes(model: onnx.ModelProto) -> None:
    """Refuses a model that has too many nodes, or functions that call themselves. Raises NetError."""
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    sizes: dict[Key, int] = {}
    open: list[Key] = []

    def counted(given: Iterable[onnx.NodeProto], depth: int) -> int:
        total = 0
        for node in given:
            called = node.domain, node.op_type, node.overload
            total += depth * (written_out(called) if called in functions else 1)
            for a in node.attribute:
                for graph in (*([a.g] if a.HasField("g") else ()), *a.graphs):
                    total += counted(graph.node, depth + 1)
        return total

    def written_out(key: Key) -> int:
        if key in open:
            raise error("invalid-model", f"the function `{key[1]}` of the model calls itself")
        if key not in sizes:
            if len(open) >= MAX_FUNCTION_DEPTH:
                raise error("too-large", f"functions of the model call one another more than {MAX_FUNCTION_DEPTH} deep")
            open.append(key)
            sizes[key] = counted(functions[key].node, 1)
            open.pop()
            _bounded(sizes[key], f"the function `{key[1]}` of the model, written out,")
        return sizes[key]

    _bounded(counted(model.graph.node, 1), "the model, its functions written out,")


def check_dimensions(model: onnx.ModelProto) -> None:
    """Refuses a model that declares a negative dimension. Raises NetError."""
    bodies = [
        g for n in nodes(model.graph) for a in n.attribute for g in (*([a.g] if a.HasField("g") else ()), *a.graphs)
    ]
    for graph in (model.graph, *bodies):
        for value in (*graph.input, *graph.output, *graph.value_info):
            for d in value.type.tensor_type.shape.dim:
                if d.dim_value < 0:
                    name = clean(value.name)
                    raise error("invalid-model", f"`{name}` of the model has a dimension of {d.dim_value}")


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node, those of subgraphs included."""
    for node in graph.node:
        yield node
        for a in node.attribute:
            if a.type == AttributeProto.GRAPH:
                yield from nodes(a.g)
            for g in a.graphs:
                yield from nodes(g)


def inferred(model: onnx.ModelProto) -> onnx.GraphProto:
    """The graph with the types that inference tells. What vectors of sizes hold is followed too, unless a vector may be so
    long that writing its entries down, one by one, would not end."""
    plain = onnx.shape_inference.infer_shapes(model).graph
    if any(n.op_type in GROWING for n in nodes(model.graph)) or any(map(_long, (*plain.input, *plain.value_info))):
        return plain
    return onnx.shape_inference.infer_shapes(model, data_prop=True).graph


def _long(value: onnx.ValueInfoProto) -> bool:
    dims = value.type.tensor_type.shape.dim
    if not all(d.HasField("dim_value") for d in dims):
        return False
    count: int = math.prod(d.dim_value for d in dims)
    return count > (MAX_VECTOR if len(dims) == 1 else MAX_STATIC)


def _bounded(count: int, what: str) -> None:
    if count > MAX_NODES:
        shown = f"{count:,}" if count < 10**15 else "more than 10^15"
        message = f"{what} has {shown} nodes, those in bodies counted for each level; at most {MAX_NODES:,} are read"
        raise error("too-large", message)

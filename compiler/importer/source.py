"""A model that was read. Its weights lie beside its graph: a protobuf message of 2 GiB or more cannot be serialised, and
smaller ones would be copied by every check, conversion and inference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import onnx
import onnx_ir as ir
from onnx import TensorProto, helper

from netc.compiler.graph.inference import tensor_proto
from netc.compiler.graph.types import TensorType

LARGE = 4096  # bytes; what inference and conversion read (shapes, axes, scales) is smaller


@dataclass(frozen=True)
class ModelSource:
    """A checked model: `proto` has inputs in place of the large initializers, which are `weights`; `inputs` and
    `initializers` name those that the model itself has."""

    proto: onnx.ModelProto
    weights: dict[str, TensorProto]
    inputs: tuple[str, ...]
    order: tuple[str, ...]

    @property
    def opset(self) -> int:
        return next(int(o.version) for o in self.proto.opset_import if o.domain in ("", "ai.onnx"))

    @cached_property
    def initializers(self) -> dict[str, TensorProto]:
        """All initializers by name, in the model's order."""
        found = {t.name: t for t in self.proto.graph.initializer} | self.weights
        return {n: found[n] for n in dict.fromkeys((*self.order, *found)) if n in found}


def detached(model: onnx.ModelProto) -> dict[str, TensorProto]:
    """Takes the large initializers out of a model and gives it inputs of their types."""
    graph = model.graph
    taken = {t.name: t for t in graph.initializer if size_in_bytes(t) > LARGE}
    kept = [t for t in graph.initializer if t.name not in taken]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    known = {i.name for i in graph.input}
    graph.input.extend(
        helper.make_tensor_value_info(n, t.data_type, list(t.dims)) for n, t in taken.items() if n not in known
    )
    return taken


def checked_proto(model: ir.Model, types: Mapping[ir.Value, TensorType]) -> onnx.ModelProto:
    """A model of ours as a message, checked whole but for the contents of its weights, of which there may be any number.

    The model is used up: its weights and its inner values' `types`, which are many but few different, are written apart.
    """
    graph = model.graph
    contents = [(v, v.const_value) for v in graph.initializers.values()]
    weights = [(v, content) for v, content in contents if content is not None and content.nbytes > LARGE]
    given = len(graph.inputs)
    for value, _ in weights:
        del graph.initializers[str(value.name)]
        if not value.is_graph_input():
            graph.inputs.append(value)
    inner = [(y, types[y]) for node in graph for y in node.outputs if y in types and not y.is_graph_output()]
    told = {*graph.inputs, *graph.outputs}
    for value in (*(y for y, _ in inner), *(v for v in graph.initializers.values() if v not in told)):
        value.type = value.shape = None
    result = ir.to_proto(model)
    assert isinstance(result, onnx.ModelProto)
    for value, t in inner:
        info = result.graph.value_info.add()
        info.name = str(value.name)
        info.type.CopyFrom(tensor_proto(t))
    onnx.checker.check_model(result, full_check=True)
    del result.graph.input[given:]
    for value, content in weights:
        stored = result.graph.initializer.add()
        ir.serde.serialize_tensor_into(stored, content)
        stored.name = str(value.name)
    return result


def size_in_bytes(tensor: TensorProto) -> int:
    """What the content of a tensor takes; 0 for text, and for numbers that share bytes."""
    try:
        dtype = ir.DataType(tensor.data_type)
        return int(math.prod(tensor.dims) * dtype.itemsize) if dtype.bitwidth >= 8 else 0
    except (ValueError, TypeError):
        return 0

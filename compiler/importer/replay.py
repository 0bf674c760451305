"""Building a graph anew from protobuf nodes: types are inferred, constants folded, equal nodes shared on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import AttributeProto, TensorProto, numpy_helper

from netc.compiler.graph.emitter import VARIABLE, Emitter
from netc.compiler.graph.inference import UnknownError
from netc.compiler.graph.types import ONNX_DTYPES, TensorType
from netc.compiler.importer.control import input_types, keeps_shapes, loose, result_types
from netc.compiler.importer.sequences import Sequences
from netc.compiler.importer.size import inferred
from netc.compiler.importer.source import ModelSource

Values = dict[str, ir.Value]


@dataclass
class Replay:
    """How nodes are read: `hints` are types that the model declares, `attributes` those of the function being expanded."""

    hints: Mapping[str, onnx.TypeProto] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    named: bool = False
    seen: set[ir.Value] = field(default_factory=set)  # values that have their name
    sequences: Sequences = field(default_factory=Sequences)
    changing: dict[int, onnx.GraphProto] = field(
        default_factory=dict
    )  # bodies of loops whose states change their shapes
    training: Callable[..., Sequence[ir.Value]] | None = None  # writes out the operators of ai.onnx.preview.training

    def nodes(self, op: Emitter, nodes: Iterable[onnx.NodeProto], values: Values) -> None:
        """Emits nodes in their order; `values` gains their results by name."""
        for node in nodes:
            self.node(op, node, values)

    def node(self, op: Emitter, node: onnx.NodeProto, values: Values) -> None:
        inputs = [values.get(n) if n else None for n in node.input]
        attributes = self._attributes(op, node, inputs, values)
        made = self._constant(op, node, attributes, values) or self._chosen_branch(op, node, inputs, values)
        if made is None and node.domain == "ai.onnx.preview.training":
            made = self.training(op, node, inputs, attributes, values) if self.training else None
        if made is None:
            made = self.sequences.read(op, node.op_type, inputs, attributes)
        if made is None:
            made = self._emitted(op, node, inputs, attributes)
            self.sequences.made(op, node.op_type, inputs, attributes, made[0])
        for name, value in zip(node.output, made):
            if not name:
                continue
            values[name] = value
            if self.named and value not in self.seen:
                self.seen.add(value)
                value.name = name
            if name in self.hints and not op.has_type(value):
                op.stamp_proto(value, self.hints[name])

    def _emitted(
        self, op: Emitter, node: onnx.NodeProto, inputs: Sequence[ir.Value | None], attributes: Mapping[str, Any]
    ) -> tuple[ir.Value, ...]:
        """The node itself. Where its schema cannot say the types, the model's own declarations do."""
        if node.op_type in result_types:
            types = result_types[node.op_type](op, inputs, attributes)
            made = op.node(node.op_type, inputs, attributes, len(node.output), types)
        else:
            try:
                made = op.node(node.op_type, inputs, attributes, len(node.output))
            except UnknownError:
                types = [self.hints.get(n) for n in node.output]
                if any(t is None for t in types):
                    raise
                made = op.node(node.op_type, inputs, attributes, len(node.output), types)
        results = made if isinstance(made, tuple) else (made,)
        producer = results[0].producer()
        if self.named and producer is not None and node.name and results[0] not in self.seen:
            producer.name = node.name
        return results

    def _constant(self, op: Emitter, node: onnx.NodeProto, attributes: Mapping[str, Any], values: Values) -> Any:
        """A Constant of numbers becomes one of the graph's constants."""
        if node.op_type == "Identity":  # the emitter keeps every Identity; one of a constant says nothing
            source = values.get(node.input[0])
            return (source,) if source is not None and op.known(source) is not None else None
        if node.op_type != "Constant":
            return None
        ((name, content),) = attributes.items()
        if name in ("value_float", "value_floats"):
            array = np.array(content.value if isinstance(content, ir.Attr) else content, dtype=np.float32)
        elif name in ("value_int", "value_ints"):
            array = np.array(content, dtype=np.int64)
        elif name == "value":
            array = content.value.numpy()
        else:
            return None
        return (op.tensor(array),) if array.dtype.name in {d.numpy for d in ONNX_DTYPES.values()} else None

    def _chosen_branch(
        self, op: Emitter, node: onnx.NodeProto, inputs: Sequence[ir.Value | None], values: Values
    ) -> Any:
        """The branch that an If on a constant takes, in place of the If."""
        if node.op_type != "If" or inputs[0] is None or (known := op.known(inputs[0])) is None:
            return None
        name = "then_branch" if bool(known.item()) else "else_branch"
        body = next(a.g for a in node.attribute if a.name == name)
        inner = {**values, **self._initializers(op, body)}
        self.nodes(op, body.node, inner)
        return tuple(inner[o.name] for o in body.output)

    def _initializers(self, op: Emitter, graph: onnx.GraphProto) -> Values:
        return {t.name: op.tensor(numpy_helper.to_array(t)) for t in graph.initializer}

    def _attributes(
        self, op: Emitter, node: onnx.NodeProto, inputs: Sequence[ir.Value | None], values: Values
    ) -> dict[str, Any]:
        """The node's attributes; references to a function's are resolved, bodies built."""
        made: dict[str, Any] = {}
        for a in node.attribute:
            if a.ref_attr_name:
                if a.ref_attr_name in self.attributes:
                    found = self.attributes[a.ref_attr_name]
                    made[a.name] = ir.Attr(a.name, found.type, found.value) if isinstance(found, ir.Attr) else found
            elif a.type == AttributeProto.GRAPH:
                given = input_types(op, node, inputs)
                loosened = self.changing.get(id(a.g)) is a.g  # built anew once, not once for every loop around it
                if not loosened:
                    made[a.name] = self.body(op, a.g, values, given)
                if loosened or (node.op_type == "Loop" and not keeps_shapes(op, made[a.name])):
                    self.changing[id(a.g)] = a.g
                    made[a.name] = self.body(op, a.g, values, [loose(op, t) for t in given])
            else:
                made[a.name] = plain(a)
        return made

    def body(
        self, op: Emitter, graph: onnx.GraphProto, outer: Values, given: Sequence[TensorType | None] = ()
    ) -> ir.Graph:
        """The body of a control-flow node; `given` are the types of its inputs as far as the node's inputs tell them."""
        inner = op.nested(graph.name)
        values = {**outer, **self._initializers(op, graph)}
        for i, value in enumerate(graph.input):
            values[value.name] = self.input(inner, value, given[i] if i < len(given) else None)
        self.nodes(inner, graph.node, values)
        for value in graph.output:
            result = values[value.name]
            producer = result.producer()
            if producer is None or producer.graph is not inner.graph or result.is_graph_output():
                result = inner.Identity(result)
            if not inner.has_type(result):
                inner.stamp_proto(result, value.type)
            inner.graph.outputs.append(result)
        return inner.graph

    def input(self, op: Emitter, declared: onnx.ValueInfoProto, given: TensorType | None = None) -> ir.Value:
        """An input of a graph, with its declared type, or the given one where none is declared."""
        value = ir.Value(name=declared.name if self.named else None)
        op.stamp_proto(value, declared.type)
        if given is not None and not op.has_type(value):
            op.stamp(value, given)
        return op.declare(value)


def rebuilt(
    source: ModelSource, variables: Iterable[str] = (), training: Callable[..., Any] | None = None
) -> tuple[Emitter, Values]:
    """The graph of a model in an emitter, and its values by name.

    `variables` are initializers that stay what they are: not folded, nor taken for constants. Raises UnknownError.
    """
    model = source.proto
    op = Emitter(model.graph.name or "graph", source.opset)
    graph = inferred(model)
    op.reserve(dimension_names(graph))
    replay = Replay({v.name: v.type for v in (*graph.value_info, *graph.output)}, named=True, training=training)
    values: Values = {}
    for declared in graph.input:
        if declared.name in source.inputs:
            values[declared.name] = replay.input(op, declared)
            replay.seen.add(values[declared.name])
    # before IR 4 every initializer had to be an input too; whole numbers among them are shapes and axes, not data
    tensors = source.initializers.items()
    fixed = {n for n, t in tensors if model.ir_version < 4 and t.data_type in (TensorProto.INT32, TensorProto.INT64)}
    changing = {*variables, *values} - fixed
    for name, tensor in tensors:
        value = values.get(name) or ir.Value(name=name)
        value.const_value = ir.from_proto(tensor)
        if name not in values:
            op.stamp_numbers(value, tensor.data_type, tuple(tensor.dims))
        op.graph.register_initializer(value)
        if name in changing:
            value.meta[VARIABLE] = True
        elif not tensor.dims or tensor.data_type == TensorProto.INT64:  # numbers, axes and shapes, as rules use them
            op.adopt(value)
        values[name] = value
        replay.seen.add(value)
    replay.nodes(op, graph.node, values)
    for declared in graph.output:
        op.output(declared.name, values[declared.name])
        values[declared.name] = op.graph.outputs[-1]
    return op, values


def dimension_names(graph: onnx.GraphProto) -> Iterator[str]:
    """The names that dimensions have in a graph and in its bodies."""
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield from (d.dim_param for d in value.type.tensor_type.shape.dim)
    for node in graph.node:
        for a in node.attribute:
            if a.type == AttributeProto.GRAPH:
                yield from dimension_names(a.g)


def plain(attribute: onnx.AttributeProto) -> Any:
    """An attribute's value where it is a number, a text or a list of them, else the attribute."""
    read = _READ.get(attribute.type)
    return ir.from_proto(attribute) if read is None else read(attribute)


_READ: dict[int, Callable[[Any], Any]] = {
    AttributeProto.INT: lambda a: a.i,
    AttributeProto.FLOAT: lambda a: a.f,
    AttributeProto.STRING: lambda a: a.s.decode(),
    AttributeProto.INTS: lambda a: list(a.ints),
    AttributeProto.STRINGS: lambda a: [s.decode() for s in a.strings],
}

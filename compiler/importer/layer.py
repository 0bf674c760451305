"""An ONNX model as a layer of a spec: its weights are parameters, its outputs and inner values can be chosen by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

from netc.compiler.graph.cost import graph_cost
from netc.compiler.graph.dimensions import Dim, multiply
from netc.compiler.graph.emitter import Emitter
from netc.compiler.graph.inference import IR_VERSION, UnknownError
from netc.compiler.graph.passes import finish
from netc.compiler.graph.types import SPEC_DTYPES, TensorType
from netc.compiler.importer.opset import raised
from netc.compiler.importer.replay import Replay, dimension_names
from netc.compiler.importer.size import inferred
from netc.compiler.importer.source import ModelSource
from netc.compiler.language.lowering import Context, Lowered, Random, Value
from netc.compiler.language.operations import Operation, Settings
from netc.compiler.language.refusal import Refused
from netc.compiler.language.variables import Initializer, Variable


@dataclass(frozen=True, eq=False)
class Stored(Initializer):
    """The value that an imported model has for a weight."""

    value: np.ndarray

    def emit(self, op: Emitter, random: Random, bits: Value | None, shape: tuple[int, ...], dtype: int) -> Value:
        return op.tensor(self.value)

    def __str__(self) -> str:
        return "stored"


@dataclass(frozen=True)
class StoredWeight:
    """A floating-point initializer: `part` is its name below the import's. Running statistics and single numbers stay
    as they are; everything else is trained unless a rule freezes it."""

    part: str
    type: TensorType
    fixed: bool


@dataclass
class ImportedModel(Operation):
    """One output (or inner value) of a model; the setting `output` says which."""

    source: ModelSource = field(default_factory=lambda: ModelSource(onnx.ModelProto(), {}, (), ()))
    converted: dict[int, onnx.ModelProto] = field(default_factory=dict)
    inferred: dict[Any, TensorType] = field(default_factory=dict)
    costs: dict[Any, int] = field(default_factory=dict)

    @property
    def opset(self) -> int:
        return self.source.opset

    @property
    def nodes(self) -> int:
        return max(1, len(self.model.graph.node))

    @property
    def model(self) -> onnx.ModelProto:
        """The graph, with inputs for the large weights."""
        return self.source.proto

    @cached_property
    def weights(self) -> dict[str, StoredWeight]:
        """The weights by the initializer's name."""
        statistics = {n.input[i] for n in self.model.graph.node if n.op_type == "BatchNormalization" for i in (3, 4)}
        found: dict[str, StoredWeight] = {}
        taken: set[str] = set()
        for name, tensor in self.source.initializers.items():
            dtype = SPEC_DTYPES.get(tensor.data_type)
            if dtype is None or not dtype.is_float:
                continue
            part = identifier(name, dots=True)
            while part in taken:
                part += "_"
            taken.add(part)
            fixed = name in statistics or not tensor.dims
            found[name] = StoredWeight(part, TensorType(dtype, tuple(tensor.dims)), fixed)
        return found

    def variable(self, weight: str) -> Variable:
        """A weight as a parameter of the net, with the value that the model has for it."""
        known = self.weights[weight]
        content = numpy_helper.to_array(self.source.initializers[weight])
        return Variable(known.type, Stored(content), trained=not known.fixed)

    @cached_property
    def inputs(self) -> list[onnx.ValueInfoProto]:
        """The inputs that have no initializer."""
        own = set(self.source.inputs) - set(self.source.initializers)
        return [i for i in self.model.graph.input if i.name in own]

    @cached_property
    def input_names(self) -> list[str]:
        """Their names in a spec."""
        return [identifier(i.name) for i in self.inputs]

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The model's outputs: the name in a spec, and the model's own."""
        return _named(o.name for o in self.model.graph.output)

    @cached_property
    def values(self) -> dict[str, str]:
        """Everything that can be chosen: outputs, then inner values, by the name in a spec."""
        return {**_named(o for n in self.model.graph.node for o in n.output if o), **self.outputs}

    def needed(self, output: str) -> list[str]:
        """The weights that a value of the model depends on, in the model's order."""
        _, read = _leading_to(self.model.graph, output)
        return [w for w in self.weights if w in read]

    def infer(self, inputs: Sequence[TensorType], settings: Settings) -> tuple[TensorType, ...]:
        key = (tuple(inputs), settings["output"])
        if key not in self.inferred:
            bound = self._fit(inputs)
            op = Emitter("types", self.source.opset)
            given = [op.input(None, t) for t in inputs]
            weights = {w: op.input(None, weight.type) for w, weight in self.weights.items()}
            try:
                value = self._replayed(op, given, weights, settings["output"], self.model)
                found = op.type_of(value)
            except UnknownError as e:
                raise Refused("shape-mismatch", f"`{self.name}` does not fit these tensors: {e}") from None
            self.inferred[key] = self._settled(found, settings["output"], bound)
            op.output("output", value)
            loaded = ir.Model(op.graph, ir_version=IR_VERSION)
            finish(loaded)
            self.costs[key] = graph_cost(ir.to_proto(loaded), {}).flops
        return (self.inferred[key],)

    def flops(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType], settings: Settings) -> Dim:
        """Operations for a batch: those of one row, times the rows."""
        self.infer(inputs, settings)
        count = self.costs[tuple(inputs), settings["output"]]
        return multiply(inputs[0].shape[0], count) if inputs[0].shape else count

    def _fit(self, inputs: Sequence[TensorType]) -> dict[str, Dim]:
        """The model's symbolic sizes for these inputs. Raises Refused."""
        bound: dict[str, Dim] = {}
        for declared, given in zip(self.inputs, inputs):
            t = declared.type.tensor_type
            dims = [d.dim_value if d.HasField("dim_value") else d.dim_param for d in t.shape.dim]
            known = SPEC_DTYPES.get(t.elem_type)
            if known is None:
                raise Refused(
                    "dtype", f"`{self.name}` reads `{declared.name}`, which is of no type that a spec has", "x"
                )
            shown = f"{known}[{', '.join(str(d or '?') for d in dims)}]"
            if given.dtype.onnx != t.elem_type:
                raise Refused("dtype", f"`{self.name}` reads `{declared.name}` as `{shown}`, this is `{given}`", "x")
            if not t.HasField("shape"):
                continue
            if len(dims) != given.rank or any(isinstance(d, int) and d != g for d, g in zip(dims, given.shape)):
                fixed = bool(dims) and isinstance(dims[0], int) and given.rank > 0 and dims[0] != given.shape[0]
                help = "export the model with a batch axis of any size" if fixed else ""
                if len(dims) == given.rank and isinstance(dims[-1], int) and not fixed:
                    help = f"give it as many features: `{{0}} -> Dense({dims[-1]})`"
                raise Refused(
                    "shape-mismatch", f"`{self.name}` reads `{declared.name}` as `{shown}`, this is `{given}`", "x",
                    help=help,
                )  # fmt: skip
            bound.update((d, g) for d, g in zip(dims, given.shape) if isinstance(d, str) and d)
        return bound

    def _settled(self, found: TensorType, output: str, bound: Mapping[str, Dim]) -> TensorType:
        """A type in the sizes of the spec; what inference lost is taken from what the model declares."""
        declared = next((v for v in (*self.model.graph.output, *self.model.graph.value_info) if v.name == output), None)
        dims: list[Dim] = []
        for i, d in enumerate(found.shape):
            if not isinstance(d, int) and any(s.startswith("unknown_") for s in d.symbols):
                said = declared.type.tensor_type.shape.dim[i] if declared is not None else None
                name = said.dim_param if said is not None else ""
                if said is not None and said.HasField("dim_value"):
                    d = said.dim_value
                elif name in bound:
                    d = bound[name]
                else:
                    raise Refused(
                        "shape-mismatch", f"axis {i} of `{output}` of `{self.name}` has a size that is not known"
                    )
            dims.append(d)
        return found.with_shape(tuple(dims))

    def lower(
        self, op: Emitter, inputs: Sequence[Value], settings: Settings, variables: Mapping[str, Value], context: Context
    ) -> Lowered:
        """The model's nodes, as far as the chosen value needs them."""
        weights = {w: variables[weight.part] for w, weight in self.weights.items() if weight.part in variables}
        return Lowered((self._replayed(op, inputs, weights, settings["output"], self._at(op.opset)),))

    def _at(self, opset: int) -> onnx.ModelProto:
        """The model at the opset of the program."""
        if opset == self.source.opset:
            return self.model
        if opset not in self.converted:
            self.converted[opset] = raised(self.model, self.source.opset, opset, self.source.weights)
        return self.converted[opset]

    def _replayed(
        self, op: Emitter, inputs: Sequence[Any], weights: Mapping[str, Any], output: str, model: onnx.ModelProto
    ) -> Any:
        typed = onnx.ModelProto()
        typed.CopyFrom(model)
        given = dict(zip((i.name for i in self.inputs), inputs))
        for declared in typed.graph.input:
            if declared.name in given:
                t = op.type_of(given[declared.name])
                dims = [d if isinstance(d, int) else str(d) for d in t.shape]
                declared.type.CopyFrom(helper.make_tensor_type_proto(t.dtype.onnx, dims))
        for value in typed.graph.output:
            value.type.tensor_type.ClearField("shape")
        del typed.graph.value_info[:]
        graph = inferred(typed)
        op.reserve(dimension_names(graph))
        replay = Replay({v.name: v.type for v in (*graph.value_info, *graph.output) if _sizes_known(v)})
        values = {**given, **weights}
        inside = {t.name: t for t in model.graph.initializer}  # those that a conversion made are not the source's
        for name, tensor in {**self.source.initializers, **inside}.items():
            if name not in values and name not in self.weights:
                values[name] = op.tensor(numpy_helper.to_array(tensor))
        nodes, _ = _leading_to(model.graph, output)
        replay.nodes(op, nodes, values)
        return values[output]


def identifier(name: str, dots: bool = False) -> str:
    """A name of a model as a spec can write it: `/features/relu/Relu_output_0` becomes `features_relu_Relu_output_0`."""
    allowed = r"[^A-Za-z0-9_.]+" if dots else r"[^A-Za-z0-9_]+"
    made = re.sub(allowed, "_", name).strip("_.") or "value"
    return made if dots or not made[0].isdigit() else f"_{made}"


def _named(names: Any) -> dict[str, str]:
    """The model's names by their names in a spec; the first keeps a name that several would have."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(identifier(name), name)
    return found


def _leading_to(graph: onnx.GraphProto, output: str) -> tuple[list[onnx.NodeProto], set[str]]:
    """The nodes that a value is computed by, in their order, and every name that they read."""
    read, nodes = {output}, []
    for node in reversed(graph.node):
        if read.intersection(node.output):
            nodes.append(node)
            read.update(_reads(node))
    return nodes[::-1], read


def _reads(node: onnx.NodeProto) -> list[str]:
    """Names that a node reads, those that its bodies read included."""
    found = [n for n in node.input if n]
    for a in node.attribute:
        for graph in (*([a.g] if a.HasField("g") else ()), *a.graphs):
            for inner in graph.node:
                found += _reads(inner)
    return found


def _sizes_known(value: onnx.ValueInfoProto) -> bool:
    t = value.type.tensor_type
    return t.HasField("shape") and all(d.HasField("dim_value") or _is_size(d.dim_param) for d in t.shape.dim)


def _is_size(name: str) -> bool:
    return bool(name) and not name.startswith("unk__")

"""`onnx.Erf(x)`: any operator of the standard, its attributes checked against the ONNX schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

from netc.compiler.graph.dimensions import Dim, parse
from netc.compiler.graph.types import BASE_OPSET, SPEC_DTYPES, TensorType
from netc.compiler.language.lowering import Context, Emitter, Lowered, Value
from netc.compiler.language.operations import Operation, Settings
from netc.compiler.language.refusal import Refused
from netc.grammar.diagnostics import did_you_mean, error
from netc.grammar.source import Span

NEWEST_OPSET = 26  # the newest that current runtimes load


@dataclass
class OnnxOperation(Operation):
    """One ONNX operator; `first` is the lowest opset from 18 on that has it."""

    first: int = BASE_OPSET
    constants: dict[int, tuple[int, ...]] = field(default_factory=dict)  # lists of whole numbers given as inputs

    def infer(self, inputs: Sequence[TensorType], settings: Settings) -> tuple[TensorType, ...]:
        import onnx
        from onnx import helper, shape_inference

        schema = _schema(self.name, self.opset)
        attributes = {n: self.attribute(schema, n, v) for n, v in settings.items()}
        for name, spec in schema.attributes.items():
            if spec.required and name not in attributes:
                raise Refused("missing-argument", f"`onnx.{self.name}` needs its attribute `{name}`")
        if not schema.min_input <= len(inputs) <= schema.max_input:
            count = f"{schema.min_input}" if schema.min_input == schema.max_input else f"{schema.min_input} or more"
            raise Refused("missing-argument", f"`onnx.{self.name}` takes {count} tensors, got {len(inputs)}")
        names = [f"x{i}" for i in range(len(inputs))]
        outputs = [f"y{i}" for i in range(schema.min_output)]
        node = helper.make_node(self.name, names, outputs, **attributes)
        types = {
            n: helper.make_tensor_type_proto(t.dtype.onnx, [d if isinstance(d, int) else str(d) for d in t.shape])
            for n, t in zip(names, inputs)
        }
        data = {f"x{i}": helper.make_tensor(f"x{i}", 7, [len(v)], list(v)) for i, v in self.constants.items()}
        try:
            found = shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10
            )
        except (onnx.shape_inference.InferenceError, RuntimeError, ValueError) as e:
            reason = str(e).strip().splitlines()[-1].rpartition("] ")[2]
            raise Refused("shape-mismatch", f"`onnx.{self.name}` refuses these tensors: {reason}") from None
        return tuple(self.output(found.get(o)) for o in outputs)

    def output(self, proto: Any) -> TensorType:
        if proto is None or not proto.tensor_type.HasField("shape"):
            raise Refused("shape-mismatch", f"the shape of `onnx.{self.name}` cannot be inferred here")
        dtype = SPEC_DTYPES.get(proto.tensor_type.elem_type)
        if dtype is None:
            raise Refused("dtype", f"`onnx.{self.name}` gives a dtype that specs do not have")
        dims: list[Dim] = []
        for d in proto.tensor_type.shape.dim:
            if not d.HasField("dim_value") and not d.dim_param:
                raise Refused("shape-mismatch", f"the shape of `onnx.{self.name}` cannot be inferred here")
            dims.append(d.dim_value if d.HasField("dim_value") else parse(d.dim_param))
        return TensorType(dtype, tuple(dims))

    @property
    def opset(self) -> int:
        return self.first

    def has_attribute(self, name: str) -> bool:
        """Whether the operator has an attribute of this name."""
        return name in _schema(self.name, self.opset).attributes

    def attribute(self, schema: Any, name: str, value: Any) -> Any:
        """A spec's value as the attribute's type. Raises Refused."""
        if name not in schema.attributes:
            raise Refused(
                "unknown-argument", f"`onnx.{self.name}` has no attribute `{name}`", name,
                did_you_mean(name, schema.attributes, "its attributes are " + ", ".join(f"`{a}`" for a in schema.attributes)),
            )  # fmt: skip
        kind = str(schema.attributes[name].type).rpartition(".")[2]
        items = value if isinstance(value, tuple) else (value,)
        match kind:
            case "INT" | "INTS":
                if not all(isinstance(v, (int, bool)) for v in items):
                    raise Refused("argument", f"attribute `{name}` of `onnx.{self.name}` is a whole number", name)
                return [int(v) for v in items] if kind == "INTS" else int(value)
            case "FLOAT" | "FLOATS":
                if not all(isinstance(v, (int, float, Fraction)) for v in items):
                    raise Refused("argument", f"attribute `{name}` of `onnx.{self.name}` is a number", name)
                return [float(v) for v in items] if kind == "FLOATS" else float(value)
            case "STRING" | "STRINGS":
                if not all(isinstance(v, str) for v in items):
                    raise Refused("argument", f"attribute `{name}` of `onnx.{self.name}` is a string", name)
                return list(items) if kind == "STRINGS" else value
            case _:
                raise Refused("argument", f"attribute `{name}` of `onnx.{self.name}` cannot be written in a spec", name)

    def lower(
        self, op: Emitter, inputs: Sequence[Value], settings: Settings, variables: Mapping[str, Value], context: Context
    ) -> Lowered:
        schema = _schema(self.name, self.opset)
        attributes = {n: self.attribute(schema, n, v) for n, v in settings.items()}
        made = op.node(self.name, list(inputs), attributes, schema.min_output)
        return Lowered(made if isinstance(made, tuple) else (made,))

    @property
    def multiple(self) -> bool:
        return bool(_schema(self.name, self.opset).min_output > 1)


@cache
def _schema(name: str, opset: int) -> Any:
    from onnx import defs

    return defs.get_schema(name, opset)


@cache
def _operators() -> dict[str, int]:
    """Every operator of the standard domain, with the opset that a program needs for it."""
    from onnx import defs

    found: dict[str, int] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "" and not schema.deprecated:
            first = max(BASE_OPSET, schema.since_version)
            found[schema.name] = min(found.get(schema.name, first), first)
    return {n: o for n, o in found.items() if o <= NEWEST_OPSET and not defs.get_schema(n, o).deprecated}


def onnx_operation(name: str, span: Span) -> OnnxOperation:
    """The operator `onnx.<name>`. Raises NetError when the standard has none."""
    known = _operators()
    if name not in known:
        raise error(
            "undefined-name", f"the ONNX standard has no operator `{name}`", span,
            help=did_you_mean(name, known, "operator names are those of the ONNX specification, such as `Erf`"),
        )  # fmt: skip
    return OnnxOperation(name, "onnx", first=known[name])

"""`onnx.Erf(x)`: any operator of the standard, its attributes checked against the ONNX schema, its operands by a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any, TypeVar

from netc.compiler.graph.dimensions import Dim, parse
from netc.compiler.graph.types import BASE_OPSET, I64, SPEC_DTYPES, DType, TensorType, array_of
from netc.compiler.language.lowering import Context, Emitter, Lowered, Value
from netc.compiler.language.operations import Operation, Settings
from netc.compiler.language.refusal import Refused
from netc.grammar.diagnostics import did_you_mean, error
from netc.grammar.source import Span

T = TypeVar("T")
MAX_OUTPUTS = 1024
NEWEST_OPSET = 26  # the newest that current runtimes load
Literal = int | float | bool | Fraction | tuple[Any, ...]


@dataclass
class OnnxOperation(Operation):
    """One ONNX operator; `first` is the lowest opset from 18 on that has it."""

    differentiable: bool | None = None
    first: int = BASE_OPSET
    constants: dict[int, Literal] = field(default_factory=dict)  # inputs that are written as numbers, by position
    left_out: frozenset[int] = frozenset()  # the positions of optional inputs that are not given

    def placed(self, given: Sequence[T]) -> list[T | None]:
        """What is given for the inputs, each in its place, with None for those that are left out."""
        rest = iter(given)
        return [None if i in self.left_out else next(rest) for i in range(len(given) + len(self.left_out))]

    def infer(self, inputs: Sequence[TensorType], settings: Settings) -> tuple[TensorType, ...]:
        import onnx_ir as ir

        from netc.compiler.graph.attributes import attribute
        from netc.compiler.graph.inference import UnknownError, infer_by_schema, quick, resized, tensor_proto
        from netc.compiler.language import trial

        schema = _schema(self.name, self.opset)
        attributes = {n: self.attribute(schema, n, v) for n, v in settings.items()}
        for name, spec in schema.attributes.items():
            if spec.required and name not in attributes:
                raise Refused(
                    "missing-argument",
                    f"`onnx.{self.name}` needs its attribute `{name}`",
                    None,
                    f"write `{name} = ...`",
                )
        placed = self.placed(inputs)
        names = f"its tensors are {', '.join(f'`{i.name}`' for i in schema.inputs)}"
        if not schema.min_input <= len(placed) <= schema.max_input:
            count = f"{schema.min_input}" if schema.min_input == schema.max_input else f"{schema.min_input} or more"
            raise Refused(
                "missing-argument", f"`onnx.{self.name}` takes {count} tensors, got {len(placed)}", None, names
            )
        for i in sorted(self.left_out):
            slot = schema.inputs[min(i, len(schema.inputs) - 1)]
            if slot.option != schema.FormalParameterOption.Optional:
                message = f"`{slot.name}` of `onnx.{self.name}` is not optional, so that `none` cannot stand for it"
                raise Refused("missing-argument", message, None, names)
        if trial.draws(self.name, placed):
            raise Refused(
                "random-operator", f"`onnx.{self.name}` draws numbers of its own, which no run could repeat",
                help="`dropout(x)` draws by the seed of the run",
            )  # fmt: skip
        made = [attribute(n, v) for n, v in attributes.items()]
        node = ir.Node("", self.name, [], made, num_outputs=self.outputs(settings))
        data = [self.written(i, t) for i, t in enumerate(placed)]
        try:
            known = [None if t is None else tensor_proto(t) for t in placed]
            found = infer_by_schema(node, known, data, self.opset)
        except UnknownError as e:
            reason = str(e).partition(": ")[2]
            raise Refused("shape-mismatch", f"`onnx.{self.name}` refuses these tensors: {reason}", None,
                          f"the ONNX specification of `{self.name}` says what it takes") from None  # fmt: skip
        if not found[0].tensor_type.HasField("shape"):  # schemas lose some that are plain
            plain = quick(self.name, placed, attributes)
            found = found if plain is None else [tensor_proto(plain), *found[1:]]
        if self.name == "Resize" and len(data) > 2 and data[2] is not None and "axes" not in attributes:
            shape = resized(inputs[0].shape, data[2].ravel().tolist())  # the schema loses symbolic dimensions
            found = found if shape is None else [tensor_proto(inputs[0].with_shape(shape))]
        types = tuple(self.output(proto) for proto in found)
        operands = [None if t is None else (t, array) for t, array in zip(placed, data)]
        trial.Trial(self.name, self.opset, made, operands, types).run()
        return types

    def written(self, position: int, t: TensorType | None) -> Any:
        """The array that an input written as numbers stands for; None for a tensor."""
        value = self.constants.get(position)
        return None if value is None or t is None else array_of(value, t.dtype)

    def dtype_of(self, position: int, first: DType, own: DType | None = None) -> DType:
        """The dtype of numbers written as an input: that of the first tensor where it has the same type, else `own` where the
        operator takes that, else that of the first tensor or int64."""
        schema = _schema(self.name, self.opset)
        slot = schema.inputs[min(position, len(schema.inputs) - 1)] if schema.inputs else None
        if slot is None or slot.type_str == schema.inputs[0].type_str:
            return first
        kinds = {d.numpy: d for d in SPEC_DTYPES.values() if _TYPE_NAMES[d.name] in slot.types}
        if own is not None and (own in kinds.values() or not kinds):
            return own
        if first in kinds.values() and not {*kinds.values()} <= {SPEC_DTYPES[6], I64}:
            return first
        return I64 if I64 in kinds.values() or not kinds else next(iter(kinds.values()))

    def output(self, proto: Any) -> TensorType:
        if not proto.tensor_type.HasField("shape"):
            raise Refused("shape-mismatch", f"the shape of `onnx.{self.name}` cannot be inferred here", None, _WRITTEN)
        dtype = SPEC_DTYPES.get(proto.tensor_type.elem_type)
        if dtype is None:
            raise Refused("dtype", f"`onnx.{self.name}` gives a dtype that specs do not have")
        dims: list[Dim] = []
        for d in proto.tensor_type.shape.dim:
            if not d.HasField("dim_value") and not d.dim_param:
                raise Refused(
                    "shape-mismatch", f"the shape of `onnx.{self.name}` cannot be inferred here", None, _WRITTEN
                )
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
                did_you_mean(name, schema.attributes, _signature(schema)),
            )  # fmt: skip
        kind = str(schema.attributes[name].type).rpartition(".")[2]
        items = value if isinstance(value, tuple) else (value,)
        several = kind.endswith("S")
        wanted = _ATTRIBUTES.get(kind.removesuffix("S"))
        if wanted is None:
            raise Refused("argument", f"attribute `{name}` of `onnx.{self.name}` cannot be written in a spec", name)
        types, what, make, example = wanted
        if not all(isinstance(v, types) for v in items) or (isinstance(value, tuple) and not several):
            listed = f"a list of which each entry is {what}" if several else what
            shown = f"write `{name} = [{example}, {example}]`" if several else f"write `{name} = {example}`"
            raise Refused("argument", f"attribute `{name}` of `onnx.{self.name}` is {listed}", name, shown)
        try:
            made = [make(v) for v in items]
        except OverflowError:
            raise Refused("argument", f"attribute `{name}` of `onnx.{self.name}` is too large", name) from None
        if any(isinstance(v, int) and not -(2**63) <= v < 2**63 for v in made):
            raise Refused("argument", f"attribute `{name}` of `onnx.{self.name}` is too large", name)
        return made if several else made[0]

    def lower(
        self, op: Emitter, inputs: Sequence[Value], settings: Settings, variables: Mapping[str, Value], context: Context
    ) -> Lowered:
        schema = _schema(self.name, self.opset)
        attributes = {n: self.attribute(schema, n, v) for n, v in settings.items()}
        made = op.node(self.name, self.placed(inputs), attributes, self.outputs(settings))
        return Lowered(made if isinstance(made, tuple) else (made,))

    def outputs(self, settings: Settings) -> int:
        """How many outputs a call has: those that are not optional, all where every one is, or as many as it asks for."""
        schema = _schema(self.name, self.opset)
        fewest = int(schema.min_output or schema.max_output)
        asked = settings.get("num_outputs")
        return asked if isinstance(asked, int) and fewest <= asked <= MAX_OUTPUTS else fewest

    @property
    def multiple(self) -> bool:
        return "num_outputs" in _schema(self.name, self.opset).attributes or self.outputs({}) > 1


def _signature(schema: Any) -> str:
    """What an operator takes, in a few words."""
    tensors = f"its tensors are given by their place: {', '.join(f'`{i.name}`' for i in schema.inputs)}"
    attributes = ", ".join(f"`{a}`" for a in schema.attributes)
    return f"its attributes are {attributes}; {tensors}" if attributes else tensors


_WRITTEN = "what a shape depends on is written in brackets, such as `[1, 1, 2, 2]`"
_ATTRIBUTES: dict[str, tuple[Any, str, Any, str]] = {
    "INT": ((int, bool), "a whole number", int, "1"),
    "FLOAT": ((int, float, Fraction), "a number", float, "0.1"),
    "STRING": (str, "a string", str, '"text"'),
}
_TYPE_NAMES = {
    d.name: f"tensor({ {'float32': 'float', 'float64': 'double'}.get(d.numpy, d.numpy) })" for d in SPEC_DTYPES.values()
}


@cache
def _schema(name: str, opset: int) -> Any:
    from onnx import defs

    return defs.get_schema(name, opset)


@cache
def operators() -> dict[str, int]:
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
    known = operators()
    if name not in known:
        raise error(
            "undefined-name", f"the ONNX standard has no operator `{name}`", span,
            help=did_you_mean(name, known, "operator names are those of the ONNX specification, such as `Erf`"),
        )  # fmt: skip
    return OnnxOperation(name, "onnx", first=known[name])

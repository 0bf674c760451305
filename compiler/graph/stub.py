"""Writes operators.pyi from ONNX's schemas: `python -m netc.compiler.graph.stub`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onnx import defs

OLDEST, NEWEST = 18, 26  # opsets that graphs are built at
HEAD = '''"""The operators of ONNX, typed. Written by `python -m netc.compiler.graph.stub`; not to be edited."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, overload

import numpy as np
import onnx_ir as ir

from netc.compiler.graph.types import TensorType

Operand = ir.Value | int | float | Fraction | np.generic
Types = TensorType | Sequence[Any] | None

class Operators:
    def node(
        self, operator: str, inputs: Sequence[Any], attributes: Mapping[str, Any], num_outputs: int = 1, type: Types = None
    ) -> Any: ...
'''
KINDS = {
    "INT": "int", "FLOAT": "float", "STRING": "str", "INTS": "Sequence[int]", "FLOATS": "Sequence[float]",
    "STRINGS": "Sequence[str]", "GRAPH": "ir.Graph", "TENSOR": "Any", "SPARSE_TENSOR": "Any", "TYPE_PROTO": "Any",
}  # fmt: skip


def stub() -> str:
    """The text of operators.pyi."""
    versions: dict[str, list[Any]] = {}
    known = [s for s in defs.get_all_schemas_with_history() if s.domain == ""]
    gone = {s.name for s in known if s.deprecated and s.since_version <= OLDEST}
    for schema in known:
        if schema.name not in gone and not schema.deprecated and schema.since_version <= NEWEST:
            versions.setdefault(schema.name, []).append(schema)
    text = HEAD
    for name, schemas in sorted(versions.items()):
        schemas.sort(key=lambda s: s.since_version)
        first = max((s.since_version for s in schemas if s.since_version <= OLDEST), default=0)
        if "type" not in schemas[-1].attributes:  # our argument; Optional alone has such an attribute
            text += _methods(name, [s for s in schemas if s.since_version >= first])
    return text


def _methods(name: str, schemas: list[Any]) -> str:
    """The method of one operator, with what any of its versions takes."""
    operands, settings = _operands(schemas), _settings(name, schemas)
    if schemas[-1].max_output == 1:
        return _method(name, [*operands, *settings, "type: Types = None"], "ir.Value")
    one = _method(name, [*operands, *settings, "type: Types = None"], "ir.Value")
    many = _method(name, [*operands, *settings, "num_outputs: int", "type: Types = None"], "tuple[ir.Value, ...]")
    return f"    @overload\n{one}    @overload\n{many}"


def _method(name: str, parameters: list[str], result: str) -> str:
    return f"    def {name}(self, {', '.join(parameters)}) -> {result}: ...\n"


def _settings(name: str, schemas: list[Any]) -> list[str]:
    """The attributes, which are named; those that every version needs have no default."""
    attributes = {a: spec for s in schemas for a, spec in s.attributes.items()}
    if name == "Split":
        del attributes["num_outputs"]  # which is an argument of every operator with several results
    found = []
    for a, spec in sorted(attributes.items()):
        kind = KINDS[str(spec.type).rpartition(".")[2]]
        needed = all(a in s.attributes and s.attributes[a].required for s in schemas)
        found.append(f"{a}: {kind}" if needed else f"{a}: {kind} | None = None")
    return found


def _operands(schemas: list[Any]) -> list[str]:
    """The tensors that an operator takes, by position, and the mark behind which names begin."""
    newest = max(schemas, key=lambda s: len(s.inputs))
    least = min(s.min_input for s in schemas)
    parts: list[str] = []
    for i, slot in enumerate(newest.inputs):
        if str(slot.option).endswith("Variadic"):
            return [*parts, *(["/"] if parts else []), "*inputs: Operand | None"]
        name = f"{slot.name.lower()}_{i}"
        parts.append(f"{name}: Operand" if i < least else f"{name}: Operand | None = None")
    return [*parts, "/", "*"] if parts else ["*"]


if __name__ == "__main__":
    Path(__file__).with_name("operators.pyi").write_text(stub(), encoding="utf-8")

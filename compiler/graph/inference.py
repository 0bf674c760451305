"""Types of results: at once for the commonest operators, by the operator's own schema for the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import onnx_ir as ir

from netc.compiler.graph.dimensions import Dim, Shape, add, multiply, product, quotient
from netc.compiler.graph.types import BOOL, ONNX_DTYPES, TensorType

IR_VERSION = 8
IR_VERSIONS = {18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13, 27: 13, 28: 14}  # that opsets need

_FIRST = {
    "Relu", "Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Neg", "Abs", "Identity", "Floor", "Ceil", "Round", "Sign", "Not",
    "Reciprocal", "Erf", "Softplus", "Softsign", "Softmax", "LogSoftmax", "Elu", "Selu", "LeakyRelu", "HardSigmoid",
    "HardSwish", "Sin", "Cos", "Clip", "ScatterElements", "PRelu", "ScatterND", "GroupNormalization",
}  # fmt: skip
_BROADCAST = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Sum", "And", "Or"}
_COMPARE = {"Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"}


class UnknownError(Exception):
    """A value's type, or the numbers that it holds, would have to be known to go on."""


def infer_by_schema(node: ir.Node, types: Sequence[Any], data: Sequence[np.ndarray | None], opset: int) -> list[Any]:
    """A TypeProto for each output, from those of the inputs (None where left out) and what is known of their contents.

    Raises UnknownError when the schema refuses the inputs.
    """
    from onnx import TypeProto, checker, defs, helper, numpy_helper, shape_inference

    proto = helper.make_node(node.op_type, [], [])
    names = ["" if t is None else f"x{i}" for i, t in enumerate(types)]
    known = {n: numpy_helper.from_array(a, n) for n, a in zip(names, data) if n and a is not None}
    given = {n: t for n, t in zip(names, types) if n}
    proto.input.extend(names)
    proto.output.extend(f"y{i}" for i in range(len(node.outputs)))
    proto.attribute.extend(ir.to_proto(a) for a in node.attributes.values())
    schema = defs.get_schema(node.op_type, opset)
    opsets = [helper.make_opsetid("", opset)]
    try:
        found = shape_inference.infer_node_outputs(
            schema, proto, given, input_data=known, opset_imports=opsets, ir_version=IR_VERSION
        )
    except (shape_inference.InferenceError, checker.ValidationError, RuntimeError, ValueError) as e:
        reason = str(e).strip().splitlines()[-1].rpartition("] ")[2].rstrip(".")
        raise UnknownError(f"the type of `{node.op_type}` of these values cannot be inferred: {reason}") from None
    return [found.get(o, TypeProto()) for o in proto.output]


def type_proto(value: ir.Value, t: TensorType | None) -> Any:
    """The TypeProto of a value: with its shape where that is known, else what is known of its type."""
    from onnx import TypeProto, helper

    if t is not None:
        return tensor_proto(t)
    if value.type is None:
        return TypeProto()
    if isinstance(value.type, ir.TensorType):
        shape = None if value.shape is None else [d if isinstance(d, int) else d.value for d in value.shape]
        return helper.make_tensor_type_proto(int(value.type.dtype), shape)
    made = TypeProto()
    ir.serde.serialize_type_into(made, value.type)
    return made


def quick(operator: str, types: Sequence[TensorType | None], attributes: Mapping[str, Any]) -> TensorType | None:
    """The result's type of the commonest operators; None leaves it to the schema."""
    first = types[0] if types else None
    if first is None:
        return None
    if operator in _FIRST:
        return first
    if any(t is None for t in types):
        return None
    if operator in _BROADCAST or operator in _COMPARE or operator == "Where":
        joined = _joined([t.shape for t in types if t is not None])
        which = types[1] if operator == "Where" else first
        return (
            None
            if joined is None or which is None
            else TensorType(BOOL if operator in _COMPARE else which.dtype, joined)
        )
    if operator == "Cast":
        found = ONNX_DTYPES.get(attributes["to"])
        return None if found is None else first.with_dtype(found)
    if operator == "Transpose":
        return first.with_shape(tuple(first.shape[i] for i in attributes.get("perm") or reversed(range(first.rank))))
    if operator == "Flatten":
        at = attributes.get("axis", 1)
        at += first.rank if at < 0 else 0
        return first.with_shape((product(first.shape[:at]), product(first.shape[at:])))
    if operator == "Concat":
        at = attributes["axis"] % first.rank
        total: Dim = 0
        for t in types:
            assert t is not None
            total = add(total, t.shape[at])
        return first.with_shape((*first.shape[:at], total, *first.shape[at + 1 :]))
    if operator in ("MatMul", "Gemm"):
        second = types[1]
        assert second is not None
        if first.rank == 2 and second.rank == 2:
            rows = first.shape[1 if attributes.get("transA") else 0]
            columns = second.shape[0 if attributes.get("transB") else 1]
            return first.with_shape((rows, columns))
        if operator == "MatMul" and first.rank > 2 and second.rank == 2:
            return first.with_shape((*first.shape[:-1], second.shape[1]))
    return None


def unsure(equation: str, types: Sequence[TensorType | None]) -> bool:
    """Whether the axes behind an ellipsis of Einsum broadcast in a way that shows at run time; the schema takes the names of
    one operand."""
    parts = []
    for term, t in zip(equation.replace(" ", "").partition("->")[0].split(","), types):
        before, dots, behind = term.partition("...")
        if dots and t is not None:
            parts.append(t.shape[len(before) : t.rank - len(behind)])
    return any(not isinstance(d, int) for p in parts for d in p) and any(p != parts[0] for p in parts)


def reshaped(shape: Shape, wanted: Sequence[int], allow_zero: bool) -> Shape | None:
    """The result of Reshape by a known vector; None where the size behind -1 cannot be told."""
    dims: list[Dim] = [shape[i] if d == 0 and not allow_zero else d for i, d in enumerate(wanted)]
    if -1 not in wanted:
        return tuple(dims)
    at = list(wanted).index(-1)
    rest = quotient(product(shape), product(dims[:at] + dims[at + 1 :]))
    return None if rest is None else (*dims[:at], rest, *dims[at + 1 :])


def resized(shape: Shape, scales: Sequence[float]) -> Shape | None:
    """The result of Resize by known scales, one for each axis; None where the size of an axis cannot be told."""
    if len(scales) != len(shape):
        return None
    dims: list[Dim] = []
    for d, scale in zip(shape, scales):
        if isinstance(d, int):
            dims.append(math.floor(d * scale))
        elif float(scale).is_integer():
            dims.append(multiply(d, int(scale)))
        else:
            return None
    return tuple(dims)


def _joined(shapes: Sequence[Shape]) -> Shape | None:
    """numpy's broadcast of shapes that are known to combine; None where two names may stand for different sizes."""
    if all(s == shapes[0] for s in shapes):
        return shapes[0]
    rank = max(map(len, shapes))
    dims: list[Dim] = []
    for axis in range(-rank, 0):
        found = {s[axis] for s in shapes if len(s) >= -axis} - {1}
        fixed = [d for d in found if isinstance(d, int)]
        if len(found) > 1 and not fixed:
            return None
        dims.append(fixed[0] if fixed else next(iter(found), 1))
    return tuple(dims)


@lru_cache(maxsize=4096)
def tensor_proto(t: TensorType) -> Any:
    """A type as a message, which is not to be changed."""
    from onnx import helper

    return helper.make_tensor_type_proto(t.dtype.onnx, [d if isinstance(d, int) else str(d) for d in t.shape])

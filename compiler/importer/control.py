"""Types around the bodies of If, Loop and Scan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx
import onnx_ir as ir

from netc.compiler.graph.emitter import Emitter
from netc.compiler.graph.types import BOOL, I64, TensorType

Inputs = Sequence[ir.Value | None]


def _type(op: Emitter, value: ir.Value | None) -> TensorType | None:
    return op.type_of(value) if value is not None and op.has_type(value) else None


def loose(op: Emitter, t: TensorType | None) -> TensorType | None:
    """A type with the same rank and unknown sizes."""
    return None if t is None else t.with_shape(tuple(op.lost() for _ in t.shape))


def input_types(op: Emitter, node: onnx.NodeProto, inputs: Inputs) -> list[TensorType | None]:
    """The types of a body's inputs, from the inputs of its node."""
    if node.op_type == "Loop":
        return [TensorType(I64, ()), TensorType(BOOL, ()), *(_type(op, x) for x in inputs[2:])]
    if node.op_type != "Scan":
        return []
    settings = {a.name: list(a.ints) for a in node.attribute if a.ints}
    slices = next(a.i for a in node.attribute if a.name == "num_scan_inputs")
    states = len(inputs) - slices
    axes = settings.get("scan_input_axes") or [0] * slices
    made = [_type(op, x) for x in inputs[:states]]
    for x, axis in zip(inputs[states:], axes):
        t = _type(op, x)
        made.append(None if t is None else t.with_shape(_without(t.shape, axis)))
    return made


def _without(shape: tuple[Any, ...], axis: int) -> tuple[Any, ...]:
    at = axis % len(shape)
    return shape[:at] + shape[at + 1 :]


def keeps_shapes(op: Emitter, body: ir.Graph) -> bool:
    """Whether each state of a Loop's body comes out as it went in."""
    return all(_type(op, a) == _type(op, b) for a, b in zip(body.inputs[2:], body.outputs[1:]))


def _declared(value: ir.Value, t: TensorType | None) -> Any:
    """A type for a result: the tensor type, or what else is known."""
    if t is not None:
        return t
    made = onnx.TypeProto()
    if value.type is not None:
        ir.serde.serialize_type_into(made, value.type)
    return made


def _of_if(op: Emitter, inputs: Inputs, attributes: Mapping[str, Any]) -> list[Any]:
    made = []
    for a, b in zip(attributes["then_branch"].outputs, attributes["else_branch"].outputs):
        s, t = _type(op, a), _type(op, b)
        if s is not None and t is not None and s.rank == t.rank:
            dims = tuple(x if x == y else op.lost() for x, y in zip(s.shape, t.shape))
            made.append(s.with_shape(dims))
        else:
            made.append(_declared(a, None))
    return made


def _of_loop(op: Emitter, inputs: Inputs, attributes: Mapping[str, Any]) -> list[Any]:
    body = attributes["body"]
    states, length = len(inputs) - 2, op.lost()
    made = []
    for i, result in enumerate(body.outputs[1:]):
        t = _type(op, result)
        if i >= states:
            made.append(_declared(result, None if t is None else t.with_shape((length, *t.shape))))
        elif t is not None and t != _type(op, inputs[2 + i]):
            made.append(loose(op, t))
        else:
            made.append(_declared(result, t))
    return made


def _of_scan(op: Emitter, inputs: Inputs, attributes: Mapping[str, Any]) -> list[Any]:
    body, slices = attributes["body"], attributes["num_scan_inputs"]
    states = len(inputs) - slices
    first = _type(op, inputs[states])
    axis = (attributes.get("scan_input_axes") or [0])[0]
    length = op.lost() if first is None else first.shape[axis]
    axes = attributes.get("scan_output_axes") or [0] * (len(body.outputs) - states)
    made = []
    for i, result in enumerate(body.outputs):
        t = _type(op, result)
        if i >= states and t is not None:
            at = axes[i - states] % (t.rank + 1)
            t = t.with_shape((*t.shape[:at], length, *t.shape[at:]))
        made.append(_declared(result, t))
    return made


result_types: dict[str, Callable[[Emitter, Inputs, Mapping[str, Any]], list[Any]]] = {
    "If": _of_if, "Loop": _of_loop, "Scan": _of_scan
}  # fmt: skip

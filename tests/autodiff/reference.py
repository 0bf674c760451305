"""An oracle for gradients: ONNX's reference evaluator in float64, and central differences along random directions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from tests.autodiff.evaluator import Arrays, evaluate

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)


# --- float64 ----------------------------------------------------------------------------------------------------------


def in_double(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with float64 wherever it says float32, but for inputs and outputs that have to stay what they are
    (scales of Resize, statistics of LayerNormalization); the model itself where its operators have no float64."""
    names = [
        v.name for v in (*model.graph.input, *model.graph.output) if v.type.tensor_type.elem_type == TensorProto.FLOAT
    ]
    for count in range(min(3, len(names))):
        for kept in itertools.combinations(names, count):
            double = onnx.ModelProto()
            double.CopyFrom(model)
            for function in double.functions:
                for node in function.node:
                    _node_in_double(node)
            _graph_in_double(double.graph, kept)
            try:
                onnx.checker.check_model(double, full_check=True)
                onnx.shape_inference.infer_shapes(double, check_type=True, strict_mode=True)
            except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, RuntimeError):
                continue
            return double
    return model


def _graph_in_double(graph: onnx.GraphProto, kept: Sequence[str] = ()) -> None:
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.name not in kept:
            _type_in_double(value.type)
    for tensor in graph.initializer:
        _tensor_in_double(tensor)
    for node in graph.node:
        _node_in_double(node)


def _type_in_double(t: onnx.TypeProto) -> None:
    if t.HasField("tensor_type") and t.tensor_type.elem_type == TensorProto.FLOAT:
        t.tensor_type.elem_type = TensorProto.DOUBLE
    if t.HasField("sequence_type"):
        _type_in_double(t.sequence_type.elem_type)
    if t.HasField("optional_type"):
        _type_in_double(t.optional_type.elem_type)


def _tensor_in_double(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


def _node_in_double(node: onnx.NodeProto) -> None:
    for a in node.attribute:
        if a.type == onnx.AttributeProto.GRAPH:
            _graph_in_double(a.g)
        elif a.type == onnx.AttributeProto.TENSOR:
            _tensor_in_double(a.t)
        elif a.name in ("to", "dtype", "output_dtype", "output_datatype") and a.i == TensorProto.FLOAT:
            a.i = TensorProto.DOUBLE
        elif a.name == "value_float":
            value = a.f
            a.Clear()
            a.CopyFrom(onnx.helper.make_attribute("value", numpy_helper.from_array(np.array(value))))
        elif a.name == "value_floats":
            values = list(a.floats)
            a.Clear()
            a.CopyFrom(onnx.helper.make_attribute("value", numpy_helper.from_array(np.array(values))))


def fitting(model: onnx.ModelProto, inputs: Sequence[Any]) -> dict[str, Any]:
    """Inputs by name, floating-point ones in the dtype that the model declares."""
    made = {}
    for declared, array in zip(model.graph.input, inputs):
        kind = declared.type.tensor_type.elem_type
        made[declared.name] = (
            array.astype(_DTYPES[kind]) if isinstance(array, np.ndarray) and kind in _DTYPES else array
        )
    return made


_DTYPES = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}


# --- differences ------------------------------------------------------------------------------------------------------


def is_float(value: onnx.ValueInfoProto) -> bool:
    return value.type.tensor_type.elem_type in FLOATS


class Unstable(Exception):
    """Central differences at two step sizes disagree: the function has a kink, a jump or noise here."""


def directional(
    model: onnx.ModelProto, inputs: Arrays, directions: Arrays, cotangents: Arrays, scale: float = 1.0
) -> float:
    """d/dh of the sum of cotangent times output, along the given directions. Raises Unstable."""

    def moved(h: float) -> dict[str, np.ndarray]:
        return evaluate(model, {n: x + h * directions[n] if n in directions else x for n, x in inputs.items()})

    def along(h: float) -> float:
        ahead, behind = moved(h), moved(-h)
        if any(
            np.shape(ahead[n]) != np.shape(behind[n]) or np.shape(ahead[n]) != np.shape(u)
            for n, u in cotangents.items()
        ):
            raise Unstable("the shape of the output changes")
        return sum(float(np.sum(u * (ahead[n] - behind[n]))) for n, u in cotangents.items()) / (2 * h)

    coarse, fine = along(1e-5), along(1e-6)
    if not math.isfinite(fine) or abs(coarse - fine) > 1e-6 * max(abs(fine), scale):
        raise Unstable(f"{coarse} at 1e-5, {fine} at 1e-6")
    return coarse


def compare(
    model: onnx.ModelProto,
    derivative: onnx.ModelProto,
    inputs: Arrays,
    wrt: Sequence[str],
    seed: int = 0,
    mark: str = "grad/",
) -> list[tuple[str, float, float]]:
    """(input, by differences, by the derivative) where they differ by more than 1e-5, relative. Raises Unstable."""
    g = np.random.default_rng(seed)
    values = evaluate(model, inputs)
    wanted = [i.name.removeprefix(mark) for i in derivative.graph.input if i.name.startswith(mark)]
    cotangents = {n: g.normal(size=np.shape(values[n])) for n in wanted}
    kinds = {i.name: onnx.helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type) for i in derivative.graph.input}
    given = {f"{mark}{n}": np.asarray(u, dtype=kinds[f"{mark}{n}"]) for n, u in cotangents.items()}
    found = evaluate(derivative, {**inputs, **given})
    for n in values:
        if isinstance(values[n], np.ndarray) and not np.allclose(
            values[n].astype(float), found[n].astype(float), rtol=1e-6, equal_nan=True
        ):
            raise AssertionError(f"the output {n} changed")
    bad, stable = [], 0
    for name in wrt:
        if inputs[name].dtype != np.float64:
            continue  # too coarse for differences
        direction = g.normal(size=np.shape(inputs[name]))
        gradient = found.get(f"{mark}{name}")
        if gradient is not None and gradient.shape != np.shape(inputs[name]):
            raise AssertionError(f"the gradient of {name} has shape {gradient.shape}, not {np.shape(inputs[name])}")
        derived = 0.0 if gradient is None else float(np.sum(gradient * direction))
        size = 1e-3 if gradient is None else float(np.sqrt(np.sum(np.square(gradient * direction))))
        try:
            expected = directional(model, inputs, {name: direction}, cotangents, max(size, 1e-3))
        except Unstable:
            continue
        stable += 1
        if not abs(expected - derived) <= 1e-5 * max(abs(expected), size, 1e-3):
            bad.append((name, expected, derived))
    if not stable:
        raise Unstable("every input")
    return bad


def compare_forward(
    model: onnx.ModelProto,
    derivative: onnx.ModelProto,
    inputs: Arrays,
    of: Sequence[str] | None = None,
    seed: int = 0,
    mark: str = "tangent/",
) -> list[tuple[str, float, float]]:
    """(output, by differences, by the derivative) where a forward derivative is wrong. Raises Unstable."""
    g = np.random.default_rng(seed)
    names = [i.name.removeprefix(mark) for i in derivative.graph.input if i.name.startswith(mark)]
    moved = [n for n in names if inputs[n].dtype == np.float64]
    directions = {n: g.normal(size=np.shape(inputs[n])) for n in moved}
    still = {f"{mark}{n}": np.zeros_like(inputs[n]) for n in names if n not in moved}
    values = evaluate(model, inputs)
    found = evaluate(derivative, {**inputs, **still, **{f"{mark}{n}": d for n, d in directions.items()}})
    bad, stable = [], 0
    for declared in model.graph.output:
        y = values[declared.name]
        asked = of is None or declared.name in of
        if not asked or not isinstance(y, np.ndarray) or y.dtype != np.float64 or not directions:
            continue
        weight = g.normal(size=y.shape)
        tangent = found.get(f"{mark}{declared.name}")
        derived = 0.0 if tangent is None else float(np.sum(tangent * weight))
        size = 1e-3 if tangent is None else float(np.sqrt(np.sum(np.square(tangent * weight))))
        try:
            expected = directional(model, inputs, directions, {declared.name: weight}, max(size, 1e-3))
        except Unstable:
            continue
        stable += 1
        if not abs(expected - derived) <= 1e-5 * max(abs(expected), size, 1e-3):
            bad.append((declared.name, expected, derived))
    if not stable:
        raise Unstable("every output")
    return bad

"""An oracle for gradients: ONNX's reference evaluator in float64, and central differences along random directions."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.reference.ops import op_grid_sample, op_resize

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)
Arrays = Mapping[str, Any]


# --- faults of the evaluator, mended ----------------------------------------------------------------------------------


class Erf(OpRun):
    """onnx's own computes in float32."""

    def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
        return (np.vectorize(math.erf, otypes=[x.dtype])(x),)


class Pad(OpRun):
    """onnx's own has no negative pads."""

    def _run(self, data, pads, constant_value=None, axes=None, mode=None):  # type: ignore[no-untyped-def]
        axes = range(data.ndim) if axes is None else [int(a) % data.ndim for a in axes]
        pairs = [(0, 0)] * data.ndim
        for i, a in enumerate(axes):
            pairs[a] = int(pads[i]), int(pads[i + len(axes)])
        cut = data[tuple(slice(max(0, -b), d - max(0, -e)) for (b, e), d in zip(pairs, data.shape))]
        more = [(max(0, b), max(0, e)) for b, e in pairs]
        kind = (mode or b"constant").decode() if isinstance(mode, bytes) else mode or "constant"
        if kind == "constant":
            value = 0 if constant_value is None else np.asarray(constant_value).item()
            return (np.pad(cut, more, constant_values=value).astype(data.dtype),)
        return (np.pad(cut, more, mode=kind),)


class ConvTranspose(OpRun):
    """onnx's own fails with groups: scatter every input through the kernel."""

    def _run(  # type: ignore[no-untyped-def]
        self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None, output_padding=None,
        output_shape=None, pads=None, strides=None,
    ):  # fmt: skip
        n, kernel = x.ndim - 2, w.shape[2:]
        group, strides = group or 1, strides or [1] * n
        dilations, extra = dilations or [1] * n, output_padding or [0] * n
        pads = pads or [0] * (2 * n)
        full = [
            s * (d - 1) + e + (k - 1) * r + 1 for s, d, e, k, r in zip(strides, x.shape[2:], extra, kernel, dilations)
        ]
        if output_shape is not None or auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            wanted = output_shape if output_shape is not None else [d * s for d, s in zip(x.shape[2:], strides)]
            total = [f - o for f, o in zip(full, wanted[-n:])]
            first = [t // 2 if auto_pad == "SAME_UPPER" else t - t // 2 for t in total]
            pads = [*first, *(t - f for t, f in zip(total, first))]
        rows, channels = w.shape[1] * group, x.shape[1] // group
        y = np.zeros((x.shape[0], rows, *full), dtype=x.dtype)
        for g in range(group):
            xs, ws = x[:, g * channels : (g + 1) * channels], w[g * channels : (g + 1) * channels]
            for at in np.ndindex(*kernel):
                part = np.tensordot(xs, ws[(slice(None), slice(None), *at)], axes=(1, 0))
                place = tuple(slice(a * r, a * r + s * d, s) for a, r, s, d in zip(at, dilations, strides, x.shape[2:]))
                y[(slice(None), slice(g * w.shape[1], (g + 1) * w.shape[1]), *place)] += np.moveaxis(part, -1, 1)
        cut = tuple(slice(max(p, 0), f - max(q, 0)) for p, q, f in zip(pads[:n], pads[n:], full))
        y = y[(slice(None), slice(None), *cut)]
        y = np.pad(y, [(0, 0), (0, 0), *((max(-p, 0), max(-q, 0)) for p, q in zip(pads[:n], pads[n:]))])
        return (y if b is None else y + b.reshape(1, -1, *[1] * n),)


class LpNormalization(OpRun):
    """onnx's own lacks the absolute value for p = 1."""

    def _run(self, x, axis=None, p=None):  # type: ignore[no-untyped-def]
        norm = np.linalg.norm(x, ord=p, axis=axis, keepdims=True)
        return (np.divide(x, norm, out=np.zeros_like(x), where=norm != 0),)


class MaxPool(OpRun):
    """onnx's own has wrong indices at stride 1, and wrong shapes with ceil_mode and pads: go through every window."""

    def _run(  # type: ignore[no-untyped-def]
        self, x, auto_pad=None, ceil_mode=None, dilations=None, kernel_shape=None, pads=None, storage_order=None,
        strides=None,
    ):  # fmt: skip
        n = len(kernel_shape)
        strides, dilations = strides or [1] * n, dilations or [1] * n
        pads = list(pads or [0] * (2 * n))
        reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel_shape)]
        sizes = x.shape[2:]
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            total = [max((-(-d // s) - 1) * s + r - d, 0) for d, s, r in zip(sizes, strides, reach)]
            first = [t // 2 if auto_pad == "SAME_UPPER" else t - t // 2 for t in total]
            pads = [*first, *(t - f for t, f in zip(total, first))]
        counts = []
        for i in range(n):
            room = sizes[i] + pads[i] + pads[n + i] - reach[i]
            count = (-(-room // strides[i]) if ceil_mode else room // strides[i]) + 1
            if ceil_mode and (count - 1) * strides[i] >= sizes[i] + pads[i]:
                count -= 1  # a window may not start in the padding behind the image
            counts.append(count)
        spans = [(c - 1) * s + r for c, s, r in zip(counts, strides, reach)]
        margins = [(p, max(0, w - d - p)) for p, w, d in zip(pads[:n], spans, sizes)]
        wide = np.pad(x, [(0, 0), (0, 0), *margins], constant_values=-np.inf)
        numbers = np.arange(int(np.prod(sizes))).reshape(sizes, order="F" if storage_order else "C")
        places = np.pad(numbers, margins)
        y, at = (
            np.full((*x.shape[:2], *counts), -np.inf, dtype=x.dtype),
            np.zeros((*x.shape[:2], *counts), dtype=np.int64),
        )
        base = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *[1] * n) * int(np.prod(sizes))
        for tap in np.ndindex(*kernel_shape):  # of equals the first tap wins
            cut = tuple(slice(t * d, t * d + (c - 1) * s + 1, s) for t, d, c, s in zip(tap, dilations, counts, strides))
            value = wide[(slice(None), slice(None), *cut)]
            better = value > y
            y, at = np.where(better, value, y), np.where(better, base + places[cut], at)
        return (y, at) if len(self.onnx_node.output) > 1 else (y,)


class GatherElements(OpRun):
    """onnx's own has no negative axis, and no axis with more than 64 elements."""

    def _run(self, data, indices, axis=None):  # type: ignore[no-untyped-def]
        places = list(np.indices(indices.shape))
        places[axis or 0] = indices
        return (data[tuple(places)],)


class GridSample(op_grid_sample.GridSample):
    """onnx's own does not know the names that modes had in opset 16."""

    def _run(self, x, grid, mode=None, padding_mode=None, align_corners=None):  # type: ignore[no-untyped-def]
        mode = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
        return super()._run(x, grid, mode, padding_mode, align_corners)


MENDED: list[type[OpRun]] = [Erf, Pad, ConvTranspose, LpNormalization, MaxPool, GatherElements, GridSample]


def _resized_to_whole_sizes(data, scale_factor, output_width_int, x, get_coeffs, **options):  # type: ignore[no-untyped-def]
    """onnx's own aligns corners to a size with a fraction; the operator's sizes are whole."""
    if options.get("coordinate_transformation_mode") == "align_corners":
        scale_factor = output_width_int / len(data)
    return _ALONG_ONE_AXIS(data, scale_factor, output_width_int, x, get_coeffs, **options)


_ALONG_ONE_AXIS = op_resize._interpolate_1d_with_x
op_resize._interpolate_1d_with_x = _resized_to_whole_sizes


def evaluate(model: onnx.ModelProto, inputs: Arrays) -> dict[str, np.ndarray]:
    """The outputs of a model by name."""
    session = ReferenceEvaluator(model, new_ops=MENDED)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return dict(zip([o.name for o in model.graph.output], session.run(None, dict(inputs))))


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

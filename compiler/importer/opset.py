"""Raising a model to opset 18; what it computes before and after is compared on random inputs.

Models with loops, and those whose sizes are not known or large, are not run: nothing tells how long that would take."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, version_converter

from netc.compiler.graph.types import BASE_OPSET
from netc.compiler.importer.size import inferred, nodes
from netc.grammar.diagnostics import error

SYMBOLIC_SIZE = 2  # of a dimension without a number, in the comparison
MAX_ELEMENTS = 1 << 30  # of all values together
TOLERANCE = 1e-4


def raised(
    model: onnx.ModelProto, opset: int, target: int = BASE_OPSET, weights: Mapping[str, onnx.TensorProto] | None = None
) -> onnx.ModelProto:
    """The model at `target` where it had a lower opset. Raises NetError when the conversion fails or changes a result.

    `weights` are what some of its inputs stand for.
    """
    if opset >= target:
        return model
    try:
        converted = version_converter.convert_version(model, target)
        onnx.checker.check_model(converted)
    except Exception as e:  # the converter raises RuntimeError and ConvertError, and types of C++
        reason = str(e).strip().splitlines()[0][:160] if str(e).strip() else type(e).__name__
        raise error(
            "opset", f"the model of opset {opset} cannot be raised to {target}: {reason}",
            help=f"export it with opset {target} or later",
        ) from None  # fmt: skip
    inputs = _inputs(model, weights or {}) if _bounded(model) else None
    before = _run(model, inputs) if inputs is not None else None
    if before is not None:
        after = _run(converted, inputs or {})
        if after is None or not all(_close(a, b) for a, b in zip(before, after)):
            raise error(
                "opset", f"raised from opset {opset} to {target}, the model gives other results",
                help=f"export it with opset {target} or later",
            )  # fmt: skip
    return converted


def _bounded(model: onnx.ModelProto) -> bool:
    """Whether running a model takes little: it has no loops, and the sizes of all its values are known and small."""
    if any(node.op_type in ("Loop", "Scan", "SequenceMap") for node in nodes(model.graph)):
        return False
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        for d in value.type.tensor_type.shape.dim:
            if not d.HasField("dim_value"):
                d.dim_value = SYMBOLIC_SIZE
    del fixed.graph.value_info[:]
    for value in fixed.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        total = _elements(inferred(fixed))
    except onnx.shape_inference.InferenceError:
        return False
    return total is not None and total <= MAX_ELEMENTS


def _elements(graph: onnx.GraphProto) -> int | None:
    """The elements of all values of a graph and its bodies; None where inference does not tell."""
    known = {v.name: v.type.tensor_type for v in (*graph.input, *graph.value_info, *graph.output)}
    made = [o for n in graph.node for o in n.output if o]
    if any(n not in known or not known[n].HasField("shape") for n in made):
        return None
    dims = [known[n].shape.dim for n in (*(v.name for v in graph.input), *made)]
    if not all(d.HasField("dim_value") and d.dim_value >= 0 for shape in dims for d in shape):
        return None
    inner = [_elements(a.g) for n in graph.node for a in n.attribute if a.HasField("g")]
    whole = [i for i in inner if i is not None]
    return (
        sum(math.prod(d.dim_value for d in shape) for shape in dims) + sum(whole) if len(whole) == len(inner) else None
    )


def _inputs(model: onnx.ModelProto, weights: Mapping[str, onnx.TensorProto]) -> dict[str, np.ndarray] | None:
    """Random values for every input without one; None for inputs that are no tensors."""
    g = np.random.default_rng(0)
    given = {t.name for t in model.graph.initializer}
    made: dict[str, np.ndarray] = {}
    for value in model.graph.input:
        if value.name in given:
            continue
        if value.name in weights:
            made[value.name] = numpy_helper.to_array(weights[value.name])
            continue
        if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
            return None
        t = value.type.tensor_type
        shape = [d.dim_value if d.HasField("dim_value") else SYMBOLIC_SIZE for d in t.shape.dim]
        try:
            dtype = helper.tensor_dtype_to_np_dtype(t.elem_type)
        except KeyError:
            return None
        if dtype.kind == "f":
            size = 2 / max(2, math.prod(shape[1:]) / 8)  # in deep networks sums of large products would overflow
            made[value.name] = (size * g.uniform(0.1, 1.0, size=shape)).astype(dtype)
        elif dtype.kind in "iub":
            made[value.name] = g.integers(0, 2, size=shape).astype(dtype)
        else:
            return None
    return made


def _run(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> list[Any] | None:
    """The outputs, by ONNX Runtime or else by the reference evaluator; None where neither can."""
    import onnxruntime as ort
    from onnx.reference import ReferenceEvaluator

    options = ort.SessionOptions()
    options.log_severity_level = 4
    starts: list[Callable[[], Any]] = [
        lambda: ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]),
        lambda: ReferenceEvaluator(model),
    ]
    for start in starts:
        try:
            with np.errstate(all="ignore"):
                found: list[Any] = start().run(None, inputs)
            return found
        except Exception:  # neither the runtime nor the evaluator covers every operator of every opset
            continue
    return None


def _close(a: Any, b: Any) -> bool:
    if not isinstance(a, np.ndarray) or a.dtype.kind != "f":
        return bool(np.array_equal(np.asarray(a), np.asarray(b))) if isinstance(a, np.ndarray) else True
    largest = float(np.max(np.abs(a), where=np.isfinite(a), initial=0.0))
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * largest, equal_nan=True))

"""Raising a model to opset 18; what it computes before and after is compared on random inputs.

A model that runs too long is stopped and refused: nothing would tell whether it still computes what it did."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, version_converter

from netc.compiler.graph.types import BASE_OPSET
from netc.compiler.importer.size import inferred, nodes
from netc.grammar.diagnostics import NetError, error

SYMBOLIC_SIZE = 2  # of a dimension without a number, in the comparison
MAX_ELEMENTS = 1 << 30  # of all values together
TOLERANCE = 1e-4
SECONDS = 1, 10  # that a run may take: of any model, and of one whose work is known to be bounded


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
    total, sure = _work(model)
    if total > MAX_ELEMENTS:
        raise _refused(opset, target, "is too large for its results to be compared")
    inputs = _inputs(model, weights or {})
    before = _run(model, inputs, sure) if inputs is not None else None
    if before is None:
        return converted
    after = _run(converted, inputs or {}, sure)
    if after is None or not all(_close(a, b) for a, b in zip(before, after)):
        raise _refused(opset, target, "gives other results")
    return converted


def _refused(opset: int, target: int, why: str) -> NetError:
    return error(
        "opset",
        f"raised from opset {opset} to {target}, the model {why}",
        help=f"export it with opset {target} or later",
    )


def _work(model: onnx.ModelProto) -> tuple[int, bool]:
    """The elements of all values that are known beforehand, and whether those are all: a model without loops whose sizes
    inference tells."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        for d in value.type.tensor_type.shape.dim:
            if not d.HasField("dim_value"):
                d.dim_value = SYMBOLIC_SIZE
    fed = sum(math.prod(d.dim_value for d in v.type.tensor_type.shape.dim) for v in fixed.graph.input)
    del fixed.graph.value_info[:]
    for value in fixed.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        total = _elements(inferred(fixed))
    except onnx.shape_inference.InferenceError:
        total = None
    loops = any(node.op_type in ("Loop", "Scan", "SequenceMap") for node in nodes(model.graph))
    return (fed, False) if total is None else (total, not loops)


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


def _run(model: onnx.ModelProto, inputs: dict[str, np.ndarray], sure: bool) -> list[Any] | None:
    """The outputs, by ONNX Runtime or, for a model that is `sure` to take little, by the reference evaluator; None where
    neither can. Raises NetError for a model that runs too long."""
    import onnxruntime as ort
    from onnx.reference import ReferenceEvaluator

    options, limit = ort.SessionOptions(), ort.RunOptions()
    options.log_severity_level = limit.log_severity_level = 4

    def stop() -> None:
        limit.terminate = True

    seconds = SECONDS[sure]
    clock = threading.Timer(seconds, stop)
    clock.daemon = True
    clock.start()
    try:
        run = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        found: list[Any] = run.run(None, inputs, limit)
        return found
    except Exception:  # no runtime has kernels of every operator of every opset
        if limit.terminate:
            message = f"the model runs longer than {seconds} s, too long to be raised from its opset and compared"
            raise error("opset", message, help=f"export it with opset {BASE_OPSET} or later") from None
    finally:
        clock.cancel()
    if not sure:
        return None
    try:
        with np.errstate(all="ignore"):
            found = ReferenceEvaluator(model).run(None, inputs)
    except Exception:  # nor has the evaluator
        return None
    return found


def _close(a: Any, b: Any) -> bool:
    if not isinstance(a, np.ndarray) or a.dtype.kind != "f":
        return bool(np.array_equal(np.asarray(a), np.asarray(b))) if isinstance(a, np.ndarray) else True
    largest = float(np.max(np.abs(a), where=np.isfinite(a), initial=0.0))
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * largest, equal_nan=True))

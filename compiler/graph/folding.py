"""What a node on constants gives, computed when the graph is built."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from netc.compiler.graph.attributes import attribute
from netc.compiler.graph.compositions import Compositions
from netc.compiler.graph.inference import UnknownError, infer_by_schema
from netc.compiler.graph.types import SPEC_DTYPES

MAX_RESULT = 1 << 12  # elements; larger constants stay nodes, to keep files small
MAX_GROWN = 64  # of those that operators make from a shape
_KEPT = {
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"
}  # fmt: skip
MAX_EVALUATED = 1 << 20  # of what is computed to see whether it is kept
_SELECTING = {"Compress", "NonMaxSuppression", "NonZero", "Unique"}  # whose results are no larger than what they read
GROWING = {"ConstantOfShape", "Expand", "Tile", "Range", "OneHot", "EyeLike"}

_RANDOM = {
    "Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
}  # fmt: skip
# with bodies, on values that are no tensors, or marks
_UNFOLDABLE = {
    "Identity", "If", "Loop", "Optional", "OptionalGetElement", "OptionalHasElement", "Scan", "SequenceConstruct",
    "SequenceEmpty", "SequenceMap", "SplitToSequence", "ImageDecoder", "QuantizeLinear", "DequantizeLinear",
}  # fmt: skip


def is_random(operator: str) -> bool:
    """Whether an operator draws random numbers, so that no two nodes of it are the same."""
    return operator in _RANDOM


def folded(
    op: Compositions, operator: str, values: Sequence[ir.Value | None], attributes: Mapping[str, Any], num_outputs: int
) -> tuple[ir.Value, ...] | None:
    """The constants that a node on constants gives, or the shape of a value whose shape is static; else None."""
    if operator in ("Shape", "Size") and isinstance(values[0], ir.Value):
        t = op.known_type(values[0])
        if t is not None and all(isinstance(d, int) for d in t.shape):
            sizes = np.array(t.shape, dtype=np.int64)
            if operator == "Size":
                return (op.tensor(np.array(sizes.prod(), dtype=np.int64)),)
            return (op.tensor(sizes[attributes.get("start") : attributes.get("end")]),)
    if not values or operator in _UNFOLDABLE or operator in _RANDOM:
        return None
    arrays = []
    for v in values:
        array = None if v is None else op.known(v)
        if array is None and v is not None:
            return None
        arrays.append(array)
    if operator in _DIRECT and all(a is not None and a.dtype.name in _KEPT for a in arrays):
        with np.errstate(all="ignore"):
            made = _DIRECT[operator](*arrays, **attributes)
        found = None if made is None else _small(operator, [np.asarray(made)])
    else:
        attrs = [attribute(n, v) for n, v in attributes.items() if v is not None]
        if not _bounded(operator, arrays, attrs, num_outputs, op.opset):
            return None
        found = evaluate(operator, arrays, attrs, num_outputs, op.opset)
    return None if found is None else tuple(op.tensor(a) for a in found)


def _bounded(
    operator: str, inputs: Sequence[np.ndarray | None], attributes: Sequence[ir.Attr], outputs: int, opset: int
) -> bool:
    """Whether the results are known to be small before they are computed: a list of a few numbers may ask for terabytes."""
    node = ir.Node("", operator, [], attributes, num_outputs=outputs)
    try:
        found = infer_by_schema(node, [None if a is None else _tensor(a) for a in inputs], inputs, opset)
    except UnknownError:
        return False
    for proto in found:
        t = proto.tensor_type
        if not t.HasField("shape") or not all(d.HasField("dim_value") or operator in _SELECTING for d in t.shape.dim):
            return False
        if math.prod(d.dim_value for d in t.shape.dim if d.HasField("dim_value")) > MAX_EVALUATED:
            return False
    return True


def evaluate(
    operator: str, inputs: Sequence[np.ndarray | None], attributes: Sequence[ir.Attr], outputs: int, opset: int
) -> list[np.ndarray] | None:
    """The results of an operator on arrays, by ONNX's reference evaluator; None where it has none to give."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    names = ["" if a is None else f"x{i}" for i, a in enumerate(inputs)]
    node = helper.make_node(operator, names, [f"y{i}" for i in range(outputs)])
    node.attribute.extend(ir.to_proto(a) for a in attributes)
    given = [helper.make_value_info(n, _tensor(a)) for n, a in zip(names, inputs) if a is not None]
    results = [helper.make_empty_tensor_value_info(o) for o in node.output]
    model = helper.make_model(
        helper.make_graph([node], "fold", given, results), opset_imports=[helper.make_opsetid("", opset)]
    )
    try:
        with np.errstate(all="ignore"):
            found: list[Any] = ReferenceEvaluator(model).run(None, {n: a for n, a in zip(names, inputs) if n})
    except Exception:  # the evaluator lacks the operator or refuses the inputs: the runtime will say so
        return None
    return _small(operator, [np.asarray(a) for a in found])


def _small(operator: str, arrays: list[np.ndarray]) -> list[np.ndarray] | None:
    """The results, unless they are better computed by a node."""
    limit = MAX_GROWN if operator in GROWING else MAX_RESULT
    return arrays if all(a.dtype.name in _KEPT and a.size <= limit for a in arrays) else None


def _cast(x: np.ndarray, to: int, **_: Any) -> np.ndarray | None:
    return x.astype(SPEC_DTYPES[to].numpy) if to in SPEC_DTYPES else None


def _filled(shape: np.ndarray, value: Any = None) -> np.ndarray | None:
    if math.prod(shape.tolist()) > MAX_GROWN:
        return None
    content = value.value if isinstance(value, ir.Attr) else value
    return np.full(shape, np.float32(0) if content is None else content.numpy()[0])


def _range(start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> np.ndarray | None:
    first, end, step = start.item(), limit.item(), delta.item()
    if step == 0 or (end - first) / step > MAX_GROWN:
        return None
    return np.arange(first, end, step, dtype=start.dtype)


# what programs of ours fold: without the evaluator, whose import takes longer than compiling a small spec
_DIRECT: dict[str, Callable[..., np.ndarray | None]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Cast": _cast, "ConstantOfShape": _filled, "Range": _range,
}  # fmt: skip


def _tensor(array: np.ndarray) -> Any:
    from onnx import helper

    return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)

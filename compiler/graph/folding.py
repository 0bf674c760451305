"""What a node on constants gives, computed when the graph is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

MAX_RESULT = 1 << 12  # elements; larger constants stay nodes, to keep files small
MAX_GROWN = 64  # of those that operators make from a shape
GROWING = {"ConstantOfShape", "Expand", "Tile", "Range", "OneHot", "EyeLike"}

# random, with bodies, or on values that are no tensors
UNFOLDABLE = {
    "Bernoulli", "Dropout", "Identity", "If", "Loop", "Multinomial", "Optional", "OptionalGetElement", "OptionalHasElement",
    "RandomNormalLike", "RandomUniformLike", "Scan", "SequenceConstruct", "SequenceEmpty", "SequenceMap",
    "SplitToSequence", "ImageDecoder", "QuantizeLinear", "DequantizeLinear",
}  # fmt: skip


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
    arrays = [np.asarray(a) for a in found]
    limit = MAX_GROWN if operator in GROWING else MAX_RESULT
    fits = all(a.dtype.name in _KEPT and a.size <= limit for a in arrays)
    return arrays if fits else None


_KEPT = {
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"
}  # fmt: skip


def _tensor(array: np.ndarray) -> Any:
    from onnx import helper

    return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)

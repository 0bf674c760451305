"""A trial of one operator in ONNX Runtime: schemas promise more than kernels do, and less than they refuse."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netc.compiler.graph.dimensions import Symbolic, evaluate
from netc.compiler.graph.types import TensorType
from netc.compiler.language.refusal import Refused

if TYPE_CHECKING:
    import onnx_ir as ir

MAX_ELEMENTS = 1 << 20  # of an operand; larger ones are only loaded, not run
SIZES = ((3, 5, 7), (2, 3, 4))  # of the symbolic dimensions, in each trial
_DIVIDES = {"Div", "Mod"}  # by zero, of whole numbers, a kernel ends the process


def draws(operator: str, operands: Sequence[Any]) -> bool:
    """Whether an operator draws random numbers when it is called with these operands."""
    from netc.compiler.graph.folding import is_random

    return is_random(operator) and (operator != "Dropout" or len(operands) > 2)


def run(
    operator: str,
    opset: int,
    attributes: Sequence[ir.Attr],
    operands: Sequence[tuple[TensorType, Any]],
    results: Sequence[TensorType],
) -> None:
    """Loads the operator for these operands (types, with the array of a constant or None) and runs it for two sizes of
    every symbolic dimension. Raises Refused where there is no kernel, a kernel refuses, or gives another shape."""
    import numpy as np

    shown = " and ".join(dict.fromkeys(f"`{t}`" for t, data in operands if data is None)) or "these numbers"
    session = _load(operator, opset, attributes, operands, results, shown)
    symbols = sorted({s for t, _ in operands for d in t.shape if isinstance(d, Symbolic) for s in d.symbols})
    for sizes in SIZES if symbols else SIZES[:1]:
        at = {s: sizes[i % len(sizes)] for i, s in enumerate(symbols)}
        feeds = {}
        for i, (t, data) in enumerate(operands):
            shape = tuple(evaluate(d, at) for d in t.shape)
            if int(np.prod(shape, dtype=object)) > MAX_ELEMENTS:
                return
            if data is None:
                fill = 1 if operator in _DIVIDES else 0 if t.dtype.is_integer else 0.5
                feeds[f"x{i}"] = np.full(shape, fill, t.dtype.numpy)
        try:
            found = session.run(None, feeds)
        except Exception as e:  # onnxruntime raises its own types
            raise Refused("shape-mismatch", f"`onnx.{operator}` refuses {shown}: {_reason(e)}") from None
        for array, t in zip(found, results):
            if array.shape != tuple(evaluate(d, at) for d in t.shape):
                raise Refused("shape-mismatch", f"the shape of `onnx.{operator}` cannot be inferred here")


def _load(
    operator: str,
    opset: int,
    attributes: Sequence[ir.Attr],
    operands: Sequence[tuple[TensorType, Any]],
    results: Sequence[TensorType],
    shown: str,
) -> Any:
    import onnxruntime as ort
    from onnx import helper, numpy_helper

    from netc.compiler.graph.inference import IR_VERSIONS

    names, outputs = [f"x{i}" for i in range(len(operands))], [f"y{i}" for i in range(len(results))]
    node = helper.make_node(operator, names, outputs)
    node.attribute.extend(_proto(a) for a in attributes)
    inputs = [(n, t) for n, (t, data) in zip(names, operands) if data is None]
    graph = helper.make_graph(
        [node], "trial", [_info(n, t) for n, t in inputs], [_info(n, t) for n, t in zip(outputs, results)],
        [numpy_helper.from_array(data, n) for n, (_, data) in zip(names, operands) if data is not None],
    )  # fmt: skip
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=IR_VERSIONS.get(opset, max(IR_VERSIONS.values())),
    )
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as e:
        if "NOT_IMPLEMENTED" in str(e):
            message = f"`onnx.{operator}` has no kernel for {shown} in ONNX Runtime"
            raise Refused("no-kernel", message, help="convert the tensor first: `f32(x)`") from None
        raise Refused("shape-mismatch", f"`onnx.{operator}` refuses {shown}: {_reason(e)}") from None


def _info(name: str, t: TensorType) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, t.dtype.onnx, [d if isinstance(d, int) else str(d) for d in t.shape])


def _proto(attribute: ir.Attr) -> Any:
    import onnx_ir as ir

    return ir.to_proto(attribute)


def _reason(e: Exception) -> str:
    """What a runtime says was wrong, without its file names, its node's name and its signature."""
    text = str(e).strip().splitlines()[0]
    text = re.split(r"Status Message: |\[ShapeInferenceError\] |\[TypeInferenceError\] ", text)[-1]
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : |Exception during initialization: ", "", text)
    text = re.sub(r"\S+\.(cc|h|cpp):\d+ ", "", text)
    text = re.sub(r"\S+::\S+\(.*?\) (\[with .*?\] )?", "", text)
    return text.strip().rstrip(".") or "it gives no reason"

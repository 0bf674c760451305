"""A trial of one operator in ONNX Runtime: schemas promise more than kernels do, and less than they refuse."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Trial:
    """One call of an operator: `operands` are types, with the array of a constant or None, and None for one that is left out;
    `results` what is expected."""

    operator: str
    opset: int
    attributes: Sequence[ir.Attr]
    operands: Sequence[tuple[TensorType, Any] | None]
    results: Sequence[TensorType]

    @property
    def given(self) -> list[tuple[TensorType, Any]]:
        """The operands that are there."""
        return [o for o in self.operands if o is not None]

    @property
    def names(self) -> list[str]:
        """What those are called."""
        return [f"x{i}" for i, o in enumerate(self.operands) if o is not None]

    def run(self) -> None:
        """Loads the operator and runs it for two sizes of every symbolic dimension. Raises Refused where there is no
        kernel, a kernel refuses, or gives another shape."""
        import numpy as np

        symbols = sorted({s for t, _ in self.given for d in t.shape if isinstance(d, Symbolic) for s in d.symbols})
        for sizes in SIZES if symbols else SIZES[:1]:
            at = {s: sizes[i % len(sizes)] for i, s in enumerate(symbols)}
            session = self._load(at)
            feeds = {}
            for name, (t, data) in zip(self.names, self.given):
                shape = tuple(evaluate(d, at) for d in t.shape)
                if int(np.prod(shape, dtype=object)) > MAX_ELEMENTS:
                    return
                if data is None:
                    fill = 1 if self.operator in _DIVIDES else 0 if t.dtype.is_integer else 0.5
                    feeds[name] = np.full(shape, fill, t.dtype.numpy)
            try:
                found = session.run(None, feeds)
            except Exception as e:  # onnxruntime raises its own types
                raise self._refused(e) from None
            for array, t in zip(found, self.results):
                if array.shape != tuple(evaluate(d, at) for d in t.shape):
                    raise Refused("shape-mismatch", f"the shape of `onnx.{self.operator}` cannot be inferred here")

    def _load(self, sizes: Mapping[str, int]) -> Any:
        """A session for fixed sizes, as a step has them: some shapes are only looked at then."""
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        for symbol, size in sizes.items():
            options.add_free_dimension_override_by_name(symbol, size)
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            return ort.InferenceSession(self._model(), options, providers=["CPUExecutionProvider"])
        except Exception as e:  # onnxruntime raises its own types
            raise self._refused(e) from None

    def _model(self) -> bytes:
        """The operator alone, as a model."""
        import onnx_ir as ir
        from onnx import helper, numpy_helper

        from netc.compiler.graph.inference import IR_VERSIONS

        names, outputs = self.names, [f"y{i}" for i in range(len(self.results))]
        wanted = ["" if o is None else f"x{i}" for i, o in enumerate(self.operands)]
        node = helper.make_node(self.operator, wanted, outputs)
        node.attribute.extend(ir.to_proto(a) for a in self.attributes)
        inputs = [(n, t) for n, (t, data) in zip(names, self.given) if data is None]
        constants = [numpy_helper.from_array(data, n) for n, (_, data) in zip(names, self.given) if data is not None]
        expected = [_info(n, t) for n, t in zip(outputs, self.results)]
        graph = helper.make_graph([node], "trial", [_info(n, t) for n, t in inputs], expected, constants)
        opset = helper.make_opsetid("", self.opset)
        made = helper.make_model(
            graph, opset_imports=[opset], ir_version=IR_VERSIONS.get(self.opset, max(IR_VERSIONS.values()))
        )
        return bytes(made.SerializeToString())

    def _refused(self, e: Exception) -> Refused:
        shown = " and ".join(dict.fromkeys(f"`{t}`" for t, data in self.given if data is None)) or "these numbers"
        if "NOT_IMPLEMENTED" in str(e):
            message = f"`onnx.{self.operator}` has no kernel for {shown} in ONNX Runtime"
            return Refused("no-kernel", message, help="convert the tensor first: `f32(x)`")
        return Refused("shape-mismatch", f"`onnx.{self.operator}` refuses {shown}: {_reason(e)}")


def _info(name: str, t: TensorType) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, t.dtype.onnx, [d if isinstance(d, int) else str(d) for d in t.shape])


def _reason(e: Exception) -> str:
    """What a runtime says was wrong, without its file names, its node's name and its signature."""
    text = str(e).strip().splitlines()[0]
    text = re.split(r"Status Message: |\[ShapeInferenceError\] |\[TypeInferenceError\] ", text)[-1]
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : |Exception during initialization: ", "", text)
    text = re.sub(r"\S+\.(cc|h|cpp):\d+ ", "", text)
    text = re.sub(r"\S+::\S+\(.*?\) (\[with .*?\] )?", "", text)
    return text.strip().rstrip(".") or "it gives no reason"

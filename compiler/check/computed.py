"""Tensors computed from numbers alone, such as `2 * range(4)`: they have a dtype only where something gives them one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netc.compiler.graph.dimensions import Symbolic
from netc.compiler.graph.types import BASE_OPSET, ONNX_DTYPES, DType, array_of, show_shape
from netc.compiler.language.lowering import Context, Emitter, Random, Value
from netc.compiler.language.operations import Function
from netc.compiler.language.refusal import Refused
from netc.compiler.language.variables import Initializer
from netc.compiler.net import Apply, Constant, Size, Tensor

if TYPE_CHECKING:
    import numpy as np

MAX_DEPTH = 32  # operations; what is computed by more has the dtype that it has


def of_numbers(tensor: Tensor) -> bool:
    """Whether a tensor is computed from numbers alone."""
    return isinstance(tensor.origin, Constant) or (isinstance(tensor.origin, Apply) and tensor.origin.numbers > 0)


def depth_in_numbers(made: Apply) -> int:
    """How many operations deep an operation computes from numbers alone, in one dtype; 0 where it does not."""
    if not isinstance(made.operation, Function) or made.operation.draws or made.variables:
        return 0
    depth = 1
    for x in made.inputs:
        if isinstance(x.origin, Apply) and x.origin.numbers:
            depth = max(depth, x.origin.numbers + 1)
        elif not isinstance(x.origin, Constant | Size):
            return 0
    dtypes = {t.type.dtype for t in (*made.inputs, *made.outputs)}
    return depth if len(dtypes) == 1 and depth <= MAX_DEPTH else 0


def counted(value: Any) -> Sequence[Any]:
    """The numbers of `range(4)`, as the turns of a repeat; nothing for other values."""
    if not isinstance(value, Tensor) or not isinstance(value.origin, Apply):
        return ()
    found: Sequence[Any] | None = value.origin.operation.turns(value.origin.settings)
    return found or ()


def numbers_of(tensor: Tensor) -> np.ndarray | None:
    """The values of a tensor that is computed from a few numbers alone; None for any other."""
    if not of_numbers(tensor) or _reads_a_size(tensor):
        return None
    from netc.compiler.graph.emitter import Emitter as Builder

    op = Builder("numbers", BASE_OPSET)
    return op.known(_emitted(op, tensor, tensor.type.dtype, {}))


@dataclass(frozen=True)
class Computed(Initializer):
    """The numbers of a tensor that is computed from numbers alone, in the dtype of the variable."""

    tensor: Tensor

    def check(self, shape: tuple[int, ...]) -> None:
        given = self.tensor.type.shape
        if _reads_a_size(self.tensor):
            message = "a first value is the same for every batch, and may not depend on a symbolic dimension"
            raise Refused("symbolic-parameter", message, help="write numbers")
        if given != shape:
            message = f"these are {show_shape(given)} numbers, the parameter is {show_shape(shape)}"
            raise Refused("literal", message, help="give it as many numbers as the parameter has")

    def emit(self, op: Emitter, random: Random, bits: Value | None, shape: tuple[int, ...], dtype: int) -> Value:
        return _emitted(op, self.tensor, ONNX_DTYPES[dtype], {})

    def __str__(self) -> str:
        return " ".join(self.tensor.span.text.split())


def _reads_a_size(tensor: Tensor) -> bool:
    """Whether the size of a symbolic dimension counts in what is computed from numbers."""
    stack, seen = [tensor], set[object]()
    while stack:
        origin = stack.pop().origin
        if isinstance(origin, Size):
            return True
        if isinstance(origin, Apply) and origin not in seen:
            seen.add(origin)
            stack += origin.inputs
            if any(
                isinstance(d, Symbolic) for v in origin.settings.values() for d in (v if isinstance(v, tuple) else (v,))
            ):
                return True
    return False


def _emitted(op: Emitter, tensor: Tensor, dtype: DType, known: dict[Apply, tuple[Value, ...]]) -> Value:
    """The value of a tensor; `known` are those of operations that were emitted before."""
    origin = tensor.origin
    if isinstance(origin, Constant):
        return op.tensor(array_of(origin.value, dtype))
    assert isinstance(origin, Apply)
    if origin not in known:
        inputs = [_emitted(op, x, dtype, known) for x in origin.inputs]
        settings = origin.settings if inputs else {**origin.settings, "dtype": dtype}
        known[origin] = origin.operation.lower(op, inputs, settings, {}, Context(training=False)).outputs
    return known[origin][tensor.index]

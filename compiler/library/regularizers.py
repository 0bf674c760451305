"""Penalties on weights: `l2("*.weight")` by parameter pattern, `l1(x)` of any tensor."""

from __future__ import annotations

from netc.compiler.graph.types import TensorType
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.shapes import floating
from netc.compiler.language.slots import Tensor
from netc.compiler.language.words import function


@function("regularizer", pattern=True)
class L2:
    """half the sum of x^2, whose gradient is x; of a pattern (`l2("*.weight")`) over all matching parameters, and then
    0 in evaluation"""

    def type(self, x: Tensor) -> TensorType:
        return floating(x).with_shape(())

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Mul(op.reduce("ReduceSumSquare", x, None, False), 0.5)


@function("regularizer", pattern=True)
class L1:
    """the sum of |x|, whose gradient is sign x; of a pattern (`l1("*.weight")`) over all matching parameters, and then
    0 in evaluation"""

    def type(self, x: Tensor) -> TensorType:
        return floating(x).with_shape(())

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.reduce("ReduceL1", x, None, False)

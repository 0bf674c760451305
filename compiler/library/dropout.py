"""Inverted dropout: a mask from (seed, step, site, row) while training, nothing at all otherwise."""

from __future__ import annotations

from netc.compiler.graph.types import TensorType
from netc.compiler.language.lowering import Context, Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import floating
from netc.compiler.language.slots import Tensor
from netc.compiler.language.words import function


@function("regularizer", draws=True)
class Dropout:
    """each element is zero with probability `rate`, else x / (1 - rate); identity outside training  (Srivastava, 2014)"""

    rate: float = 0.5

    def type(self, x: Tensor) -> TensorType:
        if not 0 <= self.rate < 1:
            raise Refused(
                "argument",
                f"the dropout rate must be in [0, 1), not {float(self.rate):g}",
                "rate",
                "it is a share: `0.5` drops half",
            )
        return floating(x)

    def lower(self, op: Emitter, x: Value, context: Context) -> Value:
        if not context.training or self.rate == 0:
            return x
        return op.Mul(x, context.keep_mask(x, float(1 - self.rate)))

"""Inverted dropout: a mask from (seed, step, site, row) while training, nothing at all otherwise."""

from __future__ import annotations

from typing import Any

from netc.compiler.language.words import Refused, Tensor, floating, function
from netc.compiler.graph.types import TensorType


@function(group="regularizer")
def dropout(x: Tensor, rate: float = 0.5) -> TensorType:
    """each element is zero with probability `rate`, else x / (1 - rate); identity outside training  (Srivastava, 2014)"""
    if not 0 <= rate < 1:
        raise Refused("argument", f"the dropout rate must be in [0, 1), not {float(rate):g}", "rate")
    return floating(x)


@dropout.lowering
def _(op: Any, x: Any, rate: float) -> Any:
    if not op.training or rate == 0:
        return x
    return op.Mul(x, op.random.keep_mask(x, float(1 - rate)))

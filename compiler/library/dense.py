"""The fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from netc.compiler.graph.dimensions import Symbolic
from netc.compiler.library.initializers import HeNormal, Zeros
from netc.compiler.language.words import Initializer, Refused, Tensor, Weight, floating, layer
from netc.compiler.graph.types import TensorType


@layer
@dataclass(frozen=True)
class Dense:
    """y = x W + b over the last axis of x, with `weight` [in, units] and `bias` [units]"""

    units: int
    bias: bool = True
    init: Initializer = field(default=HeNormal())
    bias_init: Initializer = field(default=Zeros())

    def parameters(self, x: TensorType) -> dict[str, Weight]:
        features = floating(x).shape[-1]
        if isinstance(features, Symbolic):
            raise Refused(
                "symbolic-parameter", f"the last axis of `{x}` has no fixed size, so `Dense` has no weight shape",
                help="parameters need fixed dimensions; reduce or reshape that axis first",
            )  # fmt: skip
        weights = {"weight": Weight((features, self.units), self.init)}
        return {**weights, "bias": Weight((self.units,), self.bias_init)} if self.bias else weights

    def type(self, x: Tensor) -> TensorType:
        if self.units < 1:
            raise Refused("dimension", f"`units` must be at least 1, not {self.units}", "units")
        if x.rank < 2:
            raise Refused("shape-mismatch", f"`Dense` needs features on a last axis, this is `{x}`")
        return x.with_shape((*x.shape[:-1], self.units))

    def lower(self, op: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        product = op.MatMul(x, weight)
        return product if bias is None else op.Add(product, bias)

"""The fully connected layer."""

from __future__ import annotations

from netc.compiler.graph import cost
from netc.compiler.graph.dimensions import Dim, Symbolic, add
from netc.compiler.graph.types import TensorType
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import floating
from netc.compiler.language.slots import Tensor
from netc.compiler.language.variables import Initializer, Variable, parameter
from netc.compiler.language.words import layer
from netc.compiler.library.initializers import HeNormal, Zeros

_ROWS = ("features are numbers of each row: `f32[N, 4]`", "give it one feature: `unsqueeze({0}, 1)`")  # of rank 0 and 1


@layer
class Dense:
    """y = x W + b over the last axis of x, with `weight` [in, units] and `bias` [units]"""

    units: int
    bias: bool = True
    init: Initializer = HeNormal()
    bias_init: Initializer = Zeros()

    def type(self, x: Tensor) -> TensorType:
        if self.units < 1:
            help = "write 1 or more; a repeat counts from 0, so that `i + 1` is its first number"
            raise Refused("dimension", f"`units` must be at least 1, not {self.units}", "units", help)
        if x.rank < 2:
            raise Refused(
                "shape-mismatch", f"`Dense` needs features on a last axis, this is `{x}`", None, _ROWS[x.rank]
            )
        return x.with_shape((*x.shape[:-1], self.units))

    def variables(self, x: TensorType) -> dict[str, Variable]:
        features = floating(x).shape[-1]
        if isinstance(features, Symbolic):
            raise Refused(
                "symbolic-parameter", f"the last axis of `{x}` has no fixed size, so `Dense` has no weight shape",
                help="declare it as a number, or reduce it first: `mean({0}, axis = -1, keep = true)`",
            )  # fmt: skip
        made = {"weight": parameter(x.with_shape((features, self.units)), self.init)}
        return made | ({"bias": parameter(x.with_shape((self.units,)), self.bias_init)} if self.bias else {})

    def lower(self, op: Emitter, x: Value, weight: Value, bias: Value | None = None) -> Value:
        product = op.MatMul(x, weight)
        return product if bias is None else op.Add(product, bias)

    def flops(self, x: TensorType) -> Dim:
        y = self.type(x)
        product = cost.operations("MatMul", [x.shape], y.shape)
        return add(product, cost.operations("Add", [y.shape], y.shape)) if self.bias else product

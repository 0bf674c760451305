"""Activation functions and the elementwise functions of one tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from netc.compiler.library.initializers import Constant
from netc.compiler.language.words import (
    Initializer,
    Refused,
    Tensor,
    Weight,
    axis_of,
    floating,
    function,
    layer,
    numeric,
)
from netc.compiler.graph.types import BOOL, TensorType


def unary(name: str, operator: str, doc: str, group: str = "elementwise", **flags: bool) -> None:
    """Registers a function that is one ONNX operator of one tensor."""

    def rule(x: Tensor) -> TensorType:
        return numeric(x) if flags.get("of_integers") else floating(x)

    rule.__doc__ = doc
    made = function(name=name, group=group, differentiable=flags.get("differentiable", True))(rule)
    made.lowering(lambda op, x: getattr(op, operator)(x))


unary("relu", "Relu", "max(0, x)", "activation")
unary("sigmoid", "Sigmoid", "1 / (1 + e^-x)", "activation")
unary("tanh", "Tanh", "tanh x", "activation")
unary("softplus", "Softplus", "log(1 + e^x)", "activation")
unary("softsign", "Softsign", "x / (1 + |x|)", "activation")
unary("selu", "Selu", "1.0507 (x if x > 0 else 1.6733 (e^x - 1))  (Klambauer et al., 2017)", "activation")
unary("hard_swish", "HardSwish", "x clip(x / 6 + 1/2, 0, 1)  (Howard et al., 2019)", "activation")
unary("exp", "Exp", "e^x")
unary("log", "Log", "natural logarithm")
unary("sqrt", "Sqrt", "square root")
unary("erf", "Erf", "error function")
unary("sin", "Sin", "sine")
unary("cos", "Cos", "cosine")
unary("reciprocal", "Reciprocal", "1 / x")
unary("abs", "Abs", "absolute value", of_integers=True)
unary("sign", "Sign", "-1, 0 or 1; its gradient is zero", of_integers=True, differentiable=False)
unary("floor", "Floor", "largest whole number below; its gradient is zero", differentiable=False)
unary("ceil", "Ceil", "smallest whole number above; its gradient is zero", differentiable=False)
unary("round", "Round", "nearest whole number, halves to even; its gradient is zero", differentiable=False)


@function(group="activation")
def leaky_relu(x: Tensor, slope: float = 0.01) -> TensorType:
    """x if x > 0 else slope x"""
    return floating(x)


@leaky_relu.lowering
def _(op: Any, x: Any, slope: float) -> Any:
    return op.LeakyRelu(x, alpha=slope)


@function(group="activation")
def elu(x: Tensor, alpha: float = 1.0) -> TensorType:
    """x if x > 0 else alpha (e^x - 1)  (Clevert et al., 2015)"""
    return floating(x)


@elu.lowering
def _(op: Any, x: Any, alpha: float) -> Any:
    return op.Elu(x, alpha=alpha)


@function(group="activation")
def gelu(x: Tensor) -> TensorType:
    """x Phi(x) with Phi the normal distribution function, by erf  (Hendrycks & Gimpel, 2016)"""
    return floating(x)


@gelu.lowering
def _(op: Any, x: Any) -> Any:
    return op.Mul(op.Mul(x, 0.5), op.Add(op.Erf(op.Mul(x, 1 / math.sqrt(2))), 1.0))


@function(group="activation")
def silu(x: Tensor) -> TensorType:
    """x sigmoid(x), also called swish"""
    return floating(x)


@silu.lowering
def _(op: Any, x: Any) -> Any:
    return op.Mul(x, op.Sigmoid(x))


@function(group="activation")
def mish(x: Tensor) -> TensorType:
    """x tanh(log(1 + e^x))  (Misra, 2019)"""
    return floating(x)


@mish.lowering
def _(op: Any, x: Any) -> Any:
    return op.Mul(x, op.Tanh(op.Softplus(x)))


@function(group="activation")
def hard_sigmoid(x: Tensor) -> TensorType:
    """clip(x / 6 + 1/2, 0, 1)"""
    return floating(x)


@hard_sigmoid.lowering
def _(op: Any, x: Any) -> Any:
    return op.HardSigmoid(x, alpha=1 / 6, beta=0.5)


@function(group="activation")
def softmax(x: Tensor, axis: int = -1) -> TensorType:
    """e^x over its sum along `axis`"""
    axis_of(x, axis)
    return floating(x)


@softmax.lowering
def _(op: Any, x: Any, axis: int) -> Any:
    return op.Softmax(x, axis=axis)


@function(group="activation")
def log_softmax(x: Tensor, axis: int = -1) -> TensorType:
    """log(softmax(x)), computed without overflow"""
    axis_of(x, axis)
    return floating(x)


@log_softmax.lowering
def _(op: Any, x: Any, axis: int) -> Any:
    return op.LogSoftmax(x, axis=axis)


@function(group="elementwise")
def clip(x: Tensor, low: float | None = None, high: float | None = None) -> TensorType:
    """x limited to [low, high]; the gradient is zero outside"""
    if low is not None and high is not None and low > high:
        raise Refused("argument", f"`low` is {low}, above `high`, {high}", "low")
    return numeric(x)


@clip.lowering
def _(op: Any, x: Any, low: float | None, high: float | None) -> Any:
    return op.Clip(x, *(None if v is None else op.constant(v, x.dtype) for v in (low, high)))


@function(group="elementwise", differentiable=False)
def stop_gradient(x: Tensor) -> TensorType:
    """x itself, through which no gradient flows"""
    return x


@stop_gradient.lowering
def _(op: Any, x: Any) -> Any:
    return op.stop_gradient(x)


@function(group="elementwise", differentiable=False)
def is_nan(x: Tensor) -> TensorType:
    """true where x is not a number"""
    return floating(x).with_dtype(BOOL)


@is_nan.lowering
def _(op: Any, x: Any) -> Any:
    return op.IsNaN(x)


@layer
@dataclass(frozen=True)
class PReLU:
    """x if x > 0 else slope x, with one learned slope for each feature of the last axis  (He et al., 2015)"""

    init: Initializer = field(default=Constant(0.25))

    def parameters(self, x: TensorType) -> dict[str, Weight]:
        return {"slope": Weight((floating(x).shape[-1],), self.init)}

    def type(self, x: Tensor) -> TensorType:
        if x.rank < 2:
            raise Refused("shape-mismatch", f"`PReLU` needs features on a last axis, this is `{x}`")
        return floating(x)

    def lower(self, op: Any, x: Any, slope: Any) -> Any:
        return op.PRelu(x, slope)

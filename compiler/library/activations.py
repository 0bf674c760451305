"""Activation functions."""

from __future__ import annotations

import math

from netc.compiler.graph.types import TensorType
from netc.compiler.language.doubts import LOG_PROBABILITIES, PROBABILITIES, Doubt, Seen, one_class
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import axis_of, floating, floating_kernel
from netc.compiler.language.slots import Tensor
from netc.compiler.language.variables import Initializer, Variable, parameter
from netc.compiler.language.words import function, layer
from netc.compiler.library.initializers import ConstantValue


class Activation:
    """A function of each element of a floating-point tensor."""

    def type(self, x: Tensor) -> TensorType:
        return floating(x)


@function("activation", watched=True)
class Relu(Activation):
    """max(0, x)"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Relu(x)


@function("activation", gives=PROBABILITIES)
class Sigmoid(Activation):
    """1 / (1 + e^-x)"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Sigmoid(x)


@function("activation")
class LogSigmoid(Activation):
    """log(sigmoid(x)) = -log(1 + e^-x), computed without overflow"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Neg(op.Softplus(op.Neg(x)))


@function("activation")
class Tanh(Activation):
    """tanh x"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Tanh(x)


@function("activation")
class Softplus(Activation):
    """log(1 + e^x)"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Softplus(x)


@function("activation")
class Softsign(Activation):
    """x / (1 + |x|)"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Softsign(x)


@function("activation")
class Selu(Activation):
    """1.0507 (x if x > 0 else 1.6733 (e^x - 1))  (Klambauer et al., 2017)"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Selu(x)


@function("activation")
class HardSwish(Activation):
    """x clip(x / 6 + 1/2, 0, 1)  (Howard et al., 2019)"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.HardSwish(x)


@function("activation")
class LeakyRelu(Activation):
    """x if x > 0 else slope x"""

    slope: float = 0.01

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.LeakyRelu(x, alpha=self.slope)


@function("activation")
class Elu(Activation):
    """x if x > 0 else alpha (e^x - 1)  (Clevert et al., 2015)"""

    alpha: float = 1.0

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Elu(x, alpha=self.alpha)


@function("activation")
class Gelu(Activation):
    """x Phi(x) with Phi the normal distribution function, by erf  (Hendrycks & Gimpel, 2016)"""

    def type(self, x: Tensor) -> TensorType:
        return floating_kernel("gelu", x)

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Mul(op.Mul(x, 0.5), op.Add(op.Erf(op.Mul(x, 1 / math.sqrt(2))), 1.0))


@function("activation")
class Silu(Activation):
    """x sigmoid(x), also called swish"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Mul(x, op.Sigmoid(x))


@function("activation")
class Mish(Activation):
    """x tanh(log(1 + e^x))  (Misra, 2019)"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Mul(x, op.Tanh(op.Softplus(x)))


@function("activation", gives=PROBABILITIES)
class HardSigmoid(Activation):
    """clip(x / 6 + 1/2, 0, 1)"""

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.HardSigmoid(x, alpha=1 / 6, beta=0.5)


@function("activation", gives=PROBABILITIES)
class Softmax:
    """e^x over its sum along `axis`"""

    axis: int = -1

    def type(self, x: Tensor) -> TensorType:
        axis_of(x, self.axis)
        return floating(x)

    def doubt(self, x: Seen) -> Doubt | None:
        return one_class("softmax", x.type, self.axis, "1", "for a yes or no, write `sigmoid`")

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.Softmax(x, axis=self.axis)


@function("activation", gives=LOG_PROBABILITIES)
class LogSoftmax:
    """log(softmax(x)), computed without overflow"""

    axis: int = -1

    def type(self, x: Tensor) -> TensorType:
        axis_of(x, self.axis)
        return floating(x)

    def doubt(self, x: Seen) -> Doubt | None:
        return one_class("log_softmax", x.type, self.axis, "0", "for a yes or no, write `sigmoid`")

    def lower(self, op: Emitter, x: Value) -> Value:
        return op.LogSoftmax(x, axis=self.axis)


@layer
class PReLU:
    """x if x > 0 else slope x, with one learned slope for each feature of the last axis  (He et al., 2015)"""

    init: Initializer = ConstantValue(0.25)

    def type(self, x: Tensor) -> TensorType:
        if x.rank < 2:
            raise Refused(
                "shape-mismatch",
                f"`PReLU` needs features on a last axis, this is `{x}`",
                None,
                "`unsqueeze({0}, 1)` adds it",
            )
        return floating(x)

    def variables(self, x: TensorType) -> dict[str, Variable]:
        return {"slope": parameter(x.with_shape(x.shape[-1:]), self.init)}

    def lower(self, op: Emitter, x: Value, slope: Value) -> Value:
        return op.PRelu(x, slope)

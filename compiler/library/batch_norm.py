"""Batch normalisation: the statistics of the batch in training, running ones in evaluation."""

from __future__ import annotations

from netc.compiler.graph.types import TensorType
from netc.compiler.language.lowering import Context, Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import floating
from netc.compiler.language.slots import Tensor
from netc.compiler.language.variables import Variable, buffer, parameter
from netc.compiler.language.words import layer
from netc.compiler.library.initializers import Ones, Zeros


@layer
class BatchNorm:
    """(x - mean) / sqrt(variance + epsilon) scale + bias for each channel, which is axis 1; in training with the mean and
    variance of the batch, of which momentum goes into the running ones that evaluation uses  (Ioffe & Szegedy, 2015)"""

    momentum: float = 0.1
    epsilon: float = 1e-5

    def type(self, x: Tensor) -> TensorType:
        if x.rank < 2:
            raise Refused(
                "shape-mismatch",
                f"`BatchNorm` needs channels on axis 1, this is `{x}`",
                None,
                "`unsqueeze({0}, 1)` adds it",
            )
        if not 0 <= self.momentum <= 1:
            raise Refused("argument", f"`momentum` must be in [0, 1], not {self.momentum:g}", "momentum")
        if not self.epsilon > 0:
            raise Refused("argument", f"`epsilon` must be positive, not {self.epsilon:g}", "epsilon")
        return floating(x)

    def variables(self, x: TensorType) -> dict[str, Variable]:
        if not isinstance(x.shape[1], int):
            raise Refused("symbolic-parameter", f"axis 1 of `{x}` has no fixed size, so `BatchNorm` has no channels", None,
                          "declare the dimension as a number")  # fmt: skip
        each = x.with_shape((x.shape[1],))
        return {
            "scale": parameter(each, Ones()),
            "bias": parameter(each, Zeros()),
            "mean": buffer(each, Zeros()),
            "variance": buffer(each, Ones()),
        }

    def lower(
        self, op: Emitter, x: Value, scale: Value, bias: Value, mean: Value, variance: Value, context: Context
    ) -> Value | tuple[Value, dict[str, Value]]:
        if not context.training:
            return op.BatchNormalization(x, scale, bias, mean, variance, epsilon=self.epsilon)
        rank = len(op.shape(x))
        axes, channels = [0, *range(2, rank)], op.shape(scale)
        across = (*channels, *[1] * (rank - 2))  # a value for each channel, against x
        centre = op.reduce("ReduceMean", x, axes, True)
        centred = op.Sub(x, centre)
        spread = op.reduce("ReduceMean", op.Mul(centred, centred), axes, True)
        factor = op.Div(op.reshape(scale, across), op.Sqrt(op.Add(spread, self.epsilon)))
        y = op.Add(op.Mul(centred, factor), op.reshape(bias, across))
        count = op.cast(op.element_count(x, axes), x.dtype)
        unbiased = op.Div(count, op.Max(op.Sub(count, 1.0), 1.0))  # a single row has no spread to correct
        seen = {"mean": op.reshape(centre, channels), "variance": op.reshape(op.Mul(spread, unbiased), channels)}
        held = {"mean": mean, "variance": variance}
        return y, {n: op.Add(op.Mul(held[n], 1 - self.momentum), op.Mul(seen[n], self.momentum)) for n in held}

"""Standardisation by the statistics of the training rows."""

from __future__ import annotations

from netc.compiler.graph.types import DTYPES, F32, TensorType
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import floating
from netc.compiler.language.slots import Tensor
from netc.compiler.language.variables import Variable, buffer
from netc.compiler.language.words import fitted
from netc.compiler.library.initializers import Ones, Zeros

F64 = DTYPES["f64"]
CONSTANT = 1e-7  # a deviation that is this small against the mean is that of rounding


@fitted
class Standardize:
    """(x - mean) / deviation with the mean and the standard deviation of the training rows, which are computed before training;
    for each feature of the last axis, or of `axis`, over all other axes; what is constant is centred alone"""

    axis: int = -1

    def type(self, x: Tensor) -> TensorType:
        floating(x)
        if x.rank == 1 and self.axis == -1:
            return x  # a number for each row is one feature
        if not -x.rank <= self.axis < x.rank:
            raise Refused("argument", f"there is no axis {self.axis} in `{x}`", "axis")
        if self.axis % x.rank == 0:
            raise Refused("argument", "axis 0 is the batch, over which the mean is taken", "axis")
        return x

    def variables(self, x: TensorType) -> dict[str, Variable]:
        features = x.shape[self.axis] if x.rank > 1 else 1
        if not isinstance(features, int):
            raise Refused("symbolic-parameter", f"axis {self.axis} of `{x}` has no fixed size, so it has no features", None,
                          "declare the dimension as a number")  # fmt: skip
        each = TensorType(F32 if x.dtype == DTYPES["f16"] else x.dtype, (features,) if x.rank > 1 else ())
        return {
            "count": buffer(each.with_shape(()), Zeros()),
            "mean": buffer(each, Zeros()),
            "variance": buffer(each, Ones()),
        }

    def lower(self, op: Emitter, x: Value, count: Value, mean: Value, variance: Value) -> Value:
        rank = len(op.shape(x))
        across = tuple(d if i == self.axis % rank else 1 for i, d in enumerate(op.shape(x))) if rank > 1 else ()
        deviation = op.Sqrt(variance)
        small = op.Less(deviation, op.Mul(op.Abs(mean), CONSTANT))
        none = op.Or(small, op.Equal(deviation, 0.0))
        scale = op.Where(none, op.constant(1.0, mean.dtype), deviation)
        centred = op.Sub(op.cast(x, mean.dtype), op.reshape(mean, across))
        return op.cast(op.Div(centred, op.reshape(scale, across)), x.dtype)

    def fit(self, op: Emitter, x: Value, count: Value, mean: Value, variance: Value) -> dict[str, Value]:
        """The statistics of all rows so far from those before and a batch (Chan, Golub & LeVeque, 1979)."""
        dtype, rank = mean.dtype, len(op.shape(x))
        axes = [i for i in range(rank) if rank == 1 or i != self.axis % rank]
        x, count, mean, variance = (op.cast(v, F64) for v in (x, count, mean, variance))  # sums of many rows
        own = op.reduce("ReduceMean", x, axes, True)
        centred = op.Sub(x, own)
        spread = op.reduce("ReduceMean", op.Mul(centred, centred), axes, False)
        rows = op.cast(op.element_count(x, axes), F64)
        total = op.Add(count, rows)
        share = op.Div(rows, total)
        apart = op.Sub(op.reshape(own, op.shape(mean)), mean)
        between = op.Mul(op.Mul(apart, apart), op.Mul(share, op.Sub(1.0, share)))
        within = op.Add(op.Mul(variance, op.Sub(1.0, share)), op.Mul(spread, share))
        found = {"count": total, "mean": op.Add(mean, op.Mul(apart, share)), "variance": op.Add(within, between)}
        return {n: op.cast(v, dtype) for n, v in found.items()}

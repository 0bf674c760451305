"""Ready-made losses. Each is the mean over all positions of a value for each position, which `each` gives."""

from __future__ import annotations

from typing import ClassVar

from netc.compiler.graph.dimensions import Shape
from netc.compiler.graph.types import I64, TensorType
from netc.compiler.language.doubts import Doubt, Seen, not_log_probabilities, not_logits, one_class
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused, percent
from netc.compiler.language.shapes import axis_of, equal_types, floating, yes_or_no
from netc.compiler.language.slots import Index, Tensor
from netc.compiler.language.words import loss

_YES_OR_NO = "for a yes or no, write `sigmoid_cross_entropy`, with a target of the shape of the scores"


def _classes(name: str, x: TensorType, target: TensorType, axis: int) -> TensorType:
    """Checks class scores against class indices (one axis fewer) or class weights (the same shape)."""
    if x.dtype.is_integer:
        help = (
            f"the scores come first: `{name}({{1}}, {{0}})`"
            if target.dtype.is_float
            else "give it the scores, before `argmax`"
        )
        raise Refused("dtype", f"`{name}` takes scores of each class, this is `{x}`", None, help)
    at = axis_of(floating(x), axis)
    if target.dtype.is_integer:
        positions = x.shape[:at] + x.shape[at + 1 :]
        if target.dtype.name not in ("i32", "i64"):
            raise Refused(
                "dtype", f"class indices are i32 or i64, this is `{target}`", "target", "convert it: `i64({1})`"
            )
        if target.shape != positions:
            raise Refused(
                "shape-mismatch", f"`{name}` of scores `{x}` needs one class for each position, this is `{target}`",
                "target", _one_class(x, target, positions),
            )  # fmt: skip
    elif target.shape != x.shape or target.dtype != x.dtype:
        raise Refused(
            "shape-mismatch", f"`{name}` of scores `{x}` needs class indices or a weight for each class, this is `{target}`",
            "target", _a_weight_each(x, target, TensorType(I64, x.shape[:at] + x.shape[at + 1 :])),
        )  # fmt: skip
    return x.with_shape(())


def _one_class(x: TensorType, target: TensorType, positions: Shape) -> str:
    """Help where class numbers have another shape than the positions."""
    if target.shape == x.shape:
        return f"a one-hot target is floating-point: `{x.dtype}({{1}})`; class numbers are `{target.with_shape(positions)}`"
    if target.shape == (*positions, 1):
        return f"drop the last axis: `{{1}}[{', '.join([':'] * len(positions))}, 0]`"
    if target.rank == 1 and x.rank > 2:
        return "flatten the rows before the first layer: `{input} -> flatten`"
    return f"the target would be `{target.with_shape(positions)}`"


def _a_weight_each(x: TensorType, target: TensorType, indices: TensorType) -> str:
    """Help where a floating-point target is no weight for each class."""
    if target.shape == indices.shape:
        return "numbers of classes are whole: `i64({1})`"
    if target.rank == x.rank and target.dtype == x.dtype and target.shape[:-1] == x.shape[:-1]:
        return f"the target has {target.shape[-1]} classes, so the last layer is `Dense({target.shape[-1]})`"
    if x.rank > 2 and target.rank == 2:
        return "flatten the rows before the first layer: `{input} -> flatten`"
    return f"the target would be `{indices}` or `{x}`"


def _picked(op: Emitter, scores: Value, target: Value, axis: int) -> Value:
    """scores[..., target, ...]: the entry of each position's class."""
    at = op.vector([axis])
    return op.Squeeze(op.GatherElements(scores, op.Unsqueeze(target, at), axis=axis), at)


def _negative_log(op: Emitter, log_p: Value, target: Value, axis: int) -> Value:
    """-sum_k q_k log p_k, where q is a class or a weight for each class."""
    if op.is_float(target):
        return op.Neg(op.reduce("ReduceSum", op.Mul(target, log_p), axis, False))
    return op.Neg(_picked(op, log_p, target, axis))


@loss()
class SoftmaxCrossEntropy:
    """-sum_k q_k log softmax(logits)_k, where q is the target class, one-hot or soft; with smoothing s of K classes
    q becomes (1 - s) q + s / K"""

    axis: int = -1
    smoothing: float = 0.0
    over: ClassVar[bool] = True

    def type(self, logits: Tensor, target: Index) -> TensorType:
        if not 0 <= self.smoothing < 1:
            raise Refused(
                "argument",
                f"`smoothing` must be in [0, 1), not {float(self.smoothing):g}",
                "smoothing",
                percent(self.smoothing),
            )
        return _classes("softmax_cross_entropy", logits, target, self.axis)

    def doubt(self, logits: Seen, target: Seen) -> Doubt | None:
        return not_logits("softmax_cross_entropy", logits, ("softmax", "log_softmax")) or one_class(
            "softmax_cross_entropy", logits.type, self.axis, "0", _YES_OR_NO
        )

    def each(self, op: Emitter, logits: Value, target: Value) -> Value:
        log_p = op.LogSoftmax(logits, axis=self.axis)
        nll = _negative_log(op, log_p, target, self.axis)
        if self.smoothing:
            uniform = op.Neg(op.reduce("ReduceMean", log_p, self.axis, False))
            nll = op.Add(op.Mul(nll, float(1 - self.smoothing)), op.Mul(uniform, float(self.smoothing)))
        return nll


@loss()
class Nll:
    """-log p of the target class, given log-probabilities"""

    axis: int = -1
    over: ClassVar[bool] = True

    def type(self, log_probability: Tensor, target: Index) -> TensorType:
        return _classes("nll", log_probability, target, self.axis)

    def doubt(self, log_probability: Seen, target: Seen) -> Doubt | None:
        return not_log_probabilities("nll", log_probability)

    def each(self, op: Emitter, log_probability: Value, target: Value) -> Value:
        return _negative_log(op, log_probability, target, self.axis)


@loss()
class SigmoidCrossEntropy:
    """log(1 + e^z) - t z: binary and multi-label classification, t in [0, 1] or truth values, of the logits' shape"""

    def type(self, logits: Tensor, target: Tensor) -> TensorType:
        return yes_or_no("sigmoid_cross_entropy", floating(logits), target).with_shape(())

    def doubt(self, logits: Seen, target: Seen) -> Doubt | None:
        return not_logits("sigmoid_cross_entropy", logits, ("sigmoid",))

    def each(self, op: Emitter, logits: Value, target: Value) -> Value:
        return op.Sub(op.Softplus(logits), op.Mul(op.cast(target, logits.dtype), logits))


@loss()
class MeanSquaredError:
    """(prediction - target)^2"""

    def type(self, prediction: Tensor, target: Tensor) -> TensorType:
        return equal_types("mean_squared_error", floating(prediction), target).with_shape(())

    def each(self, op: Emitter, prediction: Value, target: Value) -> Value:
        difference = op.Sub(prediction, target)
        return op.Mul(difference, difference)


@loss()
class MeanAbsoluteError:
    """|prediction - target|"""

    def type(self, prediction: Tensor, target: Tensor) -> TensorType:
        return equal_types("mean_absolute_error", floating(prediction), target).with_shape(())

    def each(self, op: Emitter, prediction: Value, target: Value) -> Value:
        return op.Abs(op.Sub(prediction, target))


@loss()
class Huber:
    """d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), d = prediction - target  (Huber, 1964)"""

    delta: float = 1.0

    def type(self, prediction: Tensor, target: Tensor) -> TensorType:
        if not self.delta > 0:
            raise Refused("argument", f"`delta` must be positive, not {float(self.delta):g}", "delta")
        return equal_types("huber", floating(prediction), target).with_shape(())

    def each(self, op: Emitter, prediction: Value, target: Value) -> Value:
        distance = op.Abs(op.Sub(prediction, target))
        near = op.Min(
            distance, op.constant(self.delta, distance.dtype)
        )  # d^2/2 and the line meet in near (|d| - near / 2)
        return op.Mul(near, op.Sub(distance, op.Mul(near, 0.5)))


@loss()
class Hinge:
    """sum over classes j other than the target y of max(0, s_j - s_y + margin)  (Weston & Watkins, 1999)"""

    margin: float = 1.0
    axis: int = -1
    over: ClassVar[bool] = True

    def type(self, scores: Tensor, target: Index) -> TensorType:
        if not target.dtype.is_integer:
            raise Refused(
                "dtype",
                f"`hinge` needs class indices, this is `{target}`",
                "target",
                "numbers of classes are whole: `i64({1})`",
            )
        return _classes("hinge", scores, target, self.axis)

    def doubt(self, scores: Seen, target: Seen) -> Doubt | None:
        return one_class("hinge", scores.type, self.axis, "0", "for a yes or no, write `binary_hinge`")

    def each(self, op: Emitter, scores: Value, target: Value) -> Value:
        right = op.GatherElements(scores, op.Unsqueeze(target, op.vector([self.axis])), axis=self.axis)
        violations = op.Relu(op.Add(op.Sub(scores, right), float(self.margin)))
        # The target's own term is the constant margin: it adds no gradient of its own and is taken off again.
        return op.Sub(op.reduce("ReduceSum", violations, self.axis, False), op.constant(self.margin, scores.dtype))


@loss()
class BinaryHinge:
    """max(0, 1 - t s) for targets t of -1 or 1"""

    def type(self, scores: Tensor, target: Tensor) -> TensorType:
        return equal_types("binary_hinge", floating(scores), target).with_shape(())

    def each(self, op: Emitter, scores: Value, target: Value) -> Value:
        return op.Relu(op.Sub(1.0, op.Mul(target, scores)))


@loss()
class KlDivergence:
    """sum_k t_k (log t_k - log p_k) along `axis`, given log-probabilities and target probabilities"""

    axis: int = -1
    over: ClassVar[bool] = True

    def type(self, log_probability: Tensor, target: Tensor) -> TensorType:
        axis_of(log_probability, self.axis)
        return equal_types("kl_divergence", floating(log_probability), target).with_shape(())

    def doubt(self, log_probability: Seen, target: Seen) -> Doubt | None:
        return not_log_probabilities("kl_divergence", log_probability)

    def each(self, op: Emitter, log_probability: Value, target: Value) -> Value:
        tiny = op.constant(1.1754944e-38, target.dtype)  # t log t is 0 at t = 0
        surprise = op.Sub(op.Log(op.Max(target, tiny)), log_probability)
        return op.reduce("ReduceSum", op.Mul(target, surprise), self.axis, False)

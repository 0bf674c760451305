"""Ready-made metrics, exact over unequal batches. A metric's gradient is zero or absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netc.compiler.graph.dimensions import Shape
from netc.compiler.graph.types import F32, FLOAT, I64, INT64, TensorType
from netc.compiler.language.doubts import PROBABILITIES, Doubt, Seen, one_class
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.operations import Accumulated, lower_case
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import axis_of, equal_types, floating, yes_or_no
from netc.compiler.language.slots import Index, Tensor
from netc.compiler.language.words import metric

CONFUSION_CLASSES = 100  # up to here accuracy accumulates the whole confusion matrix


def _expected(scores: TensorType, target: TensorType, rest: Shape) -> str:
    """Help where a target is neither a class nor a weight of each class."""
    if target.dtype.is_float and target.shape == rest:
        return "numbers of classes are whole: `i64({1})`"
    if target.shape == (*rest, 1):
        whole = "{1}" if target.dtype.is_integer else "i64({1})"
        return f"drop the last axis: `{whole}[{', '.join([':'] * len(rest))}, 0]`"
    if target.shape == scores.shape:
        return "a one-hot target is floating-point: `f32({1})`"
    if scores.rank > 2 and target.rank < 3:
        return "flatten the rows before the first layer: `{input} -> flatten`"
    return f"the target would be `{TensorType(I64, rest)}` or `{scores}`"


@metric()
class Accuracy:
    """share of positions whose target class is among the k highest scores; the target is a class index or one-hot"""

    k: int = 1
    axis: int = -1

    def type(self, scores: Tensor, target: Index) -> TensorType:
        at = axis_of(floating(scores), self.axis)
        rest = scores.shape[:at] + scores.shape[at + 1 :]
        expected = rest if target.dtype.is_integer else scores.shape
        if target.shape != expected:
            raise Refused(
                "shape-mismatch", f"`accuracy` of scores `{scores}` needs one class for each position, this is `{target}`",
                "target", _expected(scores, target, rest),
            )  # fmt: skip
        classes = scores.shape[at]
        if self.k < 1 or (isinstance(classes, int) and self.k > classes):
            raise Refused("argument", f"`k` must be between 1 and the number of classes, {classes}, not {self.k}", "k")
        return TensorType(F32, ())

    def doubt(self, scores: Seen, target: Seen) -> Doubt | None:
        if self.k > 1 and scores.type.shape[self.axis] == self.k:
            message = f"`accuracy` among the {self.k} highest of {self.k} scores is always 1"
            return Doubt("constant-value", message, "write a smaller `k`")
        return one_class("accuracy", scores.type, self.axis, "1", "for a yes or no, write `binary_accuracy`")

    def target_class(self, op: Emitter, target: Value) -> Value:
        return op.ArgMax(target, axis=self.axis, keepdims=0) if op.is_float(target) else op.cast(target, INT64)

    def hits(self, op: Emitter, scores: Value, target: Value) -> Value:
        """1 at each position that is right, as float32."""
        label = self.target_class(op, target)
        if self.k == 1:
            return op.cast(op.Equal(op.ArgMax(scores, axis=self.axis, keepdims=0), label), FLOAT)
        _, best = op.TopK(scores, op.vector([self.k]), axis=self.axis, num_outputs=2)
        match = op.Equal(best, op.Unsqueeze(label, op.vector([self.axis])))
        return op.reduce("ReduceMax", op.cast(match, FLOAT), self.axis, False)

    def lower(self, op: Emitter, scores: Value, target: Value) -> Value:
        return op.reduce("ReduceMean", self.hits(op, scores, target), None, False)

    def accumulate(self, op: Emitter, scores: Value, target: Value) -> Accumulated:
        classes = op.shape(scores)[self.axis]
        if self.k == 1 and isinstance(classes, int) and classes <= CONFUSION_CLASSES:
            rows = op.one_hot(op.flat(self.target_class(op, target)), classes)
            columns = op.one_hot(op.flat(op.ArgMax(scores, axis=self.axis, keepdims=0)), classes)
            return {"confusion": ("sum", op.MatMul(op.Transpose(rows, perm=[1, 0]), columns))}
        hits = self.hits(op, scores, target)
        return {
            "correct": ("sum", op.reduce("ReduceSum", hits, None, False)),
            "count": ("sum", op.element_count(hits, None)),
        }

    def score(self, op: Emitter, accumulated: Mapping[str, Value]) -> Value:
        if "confusion" in accumulated:
            matrix = accumulated["confusion"]
            size, _ = op.static_shape(matrix)
            diagonal = op.Mul(matrix, op.identity_matrix(size, FLOAT))
            return op.Div(op.reduce("ReduceSum", diagonal, None, False), op.reduce("ReduceSum", matrix, None, False))
        return op.Div(accumulated["correct"], accumulated["count"])


@dataclass(eq=False, repr=False)
class Thresholded:
    """A metric of scores against 0/1 targets or truth values of the same shape, counted in four cells: a score above
    `threshold` says yes (0 for logits, 0.5 for probabilities)."""

    threshold: float = 0.0

    def type(self, scores: Tensor, target: Tensor) -> TensorType:
        return yes_or_no(lower_case(type(self).__name__), floating(scores), target).with_shape(())

    def doubt(self, scores: Seen, target: Seen) -> Doubt | None:
        if self.threshold != 0 or scores.kind != PROBABILITIES:
            return None
        name = lower_case(type(self).__name__)
        message = f"`{name}` with threshold 0 takes logits, and `{scores.word}` gives probabilities"
        return Doubt("not-logits", message, f"write `threshold = 0.5`, or leave `{scores.word}` out", scores)

    def accumulate(self, op: Emitter, scores: Value, target: Value) -> Accumulated:
        says = op.cast(op.Greater(scores, op.constant(self.threshold, scores.dtype)), scores.dtype)
        true = op.cast(op.Greater(op.cast(target, scores.dtype), op.constant(0.5, scores.dtype)), scores.dtype)
        both = op.Mul(says, true)
        return {
            "hits": ("sum", op.reduce("ReduceSum", both, None, False)),
            "said": ("sum", op.reduce("ReduceSum", says, None, False)),
            "true": ("sum", op.reduce("ReduceSum", true, None, False)),
            "count": ("sum", op.cast(op.element_count(both, None), scores.dtype)),
        }

    def lower(self, op: Emitter, scores: Value, target: Value) -> Value:
        return self.score(op, {n: v for n, (_, v) in self.accumulate(op, scores, target).items()})

    def score(self, op: Emitter, cells: Mapping[str, Value]) -> Value:
        raise NotImplementedError


def _ratio(op: Emitter, above: Value, below: Value) -> Value:
    return op.Div(above, op.Max(below, op.constant(1.0, below.dtype)))  # 0 / 0 counts as 0


@metric()
class BinaryAccuracy(Thresholded):
    """share of right answers; a score above `threshold` says yes (0 for logits, 0.5 for probabilities)"""

    def score(self, op: Emitter, cells: Mapping[str, Value]) -> Value:
        wrong_or_true = op.Sub(op.Sub(cells["count"], cells["said"]), cells["true"])
        return op.Div(op.Add(wrong_or_true, op.Mul(cells["hits"], 2.0)), cells["count"])


@metric()
class Precision(Thresholded):
    """share of the yes answers that are right; a score above `threshold` says yes (0 for logits, 0.5 for probabilities)"""

    def score(self, op: Emitter, cells: Mapping[str, Value]) -> Value:
        return _ratio(op, cells["hits"], cells["said"])


@metric()
class Recall(Thresholded):
    """share of the true cases that are found; a score above `threshold` says yes (0 for logits, 0.5 for probabilities)"""

    def score(self, op: Emitter, cells: Mapping[str, Value]) -> Value:
        return _ratio(op, cells["hits"], cells["true"])


@metric()
class F1(Thresholded):
    """harmonic mean of precision and recall; a score above `threshold` says yes (0 for logits, 0.5 for probabilities)"""

    def score(self, op: Emitter, cells: Mapping[str, Value]) -> Value:
        return _ratio(op, op.Mul(cells["hits"], 2.0), op.Add(cells["said"], cells["true"]))


@metric(differentiable=True)
class R2:
    """1 - sum (prediction - target)^2 / sum (target - mean target)^2: the share of variance explained"""

    def type(self, prediction: Tensor, target: Tensor) -> TensorType:
        return equal_types("r2", floating(prediction), target).with_shape(())

    def lower(self, op: Emitter, prediction: Value, target: Value) -> Value:
        centred = op.Sub(target, op.reduce("ReduceMean", target, None, False))
        difference = op.Sub(prediction, target)
        residual = op.reduce("ReduceSum", op.Mul(difference, difference), None, False)
        return op.Sub(1.0, op.Div(residual, op.reduce("ReduceSum", op.Mul(centred, centred), None, False)))

    def accumulate(self, op: Emitter, prediction: Value, target: Value) -> Accumulated:
        """The sum of squared errors, and of each batch the count, the mean and the sum of squares about it: the sum of the
        plain squares would cancel where targets lie far from zero."""
        difference = op.Sub(prediction, target)
        mean = op.reduce("ReduceMean", target, None, False)
        centred = op.Sub(target, mean)
        about = op.reduce("ReduceSum", op.Mul(centred, centred), None, False)
        of_batch = (op.cast(op.element_count(target, None), target.dtype), mean, about)
        return {
            "residual": ("sum", op.reduce("ReduceSum", op.Mul(difference, difference), None, False)),
            "batches": ("concat", op.Concat(*(op.reshape(v, (1, 1)) for v in of_batch), axis=1)),
        }

    def score(self, op: Emitter, accumulated: Mapping[str, Value]) -> Value:
        """Batches put together as Chan et al. (1979) do: sum of squares = sum about + sum count (mean - total mean)^2"""
        count, mean, about = op.Split(accumulated["batches"], axis=1, num_outputs=3)
        total = op.Div(
            op.reduce("ReduceSum", op.Mul(count, mean), None, False), op.reduce("ReduceSum", count, None, False)
        )
        apart = op.Sub(mean, total)
        spread = op.reduce("ReduceSum", op.Add(about, op.Mul(count, op.Mul(apart, apart))), None, False)
        return op.Sub(1.0, op.Div(accumulated["residual"], spread))

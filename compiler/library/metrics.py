"""Ready-made metrics, exact over unequal batches. A metric's gradient is zero or absent."""

from __future__ import annotations

from typing import Any

from netc.compiler.language.words import (
    Function,
    Index,
    Refused,
    Tensor,
    axis_of,
    equal_types,
    floating,
    function,
)
from netc.compiler.graph.types import F32, TensorType

CONFUSION_CLASSES = 100  # up to here accuracy accumulates the whole confusion matrix


@function(group="metric", mode="max", differentiable=False)
def accuracy(scores: Tensor, target: Index, k: int = 1, axis: int = -1) -> TensorType:
    """share of positions whose target class is among the k highest scores; the target is a class index or one-hot"""
    at = axis_of(floating(scores), axis)
    rest = scores.shape[:at] + scores.shape[at + 1 :]
    expected = rest if target.dtype.is_integer else scores.shape
    if target.shape != expected:
        raise Refused(
            "shape-mismatch", f"`accuracy` of scores `{scores}` needs one class for each position, this is `{target}`",
            "target", f"the target would be `{target.with_shape(rest)}`",
        )  # fmt: skip
    classes = scores.shape[at]
    if k < 1 or (isinstance(classes, int) and k > classes):
        raise Refused("argument", f"`k` must be between 1 and the number of classes, {classes}, not {k}", "k")
    return TensorType(F32, ())


def _target_class(op: Any, target: Any, axis: int) -> Any:
    return op.ArgMax(target, axis=axis, keepdims=0) if op.is_float(target) else op.cast(target, 7)


def _hits(op: Any, scores: Any, target: Any, k: int, axis: int) -> Any:
    label = _target_class(op, target, axis)
    if k == 1:
        return op.cast(op.Equal(op.ArgMax(scores, axis=axis, keepdims=0), label), 1)
    _, best = op.TopK(scores, op.vector([k]), axis=axis, num_outputs=2)
    match = op.Equal(best, op.Unsqueeze(label, op.vector([axis])))
    return op.reduce("ReduceMax", op.cast(match, 1), axis, False)


@accuracy.lowering
def _(op: Any, scores: Any, target: Any, k: int, axis: int) -> Any:
    return op.reduce("ReduceMean", _hits(op, scores, target, k, axis), None, False)


@accuracy.accumulating
def _(op: Any, scores: Any, target: Any, k: int, axis: int) -> Any:
    classes = op.shape(scores)[axis]
    if k == 1 and isinstance(classes, int) and classes <= CONFUSION_CLASSES:
        rows = op.one_hot(op.flat(_target_class(op, target, axis)), classes)
        columns = op.one_hot(op.flat(op.ArgMax(scores, axis=axis, keepdims=0)), classes)
        return {"confusion": ("sum", op.MatMul(op.Transpose(rows, perm=[1, 0]), columns))}
    hits = _hits(op, scores, target, k, axis)
    return {
        "correct": ("sum", op.reduce("ReduceSum", hits, None, False)),
        "count": ("sum", op.element_count(hits, None)),
    }


@accuracy.scoring
def _(op: Any, accumulated: Any, k: int, axis: int) -> Any:
    if "confusion" in accumulated:
        matrix = accumulated["confusion"]
        diagonal = op.Mul(matrix, op.identity_matrix(op.shape(matrix)[0], matrix.dtype))
        return op.Div(op.reduce("ReduceSum", diagonal, None, False), op.reduce("ReduceSum", matrix, None, False))
    return op.Div(accumulated["correct"], accumulated["count"])


def thresholded(name: str, doc: str) -> Function:
    """Registers a metric of scores against 0/1 targets of the same shape, counted in four cells."""

    def rule(scores: Tensor, target: Tensor, threshold: float = 0.0) -> TensorType:
        return equal_types(name, floating(scores), target).with_shape(())

    rule.__doc__ = doc + "; a score above `threshold` says yes (0 for logits, 0.5 for probabilities)"
    made = function(name=name, group="metric", mode="max", differentiable=False)(rule)
    made.accumulating(_cells)
    made.scoring(lambda op, cells, threshold: _SCORES[name](op, cells))
    made.lowering(
        lambda op, scores, target, threshold: _SCORES[name](
            op, {n: v for n, (_, v) in _cells(op, scores, target, threshold).items()}
        )
    )
    return made


def _cells(op: Any, scores: Any, target: Any, threshold: float) -> dict[str, tuple[str, Any]]:
    says = op.cast(op.Greater(scores, op.constant(threshold, scores.dtype)), scores.dtype)
    true = op.cast(op.Greater(target, op.constant(0.5, target.dtype)), scores.dtype)
    both = op.Mul(says, true)
    return {
        "hits": ("sum", op.reduce("ReduceSum", both, None, False)),
        "said": ("sum", op.reduce("ReduceSum", says, None, False)),
        "true": ("sum", op.reduce("ReduceSum", true, None, False)),
        "count": ("sum", op.element_count(both, None)),
    }


def _ratio(op: Any, above: Any, below: Any) -> Any:
    return op.Div(above, op.Max(below, op.constant(1.0, below.dtype)))  # 0 / 0 counts as 0


_SCORES = {
    "binary_accuracy": lambda op, c: op.Div(
        op.Add(op.Sub(op.Sub(c["count"], c["said"]), c["true"]), op.Mul(c["hits"], 2.0)), c["count"]
    ),
    "precision": lambda op, c: _ratio(op, c["hits"], c["said"]),
    "recall": lambda op, c: _ratio(op, c["hits"], c["true"]),
    "f1": lambda op, c: _ratio(op, op.Mul(c["hits"], 2.0), op.Add(c["said"], c["true"])),
}
thresholded("binary_accuracy", "share of right answers")
thresholded("precision", "share of the yes answers that are right")
thresholded("recall", "share of the true cases that are found")
thresholded("f1", "harmonic mean of precision and recall")


@function(group="metric", mode="max")
def r2(prediction: Tensor, target: Tensor) -> TensorType:
    """1 - sum (prediction - target)^2 / sum (target - mean target)^2: the share of variance explained"""
    return equal_types("r2", floating(prediction), target).with_shape(())


@r2.accumulating
def _(op: Any, prediction: Any, target: Any) -> Any:
    difference = op.Sub(prediction, target)
    return {
        "residual": ("sum", op.reduce("ReduceSum", op.Mul(difference, difference), None, False)),
        "sum": ("sum", op.reduce("ReduceSum", target, None, False)),
        "squares": ("sum", op.reduce("ReduceSum", op.Mul(target, target), None, False)),
        "count": ("sum", op.element_count(target, None)),
    }


@r2.scoring
def _(op: Any, c: Any) -> Any:
    spread = op.Sub(c["squares"], op.Div(op.Mul(c["sum"], c["sum"]), c["count"]))
    return op.Sub(1.0, op.Div(c["residual"], spread))


@r2.lowering
def _(op: Any, prediction: Any, target: Any) -> Any:
    centred = op.Sub(target, op.reduce("ReduceMean", target, None, False))
    difference = op.Sub(prediction, target)
    residual = op.reduce("ReduceSum", op.Mul(difference, difference), None, False)
    return op.Sub(1.0, op.Div(residual, op.reduce("ReduceSum", op.Mul(centred, centred), None, False)))

"""Ready-made losses. Each is the mean over all positions of a value for each position, which the lowering gives."""

from __future__ import annotations

from collections.abc import Callable
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
from netc.compiler.graph.types import TensorType, show_shape


def loss(rule: Callable[..., TensorType]) -> Function:
    """Registers a loss: `rule` checks the arguments, and the lowering's values are averaged into a scalar.

    Its mean is exact over unequal batches: the accumulators are the sum and the count.
    """
    made = function(group="loss", mode="min")(rule)
    made.accumulating(lambda op, *xs, **settings: _sum_and_count(op, _at_positions(made)(op, *xs, **settings)))
    made.scoring(lambda op, accumulated, **_: op.Div(accumulated["sum"], accumulated["count"]))
    made.costing(lambda x, *_, **__: x.size)
    return made


def _at_positions(made: Function) -> Callable[..., Any]:
    assert made.positions is not None, f"{made.name} has no lowering"
    return made.positions


def _sum_and_count(op: Any, values: Any) -> dict[str, tuple[str, Any]]:
    return {
        "sum": ("sum", op.reduce("ReduceSum", values, None, False)),
        "count": ("sum", op.element_count(values, None)),
    }


def positions(made: Function) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: `body(op, *inputs, **settings)` emits the loss of each position."""

    def register(body: Callable[..., Any]) -> Callable[..., Any]:
        made.positions = body
        made.body = lambda op, *xs, **settings: op.reduce("ReduceMean", body(op, *xs, **settings), None, False)
        return body

    return register


def _classes(name: str, x: TensorType, target: TensorType, axis: int) -> TensorType:
    """Checks class scores against class indices (one axis fewer) or class weights (the same shape)."""
    floating(x)
    at = axis_of(x, axis)
    if target.dtype.is_integer:
        positions_shape = x.shape[:at] + x.shape[at + 1 :]
        if target.dtype.name not in ("i32", "i64"):
            raise Refused("dtype", f"class indices are i32 or i64, this is `{target}`", "target", "convert: `i64(x)`")
        if target.shape != positions_shape:
            raise Refused(
                "shape-mismatch", f"`{name}` of scores `{x}` needs one class for each position, this is `{target}`",
                "target", f"the target would be `{target.with_shape(positions_shape)}`",
            )  # fmt: skip
    elif target.shape != x.shape or target.dtype != x.dtype:
        raise Refused(
            "shape-mismatch", f"`{name}` of scores `{x}` needs class indices or a weight for each class, this is `{target}`",
            "target", f"the target would be `i64{show_shape(x.shape[:at] + x.shape[at + 1 :])}` or `{x}`",
        )  # fmt: skip
    return x.with_shape(())


@loss
def softmax_cross_entropy(logits: Tensor, target: Index, axis: int = -1, smoothing: float = 0.0) -> TensorType:
    """-sum_k q_k log softmax(logits)_k, where q is the target class, one-hot or soft; with smoothing s of K classes
    q becomes (1 - s) q + s / K"""
    if not 0 <= smoothing < 1:
        raise Refused("argument", f"`smoothing` must be in [0, 1), not {float(smoothing):g}", "smoothing")
    return _classes("softmax_cross_entropy", logits, target, axis)


@positions(softmax_cross_entropy)
def _(op: Any, logits: Any, target: Any, axis: int, smoothing: float) -> Any:
    log_p = op.LogSoftmax(logits, axis=axis)
    if op.is_float(target):
        nll = op.Neg(op.reduce("ReduceSum", op.Mul(target, log_p), axis, False))
    else:
        nll = op.Neg(_picked(op, log_p, target, axis))
    if smoothing:
        uniform = op.Neg(op.reduce("ReduceMean", log_p, axis, False))
        nll = op.Add(op.Mul(nll, float(1 - smoothing)), op.Mul(uniform, float(smoothing)))
    return nll


def _picked(op: Any, scores: Any, target: Any, axis: int) -> Any:
    """scores[..., target, ...]: the entry of each position's class."""
    at = op.vector([axis])
    return op.Squeeze(op.GatherElements(scores, op.Unsqueeze(target, at), axis=axis), at)


@loss
def nll(log_probability: Tensor, target: Index, axis: int = -1) -> TensorType:
    """-log p of the target class, given log-probabilities"""
    return _classes("nll", log_probability, target, axis)


@positions(nll)
def _(op: Any, log_p: Any, target: Any, axis: int) -> Any:
    if op.is_float(target):
        return op.Neg(op.reduce("ReduceSum", op.Mul(target, log_p), axis, False))
    return op.Neg(_picked(op, log_p, target, axis))


@loss
def sigmoid_cross_entropy(logits: Tensor, target: Tensor) -> TensorType:
    """log(1 + e^z) - t z: binary and multi-label classification, t in [0, 1] of the logits' shape"""
    return equal_types("sigmoid_cross_entropy", floating(logits), target).with_shape(())


@positions(sigmoid_cross_entropy)
def _(op: Any, logits: Any, target: Any) -> Any:
    return op.Sub(op.Softplus(logits), op.Mul(target, logits))


@loss
def mean_squared_error(prediction: Tensor, target: Tensor) -> TensorType:
    """(prediction - target)^2"""
    return equal_types("mean_squared_error", floating(prediction), target).with_shape(())


@positions(mean_squared_error)
def _(op: Any, prediction: Any, target: Any) -> Any:
    difference = op.Sub(prediction, target)
    return op.Mul(difference, difference)


@loss
def mean_absolute_error(prediction: Tensor, target: Tensor) -> TensorType:
    """|prediction - target|"""
    return equal_types("mean_absolute_error", floating(prediction), target).with_shape(())


@positions(mean_absolute_error)
def _(op: Any, prediction: Any, target: Any) -> Any:
    return op.Abs(op.Sub(prediction, target))


@loss
def huber(prediction: Tensor, target: Tensor, delta: float = 1.0) -> TensorType:
    """d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), d = prediction - target  (Huber, 1964)"""
    if not delta > 0:
        raise Refused("argument", f"`delta` must be positive, not {float(delta):g}", "delta")
    return equal_types("huber", floating(prediction), target).with_shape(())


@positions(huber)
def _(op: Any, prediction: Any, target: Any, delta: float) -> Any:
    distance = op.Abs(op.Sub(prediction, target))
    near = op.Min(distance, op.constant(delta, distance.dtype))  # d^2/2 and the line meet in near (|d| - near / 2)
    return op.Mul(near, op.Sub(distance, op.Mul(near, 0.5)))


@loss
def hinge(scores: Tensor, target: Index, margin: float = 1.0, axis: int = -1) -> TensorType:
    """sum over classes j other than the target y of max(0, s_j - s_y + margin)  (Weston & Watkins, 1999)"""
    if not target.dtype.is_integer:
        raise Refused("dtype", f"`hinge` needs class indices, this is `{target}`", "target")
    return _classes("hinge", scores, target, axis)


@positions(hinge)
def _(op: Any, scores: Any, target: Any, margin: float, axis: int) -> Any:
    right = op.GatherElements(scores, op.Unsqueeze(target, op.vector([axis])), axis=axis)
    violations = op.Relu(op.Add(op.Sub(scores, right), float(margin)))
    # The target's own term is the constant margin: it adds no gradient of its own and is taken off again.
    return op.Sub(op.reduce("ReduceSum", violations, axis, False), op.constant(margin, scores.dtype))


@loss
def binary_hinge(scores: Tensor, target: Tensor) -> TensorType:
    """max(0, 1 - t s) for targets t of -1 or 1"""
    return equal_types("binary_hinge", floating(scores), target).with_shape(())


@positions(binary_hinge)
def _(op: Any, scores: Any, target: Any) -> Any:
    return op.Relu(op.Sub(1.0, op.Mul(target, scores)))


@loss
def kl_divergence(log_probability: Tensor, target: Tensor, axis: int = -1) -> TensorType:
    """sum_k t_k (log t_k - log p_k) along `axis`, given log-probabilities and target probabilities"""
    axis_of(log_probability, axis)
    return equal_types("kl_divergence", floating(log_probability), target).with_shape(())


@positions(kl_divergence)
def _(op: Any, log_p: Any, target: Any, axis: int) -> Any:
    tiny = op.constant(1.1754944e-38, target.dtype)  # t log t is 0 at t = 0
    surprise = op.Sub(op.Log(op.Max(target, tiny)), log_p)
    return op.reduce("ReduceSum", op.Mul(target, surprise), axis, False)

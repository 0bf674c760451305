"""Functions, losses and metrics of the language reference once more: NumPy, float64, from the published formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Axis = int | tuple[int, ...] | None


def wide(x: Any) -> Array:
    """Floating-point values as float64."""
    return np.asarray(x, dtype=np.float64)


# --- activations and elementwise functions ----------------------------------------------------------------------------


def erf(x: Any) -> Array:
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x, of the C library."""
    return np.vectorize(math.erf, otypes=[np.float64])(wide(x))


def relu(x: Any) -> Array:
    """max(0, x) (Nair & Hinton, 2010)"""
    return np.maximum(wide(x), 0)


def sigmoid(x: Any) -> Array:
    """1 / (1 + e^-x)"""
    return 1 / (1 + np.exp(-wide(x)))


def softplus(x: Any) -> Array:
    """log(1 + e^x) (Dugas et al., 2001)"""
    return np.logaddexp(0, wide(x))


def softsign(x: Any) -> Array:
    """x / (1 + |x|) (Turian et al., 2009)"""
    return wide(x) / (1 + np.abs(wide(x)))


def elu(x: Any, alpha: float = 1.0) -> Array:
    """x if x > 0 else alpha (e^x - 1) (Clevert et al., 2015, eq. 16)"""
    x = wide(x)
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def selu(x: Any) -> Array:
    """lambda elu(x, alpha) with the constants of Klambauer et al., 2017, section 2"""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def leaky_relu(x: Any, slope: float = 0.01) -> Array:
    """x if x > 0 else slope x (Maas et al., 2013)"""
    return np.where(wide(x) > 0, wide(x), slope * wide(x))


def gelu(x: Any) -> Array:
    """x Phi(x) (Hendrycks & Gimpel, 2016, the exact form)"""
    return wide(x) * 0.5 * (1 + erf(wide(x) / math.sqrt(2)))


def silu(x: Any) -> Array:
    """x sigmoid(x) (Elfwing et al., 2017)"""
    return wide(x) * sigmoid(x)


def mish(x: Any) -> Array:
    """x tanh(softplus(x)) (Misra, 2019, eq. 1)"""
    return wide(x) * np.tanh(softplus(x))


def hard_sigmoid(x: Any) -> Array:
    """relu6(x + 3) / 6 (Howard et al., 2019, section 5.2)"""
    return np.clip(wide(x) + 3, 0, 6) / 6


def hard_swish(x: Any) -> Array:
    """x relu6(x + 3) / 6 (Howard et al., 2019, section 5.2)"""
    return wide(x) * hard_sigmoid(x)


def log_softmax(x: Any, axis: int = -1) -> Array:
    """x - log sum_k e^x_k along `axis` (Bridle, 1990)"""
    return wide(x) - logsumexp(x, axis, keep=True)


def softmax(x: Any, axis: int = -1) -> Array:
    """e^x over its sum along `axis` (Bridle, 1990)"""
    return np.exp(log_softmax(x, axis))


# --- reductions -------------------------------------------------------------------------------------------------------


def logsumexp(x: Any, axis: Axis = None, keep: bool = False) -> Array:
    """log sum e^x, each entry relative to the largest"""
    top = np.max(wide(x), axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(wide(x) - top), axis=axis, keepdims=True)) + top
    return total if keep else np.squeeze(total, axis=axis if axis is not None else tuple(range(np.ndim(x))))


def variance(x: Any, axis: Axis = None, keep: bool = False) -> Array:
    """mean of the squared distance from the mean, without Bessel's correction"""
    x = wide(x)
    return np.mean((x - np.mean(x, axis=axis, keepdims=True)) ** 2, axis=axis, keepdims=keep)


def norm(x: Any, axis: Axis = None, keep: bool = False) -> Array:
    """square root of the sum of squares"""
    return np.sqrt(np.sum(wide(x) ** 2, axis=axis, keepdims=keep))


# --- losses: each the mean over all positions -------------------------------------------------------------------------


def picked(values: Array, target: Array, axis: int) -> Array:
    """The entry of each position's class along `axis`."""
    at = np.expand_dims(target, axis)
    return np.take_along_axis(values, at, axis).squeeze(axis)


def distribution(target: Array, classes: int, axis: int) -> Array:
    """Class indices as a one-hot distribution along `axis`; a distribution as it is."""
    if not np.issubdtype(target.dtype, np.integer):
        return wide(target)
    return np.moveaxis(np.eye(classes)[target], -1, axis)


def softmax_cross_entropy(logits: Array, target: Array, axis: int = -1, smoothing: float = 0.0) -> float:
    """-sum_k q_k log p_k; smoothed q is (1 - s) q + s / K (Szegedy et al., 2015, section 7)"""
    classes = logits.shape[axis]
    q = distribution(target, classes, axis)
    q = (1 - smoothing) * q + smoothing / classes
    return float(np.mean(-np.sum(q * log_softmax(logits, axis), axis=axis)))


def nll(log_probability: Array, target: Array, axis: int = -1) -> float:
    """-sum_k q_k log p_k of log-probabilities"""
    q = distribution(target, log_probability.shape[axis], axis)
    return float(np.mean(-np.sum(q * wide(log_probability), axis=axis)))


def sigmoid_cross_entropy(logits: Array, target: Array) -> float:
    """-t log p - (1 - t) log (1 - p), where p = sigmoid(z), -log p = log(1 + e^-z) and -log (1 - p) = log(1 + e^z)"""
    z, t = wide(logits), wide(target)
    return float(np.mean(t * np.logaddexp(0, -z) + (1 - t) * np.logaddexp(0, z)))


def mean_squared_error(prediction: Array, target: Array) -> float:
    """mean of (y - t)^2"""
    return float(np.mean((wide(prediction) - wide(target)) ** 2))


def mean_absolute_error(prediction: Array, target: Array) -> float:
    """mean of |y - t|"""
    return float(np.mean(np.abs(wide(prediction) - wide(target))))


def huber(prediction: Array, target: Array, delta: float = 1.0) -> float:
    """d^2 / 2 where |d| <= delta, else delta |d| - delta^2 / 2 (Huber, 1964)"""
    d = np.abs(wide(prediction) - wide(target))
    return float(np.mean(np.where(d <= delta, d**2 / 2, delta * d - delta**2 / 2)))


def hinge(scores: Array, target: Array, margin: float = 1.0, axis: int = -1) -> float:
    """sum over j != y of max(0, s_j - s_y + margin) (Weston & Watkins, 1999)"""
    right = np.expand_dims(picked(wide(scores), target, axis), axis)
    others = 1 - distribution(target, scores.shape[axis], axis)
    return float(np.mean(np.sum(others * np.maximum(0, wide(scores) - right + margin), axis=axis)))


def binary_hinge(scores: Array, target: Array) -> float:
    """max(0, 1 - t s) (Cortes & Vapnik, 1995)"""
    return float(np.mean(np.maximum(0, 1 - wide(target) * wide(scores))))


def kl_divergence(log_probability: Array, target: Array, axis: int = -1) -> float:
    """sum_k t_k log(t_k / p_k), where 0 log 0 is 0 (Kullback & Leibler, 1951)"""
    t = wide(target)
    entropy = np.where(t > 0, t * np.log(np.where(t > 0, t, 1)), 0)
    return float(np.mean(np.sum(entropy - t * wide(log_probability), axis=axis)))


# --- metrics: each over all rows at once ------------------------------------------------------------------------------


def accuracy(scores: Array, target: Array, k: int = 1, axis: int = -1) -> float:
    """Share of positions where fewer than k classes score higher than the target class."""
    label = target if np.issubdtype(target.dtype, np.integer) else np.argmax(target, axis=axis)
    right = np.expand_dims(picked(wide(scores), label, axis), axis)
    return float(np.mean(np.sum(wide(scores) > right, axis=axis) < k))


def cells(scores: Array, target: Array, threshold: float) -> tuple[int, int, int, int]:
    """True positives, false positives, false negatives, true negatives."""
    says, true = scores > threshold, target > 0.5
    return int((says & true).sum()), int((says & ~true).sum()), int((~says & true).sum()), int((~says & ~true).sum())


def binary_accuracy(scores: Array, target: Array, threshold: float = 0.0) -> float:
    """(tp + tn) / all"""
    tp, fp, fn, tn = cells(scores, target, threshold)
    return (tp + tn) / (tp + fp + fn + tn)


def precision(scores: Array, target: Array, threshold: float = 0.0) -> float:
    """tp / (tp + fp) (van Rijsbergen, 1979)"""
    tp, fp, _, _ = cells(scores, target, threshold)
    return tp / (tp + fp)


def recall(scores: Array, target: Array, threshold: float = 0.0) -> float:
    """tp / (tp + fn) (van Rijsbergen, 1979)"""
    tp, _, fn, _ = cells(scores, target, threshold)
    return tp / (tp + fn)


def f1(scores: Array, target: Array, threshold: float = 0.0) -> float:
    """2 / (1 / precision + 1 / recall) (van Rijsbergen, 1979)"""
    return 2 / (1 / precision(scores, target, threshold) + 1 / recall(scores, target, threshold))


def r2(prediction: Array, target: Array) -> float:
    """1 - residual sum of squares / total sum of squares (Wright, 1921)"""
    y, t = wide(prediction), wide(target)
    return float(1 - np.sum((y - t) ** 2) / np.sum((t - np.mean(t)) ** 2))


# --- regularisers, and slopes by differences --------------------------------------------------------------------------


def l2(x: Any) -> float:
    """sum of x^2 / 2"""
    return float(np.sum(wide(x) ** 2) / 2)


def l1(x: Any) -> float:
    """sum of |x|"""
    return float(np.sum(np.abs(wide(x))))


def slope(f: Callable[[Array], float], x: Array, h: float = 1e-6) -> Array:
    """The gradient of a scalar function by central differences, entry by entry; its error is about 1e-10."""
    x = wide(x)
    found = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        found[i] = (f(x + step) - f(x - step)) / (2 * h)
    return found

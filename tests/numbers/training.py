"""Optimizers, schedules, clipping and averages once more: NumPy, float64, from the published formulas."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
State = dict[str, Array]
Rule = Callable[[Array, Array, State, float, int], tuple[Array, State]]  # (w, g, state, rate, t from 1) -> next

# --- optimizers -------------------------------------------------------------------------------------------------------


def sgd(momentum: float = 0.0, nesterov: bool = False) -> Rule:
    """Sutskever et al., 2013, in the form of torch.optim.SGD: the velocity is not multiplied by the rate."""

    def rule(w: Array, g: Array, state: State, rate: float, t: int) -> tuple[Array, State]:
        if not momentum:
            return w - rate * g, {}
        u = momentum * state["velocity"] + g
        return w - rate * (g + momentum * u if nesterov else u), {"velocity": u}

    return rule


def adagrad(epsilon: float = 1e-10) -> Rule:
    """Duchi et al., 2011: s sums the squares."""

    def rule(w: Array, g: Array, state: State, rate: float, t: int) -> tuple[Array, State]:
        s = state["square_sum"] + g**2
        return w - rate * g / (np.sqrt(s) + epsilon), {"square_sum": s}

    return rule


def rmsprop(decay: float = 0.99, momentum: float = 0.0, epsilon: float = 1e-8) -> Rule:
    """Tieleman & Hinton, 2012, lecture 6e; momentum and epsilon as in torch.optim.RMSprop."""

    def rule(w: Array, g: Array, state: State, rate: float, t: int) -> tuple[Array, State]:
        s = decay * state["square_mean"] + (1 - decay) * g**2
        d = g / (np.sqrt(s) + epsilon)
        if not momentum:
            return w - rate * d, {"square_mean": s}
        u = momentum * state["velocity"] + d
        return w - rate * u, {"square_mean": s, "velocity": u}

    return rule


def adam(beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> Rule:
    """Kingma & Ba, 2014, algorithm 1."""

    def rule(w: Array, g: Array, state: State, rate: float, t: int) -> tuple[Array, State]:
        m = beta1 * state["first_moment"] + (1 - beta1) * g
        v = beta2 * state["second_moment"] + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        return w - rate * m_hat / (np.sqrt(v_hat) + epsilon), {"first_moment": m, "second_moment": v}

    return rule


def decayed(rule: Rule, weight_decay: float) -> Rule:
    """w (1 - rate weight_decay) before the update (Loshchilov & Hutter, 2017, algorithm 2)."""

    def with_decay(w: Array, g: Array, state: State, rate: float, t: int) -> tuple[Array, State]:
        return rule(w * (1 - rate * weight_decay), g, state, rate, t)

    return with_decay


# --- schedules: the rate of step t, which counts the steps done --------------------------------------------------------

Schedule = Callable[[int], float]


def constant(rate: float) -> Schedule:
    """The same in every step."""
    return lambda t: rate


def stepped(rate: float, every: int, factor: float = 0.1) -> Schedule:
    """rate factor^floor(t / every), as torch.optim.lr_scheduler.StepLR"""
    return lambda t: rate * factor ** (t // every)


def exponential(rate: float, decay: float, every: int = 1, staircase: bool = False) -> Schedule:
    """rate decay^(t / every), as tf.keras.optimizers.schedules.ExponentialDecay"""
    return lambda t: rate * decay ** (t // every if staircase else t / every)


def polynomial(rate: float, steps: int, end: float = 0.0, power: float = 1.0) -> Schedule:
    """end + (rate - end) (1 - t / steps)^power, then end, as tf.keras.optimizers.schedules.PolynomialDecay"""
    return lambda t: end + (rate - end) * (1 - min(t, steps) / steps) ** power


def cosine(rate: float, steps: int, end: float = 0.0) -> Schedule:
    """end + (rate - end) (1 + cos(pi t / steps)) / 2 (Loshchilov & Hutter, 2016, eq. 5)"""
    return lambda t: end + (rate - end) * (1 + math.cos(math.pi * min(t, steps) / steps)) / 2


def warmed(rate: float, warmup: int, curve: Schedule) -> Schedule:
    """(t + 1) / warmup of the rate in the first `warmup` steps (Goyal et al., 2017, section 2.2), then the curve from 0."""
    return lambda t: rate * (t + 1) / warmup if t < warmup else curve(t - warmup)


# --- gradients and averages -------------------------------------------------------------------------------------------


def clip_value(gradients: Mapping[str, Array], limit: float) -> State:
    """Each entry into [-limit, limit]."""
    return {n: np.clip(g, -limit, limit) for n, g in gradients.items()}


def clip_norm(gradients: Mapping[str, Array], limit: float) -> State:
    """Scaled by limit / norm where the norm of all gradients together is above the limit (Pascanu et al., 2012)."""
    norm = math.sqrt(sum(float(np.sum(g**2)) for g in gradients.values()))
    return {n: g * min(1.0, limit / norm) for n, g in gradients.items()}


def average(old: Array, w: Array, decay: float) -> Array:
    """decay a + (1 - decay) w (Polyak & Juditsky, 1992; the form of Kingma & Ba, 2014, section 7.2)"""
    return decay * old + (1 - decay) * w

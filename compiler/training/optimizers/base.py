"""What an optimizer is: a frozen dataclass of its settings, the names of its state, and one update as graph nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from netc.compiler.graph.types import F32
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused, percent
from netc.compiler.training.schedules import Rate, Schedule

State = dict[str, Value]  # what is kept for a parameter, by the names of `state`


@dataclass(frozen=True)
class Update:
    """What an optimizer is told of the step: its `rate`, a scalar of the parameter's dtype, and `count`, how many steps there
    are with this one, a float32 scalar."""

    rate: Value
    count: Value


@dataclass(frozen=True)
class Optimizer:
    """`rate` is a number or a schedule. `weight_decay` is decoupled: w - rate decay w (Loshchilov & Hutter, 2017)."""

    rate: Rate = 1e-3
    weight_decay: float = 0.0

    open_intervals: ClassVar[tuple[str, ...]] = ()  # settings that must lie in [0, 1)

    def __post_init__(self) -> None:
        if not isinstance(self.rate, Schedule):
            check_rate(float(self.rate))
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            raise Refused(
                "argument", f"`weight_decay` must be 0 or more, not {float(self.weight_decay):g}", "weight_decay"
            )
        for name in self.open_intervals:
            if not 0 <= getattr(self, name) < 1:
                raise Refused(
                    "argument",
                    f"`{name}` must be in [0, 1), not {float(getattr(self, name)):g}",
                    name,
                    percent(getattr(self, name)),
                )

    def state(self) -> dict[str, float]:
        """Names and first values of the tensors kept for each parameter, all of its shape and dtype."""
        return {}

    def update(self, op: Emitter, w: Value, g: Value, at: Update, state: State) -> tuple[Value, State]:
        """Emits (next w, next state) from the parameter, its gradient, the rate and count of this step, and the state."""
        raise NotImplementedError

    def decayed(self, op: Emitter, w: Value, at: Update) -> Value:
        """w - rate weight_decay w"""
        if not self.weight_decay:
            return w
        return op.Mul(w, op.Sub(1.0, op.Mul(at.rate, float(self.weight_decay))))


def check_rate(rate: float) -> None:
    """Refuses a learning rate that is not a positive finite number."""
    if not (rate > 0 and math.isfinite(rate)):
        raise Refused("argument", f"the rate must be positive, not {rate:g}", "rate")


def positive(optimizer: Optimizer, *names: str) -> None:
    """Refuses settings that are not positive."""
    for name in names:
        if not getattr(optimizer, name) > 0:
            raise Refused("argument", f"`{name}` must be positive, not {float(getattr(optimizer, name)):g}", name)


def bias_correction(op: Emitter, at: Update, beta: float) -> Value:
    """1 - beta^count in float32 without cancellation: -2 h / (1 - h), h = tanh(count log(beta) / 2)."""
    if beta == 0:
        return op.constant(1.0, F32)
    h = op.Tanh(op.Mul(at.count, math.log(beta) / 2))
    return op.Div(op.Mul(h, -2.0), op.Sub(1.0, h))

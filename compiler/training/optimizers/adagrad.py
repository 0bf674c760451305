"""Adagrad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netc.compiler.language.words import Refused, constructor
from netc.compiler.training.optimizers.base import Optimizer, positive
from netc.compiler.training.schedules import Rate


@constructor("optimizer", name="adagrad")
@dataclass(frozen=True)
class Adagrad(Optimizer):
    """s' = s + g^2; w' = w - rate g / (sqrt(s') + epsilon)  (Duchi et al., 2011)"""

    rate: Rate = 1e-2
    initial: float = 0.0
    epsilon: float = 1e-10
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "epsilon")
        if self.initial < 0:
            raise Refused("argument", f"`initial` must be 0 or more, not {float(self.initial):g}", "initial")

    def state(self) -> dict[str, float]:
        return {"square_sum": float(self.initial)}

    def update(self, op: Any, w: Any, g: Any, rate: Any, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        squares = op.Add(state["square_sum"], op.Mul(g, g))
        scaled = op.Div(g, op.Add(op.Sqrt(squares), float(self.epsilon)))
        return op.Sub(self.decayed(op, w, rate), op.Mul(scaled, rate)), {"square_sum": squares}

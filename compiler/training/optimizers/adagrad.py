"""Adagrad."""

from __future__ import annotations

from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.words import constructor
from netc.compiler.training.optimizers.base import Optimizer, State, Update, positive
from netc.compiler.training.schedules import Rate


@constructor("optimizer")
class Adagrad(Optimizer):
    """s' = s + g^2; w' = w - rate g / (sqrt(s') + epsilon)  (Duchi et al., 2011)"""

    rate: Rate = 1e-2
    initial: float = 0.0
    epsilon: float = 1e-10

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "epsilon")
        if self.initial < 0:
            raise Refused("argument", f"`initial` must be 0 or more, not {float(self.initial):g}", "initial")

    def state(self) -> dict[str, float]:
        return {"square_sum": float(self.initial)}

    def update(self, op: Emitter, w: Value, g: Value, at: Update, state: State) -> tuple[Value, State]:
        squares = op.Add(state["square_sum"], op.Mul(g, g))
        scaled = op.Div(g, op.Add(op.Sqrt(squares), float(self.epsilon)))
        return op.Sub(self.decayed(op, w, at), op.Mul(scaled, at.rate)), {"square_sum": squares}

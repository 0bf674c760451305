"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.words import constructor
from netc.compiler.training.optimizers.base import Optimizer, State, Update
from netc.compiler.training.schedules import Rate


@constructor("optimizer")
class Sgd(Optimizer):
    """w' = w - rate g; with momentum u' = momentum u + g and w' = w - rate u', or with nesterov
    w' = w - rate (g + momentum u')  (Sutskever et al., 2013)"""

    rate: Rate = 1e-2
    momentum: float = 0.0
    nesterov: bool = False

    open_intervals = ("momentum",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise Refused("argument", "`nesterov` needs `momentum`", "nesterov", "give `momentum = 0.9` as well")

    def state(self) -> dict[str, float]:
        return {"velocity": 0.0} if self.momentum else {}

    def update(self, op: Emitter, w: Value, g: Value, at: Update, state: State) -> tuple[Value, State]:
        w = self.decayed(op, w, at)
        if not self.momentum:
            return op.Sub(w, op.Mul(g, at.rate)), {}
        momentum = float(self.momentum)
        velocity = op.Add(op.Mul(state["velocity"], momentum), g)
        direction = op.Add(g, op.Mul(velocity, momentum)) if self.nesterov else velocity
        return op.Sub(w, op.Mul(direction, at.rate)), {"velocity": velocity}

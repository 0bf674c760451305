"""RMSprop."""

from __future__ import annotations

from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.words import constructor
from netc.compiler.training.optimizers.base import Optimizer, State, Update, positive
from netc.compiler.training.schedules import Rate


@constructor("optimizer", name="rmsprop")
class RmsProp(Optimizer):
    """s' = decay s + (1 - decay) g^2; d = g / (sqrt(s') + epsilon); w' = w - rate d, or with momentum
    u' = momentum u + d and w' = w - rate u'  (Tieleman & Hinton, 2012)"""

    rate: Rate = 1e-2
    decay: float = 0.99
    momentum: float = 0.0
    epsilon: float = 1e-8

    open_intervals = ("decay", "momentum")

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "epsilon")

    def state(self) -> dict[str, float]:
        return {"square_mean": 0.0, "velocity": 0.0} if self.momentum else {"square_mean": 0.0}

    def update(self, op: Emitter, w: Value, g: Value, at: Update, state: State) -> tuple[Value, State]:
        decay = float(self.decay)
        squares = op.Add(op.Mul(state["square_mean"], decay), op.Mul(op.Mul(g, 1 - decay), g))
        direction = op.Div(g, op.Add(op.Sqrt(squares), float(self.epsilon)))
        following = {"square_mean": squares}
        if self.momentum:
            direction = op.Add(op.Mul(state["velocity"], float(self.momentum)), direction)
            following["velocity"] = direction
        return op.Sub(self.decayed(op, w, at), op.Mul(direction, at.rate)), following

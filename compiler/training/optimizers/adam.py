"""Adam and AdamW."""

from __future__ import annotations

from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.words import constructor
from netc.compiler.training.optimizers.base import Optimizer, State, Update, bias_correction, positive
from netc.compiler.training.schedules import Rate


@constructor("optimizer")
class Adam(Optimizer):
    """m' = beta1 m + (1 - beta1) g; v' = beta2 v + (1 - beta2) g^2;
    w' = w - rate (m' / c1) / (sqrt(v' / c2) + epsilon) with ci = 1 - betai^t  (Kingma & Ba, 2014, algorithm 1)"""

    rate: Rate = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    open_intervals = ("beta1", "beta2")

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "epsilon")

    def state(self) -> dict[str, float]:
        return {"first_moment": 0.0, "second_moment": 0.0}

    def update(self, op: Emitter, w: Value, g: Value, at: Update, state: State) -> tuple[Value, State]:
        beta1, beta2 = float(self.beta1), float(self.beta2)
        m = op.Add(op.Mul(state["first_moment"], beta1), op.Mul(g, 1 - beta1))
        v = op.Add(op.Mul(state["second_moment"], beta2), op.Mul(op.Mul(g, 1 - beta2), g))
        # Scalars first: (m / c1) / (sqrt(v / c2) + e) = m (r / c1) / (sqrt(v) + e r) with r = sqrt(c2).
        dtype = w.dtype
        c1 = op.shared(("correction", beta1), lambda: bias_correction(op, at, beta1))
        r = op.shared(("root", beta2), lambda: op.Sqrt(bias_correction(op, at, beta2)))
        ratio = op.shared(("ratio", beta1, beta2), lambda: op.Div(r, c1))
        scale = op.shared(("scale", at.rate, beta1, beta2), lambda: op.Mul(at.rate, op.cast(ratio, dtype)))
        epsilon = float(self.epsilon)
        tiny = op.shared(("epsilon", beta2, epsilon, dtype), lambda: op.cast(op.Mul(r, epsilon), dtype))
        direction = op.Div(m, op.Add(op.Sqrt(v), tiny))
        return op.Sub(self.decayed(op, w, at), op.Mul(direction, scale)), {"first_moment": m, "second_moment": v}


@constructor("optimizer", name="adamw")
class AdamW(Adam):
    """adam with decoupled weight decay: w' = (1 - rate weight_decay) w - ...  (Loshchilov & Hutter, 2017)"""

    weight_decay: float = 0.01

"""Random dense specs, and the same training step written with PyTorch from the formulas of the language reference."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

Tensor = torch.Tensor

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.01),
    "leaky_relu(0.2)": lambda x: F.leaky_relu(x, 0.2),
    "elu": F.elu,
    "elu(0.5)": lambda x: F.elu(x, 0.5),
    "selu": F.selu,
    "gelu": F.gelu,
    "softplus": lambda x: F.softplus(x, threshold=1e9),
    "softsign": F.softsign,
    "silu": F.silu,
    "mish": F.mish,
    "hard_sigmoid": F.hardsigmoid,
    "hard_swish": F.hardswish,
    "PReLU": lambda x: x,  # with its slope, see Spec.forward
}


def _hinge(scores: Tensor, target: Tensor) -> Tensor:
    right = scores.gather(1, target[:, None])
    margins = torch.relu(scores - right + 1)
    return (margins.sum(1) - 1).mean()


# name -> (kind of target, loss of (scores, target))
LOSSES: dict[str, tuple[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "softmax_cross_entropy(y, t)": ("class", F.cross_entropy),
    "softmax_cross_entropy(y, t, smoothing = 0.1)": ("class", lambda y, t: F.cross_entropy(y, t, label_smoothing=0.1)),
    "softmax_cross_entropy(y, s)": ("soft", F.cross_entropy),
    "nll(log_softmax(y), t)": ("class", F.cross_entropy),
    "sigmoid_cross_entropy(y, b)": ("binary", F.binary_cross_entropy_with_logits),
    "mean_squared_error(y, r)": ("real", F.mse_loss),
    "mean_absolute_error(y, r)": ("real", F.l1_loss),
    "huber(y, r)": ("real", lambda y, r: F.huber_loss(y, r, delta=1.0)),
    "huber(y, r, delta = 0.3)": ("real", lambda y, r: F.huber_loss(y, r, delta=0.3)),
    "hinge(y, t)": ("class", _hinge),
    "binary_hinge(y, 2 * b - 1)": ("binary", lambda y, b: torch.relu(1 - (2 * b - 1) * y).mean()),
    "kl_divergence(log_softmax(y), s)": ("soft", lambda y, s: F.kl_div(F.log_softmax(y, 1), s, reduction="batchmean")),
    "mean((y - r)^4)": ("real", lambda y, r: ((y - r) ** 4).mean()),
    "mean(log(1 + (y - r)^2))": ("real", lambda y, r: torch.log(1 + (y - r) ** 2).mean()),
    "mean(sqrt(sum((y - r)^2, axis = 1) + 1e-6))": (
        "real",
        lambda y, r: torch.sqrt(((y - r) ** 2).sum(1) + 1e-6).mean(),
    ),
    "mean(maximum(abs(y - r), 0.1))": ("real", lambda y, r: torch.clamp(torch.abs(y - r), min=0.1).mean()),
}
TARGETS = {"class": "t: i64[N]", "soft": "s: f32[N, {k}]", "binary": "b: f32[N, {k}]", "real": "r: f32[N, {k}]"}

REGULARISERS: dict[str, Callable[[dict[str, Tensor]], Tensor]] = {
    "": lambda p: torch.zeros(()),
    ' + 1e-2 * l2("*.weight")': lambda p: 1e-2 * sum((w**2).sum() / 2 for n, w in p.items() if n.endswith(".weight")),
    ' + 1e-3 * l1("*.weight")': lambda p: 1e-3 * sum(w.abs().sum() for n, w in p.items() if n.endswith(".weight")),
    ' + 1e-2 * l2("y.*") + 1e-3 * l1("*.bias")': lambda p: (
        1e-2 * sum((w**2).sum() / 2 for n, w in p.items() if n.startswith("y."))
        + 1e-3 * sum(w.abs().sum() for n, w in p.items() if n.endswith(".bias"))
    ),
}

OPTIMIZERS: dict[str, Callable[[list[Tensor]], torch.optim.Optimizer]] = {
    "sgd(rate = 0.1)": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd(rate = 0.05, momentum = 0.9)": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "sgd(rate = 0.05, momentum = 0.8, nesterov = true)": lambda p: torch.optim.SGD(
        p, lr=0.05, momentum=0.8, nesterov=True
    ),
    "adagrad(rate = 0.05)": lambda p: torch.optim.Adagrad(p, lr=0.05),
    "adagrad(rate = 0.05, initial = 0.1)": lambda p: torch.optim.Adagrad(p, lr=0.05, initial_accumulator_value=0.1),
    "rmsprop(rate = 0.01)": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "rmsprop(rate = 0.01, momentum = 0.9, decay = 0.9)": lambda p: torch.optim.RMSprop(
        p, lr=0.01, momentum=0.9, alpha=0.9
    ),
    "adam(rate = 1e-2)": lambda p: torch.optim.Adam(p, lr=1e-2),
    "adam(rate = 1e-2, beta1 = 0.8, beta2 = 0.95, epsilon = 1e-6)": lambda p: torch.optim.Adam(
        p, lr=1e-2, betas=(0.8, 0.95), eps=1e-6
    ),
    "adamw(rate = 1e-2)": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.01),
    "adamw(rate = 1e-2, weight_decay = 0.1)": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1),
}

# text around the first rate of the optimizer -> factor of the rate in step t (of 10)
SCHEDULES: dict[str, Callable[[int], float]] = {
    "{0}": lambda t: 1.0,
    "step({0}, every = 1, factor = 0.5)": lambda t: 0.5**t,
    "exponential({0}, decay = 0.9, every = 2)": lambda t: 0.9 ** (t / 2),
    "polynomial({0}, power = 2)": lambda t: (1 - t / 10) ** 2,
    "cosine({0})": lambda t: 0.5 * (1 + math.cos(math.pi * t / 10)),
    "cosine({0}, warmup = 3)": lambda t: (t + 1) / 3 if t < 3 else 0.5 * (1 + math.cos(math.pi * (t - 3) / 7)),
}


@dataclass
class Spec:
    """One random dense net with everything around it."""

    seed: int
    widths: list[int] = field(default_factory=list)
    activations: list[str] = field(default_factory=list)
    loss: str = ""
    regulariser: str = ""
    optimizer: str = ""
    schedule: str = ""
    clip: float | None = None

    @classmethod
    def draw(cls, seed: int) -> Spec:
        """Walks through every table, so that 200 specs use each entry many times, in random combinations."""
        r = random.Random(seed)

        def pick(table: Any, stride: int) -> Any:
            keys = list(table)
            return keys[(seed * stride + r.randrange(len(keys)) * (seed >= 40)) % len(keys)]

        depth = r.randint(1, 3)
        return cls(
            seed, [r.randint(2, 17) for _ in range(depth + 2)], [pick(ACTIVATIONS, 1), *r.choices(list(ACTIVATIONS), k=depth - 1)],
            pick(LOSSES, 1), pick(REGULARISERS, 1), pick(OPTIMIZERS, 1), pick(SCHEDULES, 1), r.choice([None, None, 0.5]),
        )  # fmt: skip

    @property
    def text(self) -> str:
        k = self.widths[-1]
        target = TARGETS[LOSSES[self.loss][0]].format(k=k)
        lines = [f"h{i + 1} = h{i} -> Dense({w})" for i, w in enumerate(self.widths[1:-1])]
        lines = [f"{line} -> {a}" for line, a in zip(lines, self.activations)]
        head, rest = self.optimizer.split("rate = ")
        number = rest.split(",")[0].split(")")[0]
        optimizer = f"{head}rate = {self.schedule.format(number)}{rest[len(number) :]}"
        clip = f"; clip_norm = {self.clip}" if self.clip else ""
        return "\n".join(
            [
                f"net random {{\n  input h0: f32[N, {self.widths[0]}]\n  target {target}",
                *(f"  {line}" for line in lines),
                f"  y = h{len(lines)} -> Dense({k}, bias_init = normal(0.1))",
                f"  loss = {self.loss}{self.regulariser}",
                "}",
                f"train {{ optimizer = {optimizer}; steps = 10{clip} }}",
            ]
        )

    def batch(self, rows: int) -> dict[str, np.ndarray]:
        g = np.random.default_rng(self.seed)
        k = self.widths[-1]
        made = {"h0": g.normal(size=(rows, self.widths[0])).astype(np.float32)}
        match LOSSES[self.loss][0]:
            case "class":
                made["t"] = g.integers(0, k, rows)
            case "soft":
                e = np.exp(g.normal(size=(rows, k)))
                made["s"] = (e / e.sum(1, keepdims=True)).astype(np.float32)
            case "binary":
                made["b"] = g.integers(0, 2, (rows, k)).astype(np.float32)
            case _:
                made["r"] = g.normal(size=(rows, k)).astype(np.float32)
        return made

    def forward(self, p: dict[str, Tensor], batch: dict[str, np.ndarray]) -> Tensor:
        """The loss, by PyTorch."""
        x = torch.from_numpy(batch["h0"]).to(next(iter(p.values())).dtype)
        for i, activation in enumerate(self.activations):
            prefix = f"h{i + 1}.dense_1" if activation == "PReLU" else f"h{i + 1}"
            x = x @ p[f"{prefix}.weight"] + p[f"{prefix}.bias"]
            x = (
                torch.where(x > 0, x, x * p[f"h{i + 1}.prelu_1.slope"])
                if activation == "PReLU"
                else ACTIVATIONS[activation](x)
            )
        y = x @ p["y.weight"] + p["y.bias"]
        target = torch.from_numpy(next(v for n, v in batch.items() if n != "h0"))
        if target.is_floating_point():
            target = target.to(y.dtype)
        return LOSSES[self.loss][1](y, target) + REGULARISERS[self.regulariser](p)

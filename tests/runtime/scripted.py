"""A trainer whose scores are written down beforehand, so that what the loop decides can be read from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

import netc
from netc.runtime.data.sources import LoadedData
from netc.runtime.loop import Loop
from netc.runtime.progress import Outcome, Reporter

Score = float | tuple[float, float]
SPEC = """net n {{
  input x: f32[N]
  param w: f32[1] = zeros
  loss = mean(x * w)
  metric up (max) = mean(x)
  metric down (min) = mean(x)
}}
train {{
  optimizer = sgd(rate = 0.1)
{settings}
}}"""


@cache
def manifest(settings: str) -> Any:
    """The manifest of a spec with these settings: what the loop obeys."""
    return netc.compile(SPEC.format(settings=settings)).manifest


class Scripted:
    """In the place of a trainer: epoch k is scored with the k-th number of the script, under every name or as (loss, up),
    and its weight is k."""

    def __init__(self, settings: str, script: Sequence[Score] = (), seed: int = 0):
        self.manifest = manifest(settings)
        self.script, self.seed = script, seed
        self.rows = {r["name"]: r for r in self.manifest["state"]}
        self.interrupt: Any = None
        self.fitted = True
        self.steps = 0
        self.evaluated: list[int] = []
        self.taken: list[list[int]] = []
        self.controls: list[tuple[int, str, float]] = []
        self.weight, self.scale = 0.0, 1.0
        self.confusion: dict[str, Any] = {}

    @property
    def state(self) -> dict[str, np.ndarray]:
        return {
            "w": np.array([self.weight], np.float32),
            "step": np.array(self.steps),
            "rate_scale": np.array(self.scale),
        }

    def set_control(self, name: str, value: float) -> None:
        self.controls.append((len(self.evaluated), name, value))
        self.scale = value if name == "rate_scale" else self.scale

    def rate(self, step: int) -> float:
        return 0.1

    def control(self, name: str) -> float:
        return next((value for _, n, value in reversed(self.controls) if n == name), 1.0)

    def resident(self, arrays: Any) -> Any:
        return arrays

    def step_rows(self, data: Any, rows: np.ndarray) -> dict[str, float]:
        self.taken.append([int(r) for r in rows])
        self.steps += 1
        self.weight = len(self.evaluated) + 1.0
        return {"loss": float(np.mean(rows)), "up": 1.0, "down": 1.0}

    def evaluator(self) -> Scripted:
        return self

    def evaluate(self, data: Any) -> dict[str, float]:
        """The next number of the script under every name; after its end, which is after training, the last."""
        value = self.script[min(len(self.evaluated), len(self.script) - 1)]
        self.evaluated.append(self.steps)
        loss, up = value if isinstance(value, tuple) else (value, value)
        return {"loss": loss, "up": up, "down": loss}

    def load_parameters(self, tensors: Mapping[str, Any]) -> None:
        self.weight = float(tensors["w"][0])


def data(rows: int, val: int = 2) -> LoadedData:
    arrays = {"train": {"x": np.arange(rows, dtype=np.float32)}, "val": {"x": np.zeros(val, np.float32)}}
    return LoadedData({s: a for s, a in arrays.items() if len(a["x"])})


def run(settings: str, script: Sequence[Score], rows: int = 5, val: int = 2) -> tuple[Scripted, Outcome]:
    """The trainer after the loop has ended, and how it ended."""
    trainer = Scripted(settings, script)
    outcome = Loop(trainer, data(rows, val), None, Reporter()).run()  # type: ignore[arg-type]
    return trainer, outcome

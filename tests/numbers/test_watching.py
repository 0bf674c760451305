"""What `--watch` shows of a step, against NumPy: norms of gradients, sizes of updates, shares of units that are dead."""

from __future__ import annotations

import numpy as np
import pytest

import netc

SPEC = """net n {
  input x: f32[N, 3]
  param w: f32[3, 4] = normal(0.8)
  param b: f32[4] = constant(-1.0)
  param still: f32[4] = zeros
  h = relu(x @ w + b)
  unread = relu(x)
  y = relu(h - 0.2) + relu(h) + tanh(h)
  total = relu(mean(y))
  loss = total + mean(h * still) + 0 * mean(relu(reshape(x, [N, 3, 1])))
}
train { optimizer = sgd(rate = 0.1); clip_norm = 0.05 }
"""


def norm(*arrays: np.ndarray) -> float:
    return float(np.sqrt(sum(np.sum(np.square(a, dtype=np.float64)) for a in arrays)))


def test_what_is_watched_of_a_step() -> None:
    trainer = netc.Trainer(netc.compile(SPEC), device="cpu", seed=3)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    before, gradients = trainer.parameters, trainer.gradients({"x": x})
    seen = trainer.watch({"x": x})
    np.testing.assert_array_equal(trainer.parameters["w"], before["w"])
    trainer.step({"x": x})
    after = trainer.parameters
    h = np.maximum(x @ before["w"] + before["b"], 0)
    expected = {"gradient_norm": norm(*gradients.values())}
    expected |= {f"gradient_norm/{n}": norm(g) for n, g in gradients.items()}
    for n in gradients:
        expected[f"update_ratio/{n}"] = norm(after[n] - before[n]) / max(norm(before[n]), 1e-12)
    dead = {  # a unit that is zero in every row; numbers, and what nothing reads, have none
        "h.relu_1": (h.max(0) == 0).mean(), "y.relu_1": (np.maximum(h - 0.2, 0).max(0) == 0).mean(),
        "y.relu_2": (h.max(0) == 0).mean(), "loss.relu_1": (x.max((0, 1)) <= 0).mean(),
    }  # fmt: skip
    expected |= {f"dead_units/{n}": v for n, v in dead.items()}
    assert list(seen) == list(expected)
    for name, value in expected.items():
        assert seen[name] == pytest.approx(value, rel=1e-4), name
    assert dead["y.relu_1"] > 0, "the batch leaves some units dead"
    assert norm(before["still"]) == 0
    assert seen["update_ratio/still"] > 1e6

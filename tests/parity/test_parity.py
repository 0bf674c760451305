"""One training step of 200 random dense specs against PyTorch: the loss, every gradient, every updated parameter."""

from __future__ import annotations

import numpy as np
import pytest

import netc

torch = pytest.importorskip("torch", reason="the extra `parity` is not installed")

from tests.parity.reference import SCHEDULES, Spec  # noqa: E402

pytestmark = pytest.mark.parity
TOLERANCE = 1e-5  # relative to the largest entry of each tensor


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    scale = max(float(np.abs(expected).max()), 1e-30)
    return float(np.abs(np.asarray(found, np.float64) - expected).max()) / scale


@pytest.mark.parametrize("seed", range(200))
def test_one_step_equals_pytorch(seed: int) -> None:
    spec = Spec.draw(seed)
    trainer = netc.Trainer(netc.compile(spec.text), device="cpu", seed=seed)
    from tests.parity.reference import OPTIMIZERS

    p = {n: torch.tensor(v, requires_grad=True) for n, v in trainer.parameters.items()}
    optimizer = OPTIMIZERS[spec.optimizer](list(p.values()))
    rates = [g["lr"] for g in optimizer.param_groups]
    batch = spec.batch(13)
    for t in range(2):
        gradients = trainer.gradients(batch)
        loss = spec.forward(p, batch)
        optimizer.zero_grad()
        loss.backward()
        for name, w in p.items():
            assert relative(gradients[name], w.grad.numpy()) < TOLERANCE, (spec, t, "gradient", name)
            # Adaptive optimizers divide a gradient by its own size: where exact cancellation leaves rounding noise of
            # 1e-9, they would compare the sign of that noise. So both sides update from the gradient just verified.
            w.grad = torch.tensor(gradients[name])
        if spec.clip:
            torch.nn.utils.clip_grad_norm_(list(p.values()), spec.clip)
        for group, rate in zip(optimizer.param_groups, rates):
            group["lr"] = rate * SCHEDULES[spec.schedule](t)
        optimizer.step()
        scores = trainer.step(batch)
        assert relative(np.array(scores["loss"]), loss.detach().numpy()) < TOLERANCE, (spec, t, "loss")
        for name, value in trainer.parameters.items():
            assert relative(value, p[name].detach().numpy()) < TOLERANCE, (spec, t, "parameter", name)

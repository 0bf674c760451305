"""Batch normalisation beside PyTorch's over ten steps: gradients, running statistics and evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.numbers.host import Host, compiled

torch = pytest.importorskip("torch", reason="the extra `parity` is not installed")
pytestmark = pytest.mark.parity

SPEC = """net n {{
  input x: f32[N, 4, 5]
  target t: i64[N]
  norm = BatchNorm(momentum = 0.2)
  h = {body} -> flatten
  y = h -> Dense(6) -> BatchNorm -> relu -> Dense(3)
  loss = softmax_cross_entropy(y, t)
  output y
}}
train {{ optimizer = sgd(rate = 0.1, momentum = 0.9); batch = 8; steps = 10{more} }}
"""
FROZEN = '\n rule "norm.*" { freeze }'


class Net(torch.nn.Module):
    """The same net in PyTorch."""

    def __init__(self, calls: int, frozen: bool):
        super().__init__()
        self.calls, self.frozen = calls, frozen
        self.norm = torch.nn.BatchNorm1d(4, momentum=0.2)
        self.inner = torch.nn.BatchNorm1d(6)
        self.first, self.last = torch.nn.Linear(20, 6), torch.nn.Linear(6, 3)
        self.norm.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> Any:
        super().train(mode)
        self.norm.train(mode and not self.frozen)
        return self

    def forward(self, x: Any) -> Any:
        h = self.norm(x)
        h = self.norm(h * h) if self.calls == 2 else h
        return self.last(torch.relu(self.inner(self.first(h.flatten(1)))))

    def named(self) -> dict[str, Any]:
        """Parameters and buffers by the names of the spec."""
        found = {}
        for ours, layer in (("norm", self.norm), ("y.batch_norm_1", self.inner)):
            found |= {f"{ours}.scale": layer.weight, f"{ours}.bias": layer.bias}
            found |= {f"{ours}.mean": layer.running_mean, f"{ours}.variance": layer.running_var}
        for ours, dense in (("y.dense_1", self.first), ("y.dense_2", self.last)):
            found |= {f"{ours}.weight": dense.weight.T, f"{ours}.bias": dense.bias}
        return found


def near(found: Any, wanted: Any) -> None:
    # momentum keeps ten steps of float32 rounding
    np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("way", ["step", "grad and apply"])
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("calls", [1, 2])
def test_ten_steps(calls: int, frozen: bool, way: str) -> None:
    body = "x -> norm" if calls == 1 else "norm(norm(x)^2)"
    host = Host(compiled(SPEC.format(body=body, more=FROZEN if frozen else "")), way)
    net = Net(calls, frozen)
    with torch.no_grad():
        for name, value in net.named().items():
            value.copy_(torch.from_numpy(host.state[name]))
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    g = np.random.default_rng(0)
    for _ in range(10):
        x = (g.normal(size=(8, 4, 5)) * 2 + 1).astype(np.float32)
        t = g.integers(0, 3, 8)
        net.train()
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(torch.from_numpy(x)), torch.from_numpy(t))
        loss.backward()
        gradients = host.graph("grad", {"x": x, "t": t})
        near(gradients["grad/y.dense_1.weight"], net.first.weight.grad.T)
        if not frozen:
            near(gradients["grad/norm.scale"], net.norm.weight.grad)
        near(host.step({"x": x, "t": t})["loss"], loss)
        optimizer.step()
        for name, value in net.named().items():
            near(host.state[name], value)
        net.eval()
        near(host.graph("infer", {"x": x})["y"], net(torch.from_numpy(x)))

"""Layers, and dropout in training: values and gradients against NumPy in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.numbers import reference as ref
from tests.numbers.host import Host, compiled

LAYERS = [
    "Dense(4)", "Dense(units = 3, bias = false)", "Dense(4, init = glorot_uniform, bias_init = normal(0.5))", "PReLU",
    "PReLU(init = normal(0.3))",
]  # fmt: skip
DROPOUT = ["dropout(x)", "dropout(x, rate = 0.2)", "dropout(x, rate = 0.85)"]


def forward(text: str, p: dict[str, Any], x: Any) -> Any:
    """x W + b; or slope x below 0 (He et al., 2015, eq. 1)"""
    if "PReLU" in text:
        return np.where(x > 0, x, p["y.slope"] * x)
    return x @ p["y.weight"] + p.get("y.bias", 0.0)


@pytest.mark.parametrize("text", LAYERS)
def test_a_layer(text: str) -> None:
    host = Host(compiled(f"net n {{\n input x: f32[N, 5]\n y = x -> {text}\n loss = mean(y^2)\n output y\n}}"))
    x = np.random.default_rng(5).normal(size=(6, 5)).astype(np.float32)
    p = {r["name"]: ref.wide(host.state[r["name"]]) for r in host.manifest["state"] if r["role"] == "parameter"}
    assert ("y.bias" in p) == ("Dense" in text and "bias = false" not in text)
    np.testing.assert_allclose(host.graph("infer", {"x": x})["y"], forward(text, p, ref.wide(x)), rtol=2e-6, atol=1e-6)
    gradients = host.graph("grad", {"x": x})
    for name in p:

        def loss(value: Any, name: str = name) -> float:
            return float(np.mean(forward(text, {**p, name: value}, ref.wide(x)) ** 2))

        np.testing.assert_allclose(gradients[f"grad/{name}"], ref.slope(loss, p[name]), rtol=1e-5, atol=1e-6)


def test_what_a_layer_without_settings_begins_with() -> None:
    host = Host(compiled("net n {\n input x: f32[N, 400]\n y = x -> Dense(300) -> PReLU\n loss = mean(y)\n}"))
    np.testing.assert_array_equal(host.state["y.prelu_1.slope"], np.full(300, 0.25, np.float32))
    np.testing.assert_array_equal(host.state["y.dense_1.bias"], np.zeros(300))
    # 5 sigma of the deviation of 120,000 normal numbers is 1%
    assert host.state["y.dense_1.weight"].std() == pytest.approx(np.sqrt(2 / 400), rel=0.01)


@pytest.mark.parametrize("text", DROPOUT)
def test_dropout_in_training(text: str) -> None:
    """The gradient of a sum over one row times a parameter shows what is left of each element."""
    rate = float(text.split("=")[1].rstrip(")")) if "=" in text else 0.5
    columns = 6000
    spec = f"net n {{\n input x: f32[N, {columns}]\n param w: f32[{columns}, 1] = ones\n loss = sum({text} @ w)\n}}"
    host = Host(compiled(spec))
    x = np.random.default_rng(2).uniform(1, 2, (1, columns)).astype(np.float32)

    def left() -> Any:
        return host.graph("grad", {"x": x})["grad/w"].ravel()

    first = left()
    kept = first != 0
    np.testing.assert_allclose(first[kept], x[0][kept] / (1 - rate), rtol=1e-6)
    # the deviation of a share of 6,000 columns, which meet one row: 5 sigma
    assert kept.mean() == pytest.approx(1 - rate, abs=5 * np.sqrt(rate * (1 - rate) / columns))
    np.testing.assert_array_equal(left(), first)
    for name, value in (("seed", 4), ("step", 1), ("row", 1)):
        target = host.state if name in host.state else host.own
        before = target[name]
        target[name] = np.array(value, np.int32)
        changed = (left() != 0) != kept
        target[name] = before
        # another seed, step or row draws anew: two masks differ in 2 rate (1 - rate) of the columns
        assert changed.mean() == pytest.approx(2 * rate * (1 - rate), abs=0.05), name

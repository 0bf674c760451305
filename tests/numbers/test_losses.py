"""Every loss with every option: its value in training and evaluation, and its gradient, against NumPy in float64."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.numbers import reference as ref
from tests.numbers.host import Array, Arrays, Host, compiled

ROWS, FEATURES, CLASSES = 11, 6, 5
TARGETS = {
    "t": "i64[N]", "s": f"f32[N, {CLASSES}]", "v": f"f32[N, {CLASSES}]", "b": f"f32[N, {CLASSES}]",
    "z": f"f32[N, {CLASSES}]", "r": f"f32[N, {CLASSES}]", "u": f"f32[N, {CLASSES}]", "c": "i64[N, 4]", "e": "i64[N, 3]",
    "q": "f32[N, 3, 4]", "i": "i32[N]", "w": "f32[N]",
}  # fmt: skip


def distributions(g: np.random.Generator, shape: tuple[int, ...], axis: int) -> Array:
    """Random probabilities along an axis."""
    return ref.softmax(g.normal(size=shape), axis)


def data() -> Arrays:
    """Targets of every kind: classes, distributions with zeros, weights, 0/1, shares, numbers, -1/1, along two axes."""
    g = np.random.default_rng(11)
    soft = distributions(g, (ROWS, CLASSES), 1)
    soft[2] = [0, 0.3, 0, 0.7, 0]  # t log t is 0 at 0
    made = {
        "x": g.normal(size=(ROWS, FEATURES)), "t": g.integers(0, CLASSES, ROWS), "s": soft,
        "v": g.uniform(0.1, 2.3, (ROWS, CLASSES)), "b": g.integers(0, 2, (ROWS, CLASSES)),
        "z": g.uniform(0, 1, (ROWS, CLASSES)), "r": g.normal(size=(ROWS, CLASSES)),
        "u": 2 * g.integers(0, 2, (ROWS, CLASSES)) - 1, "c": g.integers(0, 3, (ROWS, 4)),
        "e": g.integers(0, 4, (ROWS, 3)), "q": distributions(g, (ROWS, 3, 4), 1), "i": g.integers(0, CLASSES, ROWS),
        "w": g.uniform(0, 2, ROWS),
    }  # fmt: skip
    kinds = {"i64": np.int64, "i32": np.int32, "f32": np.float32}
    return {n: np.asarray(a, kinds[TARGETS.get(n, "f32")[:3]]) for n, a in made.items()}


DATA = data()


def by_row(loss: Callable[[Array, Array], float], y: Array, target: Array, weight: Array) -> float:
    """sum_i w_i loss(row i) / sum_i w_i"""
    each = [loss(y[i : i + 1], target[i : i + 1]) for i in range(len(y))]
    return float(np.dot(ref.wide(weight), each) / ref.wide(weight).sum())


Loss = Callable[[Array, Arrays], float]  # of y [rows, 5], or cube [rows, 3, 4], and the targets

LOSSES: dict[str, Loss] = {
    "softmax_cross_entropy(y, t)": lambda y, d: ref.softmax_cross_entropy(y, d["t"]),
    "softmax_cross_entropy(y, i)": lambda y, d: ref.softmax_cross_entropy(y, d["i"]),
    "softmax_cross_entropy(40 * y, t)": lambda y, d: ref.softmax_cross_entropy(40 * y, d["t"]),
    "softmax_cross_entropy(y, t, smoothing = 0.13)": lambda y, d: ref.softmax_cross_entropy(y, d["t"], -1, 0.13),
    "softmax_cross_entropy(y, s)": lambda y, d: ref.softmax_cross_entropy(y, d["s"]),
    "softmax_cross_entropy(y, s, smoothing = 0.2)": lambda y, d: ref.softmax_cross_entropy(y, d["s"], -1, 0.2),
    "softmax_cross_entropy(y, v)": lambda y, d: ref.softmax_cross_entropy(y, d["v"]),
    "softmax_cross_entropy(cube, e)": lambda y, d: ref.softmax_cross_entropy(y, d["e"]),
    "softmax_cross_entropy(cube, c, axis = 1)": lambda y, d: ref.softmax_cross_entropy(y, d["c"], 1),
    "softmax_cross_entropy(cube, q, axis = 1, smoothing = 0.3)": (
        lambda y, d: ref.softmax_cross_entropy(y, d["q"], 1, 0.3)
    ),
    "nll(log_softmax(y), t)": lambda y, d: ref.nll(ref.log_softmax(y), d["t"]),
    "nll(y, v)": lambda y, d: ref.nll(y, d["v"]),
    "nll(cube, c, axis = 1)": lambda y, d: ref.nll(y, d["c"], 1),
    "nll(cube, q, axis = -2)": lambda y, d: ref.nll(y, d["q"], 1),
    "sigmoid_cross_entropy(y, b)": lambda y, d: ref.sigmoid_cross_entropy(y, d["b"]),
    "sigmoid_cross_entropy(y, b > 0.5)": lambda y, d: ref.sigmoid_cross_entropy(y, d["b"]),
    "sigmoid_cross_entropy(y, z)": lambda y, d: ref.sigmoid_cross_entropy(y, d["z"]),
    "sigmoid_cross_entropy(40 * y, b)": lambda y, d: ref.sigmoid_cross_entropy(40 * y, d["b"]),
    "mean_squared_error(y, r)": lambda y, d: ref.mean_squared_error(y, d["r"]),
    "mean_squared_error(cube, q)": lambda y, d: ref.mean_squared_error(y, d["q"]),
    "mean_absolute_error(y, r)": lambda y, d: ref.mean_absolute_error(y, d["r"]),
    "huber(y, r)": lambda y, d: ref.huber(y, d["r"]),
    "huber(y, r, delta = 0.35)": lambda y, d: ref.huber(y, d["r"], 0.35),
    "huber(y, r, delta = 2.6)": lambda y, d: ref.huber(y, d["r"], 2.6),
    "hinge(y, t)": lambda y, d: ref.hinge(y, d["t"]),
    "hinge(y, t, margin = 0.4)": lambda y, d: ref.hinge(y, d["t"], 0.4),
    "hinge(cube, c, margin = 2.5, axis = 1)": lambda y, d: ref.hinge(y, d["c"], 2.5, 1),
    "binary_hinge(y, u)": lambda y, d: ref.binary_hinge(y, d["u"]),
    "kl_divergence(log_softmax(y), s)": lambda y, d: ref.kl_divergence(ref.log_softmax(y), d["s"]),
    "kl_divergence(cube, q, axis = 1)": lambda y, d: ref.kl_divergence(y, d["q"], 1),
    "softmax_cross_entropy(y, t, weight = w)": lambda y, d: by_row(ref.softmax_cross_entropy, y, d["t"], d["w"]),
    "softmax_cross_entropy(cube, c, axis = 1, weight = w)": (
        lambda y, d: by_row(lambda a, b: ref.softmax_cross_entropy(a, b, 1), y, d["c"], d["w"])
    ),
    "nll(y, v, weight = w)": lambda y, d: by_row(ref.nll, y, d["v"], d["w"]),
    "sigmoid_cross_entropy(y, b, weight = w)": lambda y, d: by_row(ref.sigmoid_cross_entropy, y, d["b"], d["w"]),
    "mean_squared_error(y, r, weight = w)": lambda y, d: by_row(ref.mean_squared_error, y, d["r"], d["w"]),
    "mean_squared_error(y, r, weight = z)": lambda y, d: (d["z"] * (y - d["r"]) ** 2).sum() / ref.wide(d["z"]).sum(),
    "mean_absolute_error(y, r, weight = w)": lambda y, d: by_row(ref.mean_absolute_error, y, d["r"], d["w"]),
    "huber(y, r, weight = w)": lambda y, d: by_row(ref.huber, y, d["r"], d["w"]),
    "hinge(y, t, weight = w)": lambda y, d: by_row(ref.hinge, y, d["t"], d["w"]),
    "binary_hinge(y, u, weight = w)": lambda y, d: by_row(ref.binary_hinge, y, d["u"], d["w"]),
    "kl_divergence(log_softmax(y), s, weight = w)": (
        lambda y, d: by_row(ref.kl_divergence, ref.log_softmax(y), d["s"], d["w"])
    ),
}


def spec(text: str) -> str:
    """A linear model of one matrix `p` under the loss; what it gives is y, or cube where the text says so."""
    words = re.findall(r"\w+", text)
    shape = "cube = reshape(x @ p, [N, 3, 4])" if "cube" in words else "y = x @ p"
    columns = 12 if "cube" in words else CLASSES
    targets = "\n".join(f"  target {n}: {t}" for n, t in TARGETS.items() if n in words)
    return f"""net n {{
  input x: f32[N, {FEATURES}]
{targets}
  param p: f32[{FEATURES}, {columns}] = normal(0.6)
  {shape}
  loss = {text}
  metric again = {text}
}}
train {{ optimizer = sgd(rate = 0.1) }}"""


def trained(text: str) -> tuple[Host, Arrays, Callable[[Array], float]]:
    """A host of the spec, its batch, and the loss in NumPy as a function of the matrix."""
    host = Host(compiled(spec(text)))
    batch = {i["name"]: DATA[i["name"]] for i in host.manifest["inputs"]}

    def loss(p: Array) -> float:
        y = ref.wide(DATA["x"]) @ p
        return LOSSES[text](y.reshape(-1, 3, 4) if "cube" in text else y, DATA)

    return host, batch, loss


@pytest.mark.parametrize("text", LOSSES)
def test_the_value_in_training_and_in_evaluation(text: str) -> None:
    host, batch, loss = trained(text)
    expected = loss(ref.wide(host.state["p"]))
    evaluated, scored = host.graph("eval", batch), host.scores(batch, [3, 4, 9])
    found: dict[str, Any] = dict(host.step(batch))
    for value in (found["loss"], found["again"], evaluated["loss"], evaluated["again"], *scored.values()):
        assert float(value) == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("text", LOSSES)
def test_the_gradient(text: str) -> None:
    host, batch, loss = trained(text)
    expected = ref.slope(loss, host.state["p"])
    gradient = host.graph("grad", batch)["grad/p"]
    # float32 adds up about a hundred terms of each entry, some of which cancel
    np.testing.assert_allclose(gradient, expected, rtol=2e-6, atol=1e-6 * np.abs(expected).max())

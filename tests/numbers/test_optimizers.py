"""Every optimizer with every option: all its state after each of several steps, against NumPy in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import netc
import netc.compiler.check
from netc.compiler.library import LIBRARY
from tests.numbers import training as ref
from tests.numbers.host import Array, Arrays, Host, compiled

STEPS = 7
# loss = mean over rows of x . w + z : v, and (0.4 w^2 + 1.3 v^2) / 2: the gradients are means of a batch and follow the weights
SPEC = """net n {{
  input x: f32[N, 3]
  input z: f32[N, 4]
  param w: f32[3] = constant(0.7)
  param v: f32[2, 2] = normal(0.8)
  loss = mean(x @ w) + mean(z @ reshape(v, [4])) + 0.4 * l2(w) + 1.3 * l2(v)
}}
train {{ optimizer = {} }}"""
BEND = {"w": 0.4, "v": 1.3}


def gradients(weights: Arrays, batch: Arrays) -> Arrays:
    """The gradients of the loss above in closed form."""
    linear = {"w": batch["x"].astype(np.float64).mean(0), "v": batch["z"].astype(np.float64).mean(0).reshape(2, 2)}
    return {n: linear[n] + BEND[n] * weights[n] for n in linear}


def batches(count: int = STEPS) -> list[Arrays]:
    """Batches of unequal size whose means differ in sign and magnitude."""
    g = np.random.default_rng(17)
    sizes = [4, 1, 6, 3, 2, 5, 7, 4, 3, 2]
    return [
        {n: g.normal(0.3, 2.0, (rows, k)).astype(np.float32) for n, k in (("x", 3), ("z", 4))} for rows in sizes[:count]
    ]


# text -> (rule, rate, first values of its state)
OPTIMIZERS: dict[str, tuple[ref.Rule, float, dict[str, float]]] = {
    "sgd(rate = 0.13)": (ref.sgd(), 0.13, {}),
    "sgd": (ref.sgd(), 0.01, {}),
    "sgd(rate = 0.13, weight_decay = 0.21)": (ref.decayed(ref.sgd(), 0.21), 0.13, {}),
    "sgd(rate = 0.07, momentum = 0.83)": (ref.sgd(0.83), 0.07, {"velocity": 0}),
    "sgd(rate = 0.07, momentum = 0.83, nesterov = true)": (ref.sgd(0.83, True), 0.07, {"velocity": 0}),
    "sgd(rate = 0.07, momentum = 0.83, nesterov = true, weight_decay = 0.4)": (
        ref.decayed(ref.sgd(0.83, True), 0.4), 0.07, {"velocity": 0},
    ),
    "adagrad": (ref.adagrad(), 0.01, {"square_sum": 0}),
    "adagrad(rate = 0.3, initial = 0.37)": (ref.adagrad(), 0.3, {"square_sum": 0.37}),
    "adagrad(rate = 0.3, epsilon = 0.2)": (ref.adagrad(0.2), 0.3, {"square_sum": 0}),
    "adagrad(rate = 0.3, weight_decay = 0.25)": (ref.decayed(ref.adagrad(), 0.25), 0.3, {"square_sum": 0}),
    "rmsprop": (ref.rmsprop(), 0.01, {"square_mean": 0}),
    "rmsprop(rate = 0.05, decay = 0.71)": (ref.rmsprop(0.71), 0.05, {"square_mean": 0}),
    "rmsprop(rate = 0.05, momentum = 0.6)": (ref.rmsprop(momentum=0.6), 0.05, {"square_mean": 0, "velocity": 0}),
    "rmsprop(rate = 0.05, epsilon = 0.3)": (ref.rmsprop(epsilon=0.3), 0.05, {"square_mean": 0}),
    "rmsprop(rate = 0.05, decay = 0.9, momentum = 0.8, epsilon = 1e-3, weight_decay = 0.5)": (
        ref.decayed(ref.rmsprop(0.9, 0.8, 1e-3), 0.5), 0.05, {"square_mean": 0, "velocity": 0},
    ),
    "adam": (ref.adam(), 0.001, {"first_moment": 0, "second_moment": 0}),
    "adam(rate = 0.08)": (ref.adam(), 0.08, {"first_moment": 0, "second_moment": 0}),
    "adam(rate = 0.08, beta1 = 0.57)": (ref.adam(0.57), 0.08, {"first_moment": 0, "second_moment": 0}),
    "adam(rate = 0.08, beta1 = 0)": (ref.adam(0), 0.08, {"first_moment": 0, "second_moment": 0}),
    "adam(rate = 0.08, beta2 = 0.83)": (ref.adam(0.9, 0.83), 0.08, {"first_moment": 0, "second_moment": 0}),
    "adam(rate = 0.08, epsilon = 0.15)": (ref.adam(epsilon=0.15), 0.08, {"first_moment": 0, "second_moment": 0}),
    "adam(rate = 0.08, weight_decay = 0.6)": (
        ref.decayed(ref.adam(), 0.6), 0.08, {"first_moment": 0, "second_moment": 0},
    ),
    "adamw(rate = 0.08)": (ref.decayed(ref.adam(), 0.01), 0.08, {"first_moment": 0, "second_moment": 0}),
    "adamw": (ref.decayed(ref.adam(), 0.01), 0.001, {"first_moment": 0, "second_moment": 0}),
    "adamw(rate = 0.08, weight_decay = 0.9, beta1 = 0.8, beta2 = 0.95, epsilon = 1e-4)": (
        ref.decayed(ref.adam(0.8, 0.95, 1e-4), 0.9), 0.08, {"first_moment": 0, "second_moment": 0},
    ),
}  # fmt: skip


class Reference:
    """The same training in NumPy: weights, the state of the rule, and the count of steps."""

    def __init__(self, weights: Arrays, rule: ref.Rule, first: dict[str, float]):
        self.rule = rule
        self.weights = {n: w.astype(np.float64) for n, w in weights.items()}
        self.kept = {n: {k: np.full(w.shape, float(v)) for k, v in first.items()} for n, w in weights.items()}
        self.t = 0

    def step(self, given: Arrays, rate: Callable[[str], float]) -> None:
        """One step of every parameter from its gradient, `rate` by name."""
        self.t += 1
        for n, w in self.weights.items():
            self.weights[n], self.kept[n] = self.rule(w, given[n], self.kept[n], rate(n), self.t)

    def state(self) -> Arrays:
        """Every tensor by its name in the manifest."""
        return self.weights | {f"{n}/{slot}": a for n, kept in self.kept.items() for slot, a in kept.items()}


def assert_close(found: Array, expected: Array, name: str, room: float = 3e-6) -> None:
    """To a few units in the last place of float32, of the entry and of the largest one (what cancelled is lost)."""
    np.testing.assert_allclose(found, expected, rtol=room, atol=room / 3 * np.abs(expected).max(), err_msg=name)


@pytest.mark.parametrize("way", ["step", "grad and apply"])
@pytest.mark.parametrize("text", OPTIMIZERS)
def test_every_state_tensor_after_each_step(text: str, way: str) -> None:
    rule, rate, first = OPTIMIZERS[text]
    host = Host(compiled(SPEC.format(text)), way)
    host.set(w=[0.7, -1.9, 0.04])
    expected = Reference({n: host.state[n] for n in ("w", "v")}, rule, first)
    assert {r["name"] for r in host.manifest["state"]} == {*expected.state(), "step", "rate_scale"}
    for n, value in expected.state().items():
        np.testing.assert_array_equal(host.state[n], value.astype(np.float32), err_msg=n)
    for batch in batches():
        expected.step(gradients(expected.weights, batch), lambda _: rate)
        host.step(batch)
        for n, value in expected.state().items():
            # Adam and its kin divide by roots of small sums: the errors of seven steps add up
            assert_close(host.state[n], value, f"{n} in step {expected.t}", 1e-5 if first else 3e-6)
        assert host.state["step"] == expected.t


@pytest.mark.parametrize("text", ["adam(rate = 0.08)", "adamw(rate = 0.08, beta1 = 0.99)"])
@pytest.mark.parametrize("done", [0, 999, 10**5, 10**7])
def test_bias_correction_late_in_training(text: str, done: int) -> None:
    """The counter alone decides it: after many steps it is gone."""
    beta1 = 0.99 if "0.99" in text else 0.9
    rule = ref.decayed(ref.adam(beta1), 0.01 if "adamw" in text else 0.0)
    host = Host(compiled(SPEC.format(text)))
    host.set(step=done)
    expected = Reference({n: host.state[n] for n in ("w", "v")}, rule, {"first_moment": 0, "second_moment": 0})
    expected.t = done
    (batch,) = batches(1)
    expected.step(gradients(expected.weights, batch), lambda _: 0.08)
    host.step(batch)
    for n, value in expected.state().items():
        assert_close(host.state[n], value, n, 1e-5)


F64 = """net n {{
  input x: f64[N, 3]
  param w: f64[3] = constant(0.7)
  loss = mean(x @ w) + 0.4 * l2(w)
}}
train {{ optimizer = {} }}"""


@pytest.mark.parametrize(
    ("text", "rule", "rate", "first", "room"),
    [
        ("sgd(rate = 0.13, momentum = 0.5)", ref.sgd(0.5), 0.13, {"velocity": 0.0}, 1e-12),
        # the correction of Adam's bias is one float32 number for all parameters
        ("adam(rate = 0.08)", ref.adam(), 0.08, {"first_moment": 0.0, "second_moment": 0.0}, 1e-6),
    ],
    ids=["sgd", "adam"],
)
def test_f64_parameters_are_updated_in_f64(
    text: str, rule: ref.Rule, rate: float, first: dict[str, float], room: float
) -> None:
    """The rate is a float32 number."""
    host = Host(compiled(F64.format(text)))
    expected = Reference({"w": host.state["w"]}, rule, first)
    for batch in batches():
        given = batch["x"].astype(np.float64)
        expected.step({"w": given.mean(0) + 0.4 * expected.weights["w"]}, lambda _: float(np.float32(rate)))
        host.step({"x": given})
    for n, value in expected.state().items():
        np.testing.assert_allclose(host.state[n], value, rtol=room, err_msg=n)


@pytest.mark.parametrize("word", sorted(LIBRARY.constructors["optimizer"]))
@pytest.mark.parametrize(("setting", "message"), [
    ("rate = -1", "the rate must be positive, not -1"), ("rate = 0", "the rate must be positive, not 0"),
    ("weight_decay = -0.1", "`weight_decay` must be 0 or more, not -0.1"),
])  # fmt: skip
def test_every_optimizer_refuses_what_none_can_use(word: str, setting: str, message: str) -> None:
    net = "net n {\n  input x: f32[N, 3]\n  y = x -> Dense(1)\n  loss = mean(y^2)\n}\n"
    with pytest.raises(netc.NetError, match=message):
        netc.check(net + f"train {{ optimizer = {word}({setting}) }}")

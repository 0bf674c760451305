"""Clipping, regularisers, averages and rules: every state tensor after each step, against NumPy in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.numbers import training as ref
from tests.numbers.host import Arrays, Host, compiled
from tests.numbers.test_optimizers import Reference, assert_close, batches, gradients

SPEC = """net n {{
  input x: f32[N, 3]
  input z: f32[N, 4]
  param w: f32[3] = constant(0.7)
  param v: f32[2, 2] = normal(0.8)
  y = mean(x @ w) + mean(z @ reshape(v, [4])) + 0.4 * l2(w) + 1.3 * l2(v)
  loss = y{loss}
  output a = y + 0 * sum(x)
}}
train {{
  optimizer = {optimizer}
{train}
}}"""
FIRST = [0.7, -1.9, 0.04]


def spec(train: str = "", loss: str = "", optimizer: str = "sgd(rate = 0.13)") -> str:
    return SPEC.format(train=train, loss=loss, optimizer=optimizer)


def trained(
    text: str, way: str, rule: ref.Rule, first: dict[str, float], change: Callable[[Arrays, Arrays], Arrays] | None = None,
    rate: Callable[[str], float] = lambda _: 0.13,
) -> None:  # fmt: skip
    """Seven steps of a spec beside the reference; `change` makes of (gradients, weights) what the rule is given."""
    host = Host(compiled(text), way)
    host.set(w=FIRST)
    expected = Reference({n: host.state[n] for n in ("w", "v")}, rule, first)
    for batch in batches():
        given = gradients(expected.weights, batch)
        expected.step(change(given, expected.weights) if change else given, rate)
        host.step(batch)
        for n, value in expected.state().items():
            assert_close(host.state[n], value, f"{n} in step {expected.t}", 1e-5)


# --- clipping: limits that some steps reach and others do not ---------------------------------------------------------

CLIPS: dict[str, Callable[[Arrays], Arrays]] = {
    "": lambda g: g,
    "clip_value = 0.9": lambda g: ref.clip_value(g, 0.9),
    "clip_norm = 2.9": lambda g: ref.clip_norm(g, 2.9),
    "clip_value = 0.9; clip_norm = 1.6": lambda g: ref.clip_norm(ref.clip_value(g, 0.9), 1.6),
    "clip_norm = 1.6; clip_value = 0.9": lambda g: ref.clip_norm(ref.clip_value(g, 0.9), 1.6),
}


@pytest.mark.parametrize("way", ["step", "grad and apply"])
@pytest.mark.parametrize("text", CLIPS)
def test_clipping(text: str, way: str) -> None:
    trained(spec(f"  {text}"), way, ref.sgd(), {}, lambda g, _: CLIPS[text](g))


def test_the_limits_above_divide_the_steps() -> None:
    """Else the table would tell nothing: some gradients are clipped and some are not, and the order matters."""
    given = [gradients({"w": np.array(FIRST), "v": np.zeros((2, 2))}, b) for b in batches()]
    norms = [np.sqrt(sum((a**2).sum() for a in g.values())) for g in given]
    assert min(norms) < 2.9 < max(norms)
    entries = np.abs([g["w"] for g in given])
    assert entries.min() < 0.9 < entries.max()
    order = [ref.clip_value(ref.clip_norm(given[1], 1.6), 0.9), ref.clip_norm(ref.clip_value(given[1], 0.9), 1.6)]
    assert np.abs(order[0]["w"] - order[1]["w"]).max() > 0.01


def test_gradients_of_the_trainer_are_not_clipped() -> None:
    """grad.onnx gives the gradient itself, which workers average; apply.onnx clips."""
    host = Host(compiled(spec("  clip_value = 0.01; clip_norm = 0.01")))
    host.set(w=FIRST)
    (batch,) = batches(1)
    found = host.graph("grad", batch)
    for n, g in gradients({n: host.state[n].astype(np.float64) for n in ("w", "v")}, batch).items():
        assert_close(found[f"grad/{n}"], g, n)


# --- regularisers -----------------------------------------------------------------------------------------------------

PENALTIES: dict[str, Callable[[Arrays, Arrays], Arrays]] = {
    ' + 0.3 * l2("*")': lambda g, p: {n: g[n] + 0.3 * p[n] for n in g},
    ' + 0.3 * l2("v")': lambda g, p: g | {"v": g["v"] + 0.3 * p["v"]},
    ' + 0.2 * l1("*")': lambda g, p: {n: g[n] + 0.2 * np.sign(p[n]) for n in g},
    ' + 0.2 * l1("w") + 0.1 * l2("v")': lambda g, p: {
        "w": g["w"] + 0.2 * np.sign(p["w"]), "v": g["v"] + 0.1 * p["v"],
    },
    " + 0.2 * l1(w)": lambda g, p: g | {"w": g["w"] + 0.2 * np.sign(p["w"])},
    " + 0.3 * l2(3 * w - 1)": lambda g, p: g | {"w": g["w"] + 0.3 * 3 * (3 * p["w"] - 1)},
}  # fmt: skip


@pytest.mark.parametrize("text", PENALTIES)
def test_the_gradient_of_a_penalty(text: str) -> None:
    trained(spec(loss=text), "step", ref.sgd(), {}, PENALTIES[text])


VALUES: dict[str, tuple[Callable[[Arrays], Any], bool]] = {  # penalty -> (value in training, whether evaluation has it)
    'l2("*")': (lambda p: sum((a**2).sum() / 2 for a in p.values()), False),
    'l1("*")': (lambda p: sum(np.abs(a).sum() for a in p.values()), False),
    'l1("v")': (lambda p: np.abs(p["v"]).sum(), False),
    "l2(w)": (lambda p: (p["w"] ** 2).sum() / 2, True),
    "l1(w)": (lambda p: np.abs(p["w"]).sum(), True),
}


@pytest.mark.parametrize("text", VALUES)
def test_the_value_of_a_penalty(text: str) -> None:
    plain, penalised = (Host(compiled(spec(loss=t))) for t in ("", f" + 0.3 * {text}"))
    value, evaluated = VALUES[text]
    (batch,) = batches(1)
    expected = 0.3 * value({n: plain.state[n].astype(np.float64) for n in ("w", "v")})
    for graph, there in (("step", True), ("grad", True), ("eval", evaluated)):
        more = float(penalised.graph(graph, batch)["loss"]) - float(plain.graph(graph, batch)["loss"])
        assert more == pytest.approx(expected if there else 0.0, rel=1e-5, abs=1e-6), graph


# --- rules ------------------------------------------------------------------------------------------------------------

RATE: dict[str, dict[str, float]] = {
    'rule "w" { rate *= 2 }': {"w": 0.26, "v": 0.13},
    'rule "w" { rate *= 2 }\n  rule "*" { rate *= 0.3 }': {"w": 0.078, "v": 0.039},
    'rule "v" { rate = 0.07 }': {"w": 0.13, "v": 0.07},
    'rule "v" { rate *= 5 }\n  rule "v" { rate = 0.07 }': {"w": 0.13, "v": 0.07},
    'rule "v" { rate = 0.07 }\n  rule "*" { rate *= 3 }': {"w": 0.39, "v": 0.21},
}


@pytest.mark.parametrize("way", ["step", "grad and apply"])
@pytest.mark.parametrize("text", RATE)
def test_rules_of_the_rate(text: str, way: str) -> None:
    trained(spec(f"  {text}"), way, ref.sgd(), {}, rate=RATE[text].__getitem__)


def test_a_rule_changes_a_schedule_and_its_decay() -> None:
    """The factor multiplies the schedule, and the decay goes with the rate of its parameter."""
    host = Host(
        compiled(spec('  rule "w" { rate *= 2 }', "", "sgd(rate = cosine(0.2, steps = 5), weight_decay = 0.3)"))
    )
    expected = Reference({n: host.state[n] for n in ("w", "v")}, ref.decayed(ref.sgd(), 0.3), {})
    curve = ref.cosine(0.2, 5)
    for batch in batches():
        rate = curve(expected.t)
        expected.step(gradients(expected.weights, batch), {"w": 2 * rate, "v": rate}.__getitem__)
        host.step(batch)
        for n, value in expected.state().items():
            assert_close(host.state[n], value, f"{n} in step {expected.t}", 1e-5)


SETTINGS = [  # (optimizer, rule on w, the rule of w, of v, first state)
    ("sgd(rate = 0.13, weight_decay = 0.5)", "weight_decay = 0", ref.sgd(), ref.decayed(ref.sgd(), 0.5), {}),
    (
        "sgd(rate = 0.13, weight_decay = 0.5)", "weight_decay *= 0.4", ref.decayed(ref.sgd(), 0.2),
        ref.decayed(ref.sgd(), 0.5), {},
    ),
    ("sgd(rate = 0.13, momentum = 0.5)", "momentum = 0.9", ref.sgd(0.9), ref.sgd(0.5), {"velocity": 0.0}),
    (
        "adam(rate = 0.13)", "beta1 = 0.6; epsilon = 0.1; beta2 = 0.8", ref.adam(0.6, 0.8, 0.1), ref.adam(),
        {"first_moment": 0.0, "second_moment": 0.0},
    ),
    (
        "rmsprop(rate = 0.13, decay = 0.9)", "decay *= 0.5", ref.rmsprop(0.45), ref.rmsprop(0.9), {"square_mean": 0.0},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("optimizer", "text", "of_w", "of_v", "first"), SETTINGS, ids=[s[1] for s in SETTINGS])
def test_rules_of_other_settings(
    optimizer: str, text: str, of_w: ref.Rule, of_v: ref.Rule, first: dict[str, float]
) -> None:
    def rule(w: Any, g: Any, state: Any, rate: float, t: int) -> Any:
        return (of_w if w.ndim == 1 else of_v)(w, g, state, rate, t)

    trained(spec(f'  rule "w" {{ {text} }}', "", optimizer), "step", rule, first)

"""Every schedule with every option: the rate of each step, against NumPy in float64.

The gradient is 1 and the weight begins each step at 0, so that its next value is minus the rate.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

import netc
from tests.numbers import training as ref
from tests.numbers.host import Host, compiled

SPEC = """net n {{
  input x: f32[N]
  param w: f32[1] = zeros
  loss = sum(w) + 0 * mean(x)
}}
train {{ optimizer = sgd(rate = {}){} }}"""
BATCH = {"x": np.ones(2, np.float32)}

SCHEDULES: dict[str, ref.Schedule] = {
    "0.37": ref.constant(0.37),
    "constant(0.37)": ref.constant(0.37),
    "constant(0.37, warmup = 5)": ref.warmed(0.37, 5, ref.constant(0.37)),
    "constant(0.37, warmup = 1)": ref.constant(0.37),
    "step(0.6, every = 3)": ref.stepped(0.6, 3),
    "step(0.6, every = 4, factor = 0.7)": ref.stepped(0.6, 4, 0.7),
    "step(0.6, every = 1, factor = 1.3)": ref.stepped(0.6, 1, 1.3),
    "step(0.6, every = 3, factor = 0.7, warmup = 4)": ref.warmed(0.6, 4, ref.stepped(0.6, 3, 0.7)),
    "exponential(0.6, decay = 0.83)": ref.exponential(0.6, 0.83),
    "exponential(0.6, decay = 0.83, every = 4)": ref.exponential(0.6, 0.83, 4),
    "exponential(0.6, decay = 0.83, every = 4, staircase = true)": ref.exponential(0.6, 0.83, 4, True),
    "exponential(0.6, decay = 0.83, every = 2, warmup = 3)": ref.warmed(0.6, 3, ref.exponential(0.6, 0.83, 2)),
    "exponential(0.6, decay = 0.83, every = 5, staircase = true, warmup = 2)": (
        ref.warmed(0.6, 2, ref.exponential(0.6, 0.83, 5, True))
    ),
    "polynomial(0.6, steps = 11)": ref.polynomial(0.6, 11),
    "polynomial(0.6, end = 0.07, steps = 11)": ref.polynomial(0.6, 11, 0.07),
    "polynomial(0.6, end = 0.07, power = 2.5, steps = 11)": ref.polynomial(0.6, 11, 0.07, 2.5),
    # with warm-up the curve has the steps that are left
    "polynomial(0.6, power = 0.5, warmup = 4, steps = 13)": ref.warmed(0.6, 4, ref.polynomial(0.6, 9, 0.0, 0.5)),
    "cosine(0.6, steps = 11)": ref.cosine(0.6, 11),
    "cosine(0.6, end = 0.05, steps = 11)": ref.cosine(0.6, 11, 0.05),
    "cosine(0.6, end = 0.05, warmup = 4, steps = 13)": ref.warmed(0.6, 4, ref.cosine(0.6, 9, 0.05)),
}


def assert_rates(host: Host, curve: ref.Schedule, steps: Iterable[int], scale: float = 1.0) -> None:
    """Each step begins with a weight of 0; where the curve ends at 0 a rounding of the cosine is left."""
    for t in steps:
        host.set(w=0, step=t)
        host.step(BATCH)
        assert -host.state["w"][0] == pytest.approx(scale * curve(t), rel=2e-6, abs=2e-7), f"t = {t}"
        assert host.state["step"] == t + 1


@pytest.mark.parametrize("text", SCHEDULES)
def test_the_rate_of_each_step(text: str) -> None:
    assert_rates(Host(compiled(SPEC.format(text, ""))), SCHEDULES[text], range(18))


@pytest.mark.parametrize("text", [t for t in SCHEDULES if "exponential" not in t and "1.3" not in t])
def test_the_rate_after_many_steps(text: str) -> None:
    assert_rates(Host(compiled(SPEC.format(text, ""))), SCHEDULES[text], [10**5 + 1, 10**6])


@pytest.mark.parametrize("text", SCHEDULES)
def test_the_rate_that_a_host_can_ask_for(text: str) -> None:
    trainer = netc.Trainer(compiled(SPEC.format(text, "")), device="cpu")
    trainer.set_control("rate_scale", 0.5)
    for t in (0, 1, 4, 5, 11):
        assert trainer.rate(t) == pytest.approx(SCHEDULES[text](t) / 2, rel=1e-4, abs=2e-7), t
    trainer.step(BATCH)
    assert trainer.rate() == trainer.rate(1)


RULED = [  # (rules, the optimizer's rate in step 3)
    ('rule "w" { rate *= 0.5 }', ref.cosine(0.6, 9)(3)),
    ('rule "w" { rate = 0.5 }', 0.5),  # nothing has the optimizer's own
    ('rule "b" { rate = 0.5 }', ref.cosine(0.6, 9)(3)),
    ('rule "w" { freeze }', ref.cosine(0.6, 9)(3)),
]


@pytest.mark.parametrize(("rule", "rate"), RULED, ids=[r for r, _ in RULED])
def test_the_rate_is_the_optimizers_before_factors(rule: str, rate: float) -> None:
    """cosine takes its length from the host, unless nothing uses it."""
    text = SPEC.format("cosine(0.6)", f"; epochs = 3; {rule}")
    if "freeze" in rule or '"b"' in rule:
        text = text.replace("sum(w)", "sum(w) + sum(b)").replace("  loss", "  param b: f32[1]\n  loss")
    trainer = netc.Trainer(netc.compile(text), device="cpu")
    trainer.set_control("total_steps", 9)
    assert trainer.rate(3) == pytest.approx(rate, rel=1e-6)


LENGTHS = [  # (schedule without steps, settings, the curve)
    ("cosine(0.6)", "; steps = 9", ref.cosine(0.6, 9)),
    ("cosine(0.6, end = 0.1, warmup = 3)", "; steps = 10", ref.warmed(0.6, 3, ref.cosine(0.6, 7, 0.1))),
    ("cosine(0.6, steps = 6)", "; steps = 9", ref.cosine(0.6, 6)),  # its own length comes first
    ("polynomial(0.6)", "; steps = 9", ref.polynomial(0.6, 9)),
]


@pytest.mark.parametrize(("text", "settings", "curve"), LENGTHS, ids=[f"{t}{s}" for t, s, _ in LENGTHS])
def test_the_length_of_the_training(text: str, settings: str, curve: ref.Schedule) -> None:
    host = Host(compiled(SPEC.format(text, settings)))
    assert "total_steps" not in host.state
    assert_rates(host, curve, range(12))


@pytest.mark.parametrize(
    ("text", "held", "curve"),
    [
        ("cosine(0.6, end = 0.1)", ref.constant(0.6), ref.cosine(0.6, 14, 0.1)),
        ("polynomial(0.6, power = 2)", ref.constant(0.6), ref.polynomial(0.6, 14, 0.0, 2)),
        (
            "cosine(0.6, warmup = 4)",
            ref.warmed(0.6, 4, ref.constant(0.6)),
            ref.warmed(0.6, 4, ref.cosine(0.6, 10)),
        ),
    ],
    ids=["cosine", "polynomial", "with warm-up"],
)
def test_the_length_that_the_host_sets(text: str, held: ref.Schedule, curve: ref.Schedule) -> None:
    """0 holds the rate."""
    host = Host(compiled(SPEC.format(text, "; epochs = 3")))
    assert host.state["total_steps"] == 0
    assert_rates(host, held, range(12))
    host.set(total_steps=14)
    assert_rates(host, curve, range(18))


@pytest.mark.parametrize(("rows", "batch", "epochs", "total"), [(10, 4, 3, 9), (12, 4, 2, 6), (3, 8, 5, 5)])
def test_the_length_from_epochs_and_rows(rows: int, batch: int, epochs: int, total: int) -> None:
    """Epochs times ceil(rows / batch): the weight falls by the sum of all rates."""
    text = SPEC.format("cosine(0.6, end = 0.1)", f"; epochs = {epochs}; batch = {batch}")
    result = netc.run(text, data={"x": np.ones(rows, np.float32)}, device="cpu", folder=None, plots=False)
    assert result.trainer.steps == result.trainer.state["total_steps"] == total
    curve = ref.cosine(0.6, total, 0.1)
    # the loss is the weight, so the weights of the last epoch are the best, which stay
    assert result.trainer.state["w"][0] == pytest.approx(-sum(curve(t) for t in range(total)), rel=2e-6)


@pytest.mark.parametrize("text", ["0.37", "cosine(0.6, warmup = 4, end = 0.05, steps = 13)"])
def test_rate_scale_multiplies_every_rate(text: str) -> None:
    curve = ref.constant(0.37) if text == "0.37" else ref.warmed(0.6, 4, ref.cosine(0.6, 9, 0.05))
    host = Host(compiled(SPEC.format(text, "")))
    assert host.state["rate_scale"] == 1
    host.set(rate_scale=0.3)
    assert_rates(host, curve, range(15), 0.3)

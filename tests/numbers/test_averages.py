"""Averages and frozen parameters: what the step makes of them, and which weights evaluation and export read."""

from __future__ import annotations

import numpy as np
import pytest

import netc
from tests.numbers import training as ref
from tests.numbers.host import Array, Arrays, Host, compiled
from tests.numbers.test_optimizers import Reference, assert_close, batches, gradients
from tests.numbers.test_updates import FIRST, spec

EMA = {"average = ema(0.6)": 0.6, "average = ema(decay = 0.93)": 0.93, "average = ema": 0.999, "average = ema(0)": 0.0}
FREEZE = 'average = ema(0.6)\n  rule "v" { freeze }'


def output(weights: Arrays, batch: Arrays) -> float:
    """The output `a` of the spec: the data loss."""
    x, z = (batch[n].astype(np.float64).mean(0) for n in ("x", "z"))
    w, v = weights["w"], weights["v"]
    return float(x @ w + z @ v.ravel() + 0.4 * (w**2).sum() / 2 + 1.3 * (v**2).sum() / 2)


@pytest.mark.parametrize("way", ["step", "grad and apply"])
@pytest.mark.parametrize("text", EMA)
def test_the_average_after_each_step(text: str, way: str) -> None:
    """It begins as the weights, takes a part of the new ones, and changes no weight."""
    host = Host(compiled(spec(f"  {text}", "", "sgd(rate = 0.13, momentum = 0.4)")), way)
    host.set(w=FIRST, **{"w/average": FIRST})
    expected = Reference({n: host.state[n] for n in ("w", "v")}, ref.sgd(0.4), {"velocity": 0.0})
    kept = {n: w.copy() for n, w in expected.weights.items()}
    np.testing.assert_array_equal(host.state["v/average"], host.state["v"])
    for batch in batches():
        expected.step(gradients(expected.weights, batch), lambda _: 0.13)
        host.step(batch)
        for n, w in expected.weights.items():
            kept[n] = ref.average(kept[n], w, EMA[text])
            assert_close(host.state[f"{n}/average"], kept[n], f"{n}/average in step {expected.t}", 1e-5)
            assert_close(host.state[n], w, f"{n} in step {expected.t}", 1e-5)


def stepped(train: str) -> tuple[Host, Arrays]:
    """A host after three steps, and a batch."""
    host = Host(compiled(spec(f"  {train}")))
    host.set(w=FIRST)
    for batch in batches(3):
        host.step(batch)
    return host, batches(4)[3]


@pytest.mark.parametrize(("train", "read"), [("", "{}"), ("average = ema(0.6)", "{}/average")], ids=["without", "with"])
def test_which_weights_evaluation_reads(train: str, read: str) -> None:
    host, batch = stepped(train)
    weights = {n: host.state[read.format(n)].astype(np.float64) for n in ("w", "v")}
    expected = output(weights, batch)
    for graph, name in (("eval", "loss"), ("eval", "a"), ("infer", "a")):
        wanted = {i.name for i in host.program.graph(graph).graph.input} - {"x", "z"}
        assert wanted == {read.format(n) for n in ("w", "v")}, graph
        assert float(host.graph(graph, batch)[name]) == pytest.approx(expected, rel=2e-6, abs=1e-6), graph
    now = output({n: host.state[n].astype(np.float64) for n in ("w", "v")}, batch)
    assert float(host.graph("step", batch)["loss"]) == pytest.approx(now, rel=2e-6), "the step reads the weights"
    assert float(host.graph("grad", batch)["loss"]) == pytest.approx(now, rel=2e-6)
    if train:
        assert abs(now - expected) > 0.01, "else nothing was told apart"


def test_the_trainer_and_the_exported_model_read_the_average() -> None:
    host, batch = stepped("average = ema(0.6)")
    trainer = netc.Trainer(host.program, device="cpu")
    trainer.load_state(host.state)
    expected = output({n: host.state[f"{n}/average"].astype(np.float64) for n in ("w", "v")}, batch)
    assert trainer.evaluate(batch)["loss"] == pytest.approx(expected, rel=2e-6)
    assert float(np.ravel(trainer.predict(batch)["a"])[0]) == pytest.approx(expected, rel=2e-6)


def changes(host: Host, graph: str) -> set[str]:
    return {o.name for o in host.program.graph(graph).graph.output if o.name.endswith(".next")}


@pytest.mark.parametrize("optimizer", ["sgd(rate = 0.1, momentum = 0.5)", "adam(rate = 0.1, weight_decay = 0.3)"])
def test_a_frozen_parameter_stays_and_is_read_by_its_own_name(optimizer: str) -> None:
    host = Host(compiled(spec(f"  {FREEZE}", "", optimizer)))
    rows = {r["name"]: r for r in host.manifest["state"]}
    assert rows["v"] | {"shape": []} == {
        "name": "v", "dtype": "float32", "shape": [], "role": "parameter", "changes": False, "trainable": False,
    }  # fmt: skip
    assert not [n for n in rows if n.startswith("v/")]
    for graph in ("step", "apply"):
        assert changes(host, graph) == {f"{n}.next" for n, r in rows.items() if r["changes"]}
        assert "v.next" not in changes(host, graph)
    assert "grad/v" not in {o.name for o in host.program.grad.graph.output}
    before: Array = host.state["v"].copy()
    moved: Array = host.state["w"].copy()
    for batch in batches(3):
        host.step(batch)
    np.testing.assert_array_equal(host.state["v"], before)
    assert np.abs(host.state["w"] - moved).min() > 0.01
    batch = batches(1)[0]
    weights = {"w": host.state["w/average"].astype(np.float64), "v": before.astype(np.float64)}
    assert float(host.graph("infer", batch)["a"]) == pytest.approx(output(weights, batch), abs=1e-6)


def test_a_frozen_parameter_has_no_part_in_the_norm() -> None:
    """The norm of clip_norm is that of the gradients that are used."""
    host = Host(compiled(spec('  clip_norm = 0.9\n  rule "v" { freeze }')))
    host.set(w=FIRST)
    expected = Reference({"w": host.state["w"]}, ref.sgd(), {})
    for batch in batches():
        weights = expected.weights | {"v": host.state["v"].astype(np.float64)}
        expected.step(ref.clip_norm({"w": gradients(weights, batch)["w"]}, 0.9), lambda _: 0.13)
        host.step(batch)
        assert_close(host.state["w"], expected.weights["w"], f"w in step {expected.t}", 1e-5)

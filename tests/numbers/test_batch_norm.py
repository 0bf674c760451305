"""Batch normalisation over ten steps: gradients, running statistics, evaluation and export against NumPy in float64."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

import netc
from netc.inspecting import check_table, plan_text
from netc.runtime.progress import Reporter
from tests.numbers import reference as ref
from tests.numbers.host import Host, compiled

CALLS = ["BatchNorm", "BatchNorm(momentum = 0.3, epsilon = 0.01)"]
SPEC = """net n {{
  input x: f32[N, {shape}]
  target r: f32[N, {shape}]
  norm = {call}
  y = {body}
  loss = mean((y - r)^2)
  output y
}}
train {{ optimizer = sgd(rate = 0.1); batch = 6; steps = 10{more} }}
"""
BODIES = {"x -> norm": 1, "norm(2 * norm(x)^2 - 1)": 2}  # with how often the layer is called
State = dict[str, Any]


def normalised(x: Any, p: State, momentum: float, epsilon: float, training: bool) -> tuple[Any, State]:
    """(x - mean) / sqrt(variance + epsilon) scale + bias over all axes but 1, and the next running statistics, into which
    the batch's unbiased variance goes (Ioffe & Szegedy, 2015, algorithms 1 and 2)"""
    axes = (0, *range(2, x.ndim))
    across = (1, -1, *[1] * (x.ndim - 2))
    count = x.size // x.shape[1]
    mean, variance = (x.mean(axes), x.var(axes)) if training else (p["norm.mean"], p["norm.variance"])
    y = (x - mean.reshape(across)) / np.sqrt(variance.reshape(across) + epsilon)
    y = y * p["norm.scale"].reshape(across) + p["norm.bias"].reshape(across)
    if not training:
        return y, {}
    seen = {"norm.mean": mean, "norm.variance": variance * count / (count - 1)}
    return y, {n: (1 - momentum) * p[n] + momentum * v for n, v in seen.items()}


def outputs(calls: int, x: Any, p: State, training: bool, **settings: Any) -> tuple[Any, State]:
    """What the net gives; a second call of the layer sees what the first made of the statistics."""
    y, following = normalised(x, p, training=training, **settings)
    if calls == 2:
        y, later = normalised(2 * y**2 - 1, {**p, **following}, training=training, **settings)
        following |= later
    return y, following


def loss_with(name: str, calls: int, x: Any, r: Any, p: State, value: Any, **settings: Any) -> float:
    """The loss with another value of a parameter."""
    return float(np.mean((outputs(calls, x, {**p, name: value}, True, **settings)[0] - r) ** 2))


def settings_of(call: str) -> dict[str, float]:
    return {"momentum": 0.3, "epsilon": 0.01} if "(" in call else {"momentum": 0.1, "epsilon": 1e-5}


def batches(shape: tuple[int, ...], count: int = 10) -> list[dict[str, Any]]:
    g = np.random.default_rng(4)
    size = [6, 6, 5, 6, 6, 4, 6, 6, 2, 6]
    return [
        {
            "x": (g.normal(size=(n, *shape)) * 3 + 2).astype(np.float32),
            "r": g.normal(size=(n, *shape)).astype(np.float32),
        }
        for n in size[:count]
    ]


def near(found: Any, wanted: Any) -> None:
    # float32 sums of up to 48 numbers, over ten steps
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=5e-6)


@pytest.mark.parametrize("way", ["step", "grad and apply"])
@pytest.mark.parametrize("shape", ["3", "3, 4"])
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("call", CALLS)
def test_ten_steps(call: str, body: str, shape: str, way: str) -> None:
    host = Host(compiled(SPEC.format(call=call, body=body, shape=shape, more="")), way)
    settings, calls = settings_of(call), BODIES[body]
    p = {n: ref.wide(v) for n, v in host.state.items() if n.startswith("norm.")}
    assert {n: float(v[0]) for n, v in p.items()} == {
        "norm.scale": 1, "norm.bias": 0, "norm.mean": 0, "norm.variance": 1
    }  # fmt: skip
    for batch in batches(tuple(map(int, shape.split(",")))):
        x, r = ref.wide(batch["x"]), ref.wide(batch["r"])
        _, following = outputs(calls, x, p, True, **settings)
        slopes = {
            n: ref.slope(partial(loss_with, n, calls, x, r, p, **settings), p[n]) for n in ("norm.scale", "norm.bias")
        }
        gradients = host.graph("grad", batch)
        found = host.step(batch)
        near(found["loss"], np.mean((outputs(calls, x, p, True, **settings)[0] - r) ** 2))
        for name, slope in slopes.items():
            near(gradients[f"grad/{name}"], slope)
            p[name] = p[name] - 0.1 * slope
        p |= following
        for name, value in p.items():
            near(host.state[name], value)
        p = {n: ref.wide(host.state[n]) for n in p}
    near(host.graph("infer", batch)["y"], outputs(calls, x, p, False, **settings)[0])
    near(host.graph("eval", batch)["loss"], np.mean((outputs(calls, x, p, False, **settings)[0] - r) ** 2))


def test_what_is_frozen_does_as_in_evaluation() -> None:
    """`freeze` stops the running statistics too, and then training normalises by them."""
    more = '\n rule "norm.*" { freeze }'
    text = SPEC.format(call="BatchNorm", body="norm(x) -> Dense(3)", shape="3", more=more)
    host = Host(compiled(text))
    host.set(**{"norm.mean": [1.0, 2.0, 3.0], "norm.variance": [4.0, 5.0, 6.0]})
    rows = {r["name"]: r for r in host.manifest["state"]}
    for batch in batches((3,), 3):
        p = {n: ref.wide(v) for n, v in host.state.items() if v.dtype == np.float32}
        y, _ = normalised(ref.wide(batch["x"]), p, 0.1, 1e-5, training=False)
        wanted = np.mean((y @ p["y.weight"] + p["y.bias"] - batch["r"]) ** 2)
        near(host.step(batch)["loss"], wanted)
    for name in ("norm.scale", "norm.bias", "norm.mean", "norm.variance"):
        assert not rows[name]["changes"]
        np.testing.assert_array_equal(host.state[name], p[name])


def test_under_an_average_evaluation_reads_averages_and_running_statistics() -> None:
    text = SPEC.format(call="BatchNorm", body="x -> norm", shape="3", more="; average = ema(0.8)")
    host = Host(compiled(text))
    for batch in batches((3,)):
        host.step(batch)
    rows = {r["name"]: r for r in host.manifest["state"]}
    assert {n for n, r in rows.items() if r["role"] == "average"} == {"norm.scale/average", "norm.bias/average"}
    p = {n: ref.wide(host.state[n]) for n in ("norm.mean", "norm.variance")}
    p |= {n: ref.wide(host.state[f"{n}/average"]) for n in ("norm.scale", "norm.bias")}
    assert not np.allclose(p["norm.scale"], host.state["norm.scale"])
    near(host.graph("infer", batch)["y"], normalised(ref.wide(batch["x"]), p, 0.1, 1e-5, training=False)[0])


def test_the_exported_model_has_the_running_statistics(tmp_path: Path) -> None:
    text = SPEC.format(call="BatchNorm", body="x -> norm", shape="3", more="")
    rows = {n: np.concatenate([b[n] for b in batches((3,))]) for n in ("x", "r")}
    trainer = netc.run(text, data=rows, folder=None, plots=False).trainer
    netc.export(trainer, tmp_path / "m.onnx")
    session = ort.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["x"]
    (y,) = session.run(None, {"x": rows["x"]})
    p = {
        r["name"]: ref.wide(trainer.state[r["name"]])
        for r in trainer.manifest["state"]
        if r["name"].startswith("norm.")
    }
    near(y, normalised(ref.wide(rows["x"]), p, 0.1, 1e-5, training=False)[0])
    assert abs(p["norm.mean"] - 2).max() < 1.5, "the data's mean is 2"


def test_running_statistics_are_not_counted_as_parameters(tmp_path: Path) -> None:
    text = SPEC.format(call="BatchNorm", body="norm(x) -> Dense(3)", shape="3", more="")
    count = 2 * 3 + 3 * 3 + 3
    net = netc.check(text)
    assert check_table(net).startswith(f"n: {count} parameters")
    assert f"parameters  {count}\n" in plan_text(net, 6)
    said: list[str] = []
    reporter = Reporter()
    reporter.header = said.append  # type: ignore[method-assign]
    rows = {n: np.concatenate([b[n] for b in batches((3,))]) for n in ("x", "r")}
    netc.run(text, data=rows, folder=None, reporter=reporter)
    assert said[0].startswith(f"n: {count} parameters")


def test_patterns_see_parameters_alone() -> None:
    spec = SPEC.format(call="BatchNorm", body="x -> norm", shape="3", more="")
    host = Host(compiled(spec.replace("mean((y - r)^2)", 'mean((y - r)^2) + l2("*")')))
    host.set(**{"norm.mean": 100.0})
    batch = batches((3,), 1)[0]
    plain = Host(compiled(spec))
    near(host.step(batch)["loss"] - plain.step(batch)["loss"], 0.5 * 3)  # of three scales of 1 and biases of 0
    with pytest.raises(netc.NetError, match=r"norm\.mean"):
        netc.check(spec.replace("mean((y - r)^2)", 'mean((y - r)^2) + l2("norm.mean")'))


def test_the_running_statistics_of_a_layer_stop_together() -> None:
    more = '\n rule "norm.mean" { freeze }'
    host = Host(compiled(SPEC.format(call="BatchNorm", body="norm(x) -> Dense(3)", shape="3", more=more)))
    changes = {r["name"]: r["changes"] for r in host.manifest["state"] if r["name"].startswith("norm.")}
    assert changes == {"norm.scale": True, "norm.bias": True, "norm.mean": False, "norm.variance": False}


def test_a_call_for_a_metric_alone_changes_no_running_statistics() -> None:
    text = SPEC.format(call="BatchNorm", body="x -> norm", shape="3", more="")
    watching = Host(compiled(text.replace("  output y", "  metric m (min) = mean(norm(5 * x)^2)\n  output y")))
    plain = Host(compiled(text))
    for batch in batches((3,), 3):
        assert watching.step(batch)["loss"] == plain.step(batch)["loss"]
        for name, value in plain.state.items():
            np.testing.assert_array_equal(watching.state[name], value)

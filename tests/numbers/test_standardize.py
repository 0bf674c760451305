"""Statistics of the training rows against NumPy, in float64, and what becomes of them in a run and a deployed model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

import netc
from netc.runtime.checkpoint import load_tensors
from netc.runtime.export import deployable

SPEC = """net n {{
  input x: {type}
  h = x -> {call}
  param g: {dtype}[1] = 1
  output z = h * g
  loss = mean((h * g - 1)^2)
}}
train {{ epochs = 1; batch = 16; optimizer = sgd(rate = 0.1) }}"""
RNG = np.random.default_rng(4)
TABLE = RNG.normal(size=(2500, 3)) * [1, 5, 0] + [1e4, -2, 0.1]
IMAGES = RNG.normal(size=(40, 2, 5, 3)) * np.array([1, 7])[:, None, None] + 3
# (type, call, rows, axes of the mean, relative precision)
CASES: list[tuple[str, str, np.ndarray, tuple[int, ...], float]] = [
    ("f32[N, 3]", "standardize", TABLE.astype(np.float32), (0,), 2e-3),  # x itself has 4 digits behind the point
    ("f64[N, 3]", "standardize", TABLE, (0,), 1e-9),
    ("f16[N, 3]", "standardize", (TABLE - [1e4, 0, 0]).astype(np.float16), (0,), 4e-3),
    ("f64[N]", "standardize", TABLE[:, 1], (0,), 1e-9),
    ("f64[N, 2, 5, 3]", "standardize(axis = 1)", IMAGES, (0, 2, 3), 1e-9),
    ("f64[N, 2, 5, 3]", "standardize", IMAGES, (0, 1, 2), 1e-9),
    ("f64[N, T, 3]", "standardize", IMAGES.reshape(40, 10, 3), (0, 1), 1e-9),
]


@pytest.mark.parametrize(("type", "call", "rows", "axes", "precision"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES])
def test_rows_are_standardised(type: str, call: str, rows: np.ndarray, axes: tuple[int, ...], precision: float) -> None:
    result = netc.run(SPEC.format(type=type, call=call, dtype=type[:3]), data={"x": rows}, device="cpu", folder=None)
    exact = rows.astype(np.float64)
    mean, deviation = exact.mean(axes, keepdims=True), exact.std(axes, keepdims=True)
    state = result.trainer.state
    assert state["h.count"] == rows.size / mean.size
    np.testing.assert_allclose(state["h.mean"].ravel(), mean.ravel(), rtol=max(precision / 1e3, 1e-12))
    np.testing.assert_allclose(state["h.variance"].ravel(), deviation.ravel() ** 2, rtol=precision, atol=1e-20)
    wanted = (exact - mean) / np.where(deviation < 1e-9, 1, deviation)
    found = result.trainer.predict({"x": rows})["z"] / result.trainer.parameters["g"]
    np.testing.assert_allclose(found, wanted, rtol=precision, atol=precision)


def test_statistics_of_batches_are_those_of_all_rows() -> None:
    """Batches of any sizes, by a host that knows the contract alone."""
    program = netc.compile(SPEC.format(type="f64[N, 3]", call="standardize", dtype="f64"))
    rows = {r["name"]: r for r in program.manifest["state"]}
    assert program.manifest["graphs"]["fit"] == "fit.onnx"
    fit, init = (
        ort.InferenceSession(program.model_bytes(n), providers=["CPUExecutionProvider"]) for n in ("fit", "init")
    )
    state = dict(zip(rows, init.run(list(rows), {"seed": np.array(0, np.int32)})))
    held = {n: state[n] for n, r in rows.items() if r.get("fitted")}
    assert list(held) == ["h.count", "h.mean", "h.variance"]
    assert not any(rows[n]["changes"] or rows[n]["trainable"] for n in held)
    names = [o.name for o in fit.get_outputs()]
    for start, end in ((0, 1), (1, 3), (3, 900), (900, 2499), (2499, 2500)):
        found = dict(zip(names, fit.run(names, {"x": TABLE[start:end], **held})))
        held = {n: found[f"{n}.next"] for n in held}
    np.testing.assert_allclose(held["h.mean"], TABLE.mean(0), rtol=1e-12)
    np.testing.assert_allclose(held["h.variance"], TABLE.var(0), rtol=1e-9, atol=1e-20)


def test_a_program_without_statistics_has_no_graph_for_them() -> None:
    assert "fit" not in netc.compile("digits").manifest["graphs"]
    with pytest.raises(netc.NetError, match="there is no graph `fit`"):
        netc.compile("digits").graph("fit")


TWICE = """net n {
  input a: f32[N]
  input b: f32[N]
  target t: f32[N]
  s = standardize
  own = standardize
  goal = own(t)
  y = (concat(unsqueeze(s(a), 1), unsqueeze(s(b), 1)) -> Dense(1))[:, 0]
  loss = mean((y - goal)^2)
  output price = y * sqrt(own.variance) + own.mean
}"""


def test_a_shared_layer_is_fitted_to_all_that_flows_in_and_its_statistics_can_be_used() -> None:
    trainer = netc.Trainer(netc.compile(TWICE), "cpu")
    a, b, t = (RNG.normal(size=500).astype(np.float32) + k for k in (0, 5, 100))
    assert not trainer.fitted
    rows = {"a": a, "b": b, "t": t}
    calls = [
        trainer.step,
        trainer.gradients,
        trainer.watch,
        trainer.evaluate,
        trainer.predict,
        lambda _: deployable(trainer),
    ]
    for call in calls:
        with pytest.raises(netc.InputError, match="the statistics of `own` are not computed yet"):
            call(rows)  # type: ignore[operator]
    trainer.fit_statistics({"a": a, "b": b, "t": t}, batch=64)
    assert trainer.fitted
    state = trainer.state
    both = np.concatenate([a, b]).astype(np.float64)
    assert state["s.mean"] == pytest.approx(both.mean(), rel=1e-5)
    assert state["s.variance"] == pytest.approx(both.var(), rel=1e-5)
    assert state["own.mean"] == pytest.approx(t.mean(dtype=np.float64), rel=1e-6)
    y = np.stack([a, b], 1) - state["s.mean"]
    y = y / np.sqrt(state["s.variance"]) @ state["y.weight"][:, 0] + state["y.bias"]
    wanted = y * np.sqrt(state["own.variance"]) + state["own.mean"]
    np.testing.assert_allclose(trainer.predict({"a": a, "b": b})["price"], wanted, rtol=1e-5)


def run(tmp_path: Path, x: np.ndarray, **options: Any) -> netc.Result:
    spec = SPEC.format(type="f32[N, 3]", call="standardize", dtype="f32")
    return netc.run(spec, data={"x": x}, device="cpu", folder=tmp_path, plots=False, **options)


def test_the_deployed_model_takes_raw_values(tmp_path: Path) -> None:
    rows = TABLE.astype(np.float32)
    result = run(tmp_path, rows)
    assert result.folder is not None
    session = ort.InferenceSession(str(result.folder / "export/model.onnx"), providers=["CPUExecutionProvider"])
    (z,) = session.run(["z"], {"x": rows[:5]})
    np.testing.assert_array_equal(z, result.trainer.predict({"x": rows[:5]})["z"])
    tensors, _ = load_tensors(result.folder / "weights/last.safetensors")
    assert tensors["h.count"] == 2500
    resumed = run(tmp_path, rows, resume=result.folder)
    np.testing.assert_array_equal(resumed.trainer.state["h.mean"], tensors["h.mean"])


def test_a_run_that_begins_with_weights_keeps_their_statistics(tmp_path: Path) -> None:
    rows = TABLE.astype(np.float32)
    first = run(tmp_path, rows)
    second = run(tmp_path, rows[:300], weights=first.folder)
    np.testing.assert_array_equal(second.trainer.state["h.mean"], first.trainer.state["h.mean"])


REFUSED = {
    "x -> Dense(3) -> standardize": "is fitted to the training rows before training, and what flows into it depends on "
    "the parameter `h.dense_1.weight`",
    "x -> dropout -> standardize": "takes random numbers (`dropout`)",
    "x -> standardize -> standardize": "what flows into it is fitted itself",
    "x -> standardize(axis = 0)": "axis 0 is the batch, over which the mean is taken",
    "x -> standardize(axis = 2)": "there is no axis 2 in `f32[N, 3]`",
    "i64(x) -> standardize": "a floating-point tensor is needed here",
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_cannot_be_fitted(call: str) -> None:
    with pytest.raises(netc.NetError) as e:
        netc.check(
            SPEC.format(type="f32[N, 3]", call=call.removeprefix("x -> "), dtype="f32").replace(
                "x -> i64(x) -> ", "i64(x) -> "
            )
        )
    (found,) = e.value.diagnostics
    assert REFUSED[call] in found.message

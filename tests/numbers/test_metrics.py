"""Every metric with every option, and reductions as metrics: exact over batches of unequal size, against NumPy."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

import netc
from tests.numbers import reference as ref
from tests.numbers.host import Arrays, Host, compiled

ROWS = 23
CUTS = {"whole": [], "halves": [12], "unequal": [1, 8, 9, 20]}
INPUTS = {
    "x": "f32[N, 5]", "t": "i64[N]", "h": "f32[N, 5]", "cube": "f32[N, 3, 4]", "c": "i64[N, 4]", "wide": "f32[N, 130]",
    "l": "i64[N]", "w": "f32[N, 130]", "b": "f32[N, 5]", "p": "f32[N, 5]", "y": "f32[N, 2]", "r": "f32[N, 2]",
}  # fmt: skip


def data() -> Arrays:
    """Scores without ties; classes drawn near the best ones, so that every share lies well inside (0, 1)."""
    g = np.random.default_rng(23)
    x, cube, many = g.normal(size=(ROWS, 5)), g.normal(size=(ROWS, 3, 4)), g.normal(size=(ROWS, 130))
    ranks = np.argsort(-x, axis=1)
    t = ranks[np.arange(ROWS), g.integers(0, 4, ROWS)]
    made = {
        "x": x, "t": t, "h": np.eye(5)[t], "cube": cube, "c": g.integers(0, 3, (ROWS, 4)), "wide": many,
        "l": np.argsort(-many, axis=1)[np.arange(ROWS), g.integers(0, 4, ROWS)],
        "b": (x + g.normal(0.4, 1, (ROWS, 5)) > 0), "p": g.uniform(0, 1, (ROWS, 5)), "y": g.normal(0.3, 1, (ROWS, 2)),
    }  # fmt: skip
    made |= {"w": np.eye(130)[made["l"]], "r": 0.7 * made["y"] + g.normal(0.5, 0.6, (ROWS, 2))}
    return {n: np.asarray(a, np.int64 if INPUTS[n][0] == "i" else np.float32) for n, a in made.items()}


DATA = data()
METRICS: dict[str, Callable[[Arrays], float]] = {
    "accuracy(x, t)": lambda d: ref.accuracy(d["x"], d["t"]),
    "accuracy(x, h)": lambda d: ref.accuracy(d["x"], d["h"]),
    "accuracy(x, t, k = 2)": lambda d: ref.accuracy(d["x"], d["t"], 2),
    "accuracy(x, h, k = 3)": lambda d: ref.accuracy(d["x"], d["h"], 3),
    "accuracy(cube, c, axis = 1)": lambda d: ref.accuracy(d["cube"], d["c"], 1, 1),
    "accuracy(cube, c, k = 2, axis = 1)": lambda d: ref.accuracy(d["cube"], d["c"], 2, 1),
    "accuracy(wide, l)": lambda d: ref.accuracy(d["wide"], d["l"]),
    "accuracy(wide, w)": lambda d: ref.accuracy(d["wide"], d["w"]),
    "accuracy(wide, l, k = 3)": lambda d: ref.accuracy(d["wide"], d["l"], 3),
    "binary_accuracy(x, b)": lambda d: ref.binary_accuracy(d["x"], d["b"]),
    "binary_accuracy(p, b, threshold = 0.3)": lambda d: ref.binary_accuracy(d["p"], d["b"], 0.3),
    "precision(x, b)": lambda d: ref.precision(d["x"], d["b"]),
    "precision(p, b, threshold = 0.3)": lambda d: ref.precision(d["p"], d["b"], 0.3),
    "recall(x, b)": lambda d: ref.recall(d["x"], d["b"]),
    "recall(p, b, threshold = 0.3)": lambda d: ref.recall(d["p"], d["b"], 0.3),
    "recall(x, p)": lambda d: ref.recall(d["x"], d["p"] > 0.5),  # a target is a yes beyond one half
    "f1(x, b)": lambda d: ref.f1(d["x"], d["b"]),
    "f1(x, b > 0.5)": lambda d: ref.f1(d["x"], d["b"]),
    "recall(p, b > 0.5, threshold = 0.3)": lambda d: ref.recall(d["p"], d["b"], 0.3),
    "f1(p, b, threshold = 0.3)": lambda d: ref.f1(d["p"], d["b"], 0.3),
    "r2(y, r)": lambda d: ref.r2(d["y"], d["r"]),
    "r2(y[:, 1], r[:, 1])": lambda d: ref.r2(d["y"][:, 1], d["r"][:, 1]),
    "mean((y - r)^2)": lambda d: ref.mean_squared_error(d["y"], d["r"]),
    "sqrt(mean((y - r)^2))": lambda d: np.sqrt(ref.mean_squared_error(d["y"], d["r"])),
    "sum(y)": lambda d: ref.wide(d["y"]).sum(),
    "sum(y[:, 0]) / N": lambda d: ref.wide(d["y"])[:, 0].mean(),
    "max(abs(y))": lambda d: np.abs(d["y"]).max(),
    "min(y)": lambda d: d["y"].min(),
    "prod(abs(y) + 0.5)": lambda d: (np.abs(ref.wide(d["y"])) + 0.5).prod(),
    "logsumexp(y)": lambda d: ref.logsumexp(d["y"]),
    "variance(y)": lambda d: ref.variance(d["y"]),
    "norm(y)": lambda d: ref.norm(d["y"]),
    "mean(max(x, axis = 1))": lambda d: ref.wide(d["x"]).max(1).mean(),
    "sum(abs(gradient(mean(y^2), y)))": lambda d: np.abs(2 * ref.wide(d["y"])).sum() / d["y"].size,
    "max(gradient(log(sum(exp(y))), y))": lambda d: (np.exp(ref.wide(d["y"])) / np.exp(ref.wide(d["y"])).sum()).max(),
    "max(mean(x, axis = 0))": lambda d: ref.wide(d["x"]).mean(0).max(),
    "sum(range(N) * y[:, 0])": lambda d: (np.arange(ROWS) * ref.wide(d["y"])[:, 0]).sum(),
    "sum(range(N))": lambda d: ROWS * (ROWS - 1) / 2,
    "sum(eye(N) * (y @ transpose(y)))": lambda d: (ref.wide(d["y"]) ** 2).sum(),
    "mean(full([N, 2], 3) + y)": lambda d: 3 + ref.wide(d["y"]).mean(),
    "sum(range(N, N + 4))": lambda d: 4 * ROWS + 6,
    "mean(range(y.shape[0])) + mean(y)": lambda d: (ROWS - 1) / 2 + ref.wide(d["y"]).mean(),
    "2 * mean(y) - max(r) / 3": lambda d: 2 * ref.wide(d["y"]).mean() - d["r"].max() / 3,
}


@pytest.fixture(scope="module")
def host() -> Host:
    """One program with every row as a metric."""
    inputs = "\n".join(f"  input {n}: {t}" for n, t in INPUTS.items())
    named = re.compile(r"accuracy|binary_accuracy|precision|recall|f1|r2")
    rows = "\n".join(f"  metric m{i}{'' if named.match(text) else ' (min)'} = {text}" for i, text in enumerate(METRICS))
    return Host(compiled(f"net n {{\n{inputs}\n  param g: f32[5] = ones\n  loss = mean(x * g)\n{rows}\n}}"))


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("text", METRICS)
def test_the_score_of_all_rows(host: Host, text: str, cuts: str) -> None:
    name = f"m{list(METRICS).index(text)}"
    if cuts not in SCORED:
        SCORED[cuts] = host.scores(DATA, CUTS[cuts])
    assert SCORED[cuts][name] == pytest.approx(float(METRICS[text](DATA)), rel=3e-6)


SCORED: dict[str, dict[str, float]] = {}


@pytest.mark.parametrize("graph", ["step", "eval", "grad"])
def test_the_value_of_one_batch(host: Host, graph: str) -> None:
    found = host.graph(graph, DATA)
    for i, (text, expected) in enumerate(METRICS.items()):
        assert float(found[f"m{i}"]) == pytest.approx(float(expected(DATA)), rel=3e-6), text


NOTHING = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "binary_accuracy": 1.0}


@pytest.mark.parametrize("name", NOTHING)
def test_a_share_of_nothing_is_0(name: str) -> None:
    """No row says yes and none is true: 0 / 0 counts as 0 in training and in evaluation."""
    text = (
        f"net n {{\n input x: f32[N, 2]\n param g: f32[2] = ones\n loss = mean(x * g)\n metric m = {name}(x, x + 0)\n}}"
    )
    host = Host(compiled(text))
    batch = {"x": np.array([[-1.5, -0.2], [-0.3, -4]], np.float32)}
    assert host.step(batch)["m"] == NOTHING[name]
    assert host.scores(batch, [1])["m"] == NOTHING[name]


@pytest.mark.parametrize("mean", [0, 1e3, 1e4])
def test_r2_of_targets_far_from_zero(mean: float) -> None:
    """Years, kelvins, prices: the spread is a millionth of the mean square and less."""
    text = "net n {\n input y: f32[N]\n target r: f32[N]\n param g: f32[1] = ones\n loss = mean(y * g)\n metric m = r2(y, r)\n}"
    host, g = Host(compiled(text)), np.random.default_rng(0)
    r = g.normal(mean, 1, 500).astype(np.float32)
    batch = {"y": (r + g.normal(0, 0.5, 500)).astype(np.float32), "r": r}
    assert float(host.step(batch)["m"]) == pytest.approx(ref.r2(batch["y"], r), rel=1e-4)
    assert host.scores(batch, [200])["m"] == pytest.approx(ref.r2(batch["y"], r), rel=1e-4)


def test_the_trainer_scores_as_the_contract_says(host: Host) -> None:
    import netc

    found = netc.Trainer(host.program, device="cpu").evaluate(DATA, batch=7)
    for i, (text, expected) in enumerate(METRICS.items()):
        assert found[f"m{i}"] == pytest.approx(float(expected(DATA)), rel=3e-6), text
    assert found["loss"] == pytest.approx(float(ref.wide(DATA["x"]).mean()), rel=3e-6)


LOSSES = {  # of y and r: exact whatever the batch, though no mean over rows
    "sum((y - r)^2) / N": lambda d: ((ref.wide(d["y"]) - d["r"]) ** 2).sum(1).mean(),
    "sqrt(mean((y - r)^2))": lambda d: np.sqrt(((ref.wide(d["y"]) - d["r"]) ** 2).mean()),
    "mean((y - r)^2) * max(abs(y))": lambda d: ((ref.wide(d["y"]) - d["r"]) ** 2).mean() * np.abs(d["y"]).max(),
    "mean((y - r)^2) + 0.1 * mean(abs(y))": lambda d: (
        ((ref.wide(d["y"]) - d["r"]) ** 2).mean() + 0.1 * np.abs(d["y"]).mean()
    ),
}


@pytest.mark.parametrize("text", LOSSES)
def test_a_loss_is_exact_whatever_the_batch(text: str) -> None:
    spec = f"net n {{\n input y: f32[N, 2]\n target r: f32[N, 2]\n param g: f32[1] = 1\n loss = g[0] * ({text})\n}}"
    host = Host(compiled(spec))
    expected = float(LOSSES[text](DATA))
    batch = {n: DATA[n] for n in ("y", "r")}
    assert host.scores(batch, CUTS["unequal"])["loss"] == pytest.approx(expected, rel=3e-6)
    assert netc.Trainer(host.program, device="cpu").evaluate(batch, batch=5)["loss"] == pytest.approx(
        expected, rel=3e-6
    )


def test_a_loss_within_the_batch_means_the_batch() -> None:
    """Rows compared with all others of their batch: more of them are another loss."""
    spec = "net n {\n input y: f32[N, 2]\n param g: f32[2] = 1\n z = y * g\n loss = mean((z @ transpose(z))^2)\n}"
    host, y = Host(compiled(spec)), DATA["y"]
    assert host.manifest["loss"]["accumulate"] == []
    parts = [float(((ref.wide(p) @ p.T) ** 2).mean()) for p in (y[:9], y[9:])]
    assert host.scores({"y": y}, [9])["loss"] == pytest.approx((9 * parts[0] + (ROWS - 9) * parts[1]) / ROWS, rel=3e-6)


def test_a_layer_behind_the_mean_of_all_rows() -> None:
    """Its parameters are the same in every batch."""
    spec = """net n {
      input x: f32[N, 3]
      layer = Dense(2)
      norm = BatchNorm()
      y = layer(norm(x))
      loss = mean(y^2)
      metric m (min) = sum(layer(mean(norm(x), axis = 0, keep = true)))
    }
    train { optimizer = sgd(rate = 0.1); batch = 4; steps = 2 }"""
    trainer = netc.Trainer(netc.compile(spec), device="cpu")
    x = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
    trainer.step({"x": x})
    p = trainer.state
    normalised = (x - p["norm.mean"]) / np.sqrt(p["norm.variance"] + 1e-5) * p["norm.scale"] + p["norm.bias"]
    wanted = np.sum(normalised.mean(0) @ p["layer.weight"] + p["layer.bias"])
    np.testing.assert_allclose(trainer.evaluate({"x": x}, batch=4)["m"], wanted, rtol=1e-5)


@pytest.mark.parametrize(
    "metric", ["mean(y)", "mean_squared_error(y, x)", "accuracy(y, t, k = 2)", "r2(y, x)", "max(y)"]
)
def test_metrics_of_float64(metric: str) -> None:
    spec = f"""net n {{
      input x: f64[N, 3]
      target t: i64[N]
      y = x -> Dense(3)
      loss = mean_squared_error(y, x)
      metric m (min) = {metric}
    }}
    train {{ optimizer = sgd(rate = 0.1); batch = 4; steps = 2 }}"""
    trainer = netc.Trainer(netc.compile(spec), device="cpu")
    g = np.random.default_rng(0)
    x, t = g.normal(size=(11, 3)), g.integers(0, 3, 11)
    y = x @ trainer.state["y.weight"] + trainer.state["y.bias"]
    wanted = {
        "mean(y)": np.mean(y), "mean_squared_error(y, x)": np.mean((y - x) ** 2), "max(y)": np.max(y),
        "accuracy(y, t, k = 2)": ref.accuracy(y, t, 2), "r2(y, x)": ref.r2(y, x),
    }  # fmt: skip
    found = trainer.evaluate({"x": x, "t": t}, batch=4)["m"]
    np.testing.assert_allclose(found, wanted[metric], rtol=1e-6)  # counts and shares are float32

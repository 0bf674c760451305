"""The program contract, as a host that knows nothing else would see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import netc
from netc import models
from netc.compiler.program import GRAPHS, ON_REQUEST
from tests.work import calls

DATA: dict[str, Any] = {}


def batch_for(manifest: dict[str, Any], rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Random rows of the right dtypes and shapes."""
    g = np.random.default_rng(seed)
    made = {}
    for i in manifest["inputs"]:
        shape = [rows if isinstance(d, str) else d for d in i["shape"]]
        if i["dtype"].startswith("float"):
            made[i["name"]] = g.uniform(0.1, 1, shape).astype(i["dtype"])
        else:
            made[i["name"]] = g.integers(0, i.get("classes", 2), shape).astype(i["dtype"])
    return made


def session(model: onnx.ModelProto, exact: bool = False) -> ort.InferenceSession:
    options = ort.SessionOptions()
    if exact:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def call(run: ort.InferenceSession, feeds: dict[str, Any]) -> dict[str, np.ndarray]:
    wanted = {i.name for i in run.get_inputs()}
    return dict(
        zip([o.name for o in run.get_outputs()], run.run(None, {n: v for n, v in feeds.items() if n in wanted}))
    )


class Host:
    """A host loop written from the contract alone."""

    def __init__(self, program: Any, seed: int = 3, exact: bool = False):
        self.manifest = program.manifest
        self.seed = np.array(seed, np.int32)
        self.state = call(session(program.init), {"seed": self.seed})
        self.run = session(program.step, exact)

    def step(self, batch: dict[str, np.ndarray], row: int = 0) -> dict[str, np.ndarray]:
        found = call(self.run, {**batch, **self.state, "seed": self.seed, "row": np.array(row, np.int32)})
        self.state.update({n.removesuffix(".next"): v for n, v in found.items() if n.endswith(".next")})
        return found


@pytest.mark.parametrize("name", models.names())
def test_an_independent_host_trains_every_spec_of_the_zoo(name: str) -> None:
    changes = ["rate=0.05"] if name == "dying" else []
    program = netc.compile(name, changes)
    host = Host(program)
    for n in ("total_steps",):
        if n in host.state:
            host.state[n] = np.array(100, np.int32)
    batch = batch_for(program.manifest, 24)
    losses = [float(host.step(batch)["loss"]) for _ in range(60)]
    assert np.isfinite(losses).all()
    assert min(losses[-5:]) < losses[0]
    assert host.state["step"] == 60
    smaller = batch_for(program.manifest, 5)
    assert np.isfinite(host.step(smaller)["loss"])


@pytest.mark.parametrize("name", models.names())
def test_the_graphs_have_the_names_and_order_of_the_manifest(name: str) -> None:
    program = netc.compile(name)
    m = program.manifest
    batch = [i["name"] for i in m["inputs"]]
    state = [r["name"] for r in m["state"]]
    changing = [f"{r['name']}.next" for r in m["state"] if r["changes"]]
    metrics = [x["name"] for x in m["metrics"]]
    outputs = [o["name"] for o in m["outputs"]]
    accumulators = [a["name"] for x in m["metrics"] for a in x["accumulate"]]
    trained = [r["name"] for r in m["state"] if r["trainable"]]

    def ends(graph: str) -> tuple[list[str], list[str]]:
        g = program.graph(graph).graph
        return [i.name for i in g.input], [o.name for o in g.output]

    assert ends("init") == (["seed"], state)
    assert ends("step") == ([*batch, "seed", "row", *state], ["loss", *metrics, *changing])
    assert ends("eval")[1] == ["loss", *metrics, *accumulators, *outputs]
    assert ends("infer")[1] == outputs
    assert set(ends("infer")[0]) <= {*state, *(i["name"] for i in m["inputs"] if i["role"] == "input")}
    assert ends("score") == (accumulators, metrics or ["metrics"])
    assert ends("grad")[1] == ["loss", *metrics, *(f"grad/{p}" for p in trained)]
    assert ends("apply") == (
        [*(f"grad/{p}" for p in trained), *(r for r in state if r in set(ends("apply")[0]))],
        changing,
    )
    assert all(o.startswith("watch/") for o in ends("watch")[1])
    assert ends("rate") == ([r["name"] for r in m["state"] if r["role"] in ("counter", "control")], ["rate"])


@pytest.mark.parametrize("name", models.names())
def test_only_standard_operators_and_known_types(name: str, tmp_path: Path) -> None:
    program = netc.compile(name)
    folder = program.save(tmp_path / "p", ON_REQUEST)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["graphs"]) == {*GRAPHS, *ON_REQUEST}
    for graph in (*GRAPHS, *ON_REQUEST):
        model = onnx.load(folder / f"{graph}.onnx")
        onnx.checker.check_model(model, full_check=True)
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]
        assert model.ir_version == 8
        assert json.loads(next(p.value for p in model.metadata_props if p.key == "netc.manifest")) == manifest
        assert {n.domain for n in model.graph.node} <= {""}
        for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
            t = value.type.tensor_type
            assert t.elem_type
            assert t.HasField("shape")
            assert all(d.dim_param or d.HasField("dim_value") for d in t.shape.dim), (graph, value.name)


@pytest.mark.parametrize("name", ["digits", "autoencoder", "multilabel"])
def test_grad_then_apply_equals_the_step_to_the_bit(name: str) -> None:
    program = netc.compile(name, {"clip_norm": 0.5})
    joined = Host(program, exact=True)
    grad, apply = session(program.grad, exact=True), session(program.apply, exact=True)
    batch = batch_for(program.manifest, 16)
    state = dict(joined.state)
    for _ in range(3):
        found = joined.step(batch)
        g = call(grad, {**batch, **state, "seed": joined.seed, "row": np.array(0, np.int32)})
        nexts = call(apply, {**state, **g})
        assert g["loss"] == found["loss"]
        state.update({n.removesuffix(".next"): v for n, v in nexts.items()})
        for n, v in joined.state.items():
            np.testing.assert_array_equal(state[n], v, err_msg=n)


@pytest.mark.parametrize("name", ["digits", "autoencoder", "multilabel", "siamese"])
def test_grad_then_apply_equals_the_step_with_the_optimizer_of_the_runtime(name: str) -> None:
    """Each step from the same state: fusions may change the last bits, 1e-6 of the largest entry at most."""
    program = netc.compile(name, {"clip_norm": 0.5})
    joined = Host(program)
    grad, apply = session(program.grad), session(program.apply)
    batch = batch_for(program.manifest, 16)
    for _ in range(3):
        state = dict(joined.state)
        found = joined.step(batch)
        g = call(grad, {**batch, **state, "seed": joined.seed, "row": np.array(0, np.int32)})
        nexts = call(apply, {**state, **g})
        np.testing.assert_allclose(g["loss"], found["loss"], rtol=1e-6)
        for n, v in nexts.items():
            expected = joined.state[n.removesuffix(".next")]
            np.testing.assert_allclose(v, expected, rtol=0, atol=1e-6 * np.abs(expected).max(), err_msg=n)


def test_a_batch_split_in_two_gives_the_same_gradients() -> None:
    """Dropout masks follow the rows, so two workers that average their gradients train as one does."""
    program = netc.compile("digits")
    grad = session(program.grad)
    host = Host(program)
    batch = batch_for(program.manifest, 16)
    feeds = {**host.state, "seed": host.seed}
    whole = call(grad, {**batch, **feeds, "row": np.array(0, np.int32)})
    halves = [
        call(grad, {**{n: a[k : k + 8] for n, a in batch.items()}, **feeds, "row": np.array(k, np.int32)})
        for k in (0, 8)
    ]
    for name in whole:
        mean = (halves[0][name] + halves[1][name]) / 2
        np.testing.assert_allclose(mean, whole[name], rtol=1e-5, atol=1e-6)


def test_evaluation_is_exact_over_unequal_batches() -> None:
    text = """net n {
      input x: f32[N, 3]
      target t: i64[N]
      y = x -> Dense(4)
      d = y[:, 0] - x[:, 0]
      loss = softmax_cross_entropy(y, t) + l2("*")
      metric accuracy = accuracy(y, t)
      metric top2 = accuracy(y, t, k = 2)
      metric ce = softmax_cross_entropy(y, t)
      metric rmse (min) = sqrt(mean(d^2))
      metric worst (min) = max(abs(d))
      metric spread (max) = mean((d - mean(d))^2)
      metric ratio (max) = sum(d) / N
      metric fit = r2(y[:, 0], x[:, 0])
      metric f = f1(y[:, 0], f32(t > 1))
      output y
    }"""
    program = netc.compile(text)
    trainer = netc.Trainer(program, device="cpu")
    g = np.random.default_rng(0)
    data = {"x": g.normal(size=(37, 3)).astype(np.float32), "t": g.integers(0, 4, 37)}
    whole, parts = trainer.evaluate(data, batch=37), trainer.evaluate(data, batch=10)
    y = trainer.predict({"x": data["x"]})["y"]
    d = (y[:, 0] - data["x"][:, 0]).astype(np.float64)
    expected = {
        "accuracy": (y.argmax(1) == data["t"]).mean(),
        "top2": (np.argsort(-y, 1)[:, :2] == data["t"][:, None]).any(1).mean(),
        "rmse": np.sqrt((d**2).mean()),
        "worst": np.abs(d).max(),
        "spread": d.var(),
        "fit": 1 - (d**2).sum() / ((data["x"][:, 0] - data["x"][:, 0].mean()) ** 2).sum(),
        "ce": whole["loss"],
    }
    for name, value in expected.items():
        assert parts[name] == pytest.approx(value, rel=2e-5), name
        assert whole[name] == pytest.approx(parts[name], rel=2e-5), name
    says, true = y[:, 0] > 0, data["t"] > 1
    assert parts["f"] == pytest.approx(2 * (says & true).sum() / (says.sum() + true.sum()), rel=1e-5)
    assert parts["ratio"] == pytest.approx(d.mean(), rel=1e-4)


def test_the_exported_graph_holds_nothing_of_training() -> None:
    program = netc.compile("digits")
    constants = {i.name for i in program.infer.graph.initializer}
    assert {n.op_type for n in program.infer.graph.node} <= {"Div", "MatMul", "Add", "Relu", "Softmax"}
    assert len(constants) <= 1


def test_a_program_without_metrics_or_outputs_can_be_loaded_whole(tmp_path: Path) -> None:
    text = "net n {\n  input x: f32[N, 3]\n  loss = mean((x -> Dense(1))^2)\n}"
    program = netc.compile(text)
    for graph in (*GRAPHS, *ON_REQUEST):
        session(program.graph(graph))
    assert session(program.score).run(None, {}) == [0.0]
    with pytest.raises(netc.InputError, match="nothing to deploy"):
        netc.export(netc.Trainer(program, device="cpu"), tmp_path / "m.onnx")
    result = netc.run(text, device="cpu", folder=tmp_path, data={"x": np.ones((8, 3))})
    assert result.scores["train.loss"] >= 0


def test_frozen_parameters_have_no_next_and_rates_follow_rules() -> None:
    text = """net n {
      input x: f32[N, 3]
      a = x -> Dense(4)
      b = a -> Dense(2)
      loss = mean(b^2)
    }
    train {
      optimizer = sgd(rate = 0.1)
      rule "a.*" { freeze }
      rule "b.weight" { rate *= 0.5 }
    }"""
    program = netc.compile(text)
    assert {o.name for o in program.step.graph.output} == {"loss", "b.weight.next", "b.bias.next", "step.next"}
    trainer = netc.Trainer(program, device="cpu")
    batch = {"x": np.ones((4, 3), np.float32)}
    before, g = trainer.parameters, trainer.gradients(batch)
    trainer.step(batch)
    after = trainer.parameters
    np.testing.assert_array_equal(after["a.weight"], before["a.weight"])
    # The difference of two float32 parameters near 1 is known to 1e-7.
    np.testing.assert_allclose(before["b.weight"] - after["b.weight"], 0.05 * g["b.weight"], atol=1e-7)
    np.testing.assert_allclose(before["b.bias"] - after["b.bias"], 0.1 * g["b.bias"], atol=1e-7)


def test_shared_layers_and_blocks_share_their_parameters() -> None:
    text = """net n {
      input x: f32[N, 4]
      block Two(v, width = 3) {
        inner = v -> Dense(width) -> tanh
        return inner -> Dense(4)
      }
      shared = Two(width = 5)
      layer = Dense(4) -> relu
      h = x -> shared -> shared -> layer -> layer
      y = h -> Two -> Two
      loss = mean(y)
    }"""
    names = [
        r["name"] for r in netc.compile(text).manifest["state"] if r["role"] == "parameter" and "weight" in r["name"]
    ]
    assert names == [
        "shared.inner.weight", "shared.return.weight", "layer.weight", "y.two_1.inner.weight", "y.two_1.return.weight",
        "y.two_2.inner.weight", "y.two_2.return.weight",
    ]  # fmt: skip


def test_names_of_parameters_are_paths() -> None:
    text = """net n(depth = 2) {
      input x: f32[N, 4]
      block Unit(v, c) {
        y = v -> Dense(c) -> relu -> Dense(4)
        return v + y
      }
      h = x
      repeat 2 as stage {
        repeat depth as i { h = h -> Unit(3) }
      }
      repeat 1 { h = h -> Dense(4, bias = false) }
      param gain: f32[4] = ones
      logits = h * gain -> Dense(2)
      loss = mean(logits)
    }"""
    names = [r["name"] for r in netc.compile(text).manifest["state"] if r["role"] == "parameter"]
    assert "stage_1.i_0.h.y.dense_2.weight" in names
    assert "stage_0.i_1.h.y.dense_1.bias" in names
    assert "repeat_0.h.weight" in names
    assert "gain" in names
    assert "logits.bias" in names


def test_an_operator_of_a_newer_opset_raises_the_program() -> None:
    text = "net n {\n  input x: f32[N, 3]\n  h = x -> Dense(2)\n  y = onnx.Gelu(h)\n  loss = mean(h)\n  output y\n}"
    program = netc.compile(text)
    assert program.infer.opset_import[0].version == 20
    assert program.infer.ir_version == 9


def test_the_work_of_compiling_grows_with_the_layers() -> None:
    """Counted in nodes and in calls of functions; `make bench` measures a thousand layers in seconds."""

    def nodes(depth: int) -> np.ndarray:
        text = f"net deep {{\n input x: f32[N, 8]\n h = x\n repeat {depth} {{ h = h -> Dense(8) -> relu }}\n loss = mean(h)\n}}"
        program = netc.compile(text, {"optimizer": "sgd"})
        return np.array([len(program.graph(graph).graph.node) for graph in GRAPHS])

    few, some, many = nodes(50), nodes(100), nodes(200)
    np.testing.assert_array_equal(many - some, 2 * (some - few))
    small, large = calls(lambda: nodes(50)), calls(lambda: nodes(200))
    assert large < 4.05 * small
    assert (large - small) / 150 < 20_000, "calls for a layer, 10,000 when this was written"


CLASSES: dict[str, int | None] = {  # what an integer input selects from
    "hinge(h, t)": 3, "softmax_cross_entropy(h, t)": 3, "nll(log_softmax(h), t, axis = 1)": 3,
    "softmax_cross_entropy(reshape(h, [3, N]), t, axis = 0)": 3, "mean(h * accuracy(h, t))": 3,
    "mean(gather(table, t))": 7, "mean(gather(h, t, axis = 1))": 3, "mean(gather(h, t))": None,
    "mean(one_hot(t, 5) * h[:, 0:1])": 5, "mean(h * f32(t[0]))": None,
}  # fmt: skip


@pytest.mark.parametrize("loss", CLASSES)
def test_the_manifest_says_how_many_classes_there_are(loss: str) -> None:
    program = netc.compile(f"""net n {{
      input x: f32[N, 4]
      target t: i64[N]
      param table: f32[7, 3]
      h = x -> Dense(3)
      loss = {loss} + mean(table) + mean(h)
    }}
    train {{ optimizer = sgd(rate = 0.1) }}""")
    assert {i["name"]: i.get("classes") for i in program.manifest["inputs"]} == {"x": None, "t": CLASSES[loss]}

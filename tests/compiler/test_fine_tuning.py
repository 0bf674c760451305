"""ONNX models as layers of a spec: their weights are parameters, their values are chosen by name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper, parser

import netc
from netc import NetError, models
from netc.inspecting import check_table
from tests.autodiff.evaluator import evaluate
from tests.autodiff.reference import in_double

SPEC = """import "backbone.onnx" as backbone
net tune {
  input  image: f32[N, 1, 8, 8]
  target digit: i64[N]
  LINES
  loss = softmax_cross_entropy(h -> Dense(10), digit)
}
train { batch = 8; RULE }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(models.FOLDER / "data" / "backbone.onnx", tmp_path)
    return tmp_path


def spec(folder: Path, lines: str, rule: str = "optimizer = sgd(rate = 0.1)") -> Path:
    path = folder / "tune.net"
    path.write_text(SPEC.replace("LINES", lines).replace("RULE", rule))
    return path


def batch(rows: int = 8) -> dict[str, np.ndarray]:
    g = np.random.default_rng(0)
    return {"image": g.uniform(size=(rows, 1, 8, 8)).astype(np.float32), "digit": g.integers(0, 10, rows)}


def stored(folder: Path) -> dict[str, np.ndarray]:
    model = onnx.load(folder / "backbone.onnx")
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def test_its_weights_are_parameters_with_their_values(folder: Path) -> None:
    trainer = netc.Trainer(netc.compile(spec(folder, "h = backbone(image).scores")), device="cpu")
    found, weights = trainer.parameters, stored(folder)
    assert {n for n in found if n.startswith("backbone.")} == {f"backbone.{n}" for n in weights}
    for name, value in weights.items():
        np.testing.assert_array_equal(found[f"backbone.{name}"], value)


def test_only_what_the_chosen_value_needs_comes_along(folder: Path) -> None:
    program = netc.compile(spec(folder, "h = backbone(image).features"))
    names = {r["name"] for r in program.manifest["state"]}
    assert "backbone.hidden.weight" in names
    assert "backbone.scores.weight" not in names


def test_frozen_weights_and_statistics_stay_and_the_others_move(folder: Path) -> None:
    rule = 'optimizer = sgd(rate = 0.1); rule "backbone.first.*" { freeze }'
    trainer = netc.Trainer(netc.compile(spec(folder, "h = backbone(image).features", rule)), device="cpu")
    for _ in range(3):
        trainer.step(batch())
    moved = {n for n, v in stored(folder).items() if not np.array_equal(trainer.parameters.get(f"backbone.{n}", v), v)}
    assert moved == {"second.weight", "second.bias", "norm.weight", "norm.bias", "hidden.weight", "hidden.bias"}


def test_inner_values_are_chosen_by_name_and_agree_with_the_model(folder: Path) -> None:
    model = onnx.load(folder / "backbone.onnx")
    inner = next(n.output[0] for n in model.graph.node if n.op_type == "Flatten")
    name = inner.strip("/").replace("/", "_")
    path = spec(folder, f"b = backbone(image)\n  h = b.{name}\n  output inner = h\n  output features = b.features")
    trainer = netc.Trainer(netc.compile(path), device="cpu")
    given = batch()
    found = trainer.predict({"image": given["image"]})
    model.graph.output.append(onnx.helper.make_tensor_value_info(inner, 1, None))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected, features = session.run([inner, "features"], {"image": given["image"]})
    np.testing.assert_allclose(found["inner"], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["features"], features, rtol=1e-5, atol=1e-6)


def test_a_model_called_twice_shares_its_weights(folder: Path) -> None:
    lines = "a = backbone(image).features\n  b = backbone(image * 2).features\n  h = a + b"
    once = netc.compile(spec(folder, "h = backbone(image).features")).manifest["state"]
    twice = netc.compile(spec(folder, lines)).manifest["state"]
    assert [r["name"] for r in once] == [r["name"] for r in twice]


def test_gradients_through_a_model_agree_with_differences(folder: Path) -> None:
    program = netc.compile(spec(folder, "h = backbone(image).features"))
    state = netc.Trainer(program, device="cpu").state
    model = in_double(program.grad)
    own = {n: np.array(0, np.int32) for n in ("seed", "row", "step")}
    given: dict[str, Any] = {**state, **batch(), **own}
    feeds = {i.name: given[i.name] for i in model.graph.input}
    feeds = {n: a.astype(np.float64) if a.dtype == np.float32 else a for n, a in feeds.items()}
    found = evaluate(model, feeds)
    g, h = np.random.default_rng(1), 1e-6
    for name in (n.removeprefix("grad/") for n in found if n.startswith("grad/")):
        direction = g.normal(size=feeds[name].shape)
        ahead, behind = (evaluate(model, {**feeds, name: feeds[name] + s * h * direction})["loss"] for s in (1, -1))
        derived = float(np.sum(found[f"grad/{name}"] * direction))
        assert derived == pytest.approx((ahead - behind) / (2 * h), rel=1e-6, abs=1e-7), name


WRONG: list[tuple[str, str]] = [
    ("h = backbone(image).nothing", "`backbone` has no output `nothing`"),
    ("h = backbone(image)", "of which one must be chosen"),
    ("h = backbone(flatten(image)).features", "reads `image` as `f32[batch, 1, 8, 8]`, this is `f32[N, 64]`"),
    ("h = backbone(i64(image)).features", "reads `image` as `f32["),
    ("h = backbone(image, image).features", "at most 1"),
    ("h = backbone.features", "has no parts"),
]


@pytest.mark.parametrize(("lines", "message"), WRONG)
def test_wrong_uses_are_explained(folder: Path, lines: str, message: str) -> None:
    with pytest.raises(NetError) as e:
        netc.compile(spec(folder, lines))
    assert message in e.value.render(), e.value.render()


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.onnx", "there is no file"), ("../backbone.onnx", "outside"), ("broken.onnx", "is not an ONNX model")],
)
def test_wrong_files_are_explained(folder: Path, name: str, message: str) -> None:
    (folder / "broken.onnx").write_bytes(b"\xff\xffnothing")
    path = spec(folder, "h = backbone(image).features")
    path.write_text(path.read_text().replace("backbone.onnx", name))
    with pytest.raises(NetError, match=message):
        netc.compile(path)


def test_a_gradient_inside_a_net_is_the_derivative() -> None:
    text = """net g {
      input  x: f32[N, 3]
      target t: f32[N]
      w = x -> Dense(4) -> tanh -> Dense(1)
      loss = mean((w[:, 0] - t)^2)
      output slope = gradient(w, x)
    }"""
    trainer = netc.Trainer(netc.compile(text), device="cpu")
    p = trainer.parameters
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    names = sorted(p)
    first, second = (n for n in names if n.endswith("weight"))
    bias = next(n for n in names if n.endswith("bias") and p[n].shape == (4,))
    if p[first].shape != (3, 4):
        first, second = second, first
    h = np.tanh(x @ p[first] + p[bias])
    expected: Any = ((1 - h**2) * p[second][:, 0]) @ p[first].T
    np.testing.assert_allclose(trainer.predict({"x": x})["slope"], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("wrt", ["other", "x2"])
def test_a_gradient_that_nothing_reaches_is_refused(wrt: str) -> None:
    text = f"""net g {{
      input  x: f32[N, 3]
      target t: f32[N]
      other = x * 2
      x2 = x + 1
      w = floor(x2) -> Dense(1)
      loss = mean((w[:, 0] - t)^2)
      output slope = gradient(w, {wrt})
    }}"""
    with pytest.raises(NetError) as e:
        netc.check(text)
    assert "does not depend on the second" in e.value.render()
    assert f"gradient(w, {wrt})" in e.value.render()


def test_its_operations_are_counted_for_one_row() -> None:
    path = models.path("finetune")
    assert path is not None
    row = next(line for line in check_table(netc.check(path)).splitlines() if line.startswith("features"))
    # 64 divided; 8 x 8 pixels: 2 * 8 * 9 convolved, normalised and relu to 8; 4 x 4: pooled, 2 * 16 * 72, relu to 16;
    # 2 x 2 pooled; then 64 to 32 and relu
    counted = 64 + 64 * (2 * 8 * 9 + 8 + 8) + 16 * (8 + 2 * 16 * 72 + 16) + 4 * 16 + 2 * 64 * 32 + 32
    assert row.split()[-1].replace(",", "") == str(counted)


def test_what_a_body_reads_from_outside_is_computed(folder: Path) -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]>
        g (float[batch, 4] x) => (float[batch, 4] y) <float[4] w = {1, 2, 3, 4}> {
          a = Mul (x, w)
          b = Add (a, w)
          s = ReduceSum <keepdims = 0> (x)
          zero = Constant <value: tensor = float {0}> ()
          positive = Greater (s, zero)
          y = If (positive) <
            then_branch: graph = t () => (float[batch, 4] d) { d = Identity (b) },
            else_branch: graph = e () => (float[batch, 4] c) { c = Neg (a) }>
        }""")
    onnx.save(model, folder / "chosen.onnx")
    (folder / "chosen.net").write_text(
        'import "chosen.onnx" as m\nnet n {\n  input x: f32[N, 4]\n  y = m(x)\n  loss = mean(y)\n  output y\n}\n'
        "train { optimizer = sgd(rate = 0.1); batch = 2; steps = 1 }"
    )
    trainer = netc.Trainer(netc.compile(folder / "chosen.net"), device="cpu")
    for x in (np.ones((2, 4), np.float32), -np.ones((2, 4), np.float32)):
        w = np.array([1, 2, 3, 4])
        np.testing.assert_allclose(trainer.predict({"x": x})["y"], x * w + w if x.sum() > 0 else -x * w)

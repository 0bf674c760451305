"""`netc.grad` on models that others wrote: values, names, symbolic dimensions, second order, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser
from onnx.reference import ReferenceEvaluator

import netc
from netc import NetError

MLP = """<ir_version: 8, opset_import: ["": 18]>
mlp (double[N, 3] x, double[3, 4] w) => (double[N, 2] y, int64[N] k)
<double[4, 2] v = {0.5, -1.0, 0.25, 2.0, 1.5, 0.75, -0.5, 1.0}, double[4] b = {0.1, 0.2, 0.3, 0.4}>
{
  h = MatMul(x, w)
  a = Add(h, b)
  t = Tanh(a)
  s = MatMul(t, v)
  y = Softmax <axis = -1> (s)
  k = ArgMax <axis = 1, keepdims = 0> (y)
}"""


REDUCED = """<ir_version: 8, opset_import: ["": 18]>
r (double[N, 3] x, int64[1] axes) => (double[A] y) { y = ReduceSum <keepdims = 0> (x, axes) }"""


def central(
    model: onnx.ModelProto, feeds: dict[str, Any], name: str, dy: Any, direction: Any, h: float = 1e-6
) -> float:
    run = ReferenceEvaluator(model)
    up = run.run(["y"], {**feeds, name: feeds[name] + h * direction})[0]
    down = run.run(["y"], {**feeds, name: feeds[name] - h * direction})[0]
    return float(np.sum((up - down) / (2 * h) * dy))


def test_the_gradient_of_a_model_agrees_with_differences() -> None:
    model = parser.parse_model(MLP)
    gradient = netc.grad(model)
    assert [i.name for i in gradient.graph.input] == ["x", "w", "grad/y"]
    assert [o.name for o in gradient.graph.output] == ["y", "k", "grad/x", "grad/w"]
    assert gradient.graph.output[2].type.tensor_type.shape.dim[0].dim_param == "N"
    g = np.random.default_rng(0)
    for rows in (1, 5):
        feeds = {"x": g.normal(size=(rows, 3)), "w": g.normal(size=(3, 4))}
        dy = g.normal(size=(rows, 2))
        found = dict(
            zip(
                [o.name for o in gradient.graph.output], ReferenceEvaluator(gradient).run(None, {**feeds, "grad/y": dy})
            )
        )
        for name in feeds:
            direction = g.normal(size=feeds[name].shape)
            expected = central(model, feeds, name, dy, direction)
            assert float(np.sum(found[f"grad/{name}"] * direction)) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_initializers_and_single_outputs_can_be_chosen() -> None:
    gradient = netc.grad(parser.parse_model(MLP), wrt=["v"], of=["y"])
    assert [o.name for o in gradient.graph.output] == ["y", "k", "grad/v"]


def test_a_gradient_can_be_differentiated_again() -> None:
    text = """<ir_version: 8, opset_import: ["": 18]>
    g (double[N] x) => (double[N] y) { a = Sin(x) y = Mul(a, x) }"""
    second = netc.grad(netc.grad(parser.parse_model(text)), wrt=["x"], of=["grad/x"])
    x = np.linspace(-2, 2, 7)
    names = [o.name for o in second.graph.output]
    ones = np.ones(7)
    (found,) = ReferenceEvaluator(second).run([names[-1]], {"x": x, "grad/y": ones, "grad2/grad/x": ones})
    assert names[-1] == "grad2/x"
    np.testing.assert_allclose(found, 2 * np.cos(x) - x * np.sin(x), atol=1e-12)


REFUSED = [
    ({"wrt": ["z"]}, MLP, "has no input or initializer `z`"),
    ({"of": ["yy"]}, MLP, "has no output `yy`"),
    ({}, MLP.replace('"": 18', '"": 13'), "opset 13"),
    ({}, MLP.replace("Tanh(a)", "Det(a)").replace("y = Softmax <axis = -1> (s)", "y = Identity(s)"), "not valid ONNX"),
    ({}, MLP.replace("t = Tanh(a)", "t = LpNormalization(a)"), "`LpNormalization`"),
    ({}, REDUCED, "`axes` is computed, not a constant"),
]


@pytest.mark.parametrize(("options", "text", "message"), REFUSED)
def test_what_cannot_be_differentiated_is_refused_by_name(options: dict[str, Any], text: str, message: str) -> None:
    with pytest.raises(NetError) as e:
        netc.grad(parser.parse_model(text), **options)
    assert message in e.value.render()
    if message == "`LpNormalization`":
        assert "`y` = Softmax <- `s` = MatMul <- `t` = LpNormalization" in e.value.render()


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\xff\xff not a model")
    with pytest.raises(NetError, match="cannot be read as an ONNX model"):
        netc.grad(tmp_path / "m.onnx")

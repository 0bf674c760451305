"""Bodies in bodies, captured values, directions and axes: differences of ONNX Runtime in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import parser

import netc

HEAD = '<ir_version: 8, opset_import: ["": 18]>\n'

SCAN = (
    HEAD
    + """
s (double[3] h0, double[T, 3] x, double[3, 3] w) => (double[3] h, double[A, B] ys) {
  h, ys = Scan <num_scan_inputs = 1, scan_input_directions = [IN], scan_output_directions = [OUT], body = step
    (double[3] a, double[3] b) => (double[3] c, double[3] y) {
      m = MatMul(a, w)  s = Add(m, b)  c = Tanh(s)  y = Mul(c, b)
    }> (h0, x)
}"""
)

SCAN_AXIS = (
    HEAD
    + """
s (double[2] h0, double[2, T] x) => (double[2] h, double[2, T] ys) {
  h, ys = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [1], scan_input_directions = [1],
    body = step (double[2] a, double[2] b) => (double[2] c, double[2] y) { s = Sin(a)  c = Mul(s, b)  y = Add(c, a) }> (h0, x)
}"""
)

LOOP = (
    HEAD
    + """
l (double[3] x, double[3] w, int64 n) => (double[3] y, double[A, 3] ys) {
  going = Constant <value: tensor = bool {1}> ()
  y, ys = Loop <body = b (int64 i, bool c, double[3] a) => (bool d, double[3] e, double[3] s) {
      d = Identity(c)  p = Mul(a, w)  e = Sin(p)  s = Mul(e, e)
    }> (n, going, x)
}"""
)

IF = (
    HEAD
    + """
i (double[3] x, double[3] z, bool c) => (double[3] y) {
  k = Exp(x)
  y = If (c) <then_branch = t () => (double[3] a) { a = Mul(k, z) },
              else_branch = e () => (double[3] b) { q = Mul(x, x)  b = Sin(q) }>
}"""
)

ITSELF = (
    HEAD
    + """
c (double[3] h0, double[3, 3] x) => (double[3] h, double[3, 3] ys, double[3, 3] z) {
  n = Constant <value: tensor = int64 {2}> ()
  on = Constant <value: tensor = bool {1}> ()
  h, ys = Scan <num_scan_inputs = 1, body = step (double[3] a, double[3] b) => (double[3] c, double[3] y) {
      m = MatMul(a, x)  s = Add(m, b)  t = Mul(s, h0)  c = Tanh(t)  y = Mul(c, b)
    }> (h0, x)
  z = Loop <body = b (int64 i, bool go, double[3, 3] a) => (bool d, double[3, 3] e) {
      d = Identity(go)  p = Mul(a, x)  e = Sin(p)
    }> (n, on, x)
}"""
)

NESTED = (
    HEAD
    + """
n (double[3] x, double[3] w, int64 n) => (double[3] y) {
  going = Constant <value: tensor = bool {1}> ()
  one = Constant <value: tensor = int64 {1}> ()
  y = Loop <body = b (int64 i, bool c, double[3] a) => (bool d, double[3] e) {
      d = Identity(c)
      odd = Mod(i, two)
      first = Equal(odd, one)
      e = If (first) <then_branch = t () => (double[3] f) { g = Mul(a, w)  f = Tanh(g) },
                      else_branch = u () => (double[3] h) { v = Add(a, w)  h = Sin(v) }>
    }> (n, going, x)
}"""
)


def run(model: onnx.ModelProto, feeds: dict[str, Any]) -> dict[str, Any]:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds)))


def agrees(model: onnx.ModelProto, feeds: dict[str, Any]) -> None:
    """Reverse and forward mode, and the tangent of the gradient, along random directions."""
    g = np.random.default_rng(0)
    moved = [n for n, a in feeds.items() if a.dtype == np.float64]
    values = run(model, feeds)
    u = {f"grad/{n}": g.normal(size=v.shape) for n, v in values.items()}
    v = {n: g.normal(size=feeds[n].shape) for n in moved}

    def moved_by(h: float) -> dict[str, Any]:
        return {**feeds, **{n: feeds[n] + h * v[n] for n in moved}}

    h = 1e-6
    ahead, behind = run(model, moved_by(h)), run(model, moved_by(-h))
    expected = sum(np.sum(u[f"grad/{n}"] * (ahead[n] - behind[n])) for n in values) / (2 * h)
    gradient = netc.grad(model)
    pulled = run(gradient, {**feeds, **u})
    assert sum(np.sum(pulled[f"grad/{n}"] * v[n]) for n in moved) == pytest.approx(expected, rel=1e-6, abs=1e-8)
    pushed = run(netc.jvp(model), {**feeds, **{f"tangent/{n}": d for n, d in v.items()}})
    forward = sum(np.sum(u[f"grad/{n}"] * pushed[f"tangent/{n}"]) for n in values)
    assert forward == pytest.approx(expected, rel=1e-6, abs=1e-8)
    names = [f"grad/{n}" for n in moved]
    second = netc.jvp(gradient, wrt=moved, of=names)
    found = run(second, {**feeds, **u, **{f"tangent/{n}": d for n, d in v.items()}})
    after, before = run(gradient, {**moved_by(h), **u}), run(gradient, {**moved_by(-h), **u})
    for n in names:
        difference = (after[n] - before[n]) / (2 * h)
        np.testing.assert_allclose(found[f"tangent/{n}"], difference, rtol=1e-5, atol=1e-6 * np.abs(difference).max())


G = np.random.default_rng(3)


@pytest.mark.parametrize("into", [0, 1])
@pytest.mark.parametrize("out", [0, 1])
def test_scan_in_both_directions_with_a_captured_matrix(into: int, out: int) -> None:
    model = parser.parse_model(SCAN.replace("[IN]", f"[{into}]").replace("[OUT]", f"[{out}]"))
    agrees(model, {"h0": G.normal(size=3), "x": G.normal(size=(4, 3)), "w": G.normal(size=(3, 3))})


def test_scan_along_another_axis() -> None:
    agrees(parser.parse_model(SCAN_AXIS), {"h0": G.normal(size=2), "x": G.normal(size=(2, 5))})


@pytest.mark.parametrize("count", [1, 4])
def test_loop_with_outputs_and_a_captured_vector(count: int) -> None:
    agrees(parser.parse_model(LOOP), {"x": G.normal(size=3), "w": G.normal(size=3), "n": np.array(count)})


@pytest.mark.parametrize("taken", [True, False])
def test_if_with_captured_values(taken: bool) -> None:
    feeds = {"x": G.normal(size=3), "z": G.normal(size=3), "c": np.array(taken)}
    model = parser.parse_model(IF)
    gradient = netc.grad(model)
    assert [o.name for o in gradient.graph.output] == ["y", "grad/x", "grad/z"]
    agrees(model, feeds)


def test_a_body_that_captures_what_its_node_reads() -> None:
    agrees(parser.parse_model(ITSELF), {"h0": G.normal(size=3), "x": G.normal(size=(3, 3))})


def test_an_if_in_a_loop() -> None:
    text = NESTED.replace("  one = ", "  two = Constant <value: tensor = int64 {2}> ()\n  one = ")
    agrees(parser.parse_model(text), {"x": G.normal(size=3), "w": G.normal(size=3), "n": np.array(5)})


LOST = (
    HEAD
    + """
m (double[4] x, bool[4] keep, int64 n) => (double[4] y) {
  on = Constant <value: tensor = bool {1}> ()
  y = Loop <body = b (int64 i, bool go, double[4] a) => (bool d, double[4] e) {
      d = Identity(go)  p = Compress <axis = 0> (a, keep)  q = Mul(p, p)  m = ReduceMean <keepdims = 0> (q)  e = Mul(a, m)
    }> (n, on, x)
}"""
)


def test_a_mean_over_a_size_that_only_the_body_knows() -> None:
    """y = x m, m the mean of the squares that are kept: dx = m dy + sum(dy x) 2 x / 3 at these."""
    x, keep, dy = np.array([1.0, -2.0, 0.5, 3.0]), np.array([True, False, True, True]), np.array([1.0, 2.0, -1.0, 0.25])
    gradient = netc.grad(parser.parse_model(LOST))
    run = ort.InferenceSession(gradient.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = run.run(["grad/x"], {"x": x, "keep": keep, "n": np.array(1), "grad/y": dy})
    np.testing.assert_allclose(found, np.mean(x[keep] ** 2) * dy + np.sum(dy * x) * 2 * x * keep / 3)


SHAPES = (
    HEAD
    + """
s (double[3] h0, double[4, 3] x) => (double[4, 3] a, double[4] b, double[4, 2, 3] c) {
  h, a, b, c = Scan <num_scan_inputs = 1, body = step (double[3] s, double[3] v) =>
      (double[3] n, double[3] p, double q, double[2, 3] r) {
    m = Mul(s, v)  n = Tanh(m)  p = Mul(n, v)  q = ReduceSum <keepdims = 0> (m)
    k = Constant <value_ints = [0]> ()  u = Unsqueeze(m, k)  r = Concat <axis = 0> (u, u)
  }> (h0, x)
}"""
)


def test_outputs_of_different_shapes() -> None:
    g = np.random.default_rng(0)
    feeds = {"h0": g.normal(size=3), "x": g.normal(size=(4, 3))}
    u = {"a": g.normal(size=(4, 3)), "b": g.normal(size=4), "c": g.normal(size=(4, 2, 3))}
    model = parser.parse_model(SHAPES)
    forward = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    backward = ort.InferenceSession(netc.grad(model).SerializeToString(), providers=["CPUExecutionProvider"])
    found = backward.run(["grad/h0", "grad/x"], {**feeds, **{f"grad/{n}": a for n, a in u.items()}})
    for name, gradient in zip(feeds, found):
        direction = g.normal(size=feeds[name].shape)
        ahead, behind = (forward.run(list(u), {**feeds, name: feeds[name] + s * 1e-6 * direction}) for s in (1, -1))
        expected = sum(float(np.sum(w * (p - q))) for w, p, q in zip(u.values(), ahead, behind)) / 2e-6
        assert float(np.sum(gradient * direction)) == pytest.approx(expected, rel=1e-6)

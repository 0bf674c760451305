"""What can be written as a value: constants in brackets, `pi`, `none`, shapes, the parameters of a layer, lists, functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netc
from tests.numbers.host import Host, compiled

X = np.array([[0.5, -1, 2], [3, 0.25, -2]], np.float32)
T = np.array([2, 0])
VALUES: dict[str, Any] = {  # lines that bind z -> z, of X and T
    "z = x * [0.1, 0.5, 0.9]": X * [0.1, 0.5, 0.9],
    "z = [1, 2, 3] - x": [1, 2, 3] - X,
    "z = x @ [[1, 0], [0, 1], [1, 1/4]]": X @ np.array([[1, 0], [0, 1], [1, 0.25]]),
    "scale = [2, 4, 8]; z = x / scale": X / [2, 4, 8],
    "z = unsqueeze(k, 1) + [10, 20]": T[:, None] + [10, 20],
    "z = gather([1, 2, 0.5], k)": np.array([1, 2, 0.5])[T],
    "z = gather(x, [2, 0], axis = 1)": X[:, [2, 0]],
    "z = gather(x, [[1, 0], [-1, 0]], axis = 0)": X[[[1, 0], [1, 0]]],
    "z = reshape(x, [N, 3,])": X,  # the last comma of a list says nothing
    "z = where(x > [0, 0, 1], x, [[1, 2, 3]])": np.where(X > [0, 0, 1], X, [[1, 2, 3]]),
    "z = onnx.Mul(x, 3) + onnx.ReduceSum(x, [1])": 3 * X + X.sum(1, keepdims=True),
    "param w: f32[2, 3] = [[1, 2, 3], [4, 5, -6]]; z = w * 2": [[2, 4, 6], [8, 10, -12]],
    "z = cos(pi) * x": -X,
    "z = x * x.shape[-1]": 3 * X,
    "z = sum(x) / x.shape[0]": X.sum() / 2,
    "z = reshape(x, [x.shape[0] * 3])": X.ravel(),
    "z = clip(x, low = none, high = 1)": np.minimum(X, 1),
    "z = sum(x, axis = none)": X.sum(),
    "a, b = x * 2, x + 1; z = a - b": X - 1,
    "a = x; repeat [2, 3] as f { a = a * f }; z = a": 6 * X,
    "a = x; repeat [relu, abs] as f { a = f(a) }; z = a": np.maximum(X, 0),
    "w = x; w = x * w.shape[-1]; z = w": 3 * X,  # a line that reads a part of a name may bind it again
    "h = x; block b(x) { h = x * 2; return h }; z = b(x) + h": 3 * X,  # a name of a block is its own
    "levels = [1, 2, 4]; z = (levels - 1) * x": X * [0, 1, 3],
    "z = x / -[1, 2, 4] + [1, 1] @ [[1, 2, 3], [4, 5, 6]]": X / [-1, -2, -4] + [5, 7, 9],
    "z = f64(x) * exp([0, 1, 2])": X * np.exp([0.0, 1, 2]),
    "z = maximum([1, 5, 2], 2) / 4 + 0 * x": np.broadcast_to([0.5, 1.25, 0.5], X.shape),
    "z = x if [1, 2] == [1, 2] else -x": X,
    "h = x; c = zeros([N, 3]); repeat 3 { c = c + h; h = c * 2 }; z = h": 18 * X,
    "h = zeros([N, 3]); repeat range(1, 8, 3) as i { h = h + i }; z = h": np.full((2, 3), 12),
    "param w: f32[3] = zeros; z = w + 1": [1, 1, 1],
    "param w: f32[3] = ones(); z = w + 1": [2, 2, 2],
    "param w: f32[2, 2] = 3 * eye(2) - 1; z = w": [[2, -1], [-1, 2]],
    "param w: f64[3] = range(0, 0.3, 0.1); z = w - [0, 0.1, 0.2]": [0, 0, 0],
    "z = x -> Dense(3, init = eye(3), bias_init = ones)": X + 1,
    "f = Dense(3, init = eye(3)) -> tanh; z = f(x)": np.tanh(X),
    "f = Dense(3, true, 2 * eye(3), range(3)); z = f(x)": 2 * X + [0, 1, 2],
    "zeros = x; z = zeros + zeros(3)": X,
    "z = onnx.Add(x, range(3))": X + [0, 1, 2],
    "z = f64(x) + 2 * range(3)": X + [0.0, 2.0, 4.0],
    "act = abs; block b(x, f = relu) { return f(x) }; z = b(x, f = act)": np.abs(X),
}


@pytest.mark.parametrize("lines", VALUES)
def test_the_value(lines: str) -> None:
    body = "\n".join(lines.split("; "))
    spec = (
        f"net n {{\ninput x: f32[N, 3]\ninput k: i64[N]\nparam g: f32[1] = 1\n{body}\noutput z\nloss = mean(x * g)\n}}"
    )
    found = Host(compiled(spec)).graph("infer", {"x": X, "k": T})["z"]
    np.testing.assert_allclose(found, VALUES[lines], rtol=1e-6)


def test_tied_weights_share_one_gradient() -> None:
    """x W W' against x: the gradient of W is that of both of its uses."""
    spec = """net n {
      input x: f32[N, 3]
      encode = Dense(2, bias = false)
      y = encode(x) @ transpose(encode.weight)
      loss = sum((y - x)^2)
    }
    train { optimizer = sgd(rate = 1) }"""
    host = Host(compiled(spec))
    assert [s["name"] for s in host.manifest["state"] if s["role"] == "parameter"] == ["encode.weight"]
    w = host.state["encode.weight"].astype(np.float64)
    host.step({"x": X})
    d = 2 * (X @ w @ w.T - X)
    np.testing.assert_allclose(w - host.state["encode.weight"], X.T @ d @ w + d.T @ X @ w, rtol=1e-5)


def test_a_repeat_over_a_list_is_named_by_its_turns() -> None:
    net = netc.check(
        "net n {\ninput x: f32[N, 3]\nh = x\nrepeat [8, 4] as width { h = h -> Dense(width) }\nloss = mean(h)\n}"
    )
    shapes = {p.name: p.shape for p in net.parameters}
    assert (shapes["width_0.h.weight"], shapes["width_1.h.weight"]) == ((3, 8), (8, 4))


def test_an_output_line_that_reads_a_name_may_bind_it_again() -> None:
    spec = "net n {\ninput x: f32[N, 3]\nz = x -> Dense(3)\nloss = mean(z)\noutput z = sigmoid(z)\n}"
    host = Host(compiled(spec))
    weight, bias = host.state["z.weight"], host.state["z.bias"]
    expected = 1 / (1 + np.exp(-(X @ weight + bias)))
    np.testing.assert_allclose(host.graph("infer", {"x": X})["z"], expected, rtol=1e-5)


@pytest.mark.parametrize("setting", ["clip_norm", "clip_value", "average", "stop", "plateau", "epochs", "steps"])
def test_none_is_what_is_left_out(setting: str) -> None:
    net = "net n {\ninput x: f32[N, 3]\ny = x -> Dense(1)\nloss = mean(y^2)\n}\n"
    written = netc.compile(net + f"train {{ {setting} = none }}").manifest["train"]
    assert written == netc.compile(net).manifest["train"]


def test_what_is_computed_from_numbers_is_computed_once_in_another_dtype() -> None:
    """Each line names the one before twice: as a tree that would be 2^30 operations."""
    lines = "r0 = range(3)\n" + "".join(f"r{i} = r{i - 1} + r{i - 1}\n" for i in range(1, 30))
    spec = f"net n {{\ninput x: f64[N, 3]\n{lines}param w: f64[3] = r29\nloss = mean(x * w)\noutput z = x + r29\n}}"
    host = Host(compiled(spec))
    np.testing.assert_array_equal(host.state["w"], np.arange(3.0) * 2**29)
    np.testing.assert_array_equal(host.graph("infer", {"x": np.zeros((1, 3))})["z"], [np.arange(3.0) * 2**29])

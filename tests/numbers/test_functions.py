"""Every function with every option: its value, and its gradient by differences, against NumPy in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.numbers import reference as ref
from tests.numbers.host import Array, Arrays, Host, compiled

ROWS = 7
INPUTS = {
    "x": "f32[N, 5]", "y": "f32[N, 5]", "a": "f32[N, 5]", "h": "f32[N, 5]", "u": "f32[N, 5]", "cube": "f32[N, 3, 4]",
    "k": "i64[N]", "m": "i32[N, 3]", "one": "f32[N, 1, 4]",
}  # fmt: skip


def data() -> Arrays:
    """Generic numbers on both sides of every kink; `a` positive, `h` with halves, `u` with what is no number."""
    g = np.random.default_rng(7)
    made: dict[str, Any] = {
        "x": g.normal(0, 2.2, (ROWS, 5)), "y": g.normal(0, 2.2, (ROWS, 5)), "a": g.uniform(0.1, 3, (ROWS, 5)),
        "h": g.integers(-9, 9, (ROWS, 5)) / 2, "u": g.normal(size=(ROWS, 5)), "cube": g.normal(size=(ROWS, 3, 4)),
        "k": g.integers(0, 5, ROWS), "m": g.integers(-40, 40, (ROWS, 3)), "one": g.normal(size=(ROWS, 1, 4)),
    }  # fmt: skip
    made["u"][2, 3] = np.nan
    return {
        n: np.asarray(a, {"i64": np.int64, "i32": np.int32}.get(INPUTS[n][:3], np.float32)) for n, a in made.items()
    }


DATA = data()
WIDE: Arrays = {n: ref.wide(a) if a.dtype.kind == "f" else a for n, a in DATA.items()}
Row = Callable[[Arrays], Any]

SMOOTH: dict[str, Row] = {  # of these the gradient is compared as well
    "relu(x)": lambda d: ref.relu(d["x"]),
    "sigmoid(x)": lambda d: ref.sigmoid(d["x"]),
    "tanh(x)": lambda d: np.tanh(d["x"]),
    "softplus(x)": lambda d: ref.softplus(d["x"]),
    "softsign(x)": lambda d: ref.softsign(d["x"]),
    "selu(x)": lambda d: ref.selu(d["x"]),
    "hard_swish(2 * x)": lambda d: ref.hard_swish(2 * d["x"]),
    "leaky_relu(x)": lambda d: ref.leaky_relu(d["x"]),
    "leaky_relu(x, slope = 0.3)": lambda d: ref.leaky_relu(d["x"], 0.3),
    "elu(x)": lambda d: ref.elu(d["x"]),
    "elu(x, alpha = 0.6)": lambda d: ref.elu(d["x"], 0.6),
    "gelu(x)": lambda d: ref.gelu(d["x"]),
    "silu(x)": lambda d: ref.silu(d["x"]),
    "mish(x)": lambda d: ref.mish(d["x"]),
    "hard_sigmoid(2 * x)": lambda d: ref.hard_sigmoid(2 * d["x"]),
    "tanh(unsqueeze(x, 0) - unsqueeze(x, 1))": lambda d: np.tanh(d["x"][None] - d["x"][:, None]),  # every pair of rows
    "a * softmax(x)": lambda d: d["a"] * ref.softmax(d["x"]),
    "softmax(x, axis = 0) * a": lambda d: ref.softmax(d["x"], 0) * d["a"],
    "a * log_softmax(x)": lambda d: d["a"] * ref.log_softmax(d["x"]),
    "log_softmax(x, axis = 0) * a": lambda d: ref.log_softmax(d["x"], 0) * d["a"],
    "log_softmax(50 * x) * a": lambda d: ref.log_softmax(50 * d["x"]) * d["a"],
    "log_sigmoid(x)": lambda d: -np.log1p(np.exp(-d["x"])),
    "exp(x)": lambda d: np.exp(d["x"]),
    "expm1(x)": lambda d: np.expm1(d["x"]),
    "log1p(abs(x))": lambda d: np.log1p(np.abs(d["x"])),
    "log1p(0.2 * tanh(x))": lambda d: np.log1p(0.2 * np.tanh(d["x"])),
    "log2(abs(x))": lambda d: np.log2(np.abs(d["x"])),
    "log10(abs(x))": lambda d: np.log10(np.abs(d["x"])),
    "tan(tanh(x))": lambda d: np.tan(np.tanh(d["x"])),
    "asin(0.9 * tanh(x))": lambda d: np.arcsin(0.9 * np.tanh(d["x"])),
    "acos(0.9 * tanh(x))": lambda d: np.arccos(0.9 * np.tanh(d["x"])),
    "atan(x)": lambda d: np.arctan(d["x"]),
    "sinh(x)": lambda d: np.sinh(d["x"]),
    "cosh(x)": lambda d: np.cosh(d["x"]),
    "asinh(x)": lambda d: np.arcsinh(d["x"]),
    "acosh(1.5 + abs(x))": lambda d: np.arccosh(1.5 + np.abs(d["x"])),
    "atanh(0.7 * tanh(x))": lambda d: np.arctanh(0.7 * np.tanh(d["x"])),
    "log(abs(x))": lambda d: np.log(np.abs(d["x"])),
    "sqrt(abs(x))": lambda d: np.sqrt(np.abs(d["x"])),
    "erf(x)": lambda d: ref.erf(d["x"]),
    "sin(x)": lambda d: np.sin(d["x"]),
    "cos(x)": lambda d: np.cos(d["x"]),
    "reciprocal(x)": lambda d: 1 / d["x"],
    "abs(x)": lambda d: np.abs(d["x"]),
    "clip(x, low = -0.7)": lambda d: np.maximum(d["x"], -0.7),
    "clip(x, high = 1.1)": lambda d: np.minimum(d["x"], 1.1),
    "clip(x, low = -0.4, high = 0.9)": lambda d: np.clip(d["x"], -0.4, 0.9),
    "maximum(x, y)": lambda d: np.maximum(d["x"], d["y"]),
    "minimum(x, y)": lambda d: np.minimum(d["x"], d["y"]),
    "where(y > 0.2, 3 * x, x * x)": lambda d: np.where(d["y"] > 0.2, 3 * d["x"], d["x"] ** 2),
    "sum(x * a)": lambda d: (d["x"] * d["a"]).sum(),
    "sum(x * a, axis = 1)": lambda d: (d["x"] * d["a"]).sum(1),
    "sum(x * a, axis = 0, keep = true)": lambda d: (d["x"] * d["a"]).sum(0, keepdims=True),
    "mean(x * a, axis = (0, 1), keep = true)": lambda d: (d["x"] * d["a"]).mean((0, 1), keepdims=True),
    "mean(x, axis = -1)": lambda d: d["x"].mean(-1),
    "max(x, axis = 1, keep = true)": lambda d: d["x"].max(1, keepdims=True),
    "min(x, axis = 0)": lambda d: d["x"].min(0),
    "prod(x, axis = 1)": lambda d: d["x"].prod(1),
    "logsumexp(x)": lambda d: ref.logsumexp(d["x"]),
    "logsumexp(x, axis = 1, keep = true)": lambda d: ref.logsumexp(d["x"], 1, True),
    "variance(x)": lambda d: ref.variance(d["x"]),
    "variance(x, axis = 1, keep = true)": lambda d: ref.variance(d["x"], 1, True),
    "std(x)": lambda d: np.sqrt(ref.variance(d["x"])),
    "std(x, axis = 1, keep = true)": lambda d: np.sqrt(ref.variance(d["x"], 1, True)),
    "a * cumsum(x)": lambda d: d["a"] * d["x"].cumsum(1),
    "a * cumsum(x, axis = 0)": lambda d: d["a"] * d["x"].cumsum(0),
    "a * sort(x)": lambda d: d["a"] * np.sort(d["x"], 1),
    "a * sort(x, descending = true)": lambda d: d["a"] * np.sort(d["x"], 1)[:, ::-1],
    "transpose(a) * sort(transpose(x), axis = 0)": lambda d: d["a"].T * np.sort(d["x"].T, 0),
    "a[:, :2] * top_k(x, k = 2)[0]": lambda d: d["a"][:, :2] * np.sort(d["x"], 1)[:, :-3:-1],
    "transpose(a)[:2] * top_k(transpose(x), 2, axis = 0)[0]": lambda d: d["a"].T[:2] * np.sort(d["x"], 1)[:, :-3:-1].T,
    'einsum(x, a, y, equation = "ij,ij,ik -> jk")': lambda d: np.einsum("ij,ij,ik->jk", d["x"], d["a"], d["y"]),
    'einsum(x, a, equation = "ij,ij")': lambda d: (d["x"] * d["a"]).sum(),
    "pad(x, before = 1, after = 2)": lambda d: np.pad(d["x"], ((0, 0), (1, 2))),
    "pad(x, 2, 0, axis = 0, value = 0.5)": lambda d: np.pad(d["x"], ((2, 0), (0, 0)), constant_values=0.5),
    "pad(x, 2, 3, mode = reflect)": lambda d: np.pad(d["x"], ((0, 0), (2, 3)), mode="reflect"),
    "pad(x, 2, 3, mode = edge) ^ 2": lambda d: np.pad(d["x"], ((0, 0), (2, 3)), mode="edge") ** 2,
    "tile(x, repeats = [2, 3]) ^ 2": lambda d: np.tile(d["x"], (2, 3)) ** 2,
    "tril(x)": lambda d: np.tril(d["x"]),
    "tril(x, k = -1)": lambda d: np.tril(d["x"], -1),
    "triu(x)": lambda d: np.triu(d["x"]),
    "triu(x, k = 1)": lambda d: np.triu(d["x"], 1),
    "norm(x)": lambda d: ref.norm(d["x"]),
    "norm(x, axis = 1)": lambda d: ref.norm(d["x"], 1),
    "norm(x, axis = -1, keep = true)": lambda d: ref.norm(d["x"], -1, True),
    "l2(x)": lambda d: ref.l2(d["x"]),
    "l1(x)": lambda d: ref.l1(d["x"]),
    "a * concat(x[:, 1:3], y, x[:, ::-1][:, :2])[:, 2:7]": (
        lambda d: d["a"] * np.concatenate([d["x"][:, 1:3], d["y"], d["x"][:, ::-1][:, :2]], 1)[:, 2:7]
    ),
    "gather(x, 4 - k, axis = 1)": lambda d: np.take(d["x"], 4 - d["k"], axis=1),
    "gradient(sin(x) * y, x)": lambda d: np.cos(d["x"]) * d["y"],
    "x + dropout(x, rate = 0.4)": lambda d: 2 * d["x"],  # outside training
}
EXACT: dict[str, Row] = {  # no gradient, or one that is zero: see below
    "sign(h)": lambda d: np.sign(d["h"]),
    "floor(h)": lambda d: np.floor(d["h"]),
    "ceil(h)": lambda d: np.ceil(d["h"]),
    "round(h)": lambda d: np.rint(d["h"]),
    "stop_gradient(x)": lambda d: d["x"],
    "is_nan(u)": lambda d: np.isnan(d["u"]),
    "is_inf(1 / (u - u))": lambda d: np.isinf(1 / (d["u"] - d["u"])),
    "argsort(h)": lambda d: np.argsort(d["h"], 1, kind="stable"),
    "argsort(cube, axis = 1, descending = true)": lambda d: np.argsort(-d["cube"], 1),
    "top_k(x, 3)[1]": lambda d: np.argsort(-d["x"], 1)[:, :3],
    "any(h > 3)": lambda d: (d["h"] > 3).any(),
    "any(h > 3, axis = 1)": lambda d: (d["h"] > 3).any(1),
    "any(h > 3, axis = 0, keep = true)": lambda d: (d["h"] > 3).any(0, keepdims=True),
    "all(h > -3)": lambda d: (d["h"] > -3).all(),
    "all(h > -3, axis = 1)": lambda d: (d["h"] > -3).all(1),
    "all(h > -3, axis = 0, keep = true)": lambda d: (d["h"] > -3).all(0, keepdims=True),
    "cumsum(m)": lambda d: d["m"].cumsum(1, dtype=np.int32),
    "where(x > 0, y > 0, a > 1)": lambda d: np.where(d["x"] > 0, d["y"] > 0, d["a"] > 1),
    "abs(m)": lambda d: np.abs(d["m"]),
    "sum(m, axis = 1)": lambda d: d["m"].sum(1, dtype=np.int32),
    "argmax(x)": lambda d: d["x"].argmax(1),
    "argmax(h, axis = 0, keep = true)": lambda d: d["h"].argmax(0)[None],  # `h` has equal values: the first of them
    "argmin(x)": lambda d: d["x"].argmin(1),
    "argmin(h, axis = 0, keep = true)": lambda d: d["h"].argmin(0)[None],
    "max(x)": lambda d: d["x"].max(),
    "min(x, keep = true)": lambda d: d["x"].min(keepdims=True),
    "prod(h, axis = 1, keep = true)": lambda d: d["h"].prod(1, keepdims=True),
    "gather(cube, k)": lambda d: d["cube"][d["k"]],
    "flatten(cube)": lambda d: d["cube"].reshape(ROWS, 12),
    "reshape(cube, [N, 2, -1])": lambda d: d["cube"].reshape(ROWS, 2, 6),
    "transpose(cube)": lambda d: d["cube"].transpose(0, 2, 1),
    "transpose(cube, axes = (2, 0, 1))": lambda d: d["cube"].transpose(2, 0, 1),
    "concat(cube, one, axis = 1)": lambda d: np.concatenate([d["cube"], d["one"]], 1),
    "concat(x, y)": lambda d: np.concatenate([d["x"], d["y"]], 1),
    "stack(x, y)": lambda d: np.stack([d["x"], d["y"]], -1),
    "stack(x, y, a, axis = 1)": lambda d: np.stack([d["x"], d["y"], d["a"]], 1),
    "squeeze(one, axis = 1)": lambda d: d["one"][:, 0],
    "unsqueeze(x, axis = 1)": lambda d: d["x"][:, None],
    "unsqueeze(x, -1)": lambda d: d["x"][..., None],
    "unsqueeze(x, (0, -1))": lambda d: d["x"][None, :, :, None],
    "squeeze(unsqueeze(one, 0), (0, 2))": lambda d: d["one"][:, 0],
    "expand(one, [N, 3, 4])": lambda d: np.repeat(d["one"], 3, 1),
    "one_hot(k, 6)": lambda d: np.eye(6, dtype=np.float32)[d["k"]],
    "f32((x > 0) == (y > 0))": lambda d: ((d["x"] > 0) == (d["y"] > 0)).astype(np.float32),
    "f32((x > 0) != (y > 0))": lambda d: ((d["x"] > 0) != (d["y"] > 0)).astype(np.float32),
    "f16(x)": lambda d: d["x"].astype(np.float16),
    "f32(f64(x) * 2)": lambda d: d["x"] * 2,
    "f64(x)": lambda d: d["x"].astype(np.float64),
    "i8(h)": lambda d: np.trunc(d["h"]).astype(np.int8),
    "i16(h)": lambda d: np.trunc(d["h"]).astype(np.int16),
    "i32(h)": lambda d: np.trunc(d["h"]).astype(np.int32),
    "i64(h)": lambda d: np.trunc(d["h"]).astype(np.int64),
    "u8(m + 40)": lambda d: (d["m"] + 40).astype(np.uint8),
    "u16(m + 40)": lambda d: (d["m"] + 40).astype(np.uint16),
    "u32(m + 40)": lambda d: (d["m"] + 40).astype(np.uint32),
    "u64(m + 40)": lambda d: (d["m"] + 40).astype(np.uint64),
    "bool(h)": lambda d: d["h"] != 0,
    "range(4)": lambda d: np.arange(4, dtype=np.float32),
    "range(2, end = 11, step = 4)": lambda d: np.arange(2, 11, 4, dtype=np.float32),
    "range(4, -1, -2)": lambda d: np.float32([4, 2, 0]),
    "range(0, 0.5, 0.1)": lambda d: np.float32([0, 0.1, 0.2, 0.3, 0.4]),
    "range(1, 2000, 1/3)[::1000]": lambda d: np.float32(
        [1, 1 + 1000 / 3, 1 + 2000 / 3, 1001, 1 + 4000 / 3, 1 + 5000 / 3]
    ),
    "range(3, 20000, 2)[::4000]": lambda d: np.float32([3, 8003, 16003]),
    "range(10^30, 10^30 + 10^33, 2 * 10^29)[4999:]": lambda d: np.float32([1e30 + 4999 * 2e29]),
    "range(N)": lambda d: np.arange(ROWS, dtype=np.float32),
    "range(N, 3 * N, 2)": lambda d: np.arange(ROWS, 3 * ROWS, 2, dtype=np.float32),
    "range(1, N)": lambda d: np.arange(1, ROWS, dtype=np.float32),
    "i64(range(2^60, 2^60 + 2))": lambda d: np.array([2**60, 2**60 + 1]),
    "f64(0.1 * range(3))": lambda d: 0.1 * np.arange(3),
    "i64(range(0, 2, 0.5))": lambda d: np.array([0, 0, 1, 1]),
    "x + 2 * range(5)": lambda d: d["x"] + np.float32(2) * np.arange(5, dtype=np.float32),
    "m + range(3) % 2": lambda d: d["m"] + np.array([0, 1, 0], np.int32),
    "gather(x, range(0, 5, 2), axis = 1)": lambda d: d["x"][:, ::2],
    "one_hot(range(1, 6, 2), 6)": lambda d: np.eye(6, dtype=np.float32)[[1, 3, 5]],
    "zeros([N, 2])": lambda d: np.zeros((ROWS, 2), np.float32),
    "zeros(3)": lambda d: np.zeros(3, np.float32),
    "ones(cube.shape)": lambda d: np.ones_like(d["cube"]),
    "tril(ones([3, 3]))": lambda d: np.tril(np.ones((3, 3), np.float32)),
    "k * ones([])": lambda d: d["k"],
    "full([2, N], 1/3)": lambda d: np.full((2, ROWS), 1 / 3, np.float32),
    "full(2, value = N) + full([], 1)": lambda d: np.float32([ROWS + 1, ROWS + 1]),
    "eye(3)": lambda d: np.eye(3, dtype=np.float32),
    "eye(2, columns = 100)[:, 1::50]": lambda d: np.eye(2, 100, dtype=np.float32)[:, 1::50],
    "eye(200, 100)[99:101]": lambda d: np.eye(200, 100, dtype=np.float32)[99:101],
    "eye(N, 4)": lambda d: np.eye(ROWS, 4, dtype=np.float32),
}
FIRST, SECOND = "split(x[:, :4], parts = 2)", "split(cube, parts = 3, axis = 1)"
CALLS = [*SMOOTH, *EXACT, FIRST, SECOND]


@pytest.fixture(scope="module")
def found() -> Arrays:
    """Every row as an output, `f0` and so on, and the gradients of the smooth ones in x, `g0` and so on."""
    lines = [f"  input {n}: {t}" for n, t in INPUTS.items()]
    lines += [f"  output f{i} = {text}" for i, text in enumerate([*SMOOTH, *EXACT])]
    lines += [f"  output g{i} = gradient({text}, x)" for i, text in enumerate(SMOOTH)]
    lines += [f"  s0, s1 = {FIRST}", f"  c0, c1, c2 = {SECOND}"]
    lines += [f"  output part_{n} = {n}" for n in ("s0", "s1", "c0", "c1", "c2")]
    lines += ["  param w: f32[5] = ones", "  loss = mean(x * w)"]
    return Host(compiled("net n {\n" + "\n".join(lines) + "\n}")).graph("infer", DATA)


@pytest.mark.parametrize("text", SMOOTH)
def test_the_value(found: Arrays, text: str) -> None:
    value, expected = found[f"f{list(SMOOTH).index(text)}"], SMOOTH[text](WIDE)
    assert value.shape == np.shape(expected)
    np.testing.assert_allclose(value, expected, rtol=3e-6, atol=3e-7)


@pytest.mark.parametrize("text", SMOOTH)
def test_the_gradient(found: Arrays, text: str) -> None:
    def total(x: Array) -> float:
        return float(np.sum(SMOOTH[text]({**WIDE, "x": x})))

    expected = ref.slope(total, DATA["x"])
    np.testing.assert_allclose(found[f"g{list(SMOOTH).index(text)}"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("text", EXACT)
def test_the_exact_value_and_dtype(found: Arrays, text: str) -> None:
    value, expected = found[f"f{len(SMOOTH) + list(EXACT).index(text)}"], np.asarray(EXACT[text](DATA))
    assert value.dtype == expected.dtype
    np.testing.assert_array_equal(value, expected)


def test_pieces(found: Arrays) -> None:
    for i, part in enumerate(np.split(DATA["x"][:, :4], 2, 1)):
        np.testing.assert_array_equal(found[f"part_s{i}"], part)
    for i, part in enumerate(np.split(DATA["cube"], 3, 1)):
        np.testing.assert_array_equal(found[f"part_c{i}"], part)


# where a function has no derivative: (expression, value of x, gradient of the sum that the reference promises)
KINKS = [
    ("maximum(x, 0.5 * x)", [0, 0, 0], [0.75, 0.75, 0.75]),  # shared equally: (1 + 0.5) / 2
    ("minimum(x, 0.5 * x)", [0, 0, 0], [0.75, 0.75, 0.75]),
    ("max(x, axis = 1)", [2, 1, 2], [0.5, 0, 0.5]),
    ("min(x, axis = 1)", [2, 2, 2], [1 / 3, 1 / 3, 1 / 3]),
    ("norm(x, axis = 1)", [0, 0, 0], [0, 0, 0]),
    ("std(x, axis = 1)", [2, 2, 2], [0, 0, 0]),
    ("log1p(x)", [0, 1e-6, 3], [1, 1, 0.25]),
    ("expm1(x)", [0, 1e-6, 2], [1, 1, 7.389056]),
    ("clip(x, low = -1, high = 1)", [-1.2, 0.3, 7], [0, 1, 0]),
    ("x * sign(x)", [-2, 0.7, 5], [-1, 1, 1]),
    ("x * floor(x)", [-2.2, 0.7, 5.5], [-3, 0, 5]),
    ("x * ceil(x)", [-2.2, 0.7, 5.5], [-2, 1, 6]),
    ("x * round(x)", [-2.2, 0.7, 4.5], [-2, 1, 4]),
    ("x * stop_gradient(x)", [-2.2, 0.7, 5.5], [-2.2, 0.7, 5.5]),
]


@pytest.mark.parametrize(("text", "x", "expected"), KINKS, ids=[k[0] for k in KINKS])
def test_the_gradient_where_there_is_no_derivative(text: str, x: list[float], expected: list[float]) -> None:
    spec = f"net n {{\n input x: f32[N, 3]\n param w: f32[3] = ones\n loss = mean(x * w)\n output g = gradient({text}, x)\n}}"
    found = Host(compiled(spec)).graph("infer", {"x": np.array([x], np.float32)})["g"]
    np.testing.assert_allclose(found, [expected], rtol=1e-6)

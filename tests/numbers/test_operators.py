"""The operators of expressions: on tensors against NumPy, on plain numbers exactly, and their gradients."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import netc
from tests.numbers import reference as ref
from tests.numbers.host import Host, compiled

G = np.random.default_rng(8)
X = G.uniform(-3, 3, (5, 4)).astype(np.float32)
Y = G.uniform(0.5, 3, (5, 4)).astype(np.float32)
K = np.array([[7, -7, 0, 12], [-1, 5, -8, 3], [9, 2, -3, 100], [4, 4, 4, 4], [1, -2, 3, -4]], np.int32)
L = np.array([[3, 3, 5, -5], [2, -2, 3, 7], [4, 1, 2, -7], [4, 3, 2, 1], [-1, -1, 1, 1]], np.int32)
W = G.normal(size=(5, 4, 3)).astype(np.float32)
DATA = {"x": X, "y": Y, "k": K, "m": L, "w": W}
x, y, k, m, w = (ref.wide(X), ref.wide(Y), K.astype(np.int64), L.astype(np.int64), ref.wide(W))

EXPRESSIONS: dict[str, Any] = {
    "x + y": x + y, "x - y": x - y, "x * y": x * y, "x / y": x / y, "-x": -x, "x + 1": x + 1, "1 - x": 1 - x, "2 / y": 2 / y,
    "x // y": np.floor(x / y), "x % y": x - y * np.floor(x / y), "x // 1": np.floor(x), "5 % y": 5 - y * np.floor(5 / y),
    "y ^ x": y**x, "x ^ 2": x**2, "x ^ 3": x**3, "y ^ 0.5": np.sqrt(y), "y ^ -1": 1 / y, "y ^ 1.7": y**1.7, "2 ^ x": 2**x,
    "k + m": k + m, "k - m": k - m, "k * m": k * m, "k // m": k // m, "k % m": k % m, "k // 3": k // 3, "k % 3": k % 3, "-k": -k,
    "k ^ 2": k**2, "where(x < y, x, y)": np.where(x < y, x, y), "where(x > y, x, y)": np.where(x > y, x, y),
    "where(k <= m, x, y)": np.where(k <= m, x, y), "where(k >= m, x, y)": np.where(k >= m, x, y),
    "where(k == m, x, y)": np.where(k == m, x, y), "where(k != m, x, y)": np.where(k != m, x, y),
    "where(x > 0 and y > 1, x, y)": np.where((x > 0) & (y > 1), x, y),
    "where(x > 0 or y > 1, x, y)": np.where((x > 0) | (y > 1), x, y),
    "where(not (x > 0), x, y)": np.where(x <= 0, x, y),
    "unsqueeze(x, 1) @ w": x[:, None] @ w, "transpose(w) @ w": w.transpose(0, 2, 1) @ w, "transpose(w) @ unsqueeze(x, 2)": (
        w.transpose(0, 2, 1) @ x[:, :, None]
    ),
    "x[:, 1]": x[:, 1], "x[:, -1]": x[:, -1], "x[:, 1:3]": x[:, 1:3], "x[:, ::2]": x[:, ::2], "x[:, ::-1]": x[:, ::-1],
    "x[:, 3:0:-2]": x[:, 3:0:-2], "w[:, 2, :]": w[:, 2, :], "w[:, :, 0:1]": w[:, :, 0:1], "x[:, :-1]": x[:, :-1],
    "x[0]": x[0], "x / N": x / 5, "x * (2 * N + 1)": x * 11,
    "mean(x) * 2 - 1 / 4 * y": x.mean() * 2 - y / 4, "x - y - 1": x - y - 1, "x / y / 2": x / y / 2, "-x ^ 2": -(x**2),
    "2 ^ 3 ^ 1 * x": 8 * x, "x * 7 // 2": np.floor(x * 7 / 2),
}  # fmt: skip


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_operator_of_tensors(text: str) -> None:
    integer = EXPRESSIONS[text].dtype.kind == "i"
    shown = f"f32({text})" if integer else text
    spec = (
        "net n {\n input x: f32[N, 4]\n input y: f32[N, 4]\n input k: i32[N, 4]\n input m: i32[N, 4]\n"
        f" input w: f32[N, 4, 3]\n param g: f32[1] = 1\n z = {shown}\n loss = mean(x * y * g) + 0 * mean(w)\n output z\n}}"
    )
    found = Host(compiled(spec)).graph("infer", DATA)["z"]
    np.testing.assert_allclose(found, EXPRESSIONS[text], rtol=3e-6, atol=1e-6)


# what stands for a plain number -> its value; counts have to come out whole
NUMBERS: dict[str, Any] = {
    "7 // 2": 3, "-7 // 2": -4, "7 % 3": 1, "-7 % 3": 2, "7 % -3": -2, "2 ^ 10": 1024, "2 ^ -1": Fraction(1, 2), "1 / 3 * 3": 1,
    "10 - 2 - 3": 5, "2 ^ 2 ^ 3": 256, "-2 ^ 2": -4, "1 / 4 + 3 / 4": 1, "6 / 4": Fraction(3, 2), "4 ^ 0.5": 2, "sqrt(9)": 3,
    "maximum(2, 5)": 5, "minimum(2, 5)": 2, "abs(-4)": 4, "floor(2.7)": 2, "ceil(2.1)": 3, "3 if 2 > 1 else 4": 3,
    "3 if 2 < 1 else 4": 4, "3 if 2 >= 2 else 4": 3, "3 if 2 <= 1 else 4": 4, "3 if 2 == 2 else 4": 3, "3 if 2 != 2 else 4": 4,
    "3 if true and false else 4": 4, "3 if true or false else 4": 3, "3 if not false else 4": 3,
}  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_an_operator_of_numbers(text: str) -> None:
    spec = f"net n {{\n input x: f32[N, 4]\n param g: f32[1] = 1\n c = {text}\n loss = mean(x * g)\n output z = 0 * x + c\n}}"
    found = Host(compiled(spec)).graph("infer", DATA)["z"]
    np.testing.assert_array_equal(found, np.full((5, 4), float(NUMBERS[text]), np.float32))
    if NUMBERS[text] > 0 and Fraction(NUMBERS[text]).denominator == 1:
        net = netc.check(f"net n(c = {text}) {{\n input x: f32[N, 4]\n y = x -> Dense(c)\n loss = mean(y)\n}}")
        assert net.parameters[0].shape == (4, NUMBERS[text])
    else:
        with pytest.raises(netc.NetError):
            netc.check(f"net n(c = {text}) {{\n input x: f32[N, 4]\n y = x -> Dense(c)\n loss = mean(y)\n}}")


SLOPES = {
    "x * g + g ^ 2": lambda g: x * g + g**2, "x / g": lambda g: x / g, "y ^ g": lambda g: y**g, "g ^ x": lambda g: g**x,
    "x % g": lambda g: x - g * np.floor(x / g), "maximum(x, g)": lambda g: np.maximum(x, g),
    "minimum(x, g)": lambda g: np.minimum(x, g), "where(x > 0, g, g * x)": lambda g: np.where(x > 0, g, g * x),
    "x[:, 1:3] * g": lambda g: x[:, 1:3] * g, "(x - g)[:, ::-2]": lambda g: (x - g)[:, ::-2],
}  # fmt: skip


@pytest.mark.parametrize("text", SLOPES)
def test_a_gradient(text: str) -> None:
    spec = f"net n {{\n input x: f32[N, 4]\n input y: f32[N, 4]\n param g: f32[1] = 0.7\n loss = mean(({text})^2) + 0 * mean(y)\n}}"
    found = Host(compiled(spec)).graph("grad", DATA)["grad/g"]
    wanted = ref.slope(lambda g: float(np.mean(SLOPES[text](g) ** 2)), np.array([0.7]))
    np.testing.assert_allclose(found, wanted, rtol=2e-5)

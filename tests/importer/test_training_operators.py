"""The optimizers of ai.onnx.preview.training, as `netc.grad` writes them out, against their formulas in NumPy.

Attributes are float32, so that 0.4 is 0.4 to seven digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import parser

import netc
from netc import NetError
from tests.autodiff.evaluator import evaluate

A = {
    "x": np.array([1.0, -2.0, 0.5]),
    "g": np.array([0.25, 1.5, -1.0]),
    "v": np.array([0.5, 0.25, 2.0]),
    "h": np.array([2.0, 0.5, 1.0]),
}
B = {"x": np.array([3.0]), "g": np.array([-0.5]), "v": np.array([1.25]), "h": np.array([0.75])}
RATE = 0.3


def adagrad(a: dict[str, float], t: int, x: Any, g: Any, v: Any, h: Any) -> list[Any]:
    g = a.get("norm_coefficient", 0) * x + g
    h = h + g * g
    return [x - RATE / (1 + t * a.get("decay_factor", 0)) * g / (np.sqrt(h) + a.get("epsilon", 1e-6)), h]


def adam(a: dict[str, float], t: int, x: Any, g: Any, v: Any, h: Any) -> list[Any]:
    alpha, beta = a.get("alpha", 0.9), a.get("beta", 0.999)
    g = a.get("norm_coefficient", 0) * x + g
    v, h = alpha * v + (1 - alpha) * g, beta * h + (1 - beta) * g * g
    rate = RATE * np.sqrt(1 - beta**t) / (1 - alpha**t) if t > 0 else RATE
    return [(1 - a.get("norm_coefficient_post", 0)) * (x - rate * v / (np.sqrt(h) + a.get("epsilon", 1e-6))), v, h]


def momentum(a: dict[str, Any], t: int, x: Any, g: Any, v: Any, h: Any) -> list[Any]:
    g = a["norm_coefficient"] * x + g
    v = a["alpha"] * v + (a["beta"] if t > 0 else 1) * g
    return [x - RATE * (g + a["alpha"] * v if a["mode"] == "nesterov" else v), v]


OPTIMIZERS = {"Adagrad": (adagrad, "h"), "Adam": (adam, "vh"), "Momentum": (momentum, "v")}
PLAIN = {"alpha": 0.75, "beta": 0.4, "norm_coefficient": 0.0, "mode": "standard"}
ROWS: list[tuple[str, dict[str, Any]]] = [
    ("Adagrad", {}),
    ("Adagrad", {"norm_coefficient": 0.25, "decay_factor": 0.5, "epsilon": 0.125}),
    ("Adam", {}),
    (
        "Adam",
        {"alpha": 0.5, "beta": 0.25, "epsilon": 0.125, "norm_coefficient": 0.375, "norm_coefficient_post": 0.0625},
    ),
    ("Momentum", PLAIN),
    ("Momentum", {**PLAIN, "norm_coefficient": 0.125}),
    ("Momentum", {**PLAIN, "norm_coefficient": 0.125, "mode": "nesterov"}),
]


@pytest.mark.parametrize("step", [0, 1, 5])
@pytest.mark.parametrize("tensors", [[A], [A, B]], ids=["one tensor", "two"])
@pytest.mark.parametrize(("name", "attributes"), ROWS, ids=[f"{n} {i}" for i, (n, _) in enumerate(ROWS)])
def test_an_optimizer(name: str, attributes: dict[str, Any], tensors: list[dict[str, Any]], step: int) -> None:
    formula, states = OPTIMIZERS[name]
    kinds = ["x", "g", *states]
    given = {f"{k}{i}": t[k] for k in kinds for i, t in enumerate(tensors)}
    results = [f"new_{k}{i}" for k in ("x", *states) for i in range(len(tensors))]
    written = ", ".join(f'{k} = "{v}"' if isinstance(v, str) else f"{k} = {v}" for k, v in attributes.items())
    inputs = ", ".join(f"double[{a.size}] {n}" for n, a in given.items())
    outputs = ", ".join(f"double[{tensors[int(n[-1])]['x'].size}] {n}" for n in results)
    model = parser.parse_model(f"""<ir_version: 8, opset_import: ["": 18, "ai.onnx.preview.training": 1]>
        o (double rate, int64 step, {inputs}) => ({outputs})
        {{ {", ".join(results)} = ai.onnx.preview.training.{name} {f"<{written}>" if written else ""} (rate, step,
            {", ".join(given)}) }}""")
    derivative = netc.grad(model, wrt=["x0"])
    zeros = {f"grad/{n}": np.zeros(tensors[int(n[-1])]["x"].size) for n in results}
    found = evaluate(derivative, {"rate": np.array(RATE), "step": np.array(step), **given, **zeros})
    for i, t in enumerate(tensors):
        for kind, value in zip(("x", *states), formula(attributes, step, **t)):
            np.testing.assert_allclose(found[f"new_{kind}{i}"], value, rtol=1e-6, err_msg=f"{kind}{i}")


GRADIENT = """<ir_version: 8, opset_import: ["": 18, "ai.onnx.preview.training": 1]>
g (double[3] a, double[3] b, double[3] c) => (double[3] da, double[3] db) {
  p = Mul (a, b)
  q = Mul (p, c)
  y = Sin (q)
  da, db = ai.onnx.preview.training.Gradient <xs: strings = [FIRST], zs: strings = [SECOND], y: string = "LAST"> (GIVEN)
}"""


def gradient(first: str, second: str, given: str, last: str = "y") -> Any:
    text = GRADIENT.replace("FIRST", first).replace("LAST", last).replace("GIVEN", given)
    return parser.parse_model(
        text.replace("SECOND", second) if second else text.replace(", zs: strings = [SECOND]", "")
    )


@pytest.mark.parametrize("kept", [True, False])
def test_a_gradient_at_other_inputs(kept: bool) -> None:
    """The given tensors take the place of the named values, which are independent of one another."""
    g = np.random.default_rng(0)
    a, b, c = g.normal(size=(3, 3))
    model = gradient('"p", "c"', '"b"' if kept else "", "b, a, c" if kept else "b, a")
    zero = np.zeros(3)
    found = evaluate(netc.grad(model), {"a": a, "b": b, "c": c, "grad/da": zero, "grad/db": zero})
    np.testing.assert_allclose(found["da"], np.cos(b * a) * a)  # d/dp sin(p c) at p = b, c = a
    np.testing.assert_allclose(found["db"], np.cos(b * a) * b)


def test_what_nothing_reaches_has_a_gradient_of_zero() -> None:
    model = gradient('"a", "c"', "", "a, c", "p")
    zero = np.zeros(3)
    found = evaluate(netc.grad(model), {"a": zero + 2, "b": zero + 3, "c": zero + 5, "grad/da": zero, "grad/db": zero})
    np.testing.assert_array_equal(found["da"], zero + 3)
    np.testing.assert_array_equal(found["db"], zero)


@pytest.mark.parametrize(("first", "last"), [('"a", "nothing"', "y"), ('"a", "c"', "nothing")])
def test_a_gradient_of_what_is_not_there_is_refused(first: str, last: str) -> None:
    with pytest.raises(NetError, match="names a value that is not computed before it"):
        netc.grad(gradient(first, "", "a, c", last))

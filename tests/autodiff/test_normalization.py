"""LayerNormalization in float32: its rule reads the statistics that the node computes. Float64, which is written out, is
compared with differences among ONNX's node tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser
from onnx.reference.ops import op_layer_normalization

import netc
from tests.autodiff.evaluator import evaluate
from tests.autodiff.test_node_cases import started

NODE = "y, mean, r = LayerNormalization <axis = {axis}, epsilon = 0.01> ({operands})"
FORMULA = """mean = ReduceMean (x, axes) c = Sub (x, mean) q = Mul (c, c) v = ReduceMean (q, axes) e = Add (v, epsilon)
    d = Sqrt (e) r = Reciprocal (d) z = Mul (c, r) p = Mul (z, s) y = {last}"""
SHAPES = {"x": (5, 3, 4), "y": (5, 3, 4), "mean": (5, 1, 1), "r": (5, 1, 1), "s": (3, 4), "b": (4,)}
DERIVATIVES: dict[str, Callable[[onnx.ModelProto], onnx.ModelProto]] = {
    "reverse": netc.grad,
    "forward": netc.jvp,
    "second order": lambda m: netc.grad(netc.grad(m)),
    "forward of reverse": lambda m: netc.jvp(netc.grad(m)),
}


def model(body: str, outputs: list[str], dtype: str, bias: bool = True) -> onnx.ModelProto:
    inputs = f"{dtype}[N, 3, 4] x, {dtype}[3, 4] s" + (f", {dtype}[4] b" if bias else "")
    kinds = {"y": f"{dtype}[N, 3, 4] y", "mean": f"{dtype}[N, 1, 1] mean", "r": f"{dtype}[N, 1, 1] r"}
    return parser.parse_model(f"""<ir_version: 9, opset_import: ["": 18]>
        g ({inputs}) => ({", ".join(kinds[n] for n in outputs)})
        <int64[2] axes = {{-2, -1}}, double epsilon = {{0.01}}> {{ {body} }}""")


def values(models: list[onnx.ModelProto]) -> dict[str, Any]:
    """A value for each input of these models, cotangents and tangents among them."""
    g = np.random.default_rng(0)
    names = sorted({i.name for m in models for i in m.graph.input})
    return {n: g.normal(size=SHAPES[n.rpartition("/")[2]]) for n in names}


def fed(model: onnx.ModelProto, given: dict[str, Any], dtype: Any) -> dict[str, Any]:
    return {i.name: given[i.name].astype(dtype) for i in model.graph.input}


@pytest.mark.parametrize("bias", [True, False], ids=["with b", "without b"])
@pytest.mark.parametrize("derivative", DERIVATIVES)
@pytest.mark.parametrize("outputs", [["y"], ["y", "mean"], ["y", "r"], ["mean", "r"]], ids=" ".join)
def test_the_rule_gives_the_derivatives_of_the_formula(outputs: list[str], derivative: str, bias: bool) -> None:
    last = "Add (p, b)" if bias else "Identity (p)"
    node = NODE.format(axis=-2, operands="x, s, b" if bias else "x, s")
    if "r" not in outputs:  # the node gives no more than it has to
        node = node.replace(", mean, r" if "mean" not in outputs else ", r", "")
    derive = DERIVATIVES[derivative]
    rule = derive(model(node, outputs, "float", bias))
    formula = derive(model(FORMULA.format(last=last), outputs, "double", bias))
    given = values([rule, formula])
    found = dict(zip([o.name for o in rule.graph.output], started(rule).run(None, fed(rule, given, np.float32))))
    expected = evaluate(formula, fed(formula, given, np.float64))
    for name in {*found, *expected}:
        a, b = (np.asarray(side.get(name, 0.0)) for side in (found, expected))
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-6 * np.abs(b).max(initial=1), err_msg=name)


def test_statistics_in_bfloat16_are_computed_anew() -> None:
    """`stash_type` 16 asks for them; few runtimes have it."""
    node = "y = LayerNormalization <axis = -2, epsilon = 0.01, stash_type = {}> (x, s, b)"
    gradient = netc.grad(model(node.format(16), ["y"], "float"))
    assert [len(n.output) for n in gradient.graph.node if n.op_type == "LayerNormalization"] == [1]
    for n in gradient.graph.node:
        if n.op_type == "LayerNormalization":
            next(a for a in n.attribute if a.name == "stash_type").i = 1
    plain = netc.grad(model(node.format(1), ["y"], "float"))
    given = values([plain])
    found, expected = (evaluate(m, fed(m, given, np.float32)) for m in (gradient, plain))
    for n in ("grad/x", "grad/s", "grad/b"):
        np.testing.assert_allclose(found[n], expected[n], rtol=0, atol=3e-6 * np.abs(expected[n]).max())


def test_the_backward_pass_takes_mean_and_deviation_from_the_node() -> None:
    gradient = netc.grad(model("y = LayerNormalization <axis = -2> (x, s, b)", ["y"], "float"))
    kinds = [n.op_type for n in gradient.graph.node]
    assert kinds.count("ReduceMean") == 2  # those of the formula of dx
    assert "Sqrt" not in kinds
    assert len(kinds) == 14


class LayerNormalization(op_layer_normalization.LayerNormalization):
    """onnx's own computes in x's dtype."""

    def _run(self, x, scale, b=None, **settings):  # type: ignore[no-untyped-def]
        wide = (None if v is None else v.astype(np.float32) for v in (x, scale, b))
        y, mean, r = super()._run(*wide, **settings)
        return y.astype(x.dtype), mean, r


@pytest.mark.parametrize(("dtype", "close"), [("bfloat16", 0.03), ("float16", 0.004)])
def test_narrow_types_give_the_gradient_of_float32(dtype: str, close: float) -> None:
    wide, narrow = (
        netc.grad(model("y = LayerNormalization <axis = -2> (x, s, b)", ["y"], kind)) for kind in ("float", dtype)
    )
    given = values([wide])
    kind = numpy_helper.to_array(onnx.helper.make_tensor("k", getattr(onnx.TensorProto, dtype.upper()), [1], [0])).dtype
    expected = evaluate(wide, fed(wide, given, np.float32))
    found = evaluate(narrow, fed(narrow, given, kind), [LayerNormalization])
    for n in ("grad/x", "grad/s", "grad/b"):
        assert found[n].dtype == kind
        np.testing.assert_allclose(found[n].astype(float), expected[n], atol=close * np.abs(expected[n]).max())

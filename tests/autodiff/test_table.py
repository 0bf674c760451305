"""The table of gradient rules, written out for review (`python tests/autodiff/test_table.py` writes it anew), and what its
flags promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

import netc
from netc.compiler.autodiff import rules  # noqa: F401  (registers them)
from netc.compiler.autodiff.registry import Entry, operators

FILE = Path(__file__).with_name("table.txt")


def line(e: Entry) -> str:
    """`Softmax rule 13.. broadcasts`"""
    newest = "" if e.until == 1 << 30 else e.until
    flags = [n for n in ("broadcasts", "asks") if getattr(e, n)] + (["rewrite"] if e.rewrite is not None else [])
    return " ".join([e.operator, e.kind, f"{e.since}..{newest}", *flags])


def table() -> str:
    return "".join(f"{line(e)}\n" for entries in operators().values() for e in entries)


def test_the_table_is_what_was_reviewed() -> None:
    assert table() == FILE.read_text(encoding="utf-8")


BROADCASTING = sorted(n for n, entries in operators().items() if any(e.broadcasts for e in entries))
OWN = {"Einsum", "Expand", "LayerNormalization"}  # have tests of their own


@pytest.mark.parametrize("operator", [o for o in BROADCASTING if o not in OWN])
def test_axes_that_broadcast_at_run_time_are_summed(operator: str) -> None:
    """Sizes with different names may be equal, or one of them 1; which shows when the model runs."""
    g = np.random.default_rng(3)
    matrix = operator in ("MatMul", "Gemm")
    first, second = (["A", "K"], ["K", "B"]) if matrix else (["A", "B"], ["C", "D"])
    names, dims = ["x", "y"], [first, second]
    if operator == "Where":
        names, dims = ["c", "x", "y"], [["E", "F"], first, second]
    elif operator == "Gemm":
        names, dims = ["x", "y", "z"], [first, second, ["E", "F"]]
    elif operator == "PRelu":
        dims = [["A", "B"], ["D"]]
    types = [TensorProto.BOOL if n == "c" else TensorProto.DOUBLE for n in names]
    attributes: dict[str, Any] = {"fmod": 1} if operator == "Mod" else {}
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["r"], **attributes)], "g",
        [helper.make_tensor_value_info(n, t, d) for n, t, d in zip(names, types, dims)],
        [helper.make_tensor_value_info("r", TensorProto.DOUBLE, ["P", "Q"])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    forward, backward = ReferenceEvaluator(model), ReferenceEvaluator(netc.grad(model))
    for sizes in ({"A": 3, "B": 4, "C": 1, "D": 4}, {"A": 1, "B": 4, "C": 3, "D": 1}, {"A": 3, "B": 4, "C": 3, "D": 4}):
        sizes |= {"K": 5, "E": sizes["A"] if matrix else 3, "F": 1}
        if operator == "PRelu" or (operator == "Mean" and sizes["A"] < sizes["C"]):  # which the evaluator cannot
            sizes |= {"A": 3, "B": 4}
        feeds: dict[str, Any] = {
            n: g.uniform(0.6, 2, [sizes[s] for s in d]) * (-1) ** (g.integers(0, 2) * (operator == "PRelu"))
            for n, d in zip(names, dims)
        }
        if "c" in feeds:
            feeds["c"] = feeds["c"] > 1.2
        (r,) = forward.run(None, feeds)
        dr = g.normal(size=r.shape)
        found = dict(zip([o.name for o in netc.grad(model).graph.output], backward.run(None, {**feeds, "grad/r": dr})))
        for n in set(names) - {"c"}:
            if f"grad/{n}" not in found:
                continue
            direction = g.normal(size=feeds[n].shape)
            h = 1e-6
            up, down = (forward.run(None, {**feeds, n: feeds[n] + s * h * direction})[0] for s in (1, -1))
            wanted = float(np.sum(dr * (up - down)) / (2 * h))
            assert found[f"grad/{n}"].shape == feeds[n].shape
            assert np.sum(found[f"grad/{n}"] * direction) == pytest.approx(wanted, rel=1e-5, abs=1e-7), (n, sizes)


def declared(name: str, *shape: Any, kind: int = TensorProto.DOUBLE) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def test_a_matrix_of_unknown_rank() -> None:
    """MatMul of a tensor whose rank shows at run time and a matrix: one product over all rows."""
    nodes = [
        helper.make_node("Reshape", ["v", "shape"], ["a"]), helper.make_node("MatMul", ["a", "b"], ["y"]),
        helper.make_node("ReduceSumSquare", ["y"], ["s"], keepdims=0),
    ]  # fmt: skip
    inputs = [declared("v", 24), declared("shape", "R", kind=TensorProto.INT64), declared("b", 4, 3)]
    graph = helper.make_graph(nodes, "g", inputs, [declared("s")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    run = ReferenceEvaluator(netc.grad(model, wrt=["v", "b"]))
    g = np.random.default_rng(0)
    v, b = g.normal(size=24), g.normal(size=(4, 3))
    for shape in ([6, 4], [2, 3, 4], [1, 6, 1, 4]):
        a = v.reshape(-1, 4)
        _, dv, db = run.run(None, {"v": v, "shape": np.array(shape), "b": b, "grad/s": np.array(1.0)})
        np.testing.assert_allclose(dv, (2 * a @ b @ b.T).ravel(), rtol=1e-12)
        np.testing.assert_allclose(db, 2 * a.T @ a @ b, rtol=1e-12)


def test_peepholes_and_every_other_operand_of_lstm() -> None:
    """Float64 differences of each operand; the evaluator's LSTM has peepholes too."""
    g = np.random.default_rng(1)
    steps, rows, size, units = 4, 2, 3, 2
    shapes = {
        "X": (steps, rows, size), "W": (1, 4 * units, size), "R": (1, 4 * units, units), "B": (1, 8 * units),
        "h": (1, rows, units), "c": (1, rows, units), "P": (1, 3 * units),
    }  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("LSTM", ["X", "W", "R", "B", "", "h", "c", "P"], ["Y", "Yh"], hidden_size=units)], "g",
        [helper.make_tensor_value_info(n, TensorProto.DOUBLE, s) for n, s in shapes.items()],
        [helper.make_tensor_value_info("Y", TensorProto.DOUBLE, [steps, 1, rows, units])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    feeds = {n: g.normal(size=s) for n, s in shapes.items()}
    derivative = netc.grad(model)
    forward, backward = ReferenceEvaluator(model), ReferenceEvaluator(derivative)
    (y,) = forward.run(None, feeds)
    dy = g.normal(size=y.shape)
    found = dict(zip([o.name for o in derivative.graph.output], backward.run(None, {**feeds, "grad/Y": dy})))
    for n, value in feeds.items():
        direction = g.normal(size=value.shape)
        up, down = (forward.run(None, {**feeds, n: value + s * 1e-6 * direction})[0] for s in (1, -1))
        assert np.sum(found[f"grad/{n}"] * direction) == pytest.approx(np.sum(dy * (up - down)) / 2e-6, rel=1e-6), n


def test_a_convolution_that_leaves_rows_out_on_one_side_alone() -> None:
    """The input's gradient is padded behind by what the stride did not reach, axis by axis."""
    g = np.random.default_rng(2)
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 3], pads=[1, 0, 0, 1])
    graph = helper.make_graph(
        [node], "g", [declared("x", 2, 3, 7, 8), declared("w", 4, 3, 3, 3)], [declared("y", *"abcd")]
    )
    for size in ([2, 3, 7, 8], [2, 3, 8, 7], [2, 3, 6, 9]):
        for d, s in zip(graph.input[0].type.tensor_type.shape.dim, size):
            d.dim_value = s
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        x, w = g.normal(size=size), g.normal(size=(4, 3, 3, 3))
        forward, backward = ReferenceEvaluator(model), ReferenceEvaluator(netc.grad(model))
        (y,) = forward.run(None, {"x": x, "w": w})
        dy = g.normal(size=y.shape)
        _, dx, dw = backward.run(None, {"x": x, "w": w, "grad/y": dy})
        for value, slope, name in ((x, dx, "x"), (w, dw, "w")):
            v = g.normal(size=value.shape)
            up, down = (forward.run(None, {"x": x, "w": w, name: value + s * 1e-6 * v})[0] for s in (1, -1))
            assert np.sum(slope * v) == pytest.approx(np.sum(dy * (up - down)) / 2e-6, rel=1e-6), (size, name)


if __name__ == "__main__":
    FILE.write_text(table(), encoding="utf-8")

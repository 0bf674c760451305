"""Which axis counts rows: what the rules say of each operator, and whether it is so when batches are put together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import defs, helper

import netc
from netc.compiler.graph.rows import RowFlow, Spread
from netc.compiler.graph.rows.flow import RULES
from netc.compiler.graph.rows.moving import elementwise
from netc.compiler.language.onnx_operators import operators
from netc.compiler.pipeline import build, state_of
from tests.numbers.host import call, session

SAME, TOTAL, MEAN, MIXED = Spread.SAME, Spread.TOTAL, Spread.MEAN, Spread.MIXED
INPUTS = {"x": (4,), "y": (4,), "a": (3, 4), "s": (), "m": (4, 6, 6), "q": (2, 4, 4), "c": (), "v": (2,), "l": ()}
CALLS: dict[str, Any] = {  # an expression -> the axis of rows, or how it depends on them
    **dict.fromkeys(["relu(x)", "x + y", "x * w", "x * 2 - y / w", "x > y", "where(x > 0, x, y)", "f64(x)", "onnx.Celu(x)"], 0),
    **dict.fromkeys(["onnx.Mod(x, y, fmod = 1)", "PReLU(x)", "dropout(x)", "onnx.Dropout(x)", "not (x > y)", "clip(x, 0, 1)"], 0),
    "x + s[0]": MIXED, "transpose(x)": 1, "transpose(x) * w2": 1, "transpose(a, axes = (1, 0, 2))": 1,
    "x - mean(x)": MIXED, "x * sum(s)": MIXED, "unsqueeze(s, 0) + unsqueeze(s, 1)": MIXED,
    "sum(x)": TOTAL, "sum(x, axis = 0)": TOTAL, "sum(x, axis = 1)": 0, "sum(a, axis = (1, 2), keep = true)": 0,
    "onnx.ReduceSumSquare(x, [0])": TOTAL, "onnx.ReduceL1(x)": TOTAL, "mean(x)": MEAN,
    "2 * mean(x) + 1": MEAN, "mean(x, axis = 0)[1:]": MEAN, "mean(x) - mean(y) / 3": MEAN, "mean(x) * mean(y)": MIXED,
    "mean(x) + sum(x)": MIXED, "mean(mean(x, axis = 0))": MEAN, "mean(x, axis = 0) @ p": MEAN, "exp(mean(x))": MIXED,
    "1 / mean(x)": MIXED,
    "onnx.Gemm(mean(x, axis = 0, keep = true), p, w)": MEAN, "softmax_cross_entropy(x, l)": MEAN, "x + mean(x)": MIXED,
    "mean(x, axis = 1)": 0,
    "max(x, axis = 0)": MIXED, "max(a, axis = 1)": 0, "norm(x, axis = 1)": 0, "prod(x)": MIXED, "logsumexp(x, axis = 1)": 0,
    "onnx.ReduceSum(x, noop_with_empty_axes = 1)": 0, "onnx.ReduceLogSum(abs(x), [1])": 0, "min(a, axis = (1, 2))": 0,
    "mean(sum(x, axis = 0))": TOTAL, "max(sum(x, axis = 0))": MIXED, "argmax(x)": 0, "argmax(x, axis = 0)": MIXED,
    "argmin(a, axis = 1, keep = true)": 0, "argmax(transpose(x), axis = 0)": 0,
    "-sum(x)": TOTAL, "sum(x) + sum(y)": TOTAL, "sum(x) + 1": MIXED, "2 * sum(x)": TOTAL, "sum(x) / 3": TOTAL,
    "3 / sum(x)": MIXED, "sum(x) * sum(y)": MIXED, "sum(x) / N": MIXED, "sum(x) * N": MIXED, "abs(sum(x))": MIXED,
    "f64(sum(x))": TOTAL, "i64(sum(x))": MIXED, "f32(sum(c))": TOTAL, "onnx.Sum(x, y)": 0, "onnx.Mean(x, y)": 0,
    "onnx.CastLike(x, x)": 0, "flatten(a)": 0, "reshape(a, [N * 3, 4])": 0, "reshape(a, [3, N, 4])": MIXED,
    "reshape(reshape(a, [N * 12]), [N, 12])": 0, "reshape(x, [N, 2, 2])": 0, "squeeze(unsqueeze(x, 0), 0)": 0,
    "unsqueeze(x, 0)": 1, "sum(reshape(a, [N * 3, 4]))": TOTAL, "reshape(sum(x, axis = 0), [2, 2])": TOTAL,
    "expand(unsqueeze(x, 1), [N, 3, 4])": 0, "expand(unsqueeze(s, 0), [3, N])": 1, "expand(w, [N, 4])": 0,
    "expand(unsqueeze(s, 1), [N, N])": MIXED, "concat(x, y)": 0, "concat(x, y, axis = 0)": MIXED, "stack(x, y)": 0,

    "sum(x, axis = 0)[1:]": TOTAL, "onnx.Pad(x, [0, 1, 0, 1])": 0, "onnx.Pad(x, [1, 0, 0, 0])": None,
    "onnx.Pad(a, [1, 1], 0, [-1])": None,
    "onnx.Tile(x, [1, 2])": None, "onnx.Tile(x, [2, 1])": None, "onnx.Tile(sum(x, axis = 0), [2])": TOTAL,
    "softmax(x)": 0, "softmax(x, axis = 0)": MIXED, "log_softmax(a, axis = 1)": 0, "onnx.Hardmax(x)": 0,
    "onnx.LpNormalization(x)": 0, "onnx.TopK(x, [2])[0]": 0, "onnx.TopK(x, [2])[1]": 0, "onnx.CumSum(x, [1])": 0,
    "onnx.CumSum(x, [0])": MIXED, "onnx.CumSum(sum(x, axis = 0), [0])": TOTAL, "onnx.CumProd(x, [1])": 0,
    "onnx.LayerNormalization(x, w)": 0, "onnx.LayerNormalization(x, unsqueeze(s, 1) * x)": MIXED,
    "onnx.RMSNormalization(x, w)": 0, "onnx.Trilu(q)": 0, "onnx.Trilu(x)": MIXED, "onnx.Det(q)": 0,
    "x @ p": 0, "a @ p": 0, "transpose(x) @ y": TOTAL, "x @ transpose(y)": MIXED, "a @ transpose(a)": 0, "q @ q": 0,
    "x @ w": 0, "w @ transpose(x)": 0, "p @ transpose(x)": 1, "s @ x": TOTAL, "s @ s": TOTAL, "q @ w": 0, "w @ q": 0,
    "transpose(p) @ q": 0, "sum(x, axis = 0) @ p": TOTAL, "sum(x, axis = 0) @ sum(y, axis = 0)": MIXED,
    "p @ sum(x, axis = 0)": TOTAL,
    "onnx.Gemm(x, p)": 0, "onnx.Gemm(x, p, w)": 0, "onnx.Gemm(x, p, transB = 1)": 0, "onnx.Gemm(x, y, transA = 1)": TOTAL,
    "onnx.Gemm(x, y, w, transA = 1)": MIXED, "onnx.Gemm(x, p, y)": 0, "onnx.Gemm(p, x, transB = 1)": 1,
    "onnx.Gemm(x, y, transB = 1)": MIXED,
    'onnx.Einsum(x, p, equation = "ij,jk->ik")': 0, 'onnx.Einsum(x, y, equation = "ij,ik->jk")': TOTAL,
    'onnx.Einsum(x, y, equation = "ij,kj->ik")': MIXED, 'onnx.Einsum(a, equation = "nij->jn")': 1,
    'onnx.Einsum(x, equation = "ij")': 0, 'onnx.Einsum(x, p, equation = "...j,jk->...k")': MIXED,
    'onnx.Einsum(sum(x, axis = 0), p, equation = "j,jk->k")': TOTAL,
    "gather(x, c, axis = 1)": MIXED, "gather(p, c)": 0, "gather(p, c, axis = 1)": 1, "gather(x, c)": MIXED,
    "onnx.Gather(x, [0, 2], axis = 1)": 0, "onnx.Gather(a, [[0]], axis = 1)": 0, "onnx.Gather(a, [0], axis = 2)": 0,
    "onnx.Gather(transpose(x), [0], axis = 0)": 1, "onnx.Gather(x, [0], axis = 0)": MIXED,
    "onnx.Gather(sum(x, axis = 0), [0])": TOTAL, "onnx.GatherElements(x, unsqueeze(c, 1), axis = 1)": 0,
    "onnx.GatherElements(x, unsqueeze(c, 1), axis = 0)": MIXED, "onnx.GatherElements(w, c, axis = 0)": 0,
    "onnx.GatherND(x, unsqueeze(c, 1), batch_dims = 1)": 0, "onnx.GatherND(p, unsqueeze(c, 1))": 0,
    "onnx.GatherND(x, unsqueeze(c, 1))": MIXED,
    "one_hot(c, 3)": 0, "onnx.OneHot(c, 3, [0, 1], axis = 0)": 1, "onnx.OneHot(c, 3, [0, 1])": 0,
    "onnx.GlobalAveragePool(m)": 0, "onnx.GlobalMaxPool(m)": 0, "onnx.GlobalLpPool(m)": 0, "onnx.Conv(m, k)": 0,
    "onnx.ConvTranspose(m, k2)": 0, "onnx.MaxPool(m, kernel_shape = [2, 2])": 0,
    "onnx.AveragePool(m, kernel_shape = [2, 2])": 0,
    "onnx.LpPool(m, kernel_shape = [2, 2])": 0, "onnx.LRN(m, size = 3)": 0, "onnx.InstanceNormalization(m, w, w)": 0,
    "BatchNorm(m)": 0, "onnx.DepthToSpace(m, blocksize = 2)": 0, "onnx.SpaceToDepth(m, blocksize = 2)": 0,
    "onnx.GridSample(m, onnx.Tanh(reshape(concat(m, m, axis = 1), [N, 12, 12, 2])))": 0,
    "onnx.GroupNormalization(m, w, w, num_groups = 2)": 0, "onnx.Conv(transpose(m, axes = (1, 0, 2, 3)), k3)": None,
    "onnx.RNN(t, rw, rr, hidden_size = 2)[0]": 2,
    "onnx.RNN(t, rw, rr, hidden_size = 2)[1]": 1,
    "onnx.RNN(transpose(t, axes = (1, 0, 2)), rw, rr, hidden_size = 2)[0]": MIXED,
    "onnx.GRU(t, gw, gr, hidden_size = 2)[0]": 2, "onnx.LSTM(t, lw, lr, hidden_size = 2)[2]": 1,
    "onnx.RNN(t, rw, rr, sum(t, axis = (0, 2)), hidden_size = 2)[0]": None,
    "onnx.Flatten(a)": 0, "onnx.Flatten(t)": None, "onnx.Split(x, [1, 3], axis = 1)[0]": None,
    "onnx.Split(x, axis = 1, num_outputs = 2)[1]": 0, "onnx.Split(sum(x, axis = 0), num_outputs = 2)[1]": TOTAL,
    "onnx.ConvInteger(u8(abs(m)), u8(abs(k)))": 0,
    "onnx.Shape(x)": MIXED, "onnx.Shape(x, start = 0, end = 1)": TOTAL, "onnx.Shape(x, start = 1)": SAME,
    "onnx.Size(x)": TOTAL,
    "onnx.Size(sum(x, axis = 0))": SAME, "onnx.NonZero(x)": None, "w * 2": SAME, "onnx.Inverse(q)": None,
    "onnx.EyeLike(x)": MIXED,
    "gradient(sum(x * x), x)": 0, "gradient(mean(x * x), x)": MIXED, "abs(l2(\"*\"))": SAME,
}  # fmt: skip
PARAMETERS = {
    "w": "4", "w2": "4, 1", "p": "4, 4", "k": "2, 4, 3, 3", "k2": "4, 2, 3, 3", "k3": "2, 7, 3, 3", "rw": "1, 2, 4",
    "rr": "1, 2, 2", "gw": "1, 6, 4", "gr": "1, 6, 2", "lw": "1, 8, 4", "lr": "1, 8, 2",
}  # fmt: skip


def spec(expression: str) -> str:
    declared = "\n".join(
        f"  input {n}: {'i64' if n in 'cl' else 'f32'}[{', '.join(['N', *map(str, shape)])}]"
        for n, shape in INPUTS.items()
    )
    params = "\n".join(f"  param {n}: f32[{shape}] = normal" for n, shape in PARAMETERS.items())
    rest = f"  t = transpose(a, axes = (1, 0, 2))\n  loss = mean(x * w)\n  output z = {expression}"
    return f"net n {{\n{declared}\n{params}\n{rest}\n}}"


@pytest.mark.parametrize("expression", CALLS)
def test_the_flow_of_rows(expression: str) -> None:
    """Where the rule says an axis, batches joined along it are the whole; where it says a total, they add up to it."""
    if CALLS[expression] is None:  # refused by `check`, so that nothing can be said
        with pytest.raises(netc.NetError):
            netc.check(spec(expression))
        return
    program = netc.compile(spec(expression))
    draft = build(program.net, state_of(program.net), "eval")
    flow = RowFlow(draft.op, "N", set()).of(draft.lowered.of(program.net.outputs["z"]))
    assert flow == CALLS[expression]
    g = np.random.default_rng(5)
    rows = {n: g.normal(size=(7, *shape)).astype(np.float32) for n, shape in INPUTS.items()}
    rows |= {n: g.integers(0, 3, 7) for n in "cl"}
    state = call(session(program.init), {"seed": np.array(3, np.int32)})
    run = session(program.infer)
    whole, first, last = (
        call(run, {**{n: a[at] for n, a in rows.items()}, **state})["z"] for at in (slice(7), slice(3), slice(3, 7))
    )
    if isinstance(flow, int):
        np.testing.assert_allclose(np.concatenate([first, last], axis=flow), whole, rtol=2e-5, atol=1e-6)
    elif flow is TOTAL:
        np.testing.assert_allclose(first + last, whole, rtol=2e-5, atol=1e-5)
    elif flow is MEAN:
        np.testing.assert_allclose((3 * first + 4 * last) / 7, whole, rtol=2e-5, atol=1e-6)
    elif flow is SAME:
        np.testing.assert_array_equal(first, whole)


def test_every_rule_has_a_row() -> None:
    """An operator with a rule occurs in the table, by its own name or by a word that is lowered to it."""
    seen = set()
    for expression, flow in CALLS.items():
        if flow is not None:
            program = netc.compile(spec(expression))
            seen |= {n.op_type for g in (program.eval, program.infer) for n in g.graph.node}
    unwritten = {"Resize", "Col2Im"}  # a spec cannot leave an input out, and the schema gives no shape
    assert {o for o, rule in RULES.items() if rule is not elementwise} <= seen | unwritten


@pytest.mark.parametrize("operator", [o for o, rule in RULES.items() if rule is elementwise])
def test_elementwise_operators_take_each_element_by_itself(operator: str) -> None:
    """In another order the same elements give the same results in that order."""
    opset = max(18, operators()[operator])
    attributes = {"BitShift": {"direction": "LEFT"}, "Mod": {"fmod": 1}}.get(operator, {})
    count = {"Where": 3}.get(operator, max(1, defs.get_schema(operator, opset).min_input))
    g = np.random.default_rng(1)
    for dtype in (np.float32, np.bool_, np.uint64):
        arrays = [g.uniform(0.1, 3, 8).astype(dtype) for _ in range(count)]
        if operator == "Where":
            arrays[0] = g.uniform(size=8) > 0.5
        names = [f"x{i}" for i in range(count)]
        types = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), [8])
            for n, a in zip(names, arrays)
        ]
        node = helper.make_node(operator, names, ["y"], **attributes)
        graph = helper.make_graph([node], "g", types, [helper.make_empty_tensor_value_info("y")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
        try:
            run = session(model)
        except Exception:  # not an operator of this dtype
            continue
        order = g.permutation(8)
        (straight,) = run.run(None, dict(zip(names, arrays)))
        (shuffled,) = run.run(None, {n: a[order] for n, a in zip(names, arrays)})
        np.testing.assert_array_equal(shuffled, straight[order])
        return
    pytest.fail("it runs for no dtype")

"""Every gradient rule against central differences in float64: random directions through the reference evaluator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from netc.compiler.autodiff import backpropagate
from netc.compiler.autodiff.registry import operators
from netc.compiler.graph.dimensions import symbol
from netc.compiler.graph.emitter import Emitter
from netc.compiler.graph.types import DTYPES, TensorType
from tests.autodiff.evaluator import MENDED
from tests.autodiff.test_node_cases import cases

F64 = DTYPES["f64"]
Case = tuple[str, Callable[..., Any], Sequence[tuple[int, ...]], Callable[[np.random.Generator, tuple[int, ...]], Any]]


def normal(g: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return g.normal(size=shape)


def away_from_zero(g: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return g.choice([-1, 1], size=shape) * g.uniform(0.3, 1.5, size=shape)


def positive(g: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return g.uniform(0.3, 2.0, size=shape)


def inside(g: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return g.uniform(-0.8, 0.8, size=shape)


def above_one(g: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return g.uniform(1.2, 3.0, size=shape)


def index(op: Any, *values: int, shape: tuple[int, ...] = ()) -> Any:
    array = np.array(values, dtype=np.int64)
    return op.tensor(array.reshape(shape) if shape else array)


def unary(name: str, sample: Any = normal, **attributes: Any) -> Case:
    return (name, lambda op, x: getattr(op, name)(x, **attributes), [(3, 4)], sample)


def reduced(name: str, axis: Any, keep: bool, sample: Any = normal) -> Case:
    return (name, lambda op, x: op.reduce(name, x, axis, keep), [(3, 4, 2)], sample)


CASES: list[Case] = [
    *(unary(n) for n in ("Identity", "Neg", "Exp", "Sigmoid", "Tanh", "Softplus", "Softsign", "Sin", "Cos", "Sinh", "Cosh")),
    *(unary(n) for n in ("Asinh", "Atan", "Erf", "Softmax", "LogSoftmax")),
    *(unary(n, away_from_zero) for n in ("Abs", "Relu", "Reciprocal", "Selu", "Elu", "LeakyRelu")),
    *(unary(n, positive) for n in ("Log", "Sqrt")),
    *(unary(n, inside) for n in ("Asin", "Acos", "Atanh", "Tan")),
    unary("Acosh", above_one),
    unary("Mish"),
    unary("ThresholdedRelu", away_from_zero, alpha=0.1),
    unary("Shrink", away_from_zero, lambd=0.2, bias=0.1),
    ("Gelu", lambda op, x: op.Gelu(x), [(3, 4)], normal),
    ("Gelu", lambda op, x: op.Gelu(x, approximate="tanh"), [(3, 4)], normal),
    ("CastLike", lambda op, x: op.CastLike(x, op.constant(0.0, 11)), [(3, 4)], normal),
    ("CumSum", lambda op, x: op.CumSum(x, op.constant(1, 7), exclusive=1), [(3, 4)], normal),
    ("CumSum", lambda op, x: op.CumSum(x, op.constant(0, 7), reverse=1), [(3, 4)], normal),
    ("Trilu", lambda op, x: op.Trilu(x, op.constant(1, 7), upper=0), [(3, 4)], normal),
    ("GlobalLpPool", lambda op, x: op.GlobalLpPool(x, p=3), [(2, 3, 4, 2)], away_from_zero),
    ("Trilu", lambda op, x: op.Trilu(x), [(2, 3, 3)], normal),
    unary("Elu", away_from_zero, alpha=0.5),
    unary("Selu", away_from_zero, alpha=1.2, gamma=0.7),
    unary("LeakyRelu", away_from_zero, alpha=0.3),
    unary("HardSigmoid", inside, alpha=0.3, beta=0.4),
    unary("HardSwish", normal),
    unary("Softmax", axis=0),
    unary("LogSoftmax", axis=0),
    unary("Transpose", perm=[1, 0]),
    unary("Flatten", axis=1),
    *((n, lambda op, a, b, n=n: getattr(op, n)(a, b), s, away_from_zero) for n in ("Add", "Sub", "Mul", "Div") for s in (
        [(3, 4), (3, 4)], [(3, 4), (4,)], [(4,), (3, 4)], [(3, 1), (1, 4)], [(2, 3, 4), (3, 1)], [(), (3, 4)], [(3, 4), ()])),
    ("Mul", lambda op, a: op.Mul(a, a), [(3, 4)], normal),
    ("Pow", lambda op, a, b: op.Pow(a, b), [(3, 4), (4,)], positive),
    ("Pow", lambda op, a: op.Pow(a, 3.0), [(3, 4)], away_from_zero),
    *((n, lambda op, a, b, n=n: getattr(op, n)(a, b), [(3, 4), (4,)], normal) for n in ("Max", "Min", "Sum", "Mean")),
    ("Max", lambda op, a, b, c: op.Max(a, b, c), [(3, 4), (4,), ()], normal),
    ("Sum", lambda op, a: op.Sum(a), [(3, 4)], normal),
    ("Where", lambda op, a, b: op.Where(op.Greater(a, 0.1), a, b), [(3, 4), (4,)], normal),
    ("Clip", lambda op, x: op.Clip(x, op.constant(-0.5, 11), op.constant(0.5, 11)), [(3, 4)], normal),
    ("Clip", lambda op, x, low: op.Clip(x, low), [(3, 4), ()], normal),
    ("Mod", lambda op, a, b: op.Mod(a, b, fmod=1), [(3, 4), (4,)], away_from_zero),
    ("Cast", lambda op, x: op.Cast(x, to=11), [(3, 4)], normal),
    ("PRelu", lambda op, x, s: op.PRelu(x, s), [(3, 4), (4,)], away_from_zero),
    *(("MatMul", lambda op, a, b: op.MatMul(a, b), s, normal) for s in (
        [(3, 4), (4, 5)], [(2, 3, 4), (4, 5)], [(2, 3, 4), (2, 4, 5)], [(1, 3, 4), (2, 4, 5)], [(4,), (4, 5)], [(3, 4), (4,)],
        [(2, 3, 4), (4,)], [(4,), (2, 4, 5)], [(4,), (4,)], [(3, 4), (2, 4, 5)])),
    *(("Gemm", lambda op, a, b, c, ta=ta, tb=tb: op.Gemm(a, b, c, transA=ta, transB=tb, alpha=0.5, beta=2.0), [
        (4, 3) if ta else (3, 4), (5, 4) if tb else (4, 5), (5,)], normal) for ta in (0, 1) for tb in (0, 1)),
    *(reduced(n, a, k) for n in ("ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL2", "ReduceLogSumExp") for a, k in (
        (None, False), (0, False), (-1, True), ([0, 2], False), ([1, 2], True))),
    *(reduced(n, a, False, away_from_zero) for n in ("ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1")
      for a in (None, 1, [0, 2])),
    reduced("ReduceLogSum", 1, False, positive),
    ("Reshape", lambda op, x: op.reshape(x, (4, 3)), [(3, 4)], normal),
    ("Reshape", lambda op, x: op.reshape(op.Slice(x, op.vector([0]), op.vector([0])), (4, 0)), [(3, 4)], normal),
    ("Squeeze", lambda op, x: op.Squeeze(x, op.vector([1])), [(3, 1, 4)], normal),
    ("Unsqueeze", lambda op, x: op.Unsqueeze(x, op.vector([0, 2])), [(3, 4)], normal),
    ("Expand", lambda op, x: op.expand(x, (2, 3, 4)), [(3, 1)], normal),
    ("Tile", lambda op, x: op.Tile(x, op.vector([2, 3])), [(3, 4)], normal),
    ("Concat", lambda op, a, b: op.Concat(a, b, axis=1), [(3, 4), (3, 2)], normal),
    ("Split", lambda op, x: op.Split(x, axis=1, num_outputs=2)[0], [(3, 4)], normal),
    ("Split", lambda op, x: op.Concat(*op.Split(x, axis=0, num_outputs=3)[1:], axis=0), [(3, 4)], normal),
    ("Slice", lambda op, x: op.Slice(x, op.vector([1]), op.vector([3]), op.vector([1])), [(3, 4)], normal),
    ("Slice", lambda op, x: op.Slice(x, op.vector([-1]), op.vector([-9]), op.vector([1]), op.vector([-2])), [(3, 4)], normal),
    ("Slice", lambda op, x: op.Slice(x, op.vector([0, 1]), op.vector([2, 4]), op.vector([0, 1]), op.vector([1, 2])),
     [(3, 4)], normal),
    ("Gather", lambda op, x: op.Gather(x, index(op, 2, 0, 2)), [(3, 4)], normal),
    ("Gather", lambda op, x: op.Gather(x, index(op, 1, 0, 1, 3, shape=(2, 2)), axis=1), [(3, 4, 2)], normal),
    ("GatherElements", lambda op, x: op.GatherElements(x, index(op, 1, 3, 0, shape=(3, 1)), axis=1), [(3, 4)], normal),
    ("GatherElements", lambda op, x: op.GatherElements(x, index(op, 1, 1, 0, 2, 2, 2, shape=(3, 2)), axis=1), [(3, 4)], normal),
    ("TopK", lambda op, x: op.TopK(x, op.vector([2]), axis=1, num_outputs=2)[0], [(3, 4)], normal),
]  # fmt: skip
# How the operators are differentiated that do not leave it to the function body of their specification.
OWN = {
    "rule": """Abs Acos Acosh Add Asin Asinh Atan Atanh Cast CastLike Clip Col2Im Compress Concat Conv ConvTranspose Cos Cosh
        CumProd CumSum DFT DepthToSpace Det Div Dropout Einsum Elu Erf Exp Expand Flatten Gather GatherElements GatherND
        Gelu Gemm HardSigmoid HardSwish Identity If LayerNormalization LeakyRelu Log LogSoftmax Loop MatMul Max MaxPool
        MaxUnpool Mean Min Mish Mod Mul Neg OneHot PRelu Pad Pow Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
        ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape ReverseSequence
        Scan ScatterElements ScatterND Selu Shrink Sigmoid Sin Sinh Slice Softmax Softplus Softsign SpaceToDepth Split
        Sqrt Squeeze Sub Sum Tan Tanh TensorScatter ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Where""",
    "lowered": """AffineGrid AveragePool BatchNormalization DeformConv DequantizeLinear GRU GlobalAveragePool GlobalLpPool
        GlobalMaxPool GridSample GroupNormalization InstanceNormalization LRN LSTM LpNormalization LpPool
        OptionalGetElement RNN Resize RoiAlign STFT Unique""",
}
# A first dimension of 3 becomes N, but where the case itself spells that size out.
SYMBOLIC = [
    c for c in CASES if any(len(s) > 1 and s[0] == 3 for s in c[2]) and c[0] not in ("Reshape", "Tile", "Expand")
]


def build(build: Callable[..., Any], shapes: Sequence[tuple[Any, ...]]) -> onnx.ModelProto:
    """x0, x1, ..., dy -> y, dx0, dx1, ..."""
    op = Emitter("case", opset=20)
    xs = [op.input(f"x{i}", TensorType(F64, s)) for i, s in enumerate(shapes)]
    y = op.Identity(build(op, *xs))
    dy = op.input("dy", op.type_of(y))
    gradients = backpropagate(op, {y: dy}, xs)
    op.output("y", y)
    for i, g in enumerate(gradients):
        assert g is not None, f"no gradient for input {i}"
        assert op.shape(g) == op.shape(xs[i])
        op.output(f"dx{i}", g)
    model = ir.to_proto(ir.Model(op.graph, ir_version=9))
    onnx.checker.check_model(model, full_check=True)
    return model


def verify(model: onnx.ModelProto, shapes: Sequence[tuple[int, ...]], sample: Any) -> None:
    g = np.random.default_rng(len(shapes[0]) * 7 + 3)
    run = ReferenceEvaluator(model, new_ops=MENDED)
    xs = {f"x{i}": sample(g, s).astype(np.float64).reshape(s) for i, s in enumerate(shapes)}
    names = [o.name for o in model.graph.output]
    forward = ReferenceEvaluator(_forward(model), new_ops=MENDED)
    (y,) = forward.run(["y"], xs)
    dy = g.normal(size=np.shape(y))
    found = dict(zip(names, run.run(names, {**xs, "dy": dy})))
    for _ in range(3):
        direction = {n: g.normal(size=v.shape) for n, v in xs.items()}
        h = 1e-6
        up = forward.run(["y"], {n: v + h * direction[n] for n, v in xs.items()})[0]
        down = forward.run(["y"], {n: v - h * direction[n] for n, v in xs.items()})[0]
        expected = float(np.sum((up - down) / (2 * h) * dy))
        actual = sum(float(np.sum(found[f"d{n}"] * direction[n])) for n in xs)
        assert actual == pytest.approx(expected, rel=1e-6, abs=1e-7)


def _forward(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without its gradient: y alone, so that dy need not be fed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    keep = [o for o in copy.graph.output if o.name == "y"]
    del copy.graph.output[:]
    copy.graph.output.extend(keep)
    needed, nodes = {"y"}, []
    for node in reversed(copy.graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            nodes.append(node)
    del copy.graph.node[:]
    copy.graph.node.extend(reversed(nodes))
    inputs = [i for i in copy.graph.input if i.name != "dy"]
    del copy.graph.input[:]
    copy.graph.input.extend(inputs)
    return copy


def ids(cases: list[Case]) -> list[str]:
    return [f"{i}-{c[0]}-{'x'.join(map(str, c[2]))}".replace(" ", "") for i, c in enumerate(cases)]


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_rule_with_static_shapes(case: Case) -> None:
    _, make, shapes, sample = case
    verify(build(make, shapes), shapes, sample)


@pytest.mark.parametrize("case", SYMBOLIC, ids=ids(SYMBOLIC))
def test_rule_with_a_symbolic_first_dimension(case: Case) -> None:
    _, make, shapes, sample = case
    symbolic = [(symbol("N"), *s[1:]) if len(s) > 1 and s[0] == 3 else s for s in shapes]
    verify(build(make, symbolic), shapes, sample)


def test_every_rule_has_a_case() -> None:
    """Here, or among ONNX's own node tests (test_node_cases.py)."""
    tried = {c[0] for c in CASES} | {n.op_type for c in cases() if c.model for n in c.model.graph.node}
    rules = {name for name, entries in operators().items() if any(e.run for e in entries)}
    assert rules <= tried, sorted(rules - tried)


def test_no_operator_loses_its_rule() -> None:
    """Where one does, the function body of its specification may take over, and its gradient is right all the same."""
    for kind, names in OWN.items():
        assert {n for n, entries in operators().items() if any(e.kind == kind for e in entries)} == set(names.split())
    assert {c[0] for c in CASES} <= {n for names in OWN.values() for n in names.split()}


def test_every_rule_says_its_formula() -> None:
    for name, entries in operators().items():
        for entry in entries:
            text = entry.run.__doc__ if entry.run is not None else entry.reason or "="
            assert text, name
            if entry.kind == "rule":
                assert "d" in text
            assert "=" in text or entry.reason or "see `" in text or name in ("If", "Loop", "Scan"), name


def test_a_dense_relu_layer_costs_six_nodes() -> None:
    layers = 20
    op = Emitter("deep")
    x = h = op.input("x", TensorType(DTYPES["f32"], (symbol("N"), 8)))
    weights = []
    for i in range(layers):
        w = op.input(f"w{i}", TensorType(DTYPES["f32"], (8, 8)))
        b = op.input(f"b{i}", TensorType(DTYPES["f32"], (8,)))
        weights += [w, b]
        h = op.Relu(op.Add(op.MatMul(h, w), b))
    dy = op.input("dy", op.type_of(h))
    before = len(op.graph)
    backpropagate(op, {h: dy}, [x, *weights])
    assert len(op.graph) - before <= 6 * layers + 10


def test_equal_values_share_the_gradient_of_a_maximum() -> None:
    model = build(lambda op, a, b: op.Max(a, b), [(3,), (3,)])
    x = np.array([1.0, 2.0, 3.0])
    da, db = ReferenceEvaluator(model).run(["dx0", "dx1"], {"x0": x, "x1": x, "dy": np.ones(3)})
    np.testing.assert_array_equal(da, [0.5] * 3)
    np.testing.assert_array_equal(db, [0.5] * 3)

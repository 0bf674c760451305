"""Operators of ai.onnx.preview.training, pairs of an operator and its expansion, dropout, whole networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser
from onnx.backend.test.loader import load_model_tests

import netc
from netc import NetError
from tests.autodiff.evaluator import evaluate
from tests.autodiff.reference import compare, fitting, in_double, is_float
from tests.autodiff.test_node_cases import KINKS, cases, floats, inputs_of, known, started
from tests.work import calls

OPTIMIZERS = ("test_adagrad", "test_adam", "test_momentum", "test_nesterov_momentum")


def shipped(case: Any) -> tuple[onnx.ModelProto, list[np.ndarray], list[np.ndarray]]:
    """A test model with its inputs and expected outputs."""
    if case.model is not None:
        return case.model, *case.data_sets[0]
    folder = Path(case.model_dir)
    model = onnx.load(folder / "model.onnx")
    read = []
    for kind, values in (("input", model.graph.input), ("output", model.graph.output)):
        tensors = []
        for i in range(len(values)):
            tensor = onnx.TensorProto()
            tensor.ParseFromString((folder / "test_data_set_0" / f"{kind}_{i}.pb").read_bytes())
            tensors.append(numpy_helper.to_array(tensor))
        read.append(tensors)
    return model, read[0], read[1]


@pytest.mark.filterwarnings("ignore")
def test_training_operators_give_what_their_tests_expect() -> None:
    """Written out on the way to the derivative: the outputs of the model are those that ONNX ships."""
    found = [c for c in load_model_tests(kind="simple") if "gradient_of" in c.name]
    found += [c for c in cases() if c.name.startswith(OPTIMIZERS)]
    assert len(found) == 9
    for case in found:
        model, inputs, expected = shipped(case)
        derivative = netc.grad(model)
        assert {n.domain for n in derivative.graph.node} == {""}
        feeds = {i.name: np.asarray(a) for i, a in zip(model.graph.input, inputs)}
        values = dict(zip([o.name for o in model.graph.output], expected))
        given = [i.name for i in derivative.graph.input if i.name.startswith("grad/")]
        out = evaluate(derivative, {**feeds, **{n: np.zeros_like(values[n[5:]]) for n in given}})
        for name, value in values.items():
            np.testing.assert_allclose(out[name], value, rtol=1e-5, atol=1e-6, err_msg=f"{case.name} {name}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(4))
def test_an_operator_and_its_expansion_have_the_same_gradient(part: int) -> None:
    by_name = {c.name: c for c in cases()}
    pairs = [(n, n + e) for n in by_name for e in ("_expanded", "_expanded_ver18") if n + e in by_name]
    compared = 0
    for name, twin in sorted(pairs)[part::4]:
        model = by_name[name].model
        if model is None or (known(name) and name not in KINKS):
            continue
        if not floats(model.graph.input) or not floats(model.graph.output):
            continue
        one, two = in_double(model), in_double(by_name[twin].model)
        if any(a.type != b.type for a, b in zip(one.graph.input, two.graph.input)):
            continue  # one of them has no float64
        inputs = fitting(one, [a if isinstance(a, list) else np.asarray(a) for a in inputs_of(by_name[name], model)])
        try:
            values = evaluate(one, inputs)
        except Exception:  # the evaluator, which raises types of every kind, has no answer for the model itself
            continue
        try:
            gradients = netc.grad(one), netc.grad(two)
        except NetError:
            assert name.startswith(("test_flex", "test_unique")), name
            continue
        g = np.random.default_rng(0)
        u = {}
        for declared in gradients[0].graph.input:
            if declared.name.startswith("grad/"):
                dtype = onnx.helper.tensor_dtype_to_np_dtype(declared.type.tensor_type.elem_type)
                u[declared.name] = g.normal(size=values[declared.name[5:]].shape).astype(dtype)
        if any(values[n[5:]].dtype != a.dtype for n, a in u.items()):
            continue  # the evaluator computes in another dtype than the operator says
        first, second = (
            evaluate(m, {**inputs, **{i.name: u[i.name] for i in m.graph.input if i.name in u}}) for m in gradients
        )
        names = {n for n in (*first, *second) if n.startswith("grad/")}
        for n in names:
            a, b = first.get(n, np.zeros(1)), second.get(n, np.zeros(1))
            largest = np.abs(a).max(initial=1e-3)
            np.testing.assert_allclose(a, b, rtol=0, atol=2e-6 * largest, equal_nan=True, err_msg=f"{name} {n}")
        compared += 1
    assert compared > 40


@pytest.mark.parametrize("broad", [0, 1])
def test_an_ellipsis_of_einsum_broadcasts_sizes_that_show_at_run_time(broad: int) -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 18]>
        g (double[A, B, C] a, double[D, E] b) => (double[P, Q, R] y) { y = Einsum <equation = "i...j,j...->...ij"> (a, b) }""")
    g = np.random.default_rng(0)
    sizes = [(3, 1), (1, 4)][broad]
    inputs = {"a": g.normal(size=(2, sizes[0], 5)), "b": g.normal(size=(5, sizes[1]))}
    assert compare(model, netc.grad(model), inputs, ["a", "b"]) == []


SAME = {
    "Conv": "Conv <{0}> (x, w, b)",
    "ConvTranspose": "ConvTranspose <{0}> (x, w)",
    "MaxPool": "MaxPool <{0}, kernel_shape = [3, 3]> (x)",
    "AveragePool": "AveragePool <{0}, kernel_shape = [3, 2]> (x)",
    "AveragePool with pads": "AveragePool <{0}, kernel_shape = [3, 2], count_include_pad = 1> (x)",
    "LpPool": "LpPool <{0}, kernel_shape = [3, 3], p = 3> (x)",
}


@pytest.mark.parametrize("size", [(7, 6), (8, 9)])
@pytest.mark.parametrize("side", ["UPPER", "LOWER"])
@pytest.mark.parametrize("name", SAME)
def test_pads_that_wait_for_the_sizes(name: str, side: str, size: tuple[int, int]) -> None:
    def model(sizes: str) -> onnx.ModelProto:
        call = SAME[name].format(f'auto_pad = "SAME_{side}", strides = [2, 2]')
        return parser.parse_model(f"""<ir_version: 8, opset_import: ["": 18]>
            g (double[N, 3, {sizes}] x, double[3, 3, 3, 4] w, double[3] b) => (double[N, 3, P, Q] y) {{ y = {call} }}""")

    g = np.random.default_rng(0)
    shapes = {"x": (2, 3, *size), "w": (3, 3, 3, 4), "b": (3,)}
    inputs = {n: g.normal(size=s) for n, s in shapes.items()}
    inputs["x"][0] = np.abs(inputs["x"][0])
    wrt = [n for n in inputs if n in SAME[name].partition("(")[2]]
    inputs["grad/y"] = g.normal(size=evaluate(model("H, W"), inputs)["y"].shape)
    expected = evaluate(netc.grad(model(f"{size[0]}, {size[1]}"), wrt), inputs)  # which differences have proved
    found = evaluate(netc.grad(model("H, W"), wrt), inputs)
    for n in wrt:
        np.testing.assert_allclose(found[f"grad/{n}"], expected[f"grad/{n}"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("attributes", ["", "<sorted = 0>", "<axis = 1>"])
def test_unique_gives_the_gradient_of_what_it_keeps(attributes: str) -> None:
    shape = "3, M" if attributes.startswith("<axis") else "M"
    model = parser.parse_model(f"""<ir_version: 8, opset_import: ["": 18]>
        g (double[3, N] x) => (double[{shape}] y, int64[K] count) {{ y, , , count = Unique {attributes} (x) }}""")
    x = np.array([[1.5, -2.0, 1.5, 0.5], [3.0, 0.0, 3.0, 0.5], [7.0, 1.0, 7.0, 5.0]])
    y, _ = started(model).run(None, {"x": x})  # the evaluator fails on matrices here
    weight = np.random.default_rng(0).normal(size=y.shape)
    (dx,) = started(netc.grad(model)).run(["grad/x"], {"x": x, "grad/y": weight})
    if y.ndim == 2:  # column 2 is column 0 again, which comes first
        expected = np.stack([weight[:, (y == c[:, None]).all(0).argmax()] for c in x.T], 1)
        expected[:, 2] = 0
    else:
        flat = x.ravel()
        expected = np.array([weight[list(y).index(v)] if i == list(flat).index(v) else 0 for i, v in enumerate(flat)])
    np.testing.assert_allclose(dx, expected.reshape(x.shape))


@pytest.mark.parametrize(("dtype", "close"), [("bfloat16", 0.03), ("float16", 0.004), ("double", 1e-6)])
def test_other_floating_point_types_give_the_gradient_of_float32(dtype: str, close: float) -> None:
    def model(dtype: str) -> onnx.ModelProto:
        return parser.parse_model(f"""<ir_version: 9, opset_import: ["": 20]>
            g ({dtype}[N, 6] x, {dtype}[6, 5] w, {dtype}[5] b, int64[2] at) => ({dtype}[2, 5] y) {{
              h = MatMul (x, w)
              z = Add (h, b)
              a = Tanh (z)
              s = Exp (a)
              y = Gather (s, at)
            }}""")

    g = np.random.default_rng(0)
    inputs: dict[str, Any] = {"x": g.normal(size=(3, 6)), "w": g.normal(size=(6, 5)), "b": g.normal(size=5)}
    inputs["grad/y"] = g.normal(size=(2, 5))
    whole = {"at": np.array([2, 0])}
    of = {n: a.astype(np.float32) for n, a in inputs.items()}
    expected = evaluate(netc.grad(model("float")), {**of, **whole})
    kind = numpy_helper.to_array(onnx.helper.make_tensor("k", getattr(onnx.TensorProto, dtype.upper()), [1], [0])).dtype
    found = evaluate(netc.grad(model(dtype)), {**{n: a.astype(kind) for n, a in inputs.items()}, **whole})
    for n in ("grad/x", "grad/w", "grad/b"):
        assert found[n].dtype == kind
        np.testing.assert_allclose(found[n].astype(float), expected[n], atol=close * np.abs(expected[n]).max())


SEQUENCES = {
    "construct": "s = SequenceConstruct (x, z, x) y = ConcatFromSequence <axis = 1> (s)",
    "stack": "s = SequenceConstruct (x, z) y = ConcatFromSequence <axis = 0, new_axis = 1> (s)",
    "split": "s = SplitToSequence <axis = 1> (z) y = SequenceAt (s, back)",
    "split without axis": "s = SplitToSequence <axis = -1, keepdims = 0> (z) y = SequenceAt (s, one)",
    "split by a size": "s = SplitToSequence <axis = 1> (z, three) y = SequenceAt (s, one)",
    "split by sizes": "s = SplitToSequence <axis = 1> (z, sizes) y = SequenceAt (s, back)",
    "split by computed sizes": "t = Mod (sizes, three) s = SplitToSequence <axis = 1> (z, t) y = SequenceAt (s, one)",
    "insert and erase": """e = SequenceEmpty <dtype = 11> () a = SequenceInsert (e, x) b = SequenceInsert (a, z, zero)
        c = SequenceInsert (b, w, back) d = SequenceErase (c) y = ConcatFromSequence <axis = 1> (d)""",
    "length": """s = SplitToSequence <axis = 1> (z) k = SequenceLength (s) n = CastLike (k, x) y = Mul (x, n)""",
    "in a branch": """s = SequenceConstruct (x, z) on = Constant <value: tensor = bool {1}> () f = Identity (on)
        y = If (f) <then_branch = t () => (double[N, 4] r) { r = SequenceAt (s, one) },
                    else_branch = f () => (double[N, 4] q) { q = SequenceAt (s, zero) }>""",
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_what_is_read_from_known_sequences_is_differentiated(name: str) -> None:
    model = parser.parse_model(f"""<ir_version: 8, opset_import: ["": 18]>
        g (double[N, 4] x) => (double[] y)
        <int64 zero = {{0}}, int64 one = {{1}}, int64 back = {{-1}}, int64 three = {{3}}, int64[2] sizes = {{1, 3}},
         double factor = {{2.5}}> {{ z = Mul (x, x) w = Mul (z, factor) {SEQUENCES[name]} }}""")
    model.graph.output[0].type.tensor_type.shape.Clear()
    shape = {"stack": ["a", "b", "c"], "split without axis": ["a"]}.get(name, ["a", "b"])
    for d in shape:
        model.graph.output[0].type.tensor_type.shape.dim.add().dim_param = d
    if name == "split by computed sizes":
        model.graph.initializer[4].int64_data[:] = [1, 6]
        model.graph.initializer[3].int64_data[:] = [4]
        model.graph.initializer[3].dims[:] = [1]
        model.graph.initializer[4].int64_data[:] = [5, 3]
    x = np.random.default_rng(0).normal(size=(3, 4))
    gradient = netc.grad(model)
    assert not {n.op_type for n in gradient.graph.node} & {"SequenceAt", "ConcatFromSequence", "SplitToSequence"}
    assert compare(model, gradient, {"x": x}, ["x"]) == []


def test_an_optional_value_that_is_there_is_differentiated() -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 18]>
        g (double[N] x) => (double[N] y) { z = Mul (x, x) o = Optional (z) y = OptionalGetElement (o) }""")
    x = np.array([1.0, -2.0, 3.0])
    found = evaluate(netc.grad(model), {"x": x, "grad/y": np.ones(3)})
    np.testing.assert_array_equal(found["grad/x"], 2 * x)


@pytest.mark.parametrize("sizes", ["2, 2, 6, 7", "N, 2, H, W"])
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_boxes_that_are_read_at_as_many_places_as_they_have_pixels(mode: str, sizes: str) -> None:
    model = parser.parse_model(f"""<ir_version: 8, opset_import: ["": 18]>
        g (double[{sizes}] x, double[R, 4] boxes, int64[R] rows) => (double[R, 2, 2, 3] y)
        {{ y = RoiAlign <mode = "{mode}", output_height = 2, output_width = 3, spatial_scale = 0.5> (x, boxes, rows) }}""")
    g = np.random.default_rng(0)
    boxes = np.array([[1.1, 0.83, 12.3, 9.1], [0.2, 2.6, 4.9, 7.3], [3.3, 1.2, 5.2, 2.1]])  # in parts of 1 to 3 pixels
    inputs = {"x": g.normal(size=(2, 2, 6, 7)), "boxes": boxes, "rows": np.array([0, 1, 1])}
    assert compare(model, netc.grad(model), inputs, ["x", "boxes"]) == []


DROPOUT = """<ir_version: 8, opset_import: ["": 18]>
d (float[N, 5] x, float ratio) => (float[N, 5] y, bool[N, 5] mask) {
  on = Constant <value: tensor = bool {1}> ()
  y, mask = Dropout <seed = 7> (x, ratio, on)
}"""


@pytest.mark.parametrize("outputs", ["y, mask", "y"])
def test_dropout_in_training_gives_the_gradient_of_its_mask(outputs: str) -> None:
    text = DROPOUT if outputs != "y" else DROPOUT.replace(", bool[N, 5] mask", "").replace("y, mask =", "y =")
    gradient = netc.grad(parser.parse_model(text), wrt=["x", "ratio"])
    g = np.random.default_rng(0)
    x, dy = g.normal(size=(40, 5)).astype(np.float32), g.normal(size=(40, 5)).astype(np.float32)
    found = evaluate(gradient, {"x": x, "ratio": np.array(0.25, np.float32), "grad/y": dy})
    kept = found["y"] != 0
    assert 0.6 < kept.mean() < 0.9
    # y = x mask / (1 - ratio), so that y grows by y / (1 - ratio) with the ratio
    np.testing.assert_allclose(found["grad/ratio"], np.sum(dy * found["y"]) / 0.75, rtol=1e-5)
    np.testing.assert_allclose(found["y"][kept], x[kept] / 0.75, rtol=1e-6)
    np.testing.assert_allclose(found["grad/x"], np.where(kept, dy / 0.75, 0), rtol=1e-6)


def test_softsign_keeps_its_slope_far_from_zero() -> None:
    text = """<ir_version: 8, opset_import: ["": 18]> g (float[N] x) => (float[N] y) { y = Softsign (x) }"""
    x = np.float32([sign * v for v in (0, 1, 1e3, 1e7, 1e9, 1e12, 1e15) for sign in (1, -1)])
    (dx,) = started(netc.grad(parser.parse_model(text))).run(["grad/x"], {"x": x, "grad/y": np.ones_like(x)})
    np.testing.assert_allclose(dx, 1 / (1 + np.abs(x.astype(np.float64))) ** 2, rtol=1e-5)


LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "resnet50", "inception_v1"])
def test_whole_networks_of_old_opsets_are_differentiated(name: str) -> None:
    model = onnx.load(LIGHT / f"light_{name}.onnx")
    gradient = netc.grad(model)
    assert gradient.opset_import[0].version == 18
    assert len(gradient.graph.node) < 6 * len(model.graph.node)
    read = {n for node in model.graph.node for n in node.input}
    weights = [i.name for i in model.graph.input if is_float(i) and i.name in read]
    assert {f"grad/{n}" for n in weights} <= {o.name for o in gradient.graph.output}


def test_differentiating_takes_work_in_proportion_to_the_nodes() -> None:
    """Counted in calls of functions, which no busy machine changes."""

    def work(layers: int) -> int:
        nodes = [f"h{i} = Sin({'x' if i == 0 else f'h{i - 1}'})" for i in range(layers)]
        text = f"""<ir_version: 8, opset_import: ["": 18]>
        deep (float[N, 4] x) => (float[N, 4] h{layers - 1}) {{ {" ".join(nodes)} }}"""
        model = parser.parse_model(text)
        return calls(lambda: netc.grad(model))

    work(10)  # what is imported and looked up once
    assert work(2000) < 4.05 * work(500)


def test_the_nearest_pixel_takes_the_whole_gradient() -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 16]>
        g (float[1, 1, 1, 4] x, float[1, 1, 5, 2] places) => (float[1, 1, 1, 5] y)
        { y = GridSample <mode = "nearest", align_corners = 1, padding_mode = "border"> (x, places) }""")
    pixels = np.array([0.4, 0.6, 1.7, 2.2, 3.4])  # the nearest ones are 0, 1, 2, 2 and the border
    places = np.stack([pixels / 1.5 - 1, np.zeros(5)], -1).reshape(1, 1, 5, 2).astype(np.float32)
    dy = np.array([1, 2, 4, 8, 16], np.float32).reshape(1, 1, 1, 5)
    x = np.arange(4, dtype=np.float32).reshape(1, 1, 1, 4)
    found = evaluate(netc.grad(model, wrt=["x"]), {"x": x, "places": places, "grad/y": dy})
    np.testing.assert_array_equal(found["grad/x"].ravel(), [1, 2, 12, 16])

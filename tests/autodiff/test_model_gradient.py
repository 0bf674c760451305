"""`netc.grad` on models that others wrote: values, names, symbolic dimensions, second order, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import parser
from onnx.reference import ReferenceEvaluator

import netc
from netc import NetError

MLP = """<ir_version: 8, opset_import: ["": 18]>
mlp (double[N, 3] x, double[3, 4] w) => (double[N, 2] y, int64[N] k)
<double[4, 2] v = {0.5, -1.0, 0.25, 2.0, 1.5, 0.75, -0.5, 1.0}, double[4] b = {0.1, 0.2, 0.3, 0.4}>
{
  h = MatMul(x, w)
  a = Add(h, b)
  t = Tanh(a)
  s = MatMul(t, v)
  y = Softmax <axis = -1> (s)
  k = ArgMax <axis = 1, keepdims = 0> (y)
}"""


REDUCED = """<ir_version: 8, opset_import: ["": 18]>
r (double[N, 3] x, int64[1] axes) => (double[A] y) { y = ReduceSum <keepdims = 0> (x, axes) }"""


def central(
    model: onnx.ModelProto, feeds: dict[str, Any], name: str, dy: Any, direction: Any, h: float = 1e-6
) -> float:
    run = ReferenceEvaluator(model)
    up = run.run(["y"], {**feeds, name: feeds[name] + h * direction})[0]
    down = run.run(["y"], {**feeds, name: feeds[name] - h * direction})[0]
    return float(np.sum((up - down) / (2 * h) * dy))


def test_the_gradient_of_a_model_agrees_with_differences() -> None:
    model = parser.parse_model(MLP)
    gradient = netc.grad(model)
    assert [i.name for i in gradient.graph.input] == ["x", "w", "grad/y"]
    assert [o.name for o in gradient.graph.output] == ["y", "k", "grad/x", "grad/w"]
    assert gradient.graph.output[2].type.tensor_type.shape.dim[0].dim_param == "N"
    g = np.random.default_rng(0)
    for rows in (1, 5):
        feeds = {"x": g.normal(size=(rows, 3)), "w": g.normal(size=(3, 4))}
        dy = g.normal(size=(rows, 2))
        found = dict(
            zip(
                [o.name for o in gradient.graph.output], ReferenceEvaluator(gradient).run(None, {**feeds, "grad/y": dy})
            )
        )
        for name in feeds:
            direction = g.normal(size=feeds[name].shape)
            expected = central(model, feeds, name, dy, direction)
            assert float(np.sum(found[f"grad/{name}"] * direction)) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_initializers_and_single_outputs_can_be_chosen() -> None:
    gradient = netc.grad(parser.parse_model(MLP), wrt=["v"], of=["y"])
    assert [o.name for o in gradient.graph.output] == ["y", "k", "grad/v"]


def test_a_gradient_can_be_differentiated_again() -> None:
    text = """<ir_version: 8, opset_import: ["": 18]>
    g (double[N] x) => (double[N] y) { a = Sin(x) y = Mul(a, x) }"""
    second = netc.grad(netc.grad(parser.parse_model(text)), wrt=["x"], of=["grad/x"])
    x = np.linspace(-2, 2, 7)
    names = [o.name for o in second.graph.output]
    ones = np.ones(7)
    (found,) = ReferenceEvaluator(second).run([names[-1]], {"x": x, "grad/y": ones, "grad2/grad/x": ones})
    assert names[-1] == "grad2/x"
    np.testing.assert_allclose(found, 2 * np.cos(x) - x * np.sin(x), atol=1e-12)


def test_forward_mode_agrees_with_reverse_mode() -> None:
    """u' (J v) = (J' u)' v for random u and v."""
    model = parser.parse_model(MLP)
    forward, reverse = netc.jvp(model), netc.grad(model)
    assert [i.name for i in forward.graph.input] == ["x", "w", "tangent/x", "tangent/w"]
    assert [o.name for o in forward.graph.output] == ["y", "k", "tangent/y"]
    g = np.random.default_rng(0)
    feeds = {"x": g.normal(size=(5, 3)), "w": g.normal(size=(3, 4))}
    v = {f"tangent/{n}": g.normal(size=a.shape) for n, a in feeds.items()}
    u = g.normal(size=(5, 2))
    (pushed,) = ReferenceEvaluator(forward).run(["tangent/y"], {**feeds, **v})
    pulled = ReferenceEvaluator(reverse).run(["grad/x", "grad/w"], {**feeds, "grad/y": u})
    assert np.sum(u * pushed) == pytest.approx(np.sum(pulled[0] * v["tangent/x"]) + np.sum(pulled[1] * v["tangent/w"]))


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 16, 17, 18, 20, 22, 24, 26])
def test_old_opsets_are_raised_and_new_ones_stay(opset: int) -> None:
    text = MLP.replace('"": 18', f'"": {opset}').replace("<axis = -1>", "<axis = 1>").replace(", int64[N] k", "")
    model = parser.parse_model(text.replace("  k = ArgMax <axis = 1, keepdims = 0> (y)\n", ""))
    gradient = netc.grad(model)
    assert gradient.opset_import[0].version == max(opset, 18)
    now = netc.grad(parser.parse_model(MLP))
    g = np.random.default_rng(1)
    feeds = {"x": g.normal(size=(5, 3)), "w": g.normal(size=(3, 4)), "grad/y": g.normal(size=(5, 2))}
    for a, b in zip(*(ReferenceEvaluator(m).run(["grad/x", "grad/w"], feeds) for m in (gradient, now))):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("layers", [10, 100])
def test_a_dense_net_gains_six_nodes_a_layer(layers: int) -> None:
    nodes = [f"z{i} = Gemm({'x' if i == 0 else f'h{i - 1}'}, w{i}, b{i}) h{i} = Relu(z{i})" for i in range(layers)]
    weights = ", ".join(f"float[4, 4] w{i}, float[4] b{i}" for i in range(layers))
    text = f"""<ir_version: 8, opset_import: ["": 18]>
    deep (float[N, 4] x, {weights}) => (float[N, 4] h{layers - 1}) {{ {" ".join(nodes)} }}"""
    model = parser.parse_model(text)
    assert len(netc.grad(model).graph.node) - len(model.graph.node) <= 6 * layers + 10


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_dimensions_whose_names_inference_lost_get_names_that_the_model_has_not() -> None:
    """A gradient has such names already; one name would stand for two sizes in the gradient of the gradient."""
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 18]>
        g (double[unknown_1, 4] x, int64[1] begin, int64[1] end) => (double[P, 4] y)
        { s = Slice(x, begin, end)  y = Sin(s) }""")
    types = {v.name: v.type.tensor_type.shape for v in netc.grad(model).graph.value_info}
    assert types["s"].dim[0].dim_param not in ("", "unknown_1")


def test_names_of_nodes_are_unique_where_the_model_uses_those_that_new_nodes_get() -> None:
    model = parser.parse_model(MLP)
    new = netc.grad(model).graph.node[-1].name
    model.graph.node[0].name = new
    again = netc.grad(model)
    assert [n.name for n in again.graph.node].count(new) == 1
    ort.InferenceSession(again.SerializeToString(), providers=["CPUExecutionProvider"])


REFUSED = [
    ({"wrt": ["z"]}, MLP, "has no input or initializer `z`"),
    ({"of": ["yy"]}, MLP, "has no output `yy`"),
    ({"of": ["k"]}, MLP, "`k` is no floating-point tensor"),
    ({}, MLP.replace('"": 18', '"": 6'), "opset 6"),
    ({}, MLP.replace('"": 18', '"": 99'), "opset 99"),
    ({}, MLP.replace("Tanh(a)", "Nothing(a)"), "not valid ONNX"),
    ({}, MLP.replace("double[N, 2] y", "double[N, 3] y"), "types in the model do not fit"),
    ({}, MLP.replace("t = Tanh(a)", "s1 = SplitToSequence(a) c = ConcatFromSequence <axis = 0> (s1) t = Tanh(c)"),
     "`ConcatFromSequence` cannot be differentiated, sequences whose elements show only at run time"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "text", "message"), REFUSED)
def test_what_cannot_be_differentiated_is_refused_by_name(options: dict[str, Any], text: str, message: str) -> None:
    with pytest.raises(NetError) as e:
        netc.grad(parser.parse_model(text), **options)
    assert message in e.value.render().replace("\n", " ")
    if "Sequence" in message:
        assert "`y` = Softmax <- `s` = MatMul <- `t` = Tanh <- `c` = ConcatFromSequence" in e.value.render()


MODEL = parser.parse_model(MLP)
ARGUMENTS: list[tuple[Any, dict[str, Any], str]] = [
    (None, {}, "a model is an onnx.ModelProto or the path of its file, this is NoneType"),
    (b"model", {}, "this is bytes"),
    (MODEL, {"wrt": 5}, "`wrt` is a list of names, this is 5"),
    (MODEL, {"wrt": [None]}, "`wrt` is a list of names"),
    (MODEL, {"of": {1: 2}}, "`of` is a list of names"),
    (MODEL, {"wrt": "nosuch"}, "the model has no input or initializer `nosuch`"),
    (MODEL, {"prefix": 5}, "`prefix` is a text, this is 5"),
]


@pytest.mark.parametrize(("model", "options", "message"), ARGUMENTS, ids=range(len(ARGUMENTS)))
def test_arguments_of_other_kinds_are_refused(model: Any, options: dict[str, Any], message: str) -> None:
    for derivative in (netc.grad, netc.jvp):
        with pytest.raises(NetError) as e:
            derivative(model, **options)
        assert message in e.value.diagnostics[0].message


def test_custom_domains_are_named() -> None:
    model = parser.parse_model(MLP)
    model.graph.node[2].domain = "com.acme"
    model.opset_import.append(onnx.helper.make_opsetid("com.acme", 1))
    with pytest.raises(NetError, match=r"`com\.acme\.Tanh` is not of the standard domain"):
        netc.grad(model)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\xff\xff not a model")
    with pytest.raises(NetError, match="is not an ONNX model"):
        netc.grad(tmp_path / "m.onnx")
    with pytest.raises(NetError, match="there is no file"):
        netc.grad(tmp_path / "none.onnx")


# --- weights in other files -------------------------------------------------------------------------------------------


def external(folder: Path, location: str) -> Path:
    """A model whose matrix `v` lies in another file."""
    model = parser.parse_model(MLP)
    tensor = model.graph.initializer[0]
    tensor.raw_data = onnx.numpy_helper.to_array(tensor).tobytes()
    (folder / "v.bin").write_bytes(tensor.raw_data)
    del tensor.double_data[:]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return folder / "m.onnx"


def test_external_data_is_read_only_when_asked_for(tmp_path: Path) -> None:
    path = external(tmp_path, "v.bin")
    with pytest.raises(NetError, match="lies in another file"):
        netc.grad(path)
    with pytest.raises(NetError, match="lies in another file"):
        netc.grad(onnx.load(path, load_external_data=False), external_data=True)
    assert "grad/x" in [o.name for o in netc.grad(path, external_data=True).graph.output]


@pytest.mark.parametrize("location", ["../v.bin", "/etc/hostname", "link.bin", "hard.bin", "missing.bin", ".", ""])
def test_external_data_may_not_leave_the_folder(tmp_path: Path, location: str) -> None:
    (tmp_path / "outside.bin").write_bytes(b"x" * 64)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "outside.bin")
    (folder / "hard.bin").hardlink_to(tmp_path / "outside.bin")
    with pytest.raises(NetError, match="names no plain file inside"):
        netc.grad(external(folder, location), external_data=True)


@pytest.mark.parametrize("count", [9000, 11000])
def test_weights_of_a_wrong_length_are_refused(count: int) -> None:
    model = parser.parse_model(MLP)
    model.graph.initializer.append(onnx.TensorProto(name="large", data_type=1, dims=[50, 50], raw_data=b"\0" * count))
    with pytest.raises(NetError, match=f"the tensor `large` has {count:,} bytes; its shape"):
        netc.grad(model)


def test_external_data_in_subgraphs_and_sparse_tensors_is_found(tmp_path: Path) -> None:
    away = onnx.TensorProto(name="far", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    entry = away.external_data.add()
    entry.key, entry.value = "location", "/etc/hostname"
    constant = onnx.helper.make_node("Constant", [], ["c"])
    constant.attribute.append(onnx.AttributeProto(name="value", type=onnx.AttributeProto.TENSOR, t=away))
    branch = onnx.helper.make_graph([constant], "b", [], [onnx.helper.make_tensor_value_info("c", 1, [1])])
    sparse = onnx.SparseTensorProto(dims=[4], values=away)
    sparse.indices.CopyFrom(onnx.numpy_helper.from_array(np.array([1])))
    for change in ("subgraph", "sparse"):
        model = parser.parse_model(MLP)
        if change == "subgraph":
            model.graph.node.append(onnx.helper.make_node("If", ["k"], ["q"], then_branch=branch, else_branch=branch))
        else:
            model.graph.sparse_initializer.append(sparse)
        (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
        for given in (tmp_path / "m.onnx", model):
            with pytest.raises(NetError, match="`far`"):
                netc.grad(given, external_data=True)


@pytest.mark.parametrize("dtype", ["float", "float16", "double", "bfloat16", "int32"])
def test_gradients_flow_through_floating_point_inputs(dtype: str) -> None:
    model = parser.parse_model(f"""<ir_version: 8, opset_import: ["": 18]>
        g ({dtype}[3] x, float[3] z) => ({dtype}[3] y, float[3] w) {{
          [first] y = Mul (x, x)
          [second] w = Neg (z)
        }}""")
    gradient = netc.grad(model)
    found = {o.name for o in gradient.graph.output}
    assert ("grad/x" in found) == (dtype != "int32")
    assert {"first", "second"} <= {n.name for n in gradient.graph.node}  # nodes keep their names


@pytest.mark.parametrize(
    ("opset", "given", "found"), [(18, 8, 8), (18, 10, 10), (18, 4, 8), (20, 8, 9), (22, 8, 10), (22, 13, 13)]
)
def test_the_version_of_the_format_is_the_model_s_where_its_opset_allows(opset: int, given: int, found: int) -> None:
    model = parser.parse_model(MLP.replace('"": 18', f'"": {opset}'))
    model.ir_version = given
    assert netc.grad(model).ir_version == found


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, 0.5, 2.5])
def test_a_power_of_a_number_that_is_known(exponent: float) -> None:
    """d x^k = k x^(k - 1), at 0 too, where k is a whole number from 0 on."""
    model = parser.parse_model(f"""<ir_version: 8, opset_import: ["": 18]> g (double[5] x) => (double[5] y)
        {{ k = Constant <value: tensor = double {{{exponent}}}> () y = Pow (x, k) }}""")
    gradient = netc.grad(model)
    if exponent == 0:
        assert "grad/x" not in [o.name for o in gradient.graph.output], "which nothing reaches"
        return
    x = np.array([0.0, -1.5, 0.25, 2.0, 3.0] if exponent in (1, 2, 3) else [0.5, 1.5, 0.25, 2.0, 3.0])
    (found,) = ReferenceEvaluator(gradient).run(["grad/x"], {"x": x, "grad/y": np.ones(5)})
    np.testing.assert_allclose(found, exponent * x ** (exponent - 1))

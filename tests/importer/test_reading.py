"""Models as others write them: older opsets, local functions, sparse weights, names given twice, damaged declarations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, parser, version_converter

import netc
from netc import NetError
from netc.compiler.importer import source
from netc.compiler.importer.size import inferred
from tests.autodiff.evaluator import evaluate

SQUARE = """<ir_version: 8, opset_import: ["": {opset}]>
g ({inputs}) => ({outputs}) {{ {nodes} }}"""


def model(nodes: str, inputs: str = "double[3] x", outputs: str = "double[3] y", opset: int = 18) -> onnx.ModelProto:
    return parser.parse_model(SQUARE.format(opset=opset, inputs=inputs, outputs=outputs, nodes=nodes))


# --- opsets -----------------------------------------------------------------------------------------------------------

RAISED: dict[
    str, tuple[str, str, str]
] = {  # a model of opset 13: inputs, outputs, nodes, of which `Neg` will be left out
    "fixed sizes": ("float[3, 2] x", "float[3, 2] y", "y = Neg (x)"),
    "symbolic sizes": ("float[N, 2] x", "float[N, 2] y", "y = Neg (x)"),
    "double": ("double[N] x", "double[N] y", "y = Neg (x)"),
    "whole numbers": ("int64[8] k, float[8] x", "int64[8] q, float[8] y", "q = Neg (k) y = Identity (x)"),
    "truth values": ("bool[8] c, float[8] x", "float[8] y", "a = Neg (x) y = Where (c, a, x)"),
    "a second output": ("float[3] x", "float[3] z, float[3] y", "z = Identity (x) y = Neg (x)"),
}


@pytest.mark.parametrize("name", RAISED)
def test_a_conversion_that_changes_a_result_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, outputs, nodes = RAISED[name]
    made = model(nodes, inputs, outputs, opset=13)
    assert netc.grad(made).opset_import[0].version == 18
    convert = version_converter.convert_version

    def wrong(given: onnx.ModelProto, target: int) -> onnx.ModelProto:
        converted = convert(given, target)
        next(n for n in converted.graph.node if n.op_type == "Neg").op_type = "Identity"
        return converted

    monkeypatch.setattr(version_converter, "convert_version", wrong)
    with pytest.raises(NetError, match="raised from opset 13 to 18, the model gives other results") as e:
        netc.grad(made)
    assert e.value.diagnostics[0].help == "export it with opset 18 or later"


def test_a_large_weight_is_compared_with_its_own_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies beside the graph: at -4, and there alone, its square root is no number."""
    made = model("r = Sqrt (w) y = Add (r, x)", "double[600] x", "double[600] y", opset=13)
    made.graph.initializer.append(numpy_helper.from_array(np.full(600, -4.0), "w"))
    assert made.graph.initializer[0].ByteSize() > source.LARGE
    assert netc.grad(made).opset_import[0].version == 18
    convert = version_converter.convert_version

    def wrong(given: onnx.ModelProto, target: int) -> onnx.ModelProto:
        converted = convert(given, target)
        converted.graph.node[0].op_type = "Identity"
        return converted

    monkeypatch.setattr(version_converter, "convert_version", wrong)
    with pytest.raises(NetError, match="gives other results"):
        netc.grad(made)


@pytest.mark.parametrize(
    ("error", "said"), [(RuntimeError("first\nsecond"), "to 18: first"), (ValueError(), "to 18: ValueError")]
)
def test_a_conversion_that_fails_is_said(error: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(given: onnx.ModelProto, target: int) -> onnx.ModelProto:
        raise error

    monkeypatch.setattr(version_converter, "convert_version", failing)
    with pytest.raises(NetError) as e:
        netc.grad(model("y = Neg (x)", opset=17))
    assert f"the model of opset 17 cannot be raised {said}" in e.value.diagnostics[0].message
    assert "second" not in e.value.render()
    assert netc.grad(model("y = Neg (x)", opset=18)), "which needs none"


def test_what_cannot_be_run_is_converted_all_the_same() -> None:
    """A sequence, text and a type without a NumPy dtype have no random values."""
    made = model("y = Neg (x)", "seq(float[3]) s, double[3] x", opset=13)
    assert netc.grad(made).opset_import[0].version == 18
    text = model("y = Neg (x) u = Identity (t)", "string[2] t, double[3] x", "double[3] y, string[2] u", opset=13)
    assert netc.grad(text).opset_import[0].version == 18


@pytest.mark.parametrize(("opset", "message"), [(6, "opsets 7 to"), (99, "opset 99")])
def test_opsets_that_are_not_read(opset: int, message: str) -> None:
    with pytest.raises(NetError, match=message) as e:
        netc.grad(model("y = Neg (x)", opset=opset))
    assert e.value.diagnostics[0].help == f"export it with a{' newer' if opset < 18 else 'n older'} opset"


def test_a_model_without_an_opset() -> None:
    made = model("y = Neg (x)")
    del made.opset_import[:]
    with pytest.raises(NetError, match="the model imports no opset of the standard domain"):
        netc.grad(made)


NEWEST = """import "m.onnx" as m
net n {
  input x: f32[N, 3]
  loss = mean(m(x) -> Dense(1))
}"""


@pytest.mark.parametrize(("opset", "fine"), [(18, True), (26, True), (27, False)])
def test_a_spec_imports_models_of_opsets_that_runtimes_load(tmp_path: Path, opset: int, fine: bool) -> None:
    onnx.save(model("y = Neg (x)", "float[N, 3] x", "float[N, 3] y", opset), tmp_path / "m.onnx")
    (tmp_path / "n.net").write_text(NEWEST)
    if fine:
        assert netc.check(tmp_path / "n.net").loss is not None
        return
    with pytest.raises(NetError, match=r"`m\.onnx` has opset 27; runtimes load up to 26"):
        netc.check(tmp_path / "n.net")


def test_a_model_without_inputs_is_no_layer(tmp_path: Path) -> None:
    onnx.save(model("y = Constant <value_floats = [1.0, 2.0]> ()", "", "float[2] y"), tmp_path / "m.onnx")
    (tmp_path / "n.net").write_text(NEWEST)
    with pytest.raises(NetError, match=r"the model `m\.onnx` has no input"):
        netc.check(tmp_path / "n.net")


# --- local functions --------------------------------------------------------------------------------------------------

FUNCTION = """<ir_version: 8, opset_import: ["": 18, "own": 1]>
g (double[3, 4] x) => (double[3, 4] y) { z = own.twice <factor = 3.0> (x) y = own.upside (z) }
<domain: "own", opset_import: ["": 18]>
twice <factor> (a) => (b) { f = Constant <value_float: float = @factor> () c = CastLike (f, a) b = Mul (a, c) }
<domain: "own", opset_import: ["": 17]>
upside (a) => (b) { b = Neg (a) }"""


def test_local_functions_are_inlined_also_those_of_another_opset() -> None:
    derivative = netc.grad(parser.parse_model(FUNCTION))
    x, dy = np.random.default_rng(0).normal(size=(2, 3, 4))
    found = evaluate(derivative, {"x": x, "grad/y": dy})
    np.testing.assert_allclose(found["y"], -3 * x)
    np.testing.assert_allclose(found["grad/x"], -3 * dy)


# --- weights ----------------------------------------------------------------------------------------------------------


def test_numbers_that_share_bytes_may_be_weights() -> None:
    made = model("y = DequantizeLinear (w, s)", "double[3] x, float s", "float[4] y", 21)
    made.graph.initializer.append(helper.make_tensor("w", TensorProto.INT4, [4], [1, -2, 3, -4]))
    derivative = netc.grad(made, wrt=["s"])
    found = evaluate(
        derivative, {"x": np.zeros(3), "s": np.float32(2), "grad/y": np.array([1, 10, 100, 1000], np.float32)}
    )
    assert found["grad/s"] == 1 - 20 + 300 - 4000


def test_weights_may_be_large_and_are_the_same_in_the_derivative() -> None:
    w = np.random.default_rng(0).normal(size=(40, 40))
    made = model("h = MatMul (x, w) y = Mul (h, h)", "double[2, 40] x", "double[2, 40] y")
    made.graph.initializer.append(numpy_helper.from_array(w, "w"))
    derivative = netc.grad(made, wrt=["w"])
    (kept,) = (t for t in derivative.graph.initializer if t.name == "w")
    np.testing.assert_array_equal(numpy_helper.to_array(kept), w)
    assert [i.name for i in derivative.graph.input] == ["x", "grad/y"]
    x, dy = np.random.default_rng(1).normal(size=(2, 2, 40))
    found = evaluate(derivative, {"x": x, "grad/y": dy})
    np.testing.assert_allclose(found["grad/w"], x.T @ (2 * dy * (x @ w)))


EXTERNAL = [({"offset": "0", "length": "64"}, True), ({"offset": "8"}, False), ({"length": "65"}, False), ({"offset": "-8"}, False),
            ({"offset": "32", "length": "40"}, False), ({}, True), ({"length": "-1"}, False)]  # fmt: skip


@pytest.mark.parametrize(("place", "fine"), EXTERNAL, ids=str)
def test_external_data_lies_within_its_file(tmp_path: Path, place: dict[str, str], fine: bool) -> None:
    made = model("y = Mul (x, w)", "double[8] x", "double[8] y")
    w = np.arange(8.0)
    (tmp_path / "w.bin").write_bytes(w.tobytes())
    tensor = TensorProto(name="w", data_type=TensorProto.DOUBLE, dims=[8], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "w.bin", **place}.items():
        tensor.external_data.add(key=key, value=value)
    made.graph.initializer.append(tensor)
    onnx.save(made, tmp_path / "m.onnx")
    with pytest.raises(NetError, match=r"w\.bin|external"):
        netc.grad(tmp_path / "m.onnx")  # not unless it is asked for
    if not fine:
        with pytest.raises(NetError):
            netc.grad(tmp_path / "m.onnx", external_data=True)
        return
    found = evaluate(netc.grad(tmp_path / "m.onnx", external_data=True), {"x": np.ones(8), "grad/y": np.ones(8)})
    np.testing.assert_array_equal(found["grad/x"], w)


# --- names ------------------------------------------------------------------------------------------------------------


def test_equal_nodes_are_one_value_that_keeps_its_first_name() -> None:
    made = model("a = Mul (x, x) b = Mul (x, x) y = Add (a, b)")
    made.graph.node[0].name, made.graph.node[1].name = "first", "second"
    derivative = netc.grad(made)
    names = {o for n in derivative.graph.node for o in n.output}
    assert "a" in names
    assert "b" not in names
    assert [n.name for n in derivative.graph.node if n.output[0] == "a"] == ["first"]


def test_an_output_may_be_an_input_and_a_value_twice() -> None:
    made = model("y = Mul (x, x)", outputs="double[3] y, double[3] x")
    with pytest.raises(NetError, match="`x` is an input and an output"):
        netc.grad(made)
    found = evaluate(netc.grad(made, of=["y"]), {"x": np.arange(3.0), "grad/y": np.ones(3)})
    np.testing.assert_array_equal(found["grad/x"], [0, 2, 4])


def test_a_path_of_many_nodes_is_cut_in_the_middle() -> None:
    chain = " ".join(f"h{i} = Sin (h{i - 1})" for i in range(1, 12))
    made = model(
        f"s = SplitToSequence (x) h0 = ConcatFromSequence <axis = 0> (s) {chain} y = Neg (h11)",
        "double[N] x",
        "double[M] y",
    )
    with pytest.raises(NetError) as e:
        netc.grad(made)
    path = e.value.diagnostics[0].message.rpartition(": ")[2]
    assert path == (
        "`y` = Neg <- `h11` = Sin <- `h10` = Sin <- `h9` = Sin <- ... 6 more ... <- `h2` = Sin <- `h1` = Sin <- "
        "`h0` = ConcatFromSequence"
    )


SIZED = [  # the type of an input -> whether what its vectors of sizes hold is followed
    ("float[2, 3] x", True), ("float[N, 3] x", True), ("float[2048, 2048] x", True), ("float[2048, 2049] x", False),
    ("float[65536] x", True), ("float[65537] x", False),
]  # fmt: skip


@pytest.mark.parametrize(("given", "followed"), SIZED)
def test_sizes_are_followed_unless_there_may_be_very_many(given: str, followed: bool) -> None:
    made = model("s = Shape (x) z = Reshape (x, s) y = Neg (z)", given, "float[] y")
    del made.graph.output[0].type.tensor_type.shape.dim[:]
    (z,) = (v for v in inferred(made).value_info if v.name == "z")
    sizes = [d.dim_value or d.dim_param for d in z.type.tensor_type.shape.dim]
    wanted = [int(d) if d.isdigit() else d for d in given[6:-3].split(", ")]
    assert (sizes == wanted) == followed


def test_the_size_of_what_has_no_known_dtype_is_not_counted() -> None:
    assert source.size_in_bytes(TensorProto(data_type=TensorProto.DOUBLE, dims=[3, 2])) == 48
    assert source.size_in_bytes(TensorProto(data_type=99, dims=[3])) == 0
    assert source.size_in_bytes(TensorProto(data_type=TensorProto.INT4, dims=[3])) == 0

"""Imported models as layers: which weights are trained, which names they get, what sizes and types are taken from where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

import netc
from netc import NetError
from netc.compiler.importer.layer import identifier

SPEC = """import "m.onnx" as m
net n {{
  input x: {input}
  {line}
  loss = mean(y^2)
  output y
}}
train {{ optimizer = sgd(rate = 0.1) }}"""


@pytest.fixture
def use(tmp_path: Path) -> Any:
    """Writes a model and a spec that uses it, and gives the spec."""

    def write(
        nodes: str, inputs: str = "float[N, 3] x", outputs: str = "float[N, 3] y", opset: int = 18,
        line: str = "y = m(x) -> Dense(2)", given: str = "f32[N, 3]", **weights: np.ndarray,
    ) -> Path:  # fmt: skip
        model = parser.parse_model(
            f"""<ir_version: 8, opset_import: ["": {opset}]> g ({inputs}) => ({outputs}) {{ {nodes} }}"""
        )
        model.graph.initializer.extend(numpy_helper.from_array(a, n.replace("__", ".")) for n, a in weights.items())
        onnx.save(model, tmp_path / "m.onnx")
        (tmp_path / "n.net").write_text(SPEC.format(input=given, line=line))
        return tmp_path / "n.net"

    return write


W = np.arange(9, dtype=np.float32).reshape(3, 3) / 10


@pytest.mark.parametrize(
    ("name", "plain", "dotted"),
    [
        ("/features/relu/Relu_0", "features_relu_Relu_0", "features_relu_Relu_0"),
        ("a.b.c", "a_b_c", "a.b.c"), ("3d", "_3d", "3d"), ("//", "value", "value"), ("._x_.", "x", "x"), ("a b-c",
            "a_b_c", "a_b_c"),
    ],
)  # fmt: skip
def test_names_as_a_spec_can_write_them(name: str, plain: str, dotted: str) -> None:
    assert (identifier(name), identifier(name, dots=True)) == (plain, dotted)


def test_weights_get_names_of_their_own(tmp_path: Path) -> None:
    model = parser.parse_model(
        """<ir_version: 8, opset_import: ["": 18]> g (float[N, 3] x) => (float[N, 3] y) {
        a = MatMul (x, "w/1") b = MatMul (a, "w-1") c = MatMul (b, w_1) y = Add (c, k) }""".replace(
            '"w/1"', "p"
        ).replace('"w-1"', "q")
    )
    for node, old, new in ((0, "p", "w/1"), (1, "q", "w-1")):
        assert model.graph.node[node].input[1] == old
        model.graph.node[node].input[1] = new
    model.graph.initializer.extend(numpy_helper.from_array(W + i, n) for i, n in enumerate(("w/1", "w-1", "w_1")))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "k"))
    onnx.save(model, tmp_path / "m.onnx")
    (tmp_path / "n.net").write_text(SPEC.format(input="f32[N, 3]", line="y = m(x) -> Dense(2)"))
    program = netc.compile(tmp_path / "n.net")
    rows = {r["name"]: r["trainable"] for r in program.manifest["state"] if r["name"].startswith("m.")}
    assert rows == {"m.w_1": True, "m.w_1_": True, "m.w_1__": True, "m.k": False}, "single numbers stay as they are"
    found = netc.Trainer(program, device="cpu").parameters
    for i, name in enumerate(("m.w_1", "m.w_1_", "m.w_1__")):
        np.testing.assert_array_equal(found[name], W + i)


def test_whole_numbers_are_no_weights(use: Any) -> None:
    path = use("g = Gather <axis = 1> (x, at) y = MatMul (g, w)", w=W, at=np.array([2, 0, 1]))
    program = netc.compile(path)
    assert [r["name"] for r in program.manifest["state"] if r["name"].startswith("m.")] == ["m.w"]
    trainer = netc.Trainer(program, device="cpu")
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    p = trainer.parameters
    expected = x[:, [2, 0, 1]] @ W @ p["y.weight"] + p["y.bias"]
    np.testing.assert_allclose(trainer.predict({"x": x})["y"], expected, rtol=1e-5, atol=1e-6)


def test_running_statistics_are_not_trained(use: Any) -> None:
    one = np.ones(3, np.float32)
    path = use("y = BatchNormalization (x, s, b, mean, var)", s=one, b=one, mean=one, var=one)
    rows = {r["name"]: r["trainable"] for r in netc.compile(path).manifest["state"] if r["name"].startswith("m.")}
    assert rows == {"m.s": True, "m.b": True, "m.mean": False, "m.var": False}


def test_a_model_is_raised_to_the_opset_of_the_program(use: Any) -> None:
    path = use("y = MatMul (x, w)", line="y = onnx.Gelu(m(x) -> Dense(2))", w=W)
    program = netc.compile(path)
    assert program.infer.opset_import[0].version == 20
    assert netc.Trainer(program, device="cpu").predict({"x": np.ones((2, 3), np.float32)})["y"].shape == (2, 2)


C = np.array([True, False, True])


def test_a_size_that_inference_loses_is_the_one_that_the_model_declares(use: Any) -> None:
    path = use("y = Compress <axis = 1> (x, c)", outputs="float[N, 2] y", c=C)
    net = netc.check(path)
    assert next(p for p in net.parameters if p.name == "y.weight").shape == (2, 2)
    trainer = netc.Trainer(netc.compile(path), device="cpu")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    p = trainer.parameters
    np.testing.assert_allclose(trainer.predict({"x": x})["y"], x[:, ::2] @ p["y.weight"] + p["y.bias"], rtol=1e-5)
    assert np.isfinite(trainer.step({"x": x})["loss"])


def test_a_name_that_the_inputs_bind_is_a_size(use: Any) -> None:
    path = use(
        "y = Compress <axis = 0> (x, c)",
        "float[batch, 3] x, bool[batch] c",
        "float[batch, 3] y",
        line="y = m(x, x[:, 0] > 0)",
    )
    path.write_text(path.read_text().replace("mean(y^2)", "mean((y -> Dense(1))^2)"))
    assert str(netc.check(path).outputs["y"].type) == "f32[N, 3]"


def test_a_size_that_nobody_says_is_refused(use: Any) -> None:
    path = use("y = Compress <axis = 1> (x, c)", outputs="float[N, K] y", c=C)
    with pytest.raises(NetError, match="axis 1 of `y` of `m` has a size that is not known"):
        netc.check(path)


FITS = [
    ("float[N, 3] x", "f32[N, 3]", ""),
    ("float[4, 3] x", "f32[N, 3]", "reads `x` as `f32[4, 3]`, this is `f32[N, 3]`"),
    ("float[N, 4] x", "f32[N, 3]", "reads `x` as `f32[N, 4]`, this is `f32[N, 3]`"),
    ("float[N, 3, 1] x", "f32[N, 3]", "reads `x` as `f32[N, 3, 1]`, this is `f32[N, 3]`"),
    ("double[N, 3] x", "f32[N, 3]", "reads `x` as `f64[N, 3]`, this is `f32[N, 3]`"),
    ("complex64[N, 3] x", "f32[N, 3]", "reads `x`, which is of no type that a spec has"),
]


@pytest.mark.parametrize(("inputs", "given", "message"), FITS, ids=[f[0] for f in FITS])
def test_what_flows_in_must_fit(use: Any, inputs: str, given: str, message: str) -> None:
    dtype = inputs.partition("[")[0]
    path = use("y = Identity (x)", inputs, inputs.replace(" x", " y"), given=given)
    if not message:
        netc.check(path)
        return
    with pytest.raises(NetError) as e:
        netc.check(path)
    assert message in e.value.render()
    assert e.value.diagnostics[0].labels[0].span.text == "x", "what flows in is marked"
    batch = "export the model with a batch axis of any size"
    assert (batch in e.value.render()) == (inputs.startswith("float[4")), dtype


def test_an_output_is_chosen_by_itself_where_it_is_the_only_one(use: Any) -> None:
    two = use(
        "h = MatMul (x, w) y = Relu (h) z = Tanh (h)",
        outputs="float[N, 3] y, float[N, 3] z",
        line="y = m(x).z + m(x).h",
        w=W,
    )
    assert netc.check(two).outputs["y"] is not None
    two.write_text(two.read_text().replace("m(x).z + m(x).h", "m(x) + x"))
    with pytest.raises(NetError, match=r"needs one tensor; choose an output: .*`\.y`, `\.z`"):
        netc.check(two)
    two.write_text(two.read_text().replace("m(x) + x", "m(x).q"))
    with pytest.raises(NetError) as e:
        netc.check(two)
    assert "it has `y`, `z`" in e.value.render()


def test_a_weight_that_the_loss_does_not_depend_on_is_said_where_the_model_is_imported(use: Any) -> None:
    path = use("y = MatMul (x, w)", line="y = m(x)", w=W)
    path.write_text(path.read_text().replace("mean(y^2)", "mean((x -> Dense(1))^2)"))
    (warning,) = netc.check(path).warnings
    assert warning.message == "the loss does not depend on `m.w`, so nothing is trained here"
    assert warning.labels[0].span.text == 'import "m.onnx" as m'


def test_the_last_six_values_are_offered(use: Any) -> None:
    """Which the model's outputs are among."""
    chain = " ".join(f"h{i} = Tanh ({f'h{i - 1}' if i else 'x'})" for i in range(7))
    path = use(f"{chain} y = Relu (h6) z = Tanh (y)", outputs="float[N, 3] y, float[N, 3] z", line="y = m(x) + x")
    with pytest.raises(NetError) as e:
        netc.check(path)
    names = ("h3", "h4", "h5", "h6", "y", "z")
    assert "choose an output: " + ", ".join(f"`.{n}`" for n in names) in e.value.diagnostics[0].message


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ("h = MatMul (x, w) y = Round (h)", "no gradient reaches `m.w`: `m` has none"),
        ("h = MatMul (x, w) q = Round (h) y = Add (h, q)", ""),
        ("h = Round (x) y = MatMul (h, w)", ""),
        (
            "h = MatMul (x, w) i = Unsqueeze (h, last) p = MaxRoiPool <pooled_shape = [1, 1]> (i, r) q = Squeeze (p, last) "
            "o = ReduceMean (q) y = Add (h, o)",
            "the operator `MaxRoiPool` cannot be differentiated: region pooling",
        ),
    ],
)
def test_a_model_without_a_gradient_is_refused_when_it_is_checked(use: Any, nodes: str, said: str) -> None:
    path = use(nodes, line="y = m(x) + (x -> Dense(3))", w=W, r=np.zeros((2, 5), np.float32), last=np.array([2, 3]))
    if not said:
        assert not netc.check(path).warnings
        return
    with pytest.raises(NetError, match=said) as e:
        netc.check(path)
    assert e.value.diagnostics[0].labels[0].span.text == "m(x)"

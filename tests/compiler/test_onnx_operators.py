"""`onnx.Name(tensors, attribute = value)`: attributes of every kind reach the operator."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

import netc
from tests.numbers.host import Host, compiled

X = np.array([[1.5, -2, 0.25, 3], [-0.5, 4, -1, 2]], np.float32)
CALLS: dict[str, Any] = {  # a call -> what it gives of X
    "onnx.LeakyRelu(x, alpha = 0.2)": np.where(X > 0, X, 0.2 * X),
    "onnx.Elu(x, alpha = 2)": np.where(X > 0, X, 2 * (np.exp(X) - 1)),
    "onnx.ReduceSum(x, [1], keepdims = 1)": X.sum(1, keepdims=True),
    "onnx.ReduceMax(x, [1], keepdims = 0)": X.max(1),
    "onnx.ReduceL1(x, [1], keepdims = 2)": abs(X).sum(1),  # kept where it is 1, and only there
    "onnx.Transpose(x, perm = [1, 0])": X.T,
    "onnx.Clip(x, -1, 2)": np.clip(X, -1, 2),
    'onnx.DepthToSpace(reshape(x, [N, 4, 1, 1]), blocksize = 2, mode = "CRD")': X.reshape(2, 1, 2, 2),
    "onnx.LpNormalization(x, axis = 1, p = 2)": X / np.linalg.norm(X, axis=1, keepdims=True),
    "onnx.Clip(x, none, 2)": np.minimum(X, 2),
    "onnx.Clip(x, 0, none)": np.maximum(X, 0),
    "onnx.Resize(reshape(x, [N, 1, 2, 2]), none, [1, 1, 2, 1])": X.reshape(2, 1, 2, 2).repeat(2, 2),
    "onnx.Resize(reshape(x, [N, 1, 2, 2]), none, none, [2, 1, 2, 4])": X.reshape(2, 1, 2, 2).repeat(2, 3),
    "onnx.Mul(x, [1, 2, 3, 4])": X * [1, 2, 3, 4],
    "onnx.Gather(x, range(1, 3), axis = 1)": X[:, 1:3],
    "onnx.ArgMax(x, axis = 1, keepdims = 0)": X.argmax(1),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_gives_what_the_operator_gives(call: str) -> None:
    spec = f"net n {{\n input x: f32[N, 4]\n param g: f32[1] = 1\n loss = mean(x * g)\n output y = {call}\n}}"
    found = Host(compiled(spec)).graph("infer", {"x": X})["y"]
    np.testing.assert_allclose(found, CALLS[call], rtol=1e-6)


def test_a_call_is_tried_with_sizes_that_are_fixed() -> None:
    """Of symbolic ones ONNX Runtime only says in the step that there are more scores than targets."""
    spec = "net n {\n input x: f32[N, 4]\n y = x -> Dense(3)\n loss = onnx.SoftmaxCrossEntropyLoss(y, [1])\n}"
    with pytest.raises(netc.NetError, match="Input and target dimension value mismatch"):
        netc.check(spec)


def test_a_reduction_that_keeps_its_axes_by_another_number_is_differentiated() -> None:
    spec = "net n {\n input x: f32[N, 4]\n y = x -> Dense(3)\n loss = mean(onnx.ReduceL1(y, [1], keepdims = 2))\n}"
    found = netc.Trainer(netc.compile(spec), "cpu").gradients({"x": X.astype(np.float32)})
    assert found["y.weight"].shape == (4, 3)


def test_a_newer_opset_without_a_kernel_is_refused_where_it_comes_from() -> None:
    """Elu of f64 has a kernel at opset 18, and none at the opset that Swish asks for."""
    spec = "net n {\n  input x: f64[N, 4]\n  y = x -> Dense(4)\n  z = elu(y)\n  loss = mean(z + onnx.Swish(y))\n}"
    netc.check(spec.replace("onnx.Swish(y)", "onnx.HardSwish(y)"))
    for face in (netc.check, netc.compile):
        with pytest.raises(
            netc.NetError, match=r"`onnx\.Swish` needs opset 24, in which ONNX Runtime has no kernel of `Elu`"
        ) as e:
            face(spec)
        (found,) = e.value.diagnostics
        assert [label.span.text for label in found.labels] == ["onnx.Swish(y)", "z = elu(y)"]


@pytest.mark.parametrize(
    ("scales", "shape"), [("[1, 2]", "f32[N, 8]"), ("[1, 1.6]", "f32[N, 6]"), ("[2, 1]", "f32[N*2, 4]")]
)
def test_a_resized_tensor_keeps_its_symbolic_sizes(scales: str, shape: str) -> None:
    spec = f"net n {{\n  input x: f32[N, 4]\n  y = onnx.Resize(x, none, {scales})\n  loss = mean(x -> Dense(1))\n  output y\n}}"
    assert str(netc.check(spec).outputs["y"].type) == shape


@pytest.mark.parametrize("written", ["[0, 2]", "2"])
def test_whole_numbers_are_i64_where_an_operator_takes_several_dtypes(written: str) -> None:
    gather = f"onnx.Gather(x, {written}, axis = 1)"
    spec = f"net n {{\n  input x: f32[N, 4]\n  y = {gather}\n  loss = mean(x -> Dense(1))\n  output y\n}}"
    (indices,) = netc.compile(spec).infer.graph.initializer
    assert indices.data_type == onnx.TensorProto.INT64

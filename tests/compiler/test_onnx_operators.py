"""`onnx.Name(tensors, attribute = value)`: attributes of every kind reach the operator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.numbers.host import Host, compiled

X = np.array([[1.5, -2, 0.25, 3], [-0.5, 4, -1, 2]], np.float32)
CALLS: dict[str, Any] = {  # a call -> what it gives of X
    "onnx.LeakyRelu(x, alpha = 0.2)": np.where(X > 0, X, 0.2 * X),
    "onnx.Elu(x, alpha = 2)": np.where(X > 0, X, 2 * (np.exp(X) - 1)),
    "onnx.ReduceSum(x, [1], keepdims = 1)": X.sum(1, keepdims=True),
    "onnx.ReduceMax(x, [1], keepdims = 0)": X.max(1),
    "onnx.Transpose(x, perm = [1, 0])": X.T,
    "onnx.Clip(x, -1, 2)": np.clip(X, -1, 2),
    'onnx.DepthToSpace(reshape(x, [N, 4, 1, 1]), blocksize = 2, mode = "CRD")': X.reshape(2, 1, 2, 2),
    "onnx.LpNormalization(x, axis = 1, p = 2)": X / np.linalg.norm(X, axis=1, keepdims=True),
    "onnx.ArgMax(x, axis = 1, keepdims = 0)": X.argmax(1),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_gives_what_the_operator_gives(call: str) -> None:
    spec = f"net n {{\n input x: f32[N, 4]\n param g: f32[1] = 1\n loss = mean(x * g)\n output y = {call}\n}}"
    found = Host(compiled(spec)).graph("infer", {"x": X})["y"]
    np.testing.assert_allclose(found, CALLS[call], rtol=1e-6)

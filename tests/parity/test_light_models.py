"""ONNX's nine light models (whole networks of opset 9) with random weights: every gradient against PyTorch's, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference.op_run import OpRun

import netc
from tests.autodiff.evaluator import evaluate
from tests.autodiff.reference import in_double

torch = pytest.importorskip("torch")
F = torch.nn.functional
pytestmark = pytest.mark.parity

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = sorted(p.stem.removeprefix("light_") for p in LIGHT.glob("*.onnx"))
Tensors = dict[str, Any]
FLOAT32_EPSILON = float(np.float32(1e-5))  # attributes are float32, defaults too


# --- the networks in PyTorch ------------------------------------------------------------------------------------------


def padded(x: Any, pads: Any, value: float = 0.0) -> Any:
    top, left, bottom, right = pads or (0, 0, 0, 0)
    return F.pad(x, (left, right, top, bottom), value=value)


def average_pool(x: Any, kernel_shape: Any, strides: Any = 1, pads: Any = None, count_include_pad: int = 0) -> Any:
    def totals(x: Any, border: float) -> Any:
        return F.avg_pool2d(padded(x, pads, border), kernel_shape, strides, divisor_override=1)

    return totals(x, 0.0) / totals(torch.ones_like(x), float(count_include_pad))


def batch_normalization(
    x: Any, scale: Any, bias: Any, mean: Any, var: Any, epsilon: float = FLOAT32_EPSILON, **_: Any
) -> Any:
    scale, bias, mean, var = (t[:, None, None] for t in (scale, bias, mean, var))
    return (x - mean) * torch.rsqrt(var + epsilon) * scale + bias


def unsqueeze(x: Any, axes: Any) -> Any:
    for axis in sorted(axes):
        x = x.unsqueeze(axis)
    return x


TORCH: dict[str, Callable[..., Any]] = {
    "Add": torch.add,
    "AveragePool": average_pool,
    "BatchNormalization": batch_normalization,
    "Concat": lambda *x, axis: torch.cat(x, axis),
    "Conv": lambda x, w, b=None, strides=1, pads=None, dilations=1, group=1, kernel_shape=None: F.conv2d(
        padded(x, pads), w, b, strides, 0, dilations, group
    ),
    "Dropout": lambda x, ratio=0.5: x,
    "Gemm": lambda a, b, c, transA=0, transB=0: (a.T if transA else a) @ (b.T if transB else b) + c,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "LRN": lambda x, size, alpha, beta, bias: F.local_response_norm(x, size, alpha, beta, k=bias),
    "MaxPool": lambda x, kernel_shape, strides=1, pads=None: F.max_pool2d(
        padded(x, pads, -math.inf), kernel_shape, strides
    ),
    "Mul": torch.mul,
    "Relu": F.relu,
    "Reshape": lambda x, shape: x.reshape([x.shape[i] if d == 0 else d for i, d in enumerate(shape.int().tolist())]),
    "Softmax": lambda x, axis=1: F.softmax(x.flatten(1), 1).reshape(x.shape),  # opset 9: over all axes from 1 on
    "Sum": lambda *x: sum(x),
    "Transpose": lambda x, perm: x.permute(perm),
    "Unsqueeze": unsqueeze,
}


def in_torch(model: onnx.ModelProto, values: Tensors, calibrated: bool = False) -> Any:
    """The model's output; with `calibrated` the running statistics are first set to those of the batch."""
    values = dict(values)
    for node in model.graph.node:
        x = [values[n] for n in node.input]
        if calibrated and node.op_type == "BatchNormalization":
            x[3].copy_(x[0].mean((0, 2, 3)))
            x[4].copy_(x[0].var((0, 2, 3)))
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = TORCH[node.op_type](*x, **attributes)
    return values[model.graph.output[0].name]


# --- ONNX's evaluator, its loops over pixels done by PyTorch ----------------------------------------------------------


class Conv(OpRun):
    def _run(self, x, w, b=None, *, strides=None, pads=None, dilations=None, group=None, **_):  # type: ignore[no-untyped-def]
        x, w = torch.from_numpy(x), torch.from_numpy(w)
        b = None if b is None else torch.from_numpy(b)
        return (F.conv2d(padded(x, pads), w, b, strides or 1, 0, dilations or 1, group or 1).numpy(),)


class ConvTranspose(OpRun):
    def _run(self, x, w, b=None, *, strides=None, pads=None, dilations=None, group=None, output_padding=None, **_):  # type: ignore[no-untyped-def]
        top, left, bottom, right = pads or (0, 0, 0, 0)
        y = F.conv_transpose2d(
            torch.from_numpy(x), torch.from_numpy(w), None, strides or 1, 0, output_padding or 0, group or 1,
            dilations or 1,
        )  # fmt: skip
        y = F.pad(y, (-left, -right, -top, -bottom)).numpy()
        return (y if b is None else y + b[:, None, None],)


class MaxPool(OpRun):
    def _run(self, x, *, kernel_shape=None, strides=None, pads=None, **_):  # type: ignore[no-untyped-def]
        n, c, height, width = x.shape
        top, left, _, _ = pads or (0, 0, 0, 0)
        wide = padded(torch.from_numpy(x), pads, -math.inf)
        y, at = F.max_pool2d(wide, kernel_shape, strides or 1, return_indices=True)
        at = (at // wide.shape[3] - top) * width + at % wide.shape[3] - left
        at = at + torch.arange(n * c).reshape(n, c, 1, 1) * (height * width)
        return (y.numpy(), at.numpy()) if len(self.onnx_node.output) > 1 else (y.numpy(),)


class AveragePool(OpRun):
    def _run(self, x, *, kernel_shape=None, strides=None, pads=None, count_include_pad=0, **_):  # type: ignore[no-untyped-def]
        return (average_pool(torch.from_numpy(x), kernel_shape, strides or 1, pads, count_include_pad).numpy(),)


# --- the comparison ---------------------------------------------------------------------------------------------------


def randomised(name: str, rng: np.random.Generator) -> tuple[onnx.ModelProto, str, Tensors]:
    """The model with inputs for the constants that it ships as weights; the name of its data; random weights."""
    model = onnx.load(LIGHT / f"light_{name}.onnx")
    graph = model.graph
    used = {x: (n.op_type, i) for n in reversed(graph.node) for i, x in enumerate(n.input)}
    stored = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    filled = [n for n in graph.node if n.op_type == "ConstantOfShape"]
    shapes: dict[str, tuple[int, ...]] = {n.output[0]: tuple(stored.pop(n.input[0]).tolist()) for n in filled}
    shapes |= {n: a.shape for n, a in stored.items() if a.dtype == np.float32 and n in used}
    weights = {}
    for weight, shape in shapes.items():
        drawn = rng.standard_normal(shape)
        if len(shape) > 1:
            drawn *= math.sqrt(2 / math.prod(shape[1:]))
        elif used[weight] in (("BatchNormalization", 1), ("BatchNormalization", 4)):
            drawn = rng.uniform(0.5, 1.5, shape)
        weights[weight] = torch.from_numpy(drawn)
    data = next(v for v in graph.input if len(v.type.tensor_type.shape.dim) == 4 and v.name not in shapes)
    inputs = [data, *(helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in shapes.items())]
    constants = [t for t in graph.initializer if t.name in stored and t.name not in weights]
    nodes = [n for n in graph.node if n.op_type != "ConstantOfShape"]
    made = helper.make_graph(nodes, name, inputs, graph.output, constants)
    return helper.make_model(made, opset_imports=model.opset_import, ir_version=8), data.name, weights


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_network_has_the_gradients_of_pytorch(name: str) -> None:
    rng = np.random.default_rng(0)
    model, data, weights = randomised(name, rng)
    x = torch.from_numpy(rng.standard_normal([d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]))
    whole = {t.name: torch.tensor(numpy_helper.to_array(t)) for t in model.graph.initializer}
    leaves = {data: x, **weights}
    in_torch(model, {**leaves, **whole}, calibrated=True)
    for leaf in leaves.values():
        leaf.requires_grad_(True)
    y = in_torch(model, {**leaves, **whole})
    dy = torch.from_numpy(rng.standard_normal(y.shape))
    y.backward(dy)

    feeds = {n: leaf.detach().numpy() for n, leaf in leaves.items()}
    feeds[f"grad/{model.graph.output[0].name}"] = dy.numpy()
    found = evaluate(in_double(netc.grad(model)), feeds, [Conv, ConvTranspose, MaxPool, AveragePool])
    errors = {}
    for n, leaf in leaves.items():
        expected = leaf.grad.numpy()
        errors[n] = float(np.abs(found[f"grad/{n}"] - expected).max() / np.abs(expected).max())
    assert max(errors.values()) < 1e-10, errors

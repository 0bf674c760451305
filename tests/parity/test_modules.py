"""Models that torch.onnx.export wrote, differentiated: each gradient against PyTorch's, in float64."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

import netc
from tests.autodiff.evaluator import evaluate

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.parity


class Lambda(nn.Module):  # type: ignore[misc, name-defined]
    """A function with the parameters of the modules that it uses."""

    def __init__(self, run: Callable[..., Any], *parts: Any):
        super().__init__()
        self.run = run
        self.parts = nn.ModuleList(parts)

    def forward(self, *x: Any) -> Any:
        return self.run(*self.parts, *x)


F = nn.functional
MODULES: dict[str, tuple[Callable[[], Any], list[tuple[int, ...]]]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3), nn.LogSoftmax(1)), [(4, 5)]),
    "activations": (lambda: nn.Sequential(
        nn.Linear(5, 6), nn.GELU(), nn.SiLU(), nn.Mish(), nn.Hardswish(), nn.ELU(), nn.SELU(), nn.Softplus(), nn.PReLU(),
        nn.LeakyReLU(0.2), nn.Hardsigmoid(), nn.Tanh()), [(4, 5)]),
    "convolutions": (lambda: nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.Tanh(), nn.Conv2d(6, 6, 3, groups=3, dilation=2, padding=2)),
        [(2, 4, 9, 8)]),
    "convolution 1d and 3d": (lambda: Lambda(lambda a, b, x, y: a(x).sum((1, 2)) + b(y).sum((1, 2, 3, 4)),
        nn.Conv1d(3, 4, 4, stride=3), nn.Conv3d(2, 3, 2, stride=2, padding=1)), [(2, 3, 11), (2, 2, 4, 5, 3)]),
    "transposed convolution": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        [(2, 4, 4, 5)]),
    "pooling": (lambda: Lambda(lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True) + F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)),
        [(2, 3, 8, 7)]),
    "norms in evaluation": (lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.GroupNorm(2, 4),
        nn.InstanceNorm2d(4, affine=True)).eval(), [(3, 4, 5, 4)]),
    "layer norm": (lambda: nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8)), [(3, 4, 6)]),
    "attention": (lambda: Lambda(lambda a, x: a(x, x, x, need_weights=False)[0],
        nn.MultiheadAttention(8, 2, batch_first=True)), [(2, 5, 8)]),
    "transformer": (lambda: Lambda(lambda a, n, w, m, x: m(w(h := n(x + a(x, x, x, need_weights=False)[0]))) + h,
        nn.MultiheadAttention(8, 2, batch_first=True), nn.LayerNorm(8), nn.Linear(8, 16),
        nn.Sequential(nn.GELU(), nn.Linear(16, 8))), [(2, 5, 8)]),
    "rnn": (lambda: Lambda(lambda r, x: r(x)[0], nn.RNN(4, 5, bidirectional=True)), [(6, 2, 4)]),
    "gru": (lambda: Lambda(lambda r, x: r(x)[0], nn.GRU(4, 5, num_layers=2)), [(6, 2, 4)]),
    "lstm": (lambda: Lambda(lambda r, x: torch.cat(r(x)[1], 2), nn.LSTM(4, 5, bidirectional=True)), [(6, 2, 4)]),
    "upsample": (lambda: Lambda(lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        + F.interpolate(x, scale_factor=2.0, mode="bicubic") + F.interpolate(x, scale_factor=2.0)), [(1, 2, 4, 3)]),
    "shuffle and pad": (lambda: Lambda(lambda x: F.pad(F.pixel_shuffle(x, 2), (1, 2, 2, 1), mode="reflect")), [(2, 4, 3, 4)]),
    "indexing": (lambda: Lambda(lambda x: x[:, 1::2].flip(1) * x[:, :-1:2] + x.cumsum(1)[:, ::2]), [(3, 6, 2)]),
    "selection": (lambda: Lambda(lambda x: x.topk(3, 1)[0] * x.gather(1, x.argsort(1)[:, :3])), [(4, 6)]),
    "reductions": (lambda: Lambda(lambda x: x.logsumexp(1) + x.norm(dim=1) + x.amax(1) + x.std(1) + x.prod(1)), [(3, 5)]),
    "products": (lambda: Lambda(lambda x, y: torch.einsum("bij,bjk->bik", x, y).matmul(y.transpose(1, 2))),
        [(2, 3, 4), (2, 4, 5)]),
    "broadcasting": (lambda: Lambda(lambda x, y: x / (1 + y.exp()) - torch.maximum(x, y) * torch.where(y > 0, x, y)),
        [(3, 1, 4), (2, 1)]),
    "sampling": (lambda: Lambda(lambda x, y: F.grid_sample(x, torch.tanh(y), align_corners=False)),
        [(1, 2, 5, 4), (1, 3, 3, 2)]),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_the_gradients_of_pytorch(name: str) -> None:
    torch.manual_seed(0)
    make, shapes = MODULES[name]
    module = make().double()
    with torch.no_grad():  # the exporter merges parameters of equal values
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    inputs = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]
    names = [f"x{i}" for i in range(len(inputs))]
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, tuple(inputs), buffer, input_names=names, output_names=["y"], opset_version=18, dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
        )  # fmt: skip
    model = onnx.load_from_string(buffer.getvalue())
    stored = {t.name for t in model.graph.initializer}
    parameters = {n: p for n, p in module.named_parameters() if n in stored}
    gradient = netc.grad(model, wrt=[*names, *parameters], of=["y"])
    y = module(*inputs)
    dy = torch.randn_like(y)
    y.backward(dy)
    feeds = {n: x.detach().numpy() for n, x in zip(names, inputs)}
    found = evaluate(gradient, {**feeds, "grad/y": dy.numpy()})
    for n, tensor in {**dict(zip(names, inputs)), **parameters}.items():
        expected = np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
        computed = found.get(f"grad/{n}", np.zeros(tensor.shape))
        # attributes are float32; places of grid_sample are float32 in the evaluator
        limit = {"sampling": 1e-5, "activations": 1e-6}.get(name, 1e-8)
        np.testing.assert_allclose(
            computed, expected, rtol=0, atol=limit * max(1e-3, np.abs(expected).max()), err_msg=n
        )


# but for leaky and exponential units, whose specifications put 0 on the right side and PyTorch on the left
KINKS: dict[str, tuple[str, Callable[..., Any], list[float]]] = {
    "Abs": ("Abs (x)", torch.abs, [0]),
    "Clip": ("Clip (x, low, high)", lambda x: torch.clamp(x, -1, 1), [-1, 1]),
    "HardSigmoid": ("HardSigmoid <alpha = 0.5, beta = 0.5> (x)", lambda x: torch.clamp(x / 2 + 0.5, 0, 1), [0.5]),
    "HardSwish": ("HardSwish (x)", F.hardswish, [-3, 3]),
    "Max": ("Max (x, low)", lambda x: torch.maximum(x, torch.tensor(-1.0, dtype=x.dtype)), [-1]),
    "Pow 0": ("Pow (x, zero)", lambda x: x**0.0, [0]),
    "Pow 2": ("Pow (x, two)", lambda x: x**2.0, [0, -3]),
    "ReduceMax": ("ReduceMax (x)", torch.amax, [2, 2, 2]),
    "Relu": ("Relu (x)", F.relu, [0]),
    "Sqrt": ("Sqrt (x)", torch.sqrt, [0]),
    "ThresholdedRelu": ("ThresholdedRelu (x)", lambda x: F.threshold(x, 1.0, 0.0), [1]),
}


@pytest.mark.parametrize("name", KINKS)
def test_where_there_is_no_derivative_it_is_the_one_of_pytorch(name: str) -> None:
    call, run, points = KINKS[name]
    model = onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["": 18]>
        g (double[K] x) => (double[] y) <double low = {{-1}}, double high = {{1}}, double zero = {{0}}, double two = {{2}}>
        {{ r = {call}  y = ReduceSum <keepdims = 0> (r) }}""")
    model.graph.output[0].type.tensor_type.shape.SetInParent()
    x = torch.tensor([*map(float, points), -0.7, 0.3, 2.0], dtype=torch.float64, requires_grad=True)
    run(x).sum().backward()
    found = evaluate(netc.grad(model), {"x": x.detach().numpy(), "grad/y": np.array(1.0)})
    computed = found.get("grad/x", np.zeros(len(x)))
    np.testing.assert_allclose(computed, x.grad.numpy(), rtol=1e-6)  # attributes are float32

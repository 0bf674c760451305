"""Operators with their attributes left out and given: a row for each way of writing a node, compared with differences."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser

import netc
from netc import NetError
from tests.autodiff import reference
from tests.autodiff.evaluator import evaluate
from tests.autodiff.recurrent import GRU, LSTM, RNN
from tests.autodiff.reference import compare

Row = tuple[int, str, int, str]  # opset, inputs, axes of y, nodes
ROWS: dict[str, Row] = {
    # discrete Fourier transforms
    "DFT": (18, "double[2, 5, 3, 2] x", 4, "y = DFT (x)"),
    "DFT of real numbers": (18, "double[2, 5, 1] x", 3, "y = DFT (x)"),
    "DFT along an axis": (18, "double[2, 5, 3, 2] x", 4, "y = DFT <axis = 2> (x)"),
    "DFT, onesided": (18, "double[2, 5, 1] x", 3, "y = DFT <onesided = 1> (x)"),
    "DFT, inverse": (18, "double[2, 5, 2] x", 3, "y = DFT <inverse = 1> (x)"),
    "DFT, cut": (18, "double[2, 5, 2] x", 3, "n = Constant <value_int = 3> () y = DFT (x, n)"),
    "DFT, filled up": (18, "double[2, 5, 2] x", 3, "n = Constant <value_int = 7> () y = DFT <inverse = 1> (x, n)"),
    "DFT since opset 20": (20, "double[2, 5, 3, 2] x", 4, "y = DFT (x)"),
    # convolutions
    "Conv, VALID": (18, "double[1, 2, 5, 6] x, double[3, 2, 3, 2] w", 4, 'y = Conv <auto_pad = "VALID"> (x, w)'),
    "Conv, SAME_UPPER": (18, "double[1, 2, 5, 6] x, double[3, 2, 3, 2] w", 4, 'y = Conv <auto_pad = "SAME_UPPER"> (x, w)'),
    "Conv, SAME_LOWER": (18, "double[1, 2, 5, 6] x, double[3, 2, 3, 2] w", 4, 'y = Conv <auto_pad = "SAME_LOWER"> (x, w)'),
    "Conv, SAME_LOWER with steps": (18, "double[1, 2, 5, 6] x, double[3, 2, 3, 2] w", 4,
        'y = Conv <auto_pad = "SAME_LOWER", strides = [2, 2]> (x, w)'),
    "Conv, grouped with steps": (18, "double[1, 4, 6, 7] x, double[6, 2, 3, 2] w, double[6] b", 4,
        "y = Conv <group = 2, strides = [2, 1], dilations = [1, 2], pads = [1, 0, 2, 1]> (x, w, b)"),
    "ConvTranspose": (18, "double[1, 2, 4, 3] x, double[2, 3, 3, 2] w, double[3] b", 4, "y = ConvTranspose (x, w, b)"),
    "ConvTranspose, VALID": (18, "double[1, 2, 4, 3] x, double[2, 3, 3, 2] w", 4,
        'y = ConvTranspose <auto_pad = "VALID", strides = [2, 2]> (x, w)'),
    "ConvTranspose with pads": (18, "double[1, 2, 4, 3] x, double[2, 3, 3, 2] w", 4,
        "y = ConvTranspose <pads = [1, 0, 2, 1], strides = [2, 3], dilations = [2, 1]> (x, w)"),
    "ConvTranspose, filled up": (18, "double[1, 2, 4, 3] x, double[2, 3, 3, 2] w", 4,
        "y = ConvTranspose <strides = [2, 3], output_padding = [1, 2]> (x, w)"),
    "ConvTranspose, filled up by a step": (18, "double[1, 2, 4, 3] x, double[2, 3, 3, 2] w", 4,
        "y = ConvTranspose <strides = [2, 2], dilations = [3, 3], output_padding = [2, 1]> (x, w)"),
    "ConvTranspose to a shape": (18, "double[1, 2, 4, 3] x, double[2, 3, 3, 2] w", 4,
        "y = ConvTranspose <strides = [2, 2], output_shape = [7, 6]> (x, w)"),
    "ConvTranspose to a shape, UPPER": (18, "double[1, 2, 4, 3] x, double[2, 3, 3, 2] w", 4,
        'y = ConvTranspose <strides = [2, 2], output_shape = [8, 5], auto_pad = "SAME_UPPER"> (x, w)'),
    "AveragePool, VALID": (18, "double[1, 2, 5, 6] x", 4, 'y = AveragePool <kernel_shape = [3, 2], auto_pad = "VALID"> (x)'),
    "LpPool": (18, "double[1, 2, 5, 6] x", 4, "y = LpPool <kernel_shape = [3, 2]> (x)"),
    "LRN": (18, "double[2, 5, 3, 2] x", 4, "y = LRN <size = 3> (x)"),
    "LRN, even": (18, "double[2, 5, 3, 2] x", 4, "y = LRN <size = 4, alpha = 0.5, beta = 0.6, bias = 2.0> (x)"),
    "LRN, alone": (18, "double[2, 5, 3, 2] x", 4, "y = LRN <size = 1, alpha = 0.5> (x)"),
    "GroupNormalization, a channel": (21, "double[2, 4, 3] x, double[4] s, double[4] b", 3,
        "y = GroupNormalization <num_groups = 2, epsilon = 0.5> (x, s, b)"),
    "LpNormalization": (18, "double[3, 4] x", 2, "y = LpNormalization (x)"),
    "LpNormalization, p = 1": (18, "double[3, 4] x", 2, "y = LpNormalization <p = 1, axis = 0> (x)"),
    # axes that are left out
    "Softmax": (18, "double[2, 3, 4] x", 3, "y = Softmax (x)"),
    "LogSoftmax": (18, "double[2, 3, 4] x", 3, "y = LogSoftmax (x)"),
    "Flatten": (18, "double[2, 3, 4] x", 2, "y = Flatten (x)"),
    "Gather": (18, "double[3, 4] x, int64[2] i", 2, "y = Gather (x, i)"),
    "Gather from behind": (18, "double[3, 4] x, int64[2] i", 2, "y = Gather <axis = -1> (x, i)"),
    "GatherElements": (18, "double[3, 4] x, int64[2, 4] i", 2, "y = GatherElements (x, i)"),
    "GatherElements from behind": (18, "double[3, 4] x, int64[3, 2] i", 2, "y = GatherElements <axis = -1> (x, i)"),
    "ScatterElements": (18, "double[3, 4] x, int64[2, 4] i, double[2, 4] u", 2,
        'y = ScatterElements <reduction = "add"> (x, i, u)'),
    "ScatterElements from behind": (18, "double[3, 4] x, int64[3, 2] i, double[3, 2] u", 2,
        'y = ScatterElements <reduction = "add", axis = -1> (x, i, u)'),
    "TopK": (18, "double[3, 4] x", 2, "k = Constant <value_ints = [2]> () y, i = TopK (x, k)"),
    "TopK of the first axis": (18, "double[3, 4] x", 2,
        "k = Constant <value_ints = [2]> () y, i = TopK <axis = 0, largest = 0> (x, k)"),
    "TopK, whose places alone are read": (18, "double[3, 4] x", 2,
        "k = Constant <value_ints = [2]> () v, i = TopK (x, k) z = CastLike (i, x) s = ReduceSum (x) y = Mul (z, s)"),
    "Split": (18, "double[4, 3] x", 2, "y, z = Split <num_outputs = 2> (x)"),
    "Trilu": (18, "double[3, 4] x", 2, "y = Trilu (x)"),
    "Trilu, below": (18, "double[3, 4] x", 2, "y = Trilu <upper = 0> (x)"),
    "ReverseSequence": (18, "double[4, 3, 2] x, int64[3] n", 3, "y = ReverseSequence (x, n)"),
    "ReverseSequence by rows": (18, "double[3, 4, 2] x, int64[3] n", 3,
        "y = ReverseSequence <batch_axis = 0, time_axis = 1> (x, n)"),
    "DepthToSpace": (18, "double[1, 8, 2, 3] x", 4, "y = DepthToSpace <blocksize = 2> (x)"),
    "DepthToSpace, CRD": (18, "double[1, 8, 2, 3] x", 4, 'y = DepthToSpace <blocksize = 2, mode = "CRD"> (x)'),
    "Tile of a number": (18, "double x", 0, "k = Constant <value_ints: ints = []> () y = Tile (x, k)"),
    "CumSum": (18, "double[3, 4] x", 2, "k = Constant <value_int = 1> () y = CumSum (x, k)"),
    "CumSum, both": (18, "double[3, 4] x", 2, "k = Constant <value_int = 0> () y = CumSum <exclusive = 1, reverse = 1> (x, k)"),
    "GatherND": (18, "double[3, 4] x, int64[2, 1] i", 2, "y = GatherND (x, i)"),
    # factors and bounds that are left out
    "Gemm": (18, "double[3, 4] a, double[4, 2] b, double[2] c", 2, "y = Gemm (a, b, c)"),
    "Elu": (18, "double[3, 4] x", 2, "y = Elu (x)"),
    "Selu": (18, "double[3, 4] x", 2, "y = Selu (x)"),
    "LeakyRelu": (18, "double[3, 4] x", 2, "y = LeakyRelu (x)"),
    "HardSigmoid": (18, "double[3, 4] x", 2, "y = HardSigmoid (x)"),
    "ThresholdedRelu": (18, "double[3, 4] x", 2, "y = ThresholdedRelu (x)"),
    "Shrink": (18, "double[3, 4] x", 2, "y = Shrink (x)"),
    "Gelu": (20, "double[3, 4] x", 2, "y = Gelu (x)"),
    "Clip": (18, "double[3, 4] x", 2, "y = Clip (x)"),
    "Clip from above": (18, "double[3, 4] x, double h", 2, "y = Clip (x, , h)"),
    "Mod": (18, "double[3, 4] x, double[4] m", 2, "y = Mod <fmod = 1> (x, m)"),
    "Dropout": (18, "double[3, 4] x", 2, "y = Dropout (x)"),
    # reading between pixels
    **{f"GridSample, {padding}, {mode}, {align}": (20, "double[1, 2, 4, 5] x, double[1, 3, 3, 2] p", 4,
        f'y = GridSample <padding_mode = "{padding}", mode = "{mode}", align_corners = {align}> (x, p)')
       for padding in ("zeros", "border", "reflection") for mode in ("linear", "cubic") for align in (0, 1)},
    "GridSample": (20, "double[1, 2, 4, 5] x, double[1, 3, 3, 2] p", 4, "y = GridSample (x, p)"),
    **{f"Resize, {mode}, {way}": (18, "double[1, 1, 4, 5] x", 4,
        "n = Constant <value_ints = [1, 1, 6, 3]> () "
        f'y = Resize <mode = "{mode}", coordinate_transformation_mode = "{way}"> (x, , , n)')
       for mode in ("linear", "cubic") for way in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")},
    "Resize": (18, "double[1, 1, 4, 5] x", 4, "s = Constant <value_floats = [1.0, 1.0, 1.5, 2.0]> () y = Resize (x, , s)"),
    "Resize, excluded": (18, "double[1, 1, 4, 5] x", 4,
        's = Constant <value_floats = [1.0, 1.0, 1.5, 2.0]> () y = Resize <mode = "cubic", exclude_outside = 1> (x, , s)'),
    "Resize, another kernel": (18, "double[1, 1, 4, 5] x", 4,
        's = Constant <value_floats = [1.0, 1.0, 1.5, 2.0]> () y = Resize <mode = "cubic", cubic_coeff_a = -0.5> (x, , s)'),
    **{f"Resize to two sizes, {policy}": (18, "double[1, 1, 4, 5] x", 4,
        "n = Constant <value_ints = [7, 8]> () "
        f'y = Resize <mode = "linear", axes = [2, 3], keep_aspect_ratio_policy = "{policy}"> (x, , , n)')
       for policy in ("stretch", "not_larger", "not_smaller")},
    "Unique": (18, "double[5] x", 1, "y = Unique (x)"),
    "Unique, of which the places are read too": (18, "double[5] x", 1, "y, i = Unique (x)"),
    # branches that read nothing that a gradient reaches
    "If without a gradient": (18, "double[3] x, bool c", 1, """z = If (c) <then_branch = t () => (double[3] r) { r = Floor (x) },
        else_branch = f () => (double[3] q) { q = Ceil (x) }> y = Add (x, z)"""),
}  # fmt: skip


def build(opset: int, inputs: str, rank: int, nodes: str) -> onnx.ModelProto:
    dims = ", ".join(f"Y{i}" for i in range(rank))
    y = f"double[{dims}] y" if rank else "double y"
    return parser.parse_model(f"""<ir_version: 9, opset_import: ["": {opset}]> g ({inputs}) => ({y}) {{ {nodes} }}""")


def samples(model: onnx.ModelProto, seed: int = 0) -> dict[str, Any]:
    """Numbers up to 2 for floating-point inputs, 0 to 2 for whole ones, and 1 to 3 for lengths."""
    g = np.random.default_rng(seed)
    made: dict[str, Any] = {}
    for i in model.graph.input:
        shape = [d.dim_value for d in i.type.tensor_type.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type)
        if dtype.kind == "f":
            made[i.name] = g.uniform(-2, 2, shape)
        else:
            made[i.name] = g.integers(1 if i.name == "n" else 0, 4 if i.name == "n" else 2, shape).astype(dtype)
    return made


@pytest.mark.parametrize("name", ROWS)
def test_an_operator_as_it_is_written(name: str) -> None:
    model = build(*ROWS[name])
    inputs = samples(model)
    assert compare(model, netc.grad(model), inputs, [n for n, a in inputs.items() if a.dtype == np.float64]) == []


def recurrent(kind: str, given: str = "x, w, r", **attributes: Any) -> Row:
    """A node on x [4, 3, 2] with a hidden size of 3, of which lengths 1 to 3 may be read; `given` are its inputs."""
    gates, two = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind], 2 if attributes.get("direction") == "bidirectional" else 1
    first = attributes.get("layout")
    state = f"double[3, {two}, 3]" if first else f"double[{two}, 3, 3]"
    types = {
        "x": "double[3, 4, 2]" if first else "double[4, 3, 2]", "w": f"double[{two}, {gates * 3}, 2]",
        "r": f"double[{two}, {gates * 3}, 3]", "b": f"double[{two}, {gates * 6}]", "n": "int32[3]", "h": state, "c": state,
        "p": f"double[{two}, 9]",
    }  # fmt: skip
    written = ", ".join(f"{k} = {json.dumps(v)}" for k, v in attributes.items())
    inputs = ", ".join(f"{types[n]} {n}" for n in given.split(", ") if n)
    return 18, inputs, 4, f"y = {kind} <hidden_size = 3{', ' if written else ''}{written}> ({given})"


ALL = {"RNN": "x, w, r, b, n, h", "GRU": "x, w, r, b, n, h", "LSTM": "x, w, r, b, n, h, c, p"}
WITH_ALPHA = ["Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu"]
RECURRENT: dict[str, Row] = {
    **{f"{k}": recurrent(k) for k in ALL},
    **{f"{k} with all inputs": recurrent(k, given) for k, given in ALL.items()},
    **{f"{k}, {way}": recurrent(k, given, direction=way) for k, given in ALL.items() for way in ("reverse", "bidirectional")},
    **{f"{k}, rows first": recurrent(k, given, direction="bidirectional", layout=1) for k, given in ALL.items()},
    **{f"{k}, reverse without lengths": recurrent(k, "x, w, r, b", direction="reverse") for k in ALL},
    **{f"{k}, clipped": recurrent(k, "x, w, r, b", clip=0.6) for k in ALL},
    **{f"{f}": recurrent("RNN", activations=[f]) for f in [*WITH_ALPHA, "Relu", "Sigmoid", "Softsign", "Softplus"]},
    **{f"{f}, given": recurrent("RNN", activations=[f], activation_alpha=[0.3], activation_beta=[0.7]) for f in WITH_ALPHA},
    "GRU, late": recurrent("GRU", ALL["GRU"], linear_before_reset=1),
    "GRU, functions": recurrent("GRU", "x, w, r, b", activations=["HardSigmoid", "ScaledTanh"], activation_alpha=[0.3, 0.8],
        activation_beta=[0.4]),
    "LSTM, coupled": recurrent("LSTM", ALL["LSTM"], input_forget=1),
    "LSTM, functions both ways": recurrent("LSTM", "x, w, r, b", direction="bidirectional",
        activations=["HardSigmoid", "Tanh", "ScaledTanh", "Sigmoid", "Elu", "Affine"], activation_alpha=[0.3, 1.2, 0.7, 0.9],
        activation_beta=[0.4, 0.8, 0.1]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_operator_as_it_is_written(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "evaluate", partial(evaluate, operators=[RNN, GRU, LSTM]))
    model = build(*RECURRENT[name])
    inputs = samples(model)
    assert compare(model, netc.grad(model), inputs, [n for n, a in inputs.items() if a.dtype == np.float64]) == []


@pytest.mark.parametrize("kind", ALL)
def test_the_last_states_of_rows_that_end_earlier(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second output, and the third of LSTM, through a sum."""
    monkeypatch.setattr(reference, "evaluate", partial(evaluate, operators=[RNN, GRU, LSTM]))
    opset, inputs, _, nodes = recurrent(kind, ALL[kind], direction="bidirectional")
    nodes = nodes.replace("y =", "s, u, v =" if kind == "LSTM" else "s, u =")
    model = build(opset, inputs, 3, nodes + (" y = Mul (u, v)" if kind == "LSTM" else " y = Mul (u, u)"))
    given = samples(model)
    assert compare(model, netc.grad(model), given, [n for n, a in given.items() if a.dtype == np.float64]) == []


REFUSED: dict[str, tuple[Row, str]] = {
    "an activation": (recurrent("RNN", activations=["Sine"]), "its activation `sine` is not known"),
    "a hidden size": ((18, "double[4, 3, 2] x, double[1, H, 2] w, double[1, H, H] r", 4, "y = RNN (x, w, r)"),
        "hidden size is not known"),
    "a kernel": ((18, "double[1, 1, H, W] x, double[1, 1, K, L] w", 4, 'y = Conv <auto_pad = "SAME_UPPER"> (x, w)'),
        "the size of its kernel is not known; give `pads`"),
    "the axes of Col2Im": ((18, "double[1, 4, 4] x, int64[M] n, int64[M] k", 4, "y = Col2Im (x, n, k)"),
        "the number of spatial axes is not known"),
    "a matrix": ((18, "double[H, H] x", 0, "y = Det (x)"), "the size of the matrix is not known"),
    "the sizes of DeformConv": ((19, "double[1, C, 5, 5] x, double[1, C, 2, 2] w, double[1, 8, H, W] o", 4,
        "y = DeformConv (x, w, o)"),
        "the number of channels and the size of the output must be known"),
    "a shape for ConvTranspose": ((18, "double[1, 1, H, W] x, double[1, 1, 3, 3] w", 4,
        "y = ConvTranspose <output_shape = [7, 7], strides = [2, 2]> (x, w)"), "its pads depend on a size that is not known"),
    "the axes of a grid": ((20, "double[2, 2, 3] t, int64[M] n", 4, "y = AffineGrid (t, n)"), "the number of axes of its image"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_must_be_known_is_said(name: str) -> None:
    row, message = REFUSED[name]
    with pytest.raises(NetError) as e:
        netc.grad(build(*row))
    assert message in e.value.render().replace("\n", " ")


@pytest.mark.parametrize("align", [0, 1])
def test_an_affine_grid(align: int) -> None:
    """Compared with the formula: ONNX's evaluator has no float64 here. A row of theta by (x, y, 1) at each pixel."""
    node = f"n = Constant <value_ints = [2, 1, 3, 4]> () y = AffineGrid <align_corners = {align}> (t, n)"
    model = build(20, "double[2, 2, 3] t", 4, node if align else node.replace(" <align_corners = 0>", ""))
    g = np.random.default_rng(0)
    dy = g.normal(size=(2, 3, 4, 2))
    ys, xs = (np.linspace(-1, 1, k) if align else (2 * np.arange(k) + 1) / k - 1 for k in (3, 4))
    pixels = np.stack([*np.meshgrid(xs, ys), np.ones((3, 4))], -1)
    found = evaluate(netc.grad(model), {"t": g.normal(size=(2, 2, 3)), "grad/y": dy})["grad/t"]
    np.testing.assert_allclose(found, np.einsum("nhwc,hwk->nck", dy, pixels), rtol=1e-12)


@pytest.mark.parametrize("both", [True, False], ids=["both", "the first"])
def test_products_whose_ranks_show_at_run_time(both: bool) -> None:
    second = "p = Reshape (b, m) y = MatMul (q, p)" if both else "y = MatMul (q, b)"
    model = build(18, "double[6, 4] a, double[4, 5] b, int64[K] n, int64[L] m", 3, f"q = Reshape (a, n) {second}")
    g = np.random.default_rng(0)
    inputs = {"a": g.normal(size=(6, 4)), "b": g.normal(size=(4, 5)), "n": np.array([2, 3, 4]), "m": np.array([4, 5])}
    assert compare(model, netc.grad(model), inputs, ["a", "b"] if not both else ["a"]) == []
    inputs["m"] = np.array([1, 4, 5])
    assert compare(model, netc.grad(model), inputs, ["a", "b"] if not both else ["a"]) == []


LOOPS = {
    "grows": (
        "double[3] a",
        "c = Concat <axis = 0> (a, a)",
        "a state changes its shape from one iteration to the next",
    ),
    "gains an axis": (
        "double[3] a",
        "k = Constant <value_ints = [0]> () c = Unsqueeze (a, k)",
        "a state changes its shape",
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_state_that_changes_its_shape_is_refused(name: str) -> None:
    state, step, message = LOOPS[name]
    rank = 2 if "axis" in name else 1
    model = build(
        18,
        "double[3] x, int64 n",
        rank,
        f"""on = Constant <value: tensor = bool {{1}}> ()
        y = Loop <body = b (int64 i, bool go, {state}) => (bool d,
            double[{"P, Q" if rank == 2 else "P"}] c) {{ d = Identity (go) {step} }}> (n, on, x)""",
    )
    with pytest.raises(NetError) as e:
        netc.grad(model)
    assert message in e.value.render().replace("\n", " ")

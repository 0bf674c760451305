"""ONNX's own node tests with floating-point inputs and outputs: each derivative against central differences in float64.

A case is right, or refused by the operator's name, or has no stable differences (a kink, a jump, noise, float32 inside).
Cases with a known kink, where any number between two slopes is a subgradient, are named below.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

import netc
from netc import NetError
from tests.autodiff.reference import Unstable, compare, evaluate, fitting, in_double, is_float

PARTS = 16

# at a kink, or at a tie of three and more, differences give a mean that no rule for one side gives
KINKS = {
    "test_elu_example", "test_elu_example_expanded_ver18", "test_leakyrelu_example", "test_leakyrelu_example_expanded",
    "test_selu_example", "test_selu_example_expanded_ver18", "test_maxpool_3d_dilations",
    "test_maxpool_3d_dilations_use_ref_impl", "test_reduce_min_default_axes_keepdims_example",
    "test_roialign_aligned_false",
}  # fmt: skip

# what ONNX's evaluator does not compute as the operator is defined, with or without a derivative
EVALUATOR = {
    "test_resize_downsample_scales_linear_align_corners",  # sizes with a fraction
    "test_resize_downsample_scales_cubic_align_corners",
    "test_range_float_type_positive_delta_expanded",  # numbers that a Loop stacks come out as columns
}

REFUSED = {
    "test_flexattention": "custom-domain", "test_flex_attention": "custom-domain", "test_ai_onnx_ml": "custom-domain",
    "test_unique": "no-gradient", "test_dft_irfft": "no-gradient", "test_scan_sum": "opset",
}  # fmt: skip

RANDOM = ("bernoulli", "training_dropout")


@cache
def cases() -> list[Any]:
    return sorted(load_model_tests(kind="node"), key=lambda c: c.name)


def floats(values: Any) -> bool:
    return any(is_float(v) for v in values)


def inputs_of(case: Any, model: onnx.ModelProto) -> list[Any]:
    if case.data_sets:
        given = case.data_sets[0][0]
    else:
        given = []
        for i in range(len(model.graph.input)):
            tensor = onnx.TensorProto()
            path = os.path.join(case.model_dir, "test_data_set_0", f"input_{i}.pb")
            with open(path, "rb") as f:
                tensor.ParseFromString(f.read())
            given.append(tensor)
    return [numpy_helper.to_array(a) if isinstance(a, onnx.TensorProto) else a for a in given]


def outcome(case: Any, symbolic: bool) -> str:
    """right, wrong, refused, unstable or skipped (no floating-point input and output)."""
    model = case.model or onnx.load(os.path.join(case.model_dir, "model.onnx"))
    if not floats(model.graph.input) or not floats(model.graph.output):
        return "skipped"
    double = in_double(model)
    inputs = fitting(double, [a if isinstance(a, list) else np.asarray(a) for a in inputs_of(case, model)])
    static = onnx.ModelProto()
    static.CopyFrom(double)
    if symbolic:
        make_symbolic(double)
    try:
        derivative = netc.grad(double)
    except NetError as e:
        return f"refused: {e.diagnostics[0].slug}"
    try:
        evaluate(static, inputs)
    except Exception:
        return "unstable"  # the evaluator has no answer for the model itself
    try:
        wrt = [i.name for i in model.graph.input if is_float(i)]
        return "wrong" if compare(static, derivative, inputs, wrt) else "right"
    except Unstable:
        return "unstable"


def make_symbolic(model: onnx.ModelProto) -> None:
    """Gives every dimension of every input a name of its own; outputs are only known by their rank."""
    number = 0
    for value in (*model.graph.input, *model.graph.output):
        if value.type.HasField("tensor_type"):
            for d in value.type.tensor_type.shape.dim:
                if d.dim_value >= 1:
                    d.dim_param = f"D{number}"
                    number += 1
    del model.graph.value_info[:]


def known(name: str) -> bool:
    return name in KINKS or name in EVALUATOR or any(r in name for r in RANDOM)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(PARTS))
def test_every_derivative_is_right_or_refused(part: int) -> None:
    found = {c.name: outcome(c, symbolic=False) for c in cases()[part::PARTS] if not known(c.name)}
    wrong = [n for n, o in found.items() if o == "wrong"]
    assert not wrong
    for name, how in found.items():
        if how.startswith("refused"):
            assert any(name.startswith(n) and how == f"refused: {slug}" for n, slug in REFUSED.items()), (name, how)
    decided = [o for o in found.values() if o == "right" or o.startswith("refused")]
    assert decided.count("right") >= 0.95 * len(decided)
    assert decided.count("right") >= 0.8 * (len(found) - list(found.values()).count("skipped"))


# what has to be known when the derivative is taken; the reason is in the message
NEEDS_SIZES = (
    "affine_grid", "averagepool", "basic_conv_with_padding", "causal_conv", "col2im", "conv", "deform_conv", "det_",
    "dft", "maxpool", "reshape_allowzero", "resize",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(PARTS))
def test_with_every_size_symbolic_it_is_right_or_refused(part: int) -> None:
    found = {c.name: outcome(c, symbolic=True) for c in cases()[part::PARTS] if not known(c.name)}
    assert not [n for n, o in found.items() if o == "wrong"]
    for name, how in found.items():
        if how.startswith("refused") and not any(name.startswith(n) for n in REFUSED):
            assert any(part in name for part in NEEDS_SIZES), (name, how)

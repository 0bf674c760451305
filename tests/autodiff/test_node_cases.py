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
import onnxruntime as ort
import pytest
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

import netc
from netc import NetError
from tests.autodiff.evaluator import evaluate
from tests.autodiff.reference import Unstable, compare, compare_forward, fitting, in_double, is_float

PARTS = 64

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
}

REFUSED = {
    "test_flexattention": "custom-domain", "test_flex_attention": "custom-domain", "test_ai_onnx_ml": "custom-domain",
    "test_scan_sum": "opset",
}  # fmt: skip

# no input has stable differences: a kink, a jump, numbers of few bits, or an operator that the evaluator lacks in float64
UNDECIDED = (
    "test_acosh_example", "test_adam_multiple", "test_affine_grid", "test_attention_4d_with_past_and_present_qk_matmul_bias",
    "test_cast", "test_causal_conv", "test_dequantizelinear", "test_dynamicquantizelinear", "test_floor_example",
    "test_hardmax_one_hot", "test_l2normalization_axis_0", "test_linear_attention", "test_mod_float_edge_cases", "test_mvn",
    "test_range_float", "test_reduce_", "test_rotary_embedding", "test_round", "test_scatter_with", "test_sign",
    "test_softsign_example", "test_thresholdedrelu_example", "test_unique",
)  # fmt: skip

RANDOM = ("bernoulli", "training_dropout")
SLOW = (  # in the evaluator
    "test_maxpool_3d_dilations_use_ref_impl_large", "test_averagepool_3d_dilations_large", "test_averagepool_3d_default",
    "test_lppool_3d_default", "test_reshape_allowzero_reordered",
)  # fmt: skip


@cache
def cases() -> list[Any]:
    return sorted(load_model_tests(kind="node"), key=lambda c: c.name)


def part_of(part: int) -> list[Any]:
    """The cases in the order of names, so that those of one operator stand together."""
    found = cases()
    return found[len(found) * part // PARTS : len(found) * (part + 1) // PARTS]


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
    except Exception:  # the evaluator, which raises types of every kind, has no answer for the model itself
        return "unstable"
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
    slow = any(name.startswith(s) for s in SLOW)
    return slow or name in KINKS or name in EVALUATOR or any(r in name for r in RANDOM)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(PARTS))
def test_every_derivative_is_right_or_refused(part: int) -> None:
    found = {c.name: outcome(c, symbolic=False) for c in part_of(part) if not known(c.name)}
    wrong = [n for n, o in found.items() if o == "wrong"]
    assert not wrong
    for name, how in found.items():
        if how.startswith("refused"):
            assert any(name.startswith(n) and how == f"refused: {slug}" for n, slug in REFUSED.items()), (name, how)
    assert not [n for n, o in found.items() if o == "unstable" and not n.startswith(UNDECIDED)]


# what has to be known when the derivative is taken; the reason is in the message
NEEDS_SIZES = (
    "affine_grid", "averagepool", "basic_conv_with_padding", "causal_conv", "col2im", "conv", "deform_conv", "det_",
    "dft", "maxpool", "reshape_allowzero", "resize",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(PARTS))
def test_with_every_size_symbolic_it_is_right_or_refused(part: int) -> None:
    found = {c.name: outcome(c, symbolic=True) for c in part_of(part) if not known(c.name)}
    assert not [n for n, o in found.items() if o == "wrong"]
    for name, how in found.items():
        if how.startswith("refused") and not any(name.startswith(n) for n in REFUSED):
            assert any(part in name for part in NEEDS_SIZES), (name, how)


# --- forward mode and second order ------------------------------------------------------------------------------------

EDGES = {  # of empty tensors, where the evaluator reshapes, stacks or divides nothing
    "test_reshape_allowzero_reordered", "test_slice_start_out_of_bounds", "test_reduce_log_sum_empty_set",
    "test_reduce_log_sum_empty_set_expanded", "test_reduce_log_sum_exp_empty_set_expanded",
    "test_reduce_l2_empty_set_expanded", "test_reduce_max_empty_set", "test_reduce_min_empty_set",
}  # fmt: skip
SECOND = {  # the evaluator's places are float32, too coarse where their derivative is differentiated
    "test_gridsample_bilinear_align_corners_0_additional_1", "test_gridsample_bicubic_align_corners_0_additional_1",
    "test_resize_downsample_scales_linear_half_pixel_symmetric",
    # a number that is moved a little changes what is chosen, or is rounded to what it was
    "test_onehot_with_negative_axis", "test_unique_not_sorted_without_axis", "test_unique_sorted_with_axis",
    "test_castlike_BFLOAT16_to_FLOAT",
}  # fmt: skip


SHAPES_LOST = ("test_causal_conv", "test_dft_rfft")  # by inference, in what is differentiated once more


def prepared(case: Any) -> tuple[onnx.ModelProto, dict[str, Any]] | None:
    """The model in float64 and its inputs; None where there is nothing to differentiate or the case is an edge."""
    model = case.model or onnx.load(os.path.join(case.model_dir, "model.onnx"))
    if known(case.name) or case.name in EDGES or not floats(model.graph.input) or not floats(model.graph.output):
        return None
    double = in_double(model)
    inputs = fitting(double, [a if isinstance(a, list) else np.asarray(a) for a in inputs_of(case, model)])
    try:
        evaluate(double, inputs)
    except Exception:  # the evaluator, which raises types of every kind, has no answer for the model itself
        return None
    return double, inputs


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(PARTS))
def test_forward_mode_is_right_or_refused(part: int) -> None:
    found: dict[str, str] = {}
    for case in part_of(part):
        ready = prepared(case)
        if ready is None:
            continue
        try:
            found[case.name] = "wrong" if compare_forward(ready[0], netc.jvp(ready[0]), ready[1]) else "right"
        except NetError:
            found[case.name] = "refused"
        except Unstable:
            found[case.name] = "unstable"
    assert not [n for n, o in found.items() if o == "wrong"]
    assert not [n for n, o in found.items() if o == "refused" and not n.startswith((*REFUSED, *SHAPES_LOST))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("forward", [False, True], ids=["reverse", "forward"])
@pytest.mark.parametrize("part", range(PARTS))
def test_second_order_is_right_or_refused(part: int, forward: bool) -> None:
    """Every sixth case each way: the gradient of the gradient, and the tangent of the gradient."""
    found: dict[str, str] = {}
    for case in part_of(part)[int(forward) :: 6]:
        ready = prepared(case)
        if ready is None or case.name in SECOND:
            continue
        try:
            first = netc.grad(ready[0])
            of = [o.name for o in first.graph.output if o.name.startswith("grad/")]
            if not of:
                continue
            second = netc.jvp(first, of=of) if forward else netc.grad(first, of=of)
        except NetError:
            found[case.name] = "refused"
            continue
        try:
            inputs = {**ready[1], **cotangents(ready[0], first, ready[1])}
            if forward:
                wrong = bool(compare_forward(first, second, inputs, of))
            else:
                moved = [n for n, a in inputs.items() if getattr(a, "dtype", None) == np.float64]
                wrong = bool(compare(first, second, inputs, moved, mark="grad2/"))
            found[case.name] = "wrong" if wrong else "right"
        except Unstable:
            found[case.name] = "unstable"
    assert not [n for n, o in found.items() if o == "wrong"]
    assert not [n for n, o in found.items() if o == "refused" and not n.startswith((*REFUSED, *SHAPES_LOST))]


def cotangents(model: onnx.ModelProto, derivative: onnx.ModelProto, inputs: dict[str, Any]) -> dict[str, Any]:
    """Random values for the cotangents that a gradient takes."""
    g = np.random.default_rng(5)
    values = evaluate(model, inputs)
    made = {}
    for declared in derivative.graph.input:
        if declared.name.startswith("grad/"):
            dtype = onnx.helper.tensor_dtype_to_np_dtype(declared.type.tensor_type.elem_type)
            made[declared.name] = g.normal(size=np.shape(values[declared.name[5:]])).astype(dtype)
    return made


# --- ONNX Runtime -----------------------------------------------------------------------------------------------------

# gradients of 1e-5 and less, where tanh has no digits left in float32
SATURATED = {"test_rnn_seq_length", "test_simple_rnn_bidirectional"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(PARTS))
def test_derivatives_run_in_float32_and_agree_with_the_evaluator(part: int) -> None:
    """Every third case that ONNX Runtime loads: what it computes from the derivative is what the evaluator does."""
    for case in part_of(part)[::3]:
        both = on_both(case)
        for name in both[0] if both else ():
            found, expected = (of[name] for of in both or ())
            largest = max(1e-3, np.abs(expected).max(initial=0))
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * largest, err_msg=case.name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", ["conv_with_strides_padding", "lstm_defaults", "softmax_axis_1", "gemm_all_attributes", "max_one_input"]
)
def test_the_runtime_computes_derivatives(name: str) -> None:
    assert on_both(next(c for c in cases() if c.name == f"test_{name}"))


def on_both(case: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The gradients by ONNX Runtime and by the evaluator; None where the runtime cannot run the model itself."""
    model = case.model
    if model is None or known(case.name) or case.name in SATURATED:
        return None
    if not floats(model.graph.input) or not floats(model.graph.output) or not loads(model):
        return None
    try:
        derivative = netc.grad(model)
    except NetError:
        return None
    session = started(derivative)
    inputs = {i.name: np.asarray(a) for i, a in zip(model.graph.input, inputs_of(case, model))}
    try:
        started(model).run(None, inputs)
        more = cotangents(model, derivative, inputs)
    except Exception:  # the runtime or the evaluator cannot run the model itself: dtypes, missing kernels
        return None
    inputs.update(more)
    expected = evaluate(derivative, inputs)
    found = dict(zip([o.name for o in session.get_outputs()], session.run(None, inputs)))
    gradients = [n for n in found if n.startswith("grad/")]
    return {n: found[n] for n in gradients}, {n: expected[n] for n in gradients}


def loads(model: onnx.ModelProto) -> bool:
    try:
        started(model)
    except Exception:  # ONNX Runtime has no kernel for every operator, nor for every opset
        return False
    return True


def started(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

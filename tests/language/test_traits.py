"""What the compiler is told of each word, written out: a trait that changes is seen here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import netc.compiler.check  # noqa: F401  (makes the data formats words)
from netc.compiler.graph.types import DTYPES
from netc.compiler.language.operations import Operation
from netc.compiler.library import LIBRARY

WORDS = LIBRARY.operations
SIGNS = {
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "^",
    "@",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "and",
    "or",
    "not",
    "negative",
    "index",
}
INTEGERS = {n for n, d in DTYPES.items() if not d.is_float}
METRICS = {"accuracy", "binary_accuracy", "precision", "recall", "f1", "r2"}
LOSSES = {
    "softmax_cross_entropy", "nll", "sigmoid_cross_entropy", "mean_squared_error", "mean_absolute_error", "huber", "hinge",
    "binary_hinge", "kl_divergence",
}  # fmt: skip
STEPS = {  # their gradient is zero, or there is none
    "//", "==", "!=", "<", "<=", ">", ">=", "and", "or", "not", "sign", "floor", "ceil", "round", "stop_gradient", "is_nan",
    "argmax", "argmin", "one_hot", "argsort", "any", "all", "is_inf", *INTEGERS, *(METRICS - {"r2"}),
}  # fmt: skip
TRAITS: dict[str, tuple[Callable[[Operation], Any], set[str]]] = {
    "not differentiable": (lambda o: not o.differentiable, STEPS),
    "not written by name": (lambda o: not o.user, SIGNS),
    "draws random numbers": (lambda o: o.draws, {"dropout"}),
    "takes a pattern": (lambda o: o.pattern, {"l1", "l2"}),
    "watched": (lambda o: o.watched, {"relu"}),
    "a derivative": (lambda o: o.derives, {"gradient"}),
    "gives probabilities": (lambda o: o.gives == "probabilities", {"softmax", "sigmoid", "hard_sigmoid"}),
    "gives log-probabilities": (lambda o: o.gives == "log-probabilities", {"log_softmax"}),
    "doubts": (
        lambda o: hasattr(getattr(o, "cls", None), "doubt"),
        {"softmax", "log_softmax", "softmax_cross_entropy", "sigmoid_cross_entropy", "nll", "kl_divergence", "hinge", "accuracy",
         "binary_accuracy", "precision", "recall", "f1"},
    ),
    "better at its smallest": (lambda o: o.mode == "min", LOSSES),
    "better at its largest": (lambda o: o.mode == "max", METRICS),
    "accumulates": (lambda o: o.accumulates, {*LOSSES, *METRICS, "max", "min"}),
    "gives several": (lambda o: o.multiple, {"split", "top_k"}),
    "of plain numbers": (
        lambda o: o.static is not None,
        {"exp", "log", "sqrt", "sin", "cos", "abs", "floor", "ceil", "maximum", "minimum", "log2", "log10", "log1p", "expm1", "tan",
         "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"},
    ),
    "makes variables": (lambda o: o.group == "layer", {"Dense", "BatchNorm", "PReLU", "standardize"}),
    "only moves elements": (
        lambda o: o.group == "shape",
        {"flatten", "reshape", "transpose", "concat", "stack", "split", "squeeze", "unsqueeze", "expand", "one_hot", "gather",
         "index", "pad", "tile", "tril", "triu"},
    ),
    "takes several tensors": (lambda o: bool(o.slots) and o.slots[0].variadic, {"concat", "stack", "einsum"}),
}  # fmt: skip


@pytest.mark.parametrize("trait", TRAITS)
def test_the_words_that_have_a_trait(trait: str) -> None:
    has, expected = TRAITS[trait]
    assert {n for n, o in WORDS.items() if has(o)} == expected


def test_which_constructors_take_any_further_name() -> None:
    open_ = {n for group in LIBRARY.constructors.values() for n, c in group.items() if c.open}
    assert open_ == {"csv", "npz"}


def test_plain_numbers() -> None:
    given = {"maximum": (2, 7), "minimum": (2, 7), **dict.fromkeys(("asin", "acos", "atanh"), (0.6,))}
    found = {n: o.static(*given.get(n, (2.5,))) for n, o in WORDS.items() if o.static}
    assert found == pytest.approx({
        "exp": 12.182494, "log": 0.91629073, "sqrt": 1.58113883, "sin": 0.59847214, "cos": -0.80114362, "abs": 2.5,
        "floor": 2, "ceil": 3, "maximum": 7, "minimum": 2, "log2": 1.32192809, "log10": 0.39794001, "log1p": 1.25276297,
        "expm1": 11.182494, "tan": -0.74702230, "asin": 0.64350111, "acos": 0.92729522, "atan": 1.19028995,
        "sinh": 6.05020448, "cosh": 6.13228948, "asinh": 1.64723115, "acosh": 1.56679924, "atanh": 0.69314718,
    })  # fmt: skip

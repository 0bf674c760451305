"""What is folded without ONNX's evaluator is what the evaluator gives, and what is large stays a node."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from netc.compiler.graph.attributes import attribute
from netc.compiler.graph.dimensions import symbol
from netc.compiler.graph.emitter import Emitter
from netc.compiler.graph.folding import _DIRECT, evaluate
from netc.compiler.graph.types import F32, TensorType

F, Q, U = np.float32, np.int64, np.uint32
CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("Add", [F([1, 2]), F(0.5)], {}),
    ("Add", [U([4294967295, 7]), U(3)], {}),
    ("Sub", [Q([3]), Q([[1], [2]])], {}),
    ("Mul", [U([65536, 3]), U(65537)], {}),
    ("Mul", [np.float16([300]), np.float16([300])], {}),
    ("Cast", [F([1.7, -1.7, 0])], {"to": 7}),
    ("Cast", [Q([0, 3])], {"to": 9}),
    ("Cast", [Q([3, 1])], {"to": 12}),
    ("ConstantOfShape", [Q([2, 3])], {}),
    ("ConstantOfShape", [Q([4])], {"value": ir.tensor(np.array([2.5], np.float64))}),
    ("ConstantOfShape", [np.array([], Q)], {"value": ir.tensor(np.array([3], Q))}),
    ("Range", [Q(2), Q(11), Q(3)], {}),
    ("Range", [F(1), F(0), F(-0.25)], {}),
    ("Range", [Q([0]), Q([4]), Q([1])], {}),
    ("Range", [Q(5), Q(2), Q(1)], {}),
]


@pytest.mark.parametrize(("operator", "inputs", "attributes"), CASES, ids=[f"{c[0]}_{i}" for i, c in enumerate(CASES)])
def test_both_ways_give_the_same(operator: str, inputs: list[Any], attributes: dict[str, Any]) -> None:
    arrays = [np.asarray(a) for a in inputs]
    with np.errstate(all="ignore"):
        direct = _DIRECT[operator](*arrays, **attributes)
    flat = [a.reshape(()) if operator == "Range" else a for a in arrays]
    wanted = evaluate(operator, flat, [attribute(n, v) for n, v in attributes.items()], 1, 18)
    assert direct is not None
    assert wanted is not None
    assert np.asarray(direct).dtype == wanted[0].dtype
    np.testing.assert_array_equal(direct, wanted[0])


def test_every_direct_operator_has_a_case() -> None:
    assert {c[0] for c in CASES} == set(_DIRECT)


@pytest.mark.parametrize(("operator", "inputs"), [
    ("ConstantOfShape", [Q([10, 10])]), ("ConstantOfShape", [Q([1 << 40, 1 << 40])]), ("Range", [Q(0), Q(1000), Q(1)]),
    ("Range", [Q(0), Q(5), Q(0)]), ("Expand", [F([1]), Q([100])]),
])  # fmt: skip
def test_what_grows_or_fails_stays_a_node(operator: str, inputs: list[Any]) -> None:
    op = Emitter("g")
    made = op.node(operator, [op.tensor(np.asarray(a)) for a in inputs], {})
    assert made.producer() is not None
    assert made.const_value is None


def test_a_small_result_is_a_constant_and_a_weight_is_not() -> None:
    op = Emitter("g")
    two = op.Add(op.tensor(F([1.0])), op.tensor(F([1.0])))
    assert two.const_value is not None
    assert op.known(two) == 2
    large = op.tensor(np.ones(5000, F))
    assert op.Add(large, large).producer() is not None


def test_the_shape_of_what_is_static_is_a_constant() -> None:
    op = Emitter("g")
    x = op.input("x", TensorType(F32, (2, 3, 4)))
    for attributes, wanted in (
        ({}, [2, 3, 4]),
        ({"start": 1}, [3, 4]),
        ({"end": 2}, [2, 3]),
        ({"start": 1, "end": 2}, [3]),
    ):
        assert op.integers(op.Shape(x, **attributes)) == wanted
    assert op.scalar_value(op.Size(x)) == 24
    assert op.known(op.Shape(op.input("y", TensorType(F32, (symbol("N"), 3))))) is None

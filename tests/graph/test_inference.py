"""The types of values as nodes are made, also where sizes only show at run time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_ir as ir
import pytest
from onnx import helper

from netc.compiler.graph.attributes import attribute
from netc.compiler.graph.dimensions import parse
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.inference import IR_VERSION, IR_VERSIONS, UnknownError
from netc.compiler.graph.types import F32, I64, TensorType

MAKES: dict[str, tuple[Callable[[Emitter, Value, Value], Any], str]] = {  # of x [N, 12] and y [1, 12]
    "reshaped": (lambda op, x, y: op.Reshape(y, op.vector([3, 4])), "3, 4"),
    "a kept axis": (lambda op, x, y: op.Reshape(x, op.vector([0, 3, 4])), "N, 3, 4"),
    "the rest": (lambda op, x, y: op.Reshape(x, op.vector([-1, 4])), "3*N, 4"),
    "the rest last": (lambda op, x, y: op.Reshape(x, op.vector([0, 2, -1])), "N, 2, 6"),
    "broadcast": (lambda op, x, y: op.Add(x, y), "N, 12"),
    "broadcast to more axes": (lambda op, x, y: op.Mul(op.Reshape(y, op.vector([12, 1, 1])), x), "12, N, 12"),
    "chosen": (lambda op, x, y: op.Where(op.Less(y, 0.0), x, y), "N, 12"),
    "multiplied": (lambda op, x, y: op.MatMul(x, op.Transpose(y, perm=[1, 0])), "N, 1"),
    "multiplied by a matrix": (lambda op, x, y: op.MatMul(op.Reshape(x, op.vector([0, 1, 12])), op.Transpose(y)), "N, 1, 1"),
    "a factor transposed": (lambda op, x, y: op.Gemm(x, y, transB=1), "N, 1"),
    "summed": (lambda op, x, y: op.ReduceSum(x, op.vector([1]), keepdims=0), "N"),
    "an einsum": (lambda op, x, y: op.Einsum(x, y, equation="ni,mi->nm"), "N, 1"),
}  # fmt: skip


def test_a_dtype_that_is_not_known_is_named() -> None:
    value = ir.Value(name="x", shape=ir.Shape([2]), type=ir.TensorType(ir.DataType.FLOAT8E5M2))
    with pytest.raises(UnknownError, match="`x` has the dtype FLOAT8E5M2, which is not known"):
        Emitter("g").type_of(value)
    with pytest.raises(UnknownError, match="the shape of `y` is not known"):
        Emitter("g").type_of(ir.Value(name="y", type=ir.TensorType(ir.DataType.FLOAT)))


@pytest.mark.parametrize("name", MAKES)
def test_the_shape_is_known(name: str) -> None:
    make, shape = MAKES[name]
    op = Emitter("g")
    x = op.input("x", TensorType(F32, (parse("N"), 12)))
    y = op.input("y", TensorType(F32, (1, 12)))
    wanted = tuple(int(d) if d.isdigit() else parse(d) for d in shape.split(", "))
    assert op.type_of(make(op, x, y)) == TensorType(F32, wanted)


def test_names_that_may_stand_for_different_sizes_are_not_joined() -> None:
    op = Emitter("g")
    x, y = (op.input(n, TensorType(F32, (parse(d), 2))) for n, d in (("x", "N"), ("y", "M")))
    size, two = op.shape(op.Add(x, y))
    assert two == 2
    assert size not in (parse("N"), parse("M"), 1)
    ones = op.shape(op.Einsum(x, y, equation="...i,...i->...i"))
    assert not {parse("N"), parse("M")} & set(ones)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (2, "INT"), (2.0, "FLOAT"), ("a", "STRING"), ([2, 3], "INTS"), ((2, 3), "INTS"), ([], "INTS"), ([2, 3.5], "FLOATS"),
        (["a", "b"], "STRINGS"),
    ],
)  # fmt: skip
def test_attributes_have_the_type_of_their_value(value: Any, kind: str) -> None:
    made = attribute("name", value)
    assert made.type == ir.AttributeType[kind]
    assert made.value == value or list(made.value) == list(value)


def test_an_integer_stays_one() -> None:
    op = Emitter("g")
    assert op.type_of(op.Add(op.input("i", TensorType(I64, ())), 1)) == TensorType(I64, ())


def test_each_opset_has_the_version_of_the_format_that_it_needs() -> None:
    assert list(IR_VERSIONS) == list(range(18, max(IR_VERSIONS) + 1))
    for opset, version in IR_VERSIONS.items():
        needed = helper.find_min_ir_version_for([helper.make_opsetid("", opset)])
        assert version == needed, opset
    assert IR_VERSIONS[18] == IR_VERSION

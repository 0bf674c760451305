"""What is done to a graph before it is written, and what a body takes from outside."""

from __future__ import annotations

import onnx_ir as ir

from netc.compiler.graph.bodies import captured
from netc.compiler.graph.dimensions import symbol
from netc.compiler.graph.emitter import Emitter
from netc.compiler.graph.passes import finish
from netc.compiler.graph.types import BOOL, F32, I64, TensorType

X = TensorType(F32, (symbol("N"), 3))


def test_a_chain_that_nobody_reads_is_dropped_with_its_constants() -> None:
    op = Emitter("g")
    x = op.input("x", X)
    y = op.Mul(x, 2.0)
    op.Exp(op.Add(op.Neg(y), 3.0))
    op.output("y", y)
    model = ir.Model(op.graph, ir_version=8)
    finish(model)
    assert [n.op_type for n in op.graph] == ["Mul"]
    assert [v.const_value.numpy().item() for v in op.graph.initializers.values() if v.const_value] == [2.0]  # type: ignore[union-attr]


def test_a_body_captures_what_it_reads_from_outside_and_nothing_of_its_own() -> None:
    op = Emitter("g")
    x, going = op.input("x", X), op.input("going", TensorType(BOOL, ()))
    twice = op.Mul(x, 2.0)
    body = op.nested("body")
    body.input("i", TensorType(I64, ()))
    body.input("more", TensorType(BOOL, ()))
    v = body.input("v", X)
    inner = body.Add(body.Mul(v, twice), x)
    body.output("still", body.Identity(going))
    body.output("next", body.Tanh(inner))
    assert captured(body.graph) == [twice, x, going]


def test_names_are_given_once_and_the_published_one_wins() -> None:
    op = Emitter("g")
    x = op.input("a.relu", X)
    with op.at("n.net:1", "a"):
        first = op.name(op.Relu(x), "a.relu")
        second = op.name(op.Neg(first), "a.relu")
        third = op.Exp(second)
    assert (first.name, second.name, third.name) == ("a.relu_2", "a.relu_3", "a/Exp")
    assert third.producer().metadata_props["netc.line"] == "n.net:1"  # type: ignore[union-attr]
    op.output("a.relu_2", third)
    assert third.name == "a.relu_2"
    assert first.name == "a.relu_2_2"
    assert op.name(third, "other").name == "a.relu_2", "what has a name keeps it"
    assert op.Abs(x).producer().metadata_props.get("netc.line") is None  # type: ignore[union-attr]


def test_a_scope_is_restored_also_after_an_error() -> None:
    op = Emitter("g")
    with op.at("l:1", "outer"):
        try:
            with op.at("l:2", "inner"):
                raise KeyError
        except KeyError:
            pass
        assert op.scope == ("l:1", "outer")
    assert op.scope == ("", "")

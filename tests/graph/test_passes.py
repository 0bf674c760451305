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
    assert [v.const_value.numpy().item() for v in op.graph.initializers.values() if v.const_value] == [2.0]


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


def body_with(op: Emitter, x: ir.Value, unread: bool) -> ir.Value:
    """The result of an If whose branches hold a node that nobody reads."""
    branches = {}
    for name in ("then_branch", "else_branch"):
        body = op.nested(name)
        y = body.Mul(x, 3.0)
        if unread:
            body.Exp(body.Neg(y))
        body.output("y", body.Identity(y))
        branches[name] = body.graph
    return op.node("If", [op.input("going", TensorType(BOOL, ()))], branches, 1, X)


def test_what_nobody_reads_in_a_body_is_dropped() -> None:
    op = Emitter("g")
    x = op.input("x", X)
    op.output("y", body_with(op, x, unread=True))
    finish(ir.Model(op.graph, ir_version=8))
    (node,) = op.graph
    assert [[n.op_type for n in a.value] for a in node.attributes.values()] == [["Mul", "Identity"]] * 2


def test_what_only_a_dropped_body_reads_is_dropped_with_it() -> None:
    op = Emitter("g")
    x = op.input("x", X)
    body_with(op, op.Tanh(x), unread=False)
    op.output("y", op.Mul(x, 2.0))
    model = ir.Model(op.graph, ir_version=8)
    finish(model)
    assert [n.op_type for n in op.graph] == ["Mul"]
    assert [v.const_value.numpy().item() for v in op.graph.initializers.values() if v.const_value] == [2.0]


def test_every_value_and_node_gets_a_name_of_its_own_bodies_included() -> None:
    op = Emitter("g")
    x = op.input("x", X)
    y = op.Exp(body_with(op, x, unread=False))
    op.output("y", y)
    for node in op.graph:
        node.name = "same"
    for a in next(iter(op.graph)).attributes.values():
        for node in a.value:
            node.outputs[0].name = "x"
    finish(ir.Model(op.graph, ir_version=8))
    inner = [n for node in op.graph for a in node.attributes.values() for n in a.value]
    values = [v.name for v in (*op.graph.inputs, *op.graph.initializers.values())]
    values += [o.name for n in (*op.graph, *inner) for o in n.outputs]
    assert all(values)
    assert len(set(values)) == len(values)
    nodes = [n.name for n in (*op.graph, *inner)]
    assert all(nodes)
    assert len(set(nodes)) == len(nodes)
    assert nodes[0] == "same"
    assert op.graph.inputs[0].name == "x"


def test_the_same_question_gives_the_same_node() -> None:
    op = Emitter("g")
    x = op.input("x", X)
    first = op.node("Softmax", [x], {"axis": 1})
    assert op.node("Softmax", [x], {"axis": 1}) is first
    assert op.node("Softmax", [x], {"axis": 0}) is not first
    assert op.node("Softmax", [x], {}) is not first
    one, two = {"alpha": 0.5, "gamma": 2.0}, {"gamma": 2.0, "alpha": 0.5}
    assert op.node("Selu", [x], one) is op.node("Selu", [x], two), "in whatever order attributes are given"
    assert op.node("Transpose", [x], {"perm": [1, 0]}) is op.node("Transpose", [x], {"perm": (1, 0)})
    assert op.Identity(x) is not op.Identity(x), "which may carry a mark"
    assert op.node("RandomNormalLike", [x], {}) is not op.node("RandomNormalLike", [x], {})
    assert op.node("Split", [x, op.vector([1, 2])], {"axis": 1}, 2) is op.node(
        "Split", [x, op.vector([1, 2])], {"axis": 1}, 2
    )
    inner = op.nested("body")
    assert inner.node("Softmax", [x], {"axis": 1}) is first, "what is outside is seen inside"
    own = inner.Tanh(x)
    assert op.Tanh(x) is not own, "and not the other way round"


def test_left_out_operands_are_not_written_at_the_end() -> None:
    op = Emitter("g")
    x = op.input("x", X)
    assert len(op.Clip(x, None, 1.0).producer().inputs) == 3  # type: ignore[union-attr]
    assert len(op.node("Clip", [x, 1.0, None], {}).producer().inputs) == 2
    assert op.node("Pow", [2.0, x], {}).producer().inputs[0].dtype == x.dtype, "a number takes the dtype of the tensor"

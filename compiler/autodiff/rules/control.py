"""If, Loop and Scan. The backward node computes each body again from the states that the forward node saved
(A. Griewank and A. Walther, "Evaluating Derivatives", 2008, chapter 12), and goes through the iterations in reverse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from netc.compiler.autodiff.bodies import copied, differentiated, finish, fresh
from netc.compiler.autodiff.registry import Cotangents, GraphNode, attribute, gradient
from netc.compiler.graph.dimensions import Shape
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.inference import UnknownError, type_proto
from netc.compiler.graph.types import I64, TensorType


@gradient("If")
def if_(op: Emitter, node: GraphNode, *dys: Value | None) -> Cotangents:
    """y = then or else;  the cotangents of the branch that was taken, 0 for what only the other one reads"""
    names = ("then_branch", "else_branch")
    outer = [x for x in _captured_by(node) if x is not None]
    branches = [copied(op, node.attributes[n].value) for n in names]
    found = [differentiated(b, list(zip(b.graph.outputs, dys)), outer) for b in branches]
    reached = [i for i in range(len(outer)) if any(f[i] is not None for f in found)]
    if not reached:
        return [None] * (1 + len(outer))
    bodies = {
        n: finish(b, [], [b.zeros_like(outer[i]) if (g := f[i]) is None else g for i in reached])
        for n, b, f in zip(names, branches, found)
    }
    types = [_declared(op, outer[i]) for i in reached]
    made = op.node("If", [node.inputs[0]], bodies, len(reached), types)
    grads = dict(zip(reached, made if len(reached) > 1 else (made,)))
    return [None, *(grads.get(i) for i in range(len(outer)))]


@gradient("Scan")
def scan(op: Emitter, node: GraphNode, *dys: Value | None) -> Cotangents:
    """(states, outputs) = a body over slices;  the body's cotangents over the slices in reverse"""
    body: ir.Graph = node.attributes["body"].value
    slices = attribute(node, "num_scan_inputs")
    states = len(node.inputs) - slices
    in_axes, in_ways = (attribute(node, f"scan_input_{n}") or [0] * slices for n in ("axes", "directions"))
    out_axes, out_ways = (attribute(node, f"scan_output_{n}") or [0] * len(dys) for n in ("axes", "directions"))
    saved = _saved(op, node, body, list(body.inputs[:states]))
    read = [_Read(v, 0, 1) for v in saved]
    read += [_Read(x, a, 1 - w) for x, a, w in zip(node.inputs[states:], in_axes, in_ways)]
    given = enumerate(zip(dys[states:], out_axes, out_ways))
    written = {k: _Read(dy, a, 1 - w) for k, (dy, a, w) in given if dy is not None}
    dstates, dslices, douter = _reverse(
        op, body, list(body.inputs), list(body.outputs), list(dys[:states]), list(node.inputs[:states]), read, written,
        _captured_by(node),
    )  # fmt: skip
    return [*dstates, *dslices[states:], *douter]


@gradient("Loop")
def loop(op: Emitter, node: GraphNode, *dys: Value | None) -> Cotangents:
    """(states, outputs) = a body again and again;  the body's cotangents over its iterations in reverse, by a Scan"""
    body: ir.Graph = node.attributes["body"].value
    number, going, *states = body.inputs
    initial = list(node.inputs[2:])
    outs = len(body.outputs) - 1 - len(states)
    for state, result in zip(states, body.outputs[1:]):
        if not (op.has_type(state) and op.has_type(result)):
            raise UnknownError("a state is no tensor of a known rank")
        sizes = list(zip(op.shape(state), op.shape(result)))
        grows = any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in sizes)
        if grows or len(op.shape(state)) != len(op.shape(result)):
            raise UnknownError("a state changes its shape from one iteration to the next")
    if op.is_float(number) or not op.has_type(number):
        op.stamp(number, TensorType(I64, ()))
    saved = _saved(op, node, body, [number, *states])
    read = [_Read(v, 0, 1) for v in saved]
    given = enumerate(dys[len(states) : len(states) + outs])
    written = {k: _Read(dy, 0, 1) for k, dy in given if dy is not None}
    dstates, _, douter = _reverse(
        op, body, [number, *states], list(body.outputs[1:]), list(dys[: len(states)]), initial, read, written,
        _captured_by(node), always=going, first=1,
    )  # fmt: skip
    return [None, None, *dstates, *douter]


@dataclass(frozen=True)
class _Read:
    """A tensor read slice by slice along an axis; `way` 1 reads from the end."""

    value: Value
    axis: int
    way: int


def _captured_by(node: Any) -> list[ir.Value]:
    """What the bodies of a node capture, as the engine lists it."""
    from netc.compiler.graph.bodies import operands

    return [x for x in operands(node)[len(node.inputs) :] if x is not None]


def _saved(op: Emitter, node: GraphNode, body: ir.Graph, values: list[ir.Value]) -> list[ir.Value]:
    """Makes a forward node return what its body's inputs were in each iteration, once for all who ask."""
    known = op.root.shared(("saved", node), dict)
    for value in values:
        if value in known:
            continue
        inner = op.nested(body.name or "body")
        inner.graph = body
        t = op.type_of(value)
        if t.shape:
            kept = inner.Identity(value)
        else:  # numbers are saved as vectors of one: not every runtime stacks numbers
            t = t.with_shape((1,))
            kept = inner.Unsqueeze(value, op.vector([0]), type=t)
        body.outputs.append(kept)
        length = op.shape(next(iter(known.values())))[0] if known else op.lost()
        known[value] = op.more_outputs(node, TensorType(t.dtype, (length, *t.shape)))[-1]
    if node.op_type == "Scan":
        for name in ("scan_output_axes", "scan_output_directions"):
            given = list(attribute(node, name) or [])
            if given:
                total = len(body.outputs) - (len(node.inputs) - attribute(node, "num_scan_inputs"))
                node.attributes[name] = ir.AttrInt64s(name, given + [0] * (total - len(given)))
    return [known[v] for v in values]


def _reverse(
    op: Emitter,
    body: ir.Graph,
    inputs: list[ir.Value],
    results: list[ir.Value],
    dstates: Cotangents,
    initial: Sequence[Any],
    read: list[_Read],
    written: dict[int, _Read],
    outer: list[ir.Value],
    always: Value | None = None,
    first: int = 0,
) -> tuple[Cotangents, Cotangents, Cotangents]:
    """The backward Scan: cotangents of the initial states, of the slices read (None among them), of captured values.

    `inputs` and `results` are those of the body that take part: `inputs` are read from `read`, in this order, of which
    the states are those from `first` on; `results` are the new states, then the outputs; `written` has the cotangents
    of outputs by their place among these.
    """
    count = len(initial)
    inner = copied(op, body)
    place = {id(v): i for i, v in enumerate(body.inputs)}
    spot = {id(v): i for i, v in enumerate(body.outputs)}
    own = [inner.graph.inputs[place[id(v)]] for v in inputs]
    made = [inner.graph.outputs[spot[id(v)]] for v in results]
    if always is not None:
        ir.convenience.replace_all_uses_with(inner.graph.inputs[place[id(always)]], op.root.tensor(np.array(True)))
    read_in = list(own)
    for i, (value, r) in enumerate(zip(own, read)):
        read_in[i], own[i] = _as_saved(inner, value, op.shape(r.value))
    floats = [i for i in range(count) if initial[i] is not None and op.is_float(initial[i])]
    dstate = {i: fresh(inner, own[first + i]) for i in floats}
    captures = [x for x in outer if op.is_float(x) and op.has_type(x)]
    total = {x: fresh(inner, x) for x in captures}
    dslice = {k: fresh(inner, made[count + k]) for k in written}
    pairs = [(made[i], dstate.get(i)) for i in range(count)]
    pairs += [(made[count + k], d) for k, d in dslice.items()]
    floating = [i for i, v in enumerate(own) if op.is_float(v)]
    found = differentiated(inner, pairs, [*(own[i] for i in floating), *captures])
    downs = dict(zip(floating, found))
    kept = {x: d for x, d in zip(captures, found[len(floating) :]) if d is not None}
    sliced = [i for i in floating if downs[i] is not None and not first <= i < first + count]
    new_states = [inner.zeros_like(own[first + i]) if (d := downs.get(first + i)) is None else d for i in floats]
    sums = [inner.Add(total[x], d) for x, d in kept.items()]
    slices = [d for i in sliced if (d := downs[i]) is not None]
    graph = finish(
        inner,
        [*(dstate[i] for i in floats), *(total[x] for x in kept), *read_in, *dslice.values()],
        [*new_states, *sums, *slices],
    )
    scans = [_backwards(op, s) for s in (*read, *written.values())]
    starts = [op.zeros_like(initial[i]) if dstates[i] is None else dstates[i] for i in floats]
    types = [op.type_of(initial[i]) for i in floats] + [op.type_of(x) for x in kept]
    types += [op.type_of(read[i].value) for i in sliced]
    outs = op.node(
        "Scan",
        [*starts, *(op.zeros_like(x) for x in kept), *scans],
        {
            "body": graph,
            "num_scan_inputs": len(scans),
            **_axes("scan_input_axes", [*(s.axis for s in read), *(s.axis for s in written.values())]),
            **_axes("scan_output_axes", [read[i].axis for i in sliced]),
        },
        len(types),
        types,
    )
    outs = list(outs) if len(types) > 1 else [outs]
    back = dict(zip(floats, outs))
    captured_back = dict(zip(kept, outs[len(floats) :]))
    slices_back = {
        i: _backwards(op, _Read(v, read[i].axis, read[i].way)) for i, v in zip(sliced, outs[len(floats) + len(kept) :])
    }
    return (
        [back.get(i) for i in range(count)],
        [slices_back.get(i) for i in range(len(inputs))],
        [captured_back.get(x) for x in outer],
    )


def _declared(op: Emitter, x: ir.Value) -> Any:
    """The type of a value as far as it is known."""
    return op.type_of(x) if op.has_type(x) else type_proto(x, None)


def _as_saved(inner: Emitter, value: ir.Value, stacked: Shape) -> tuple[ir.Value, ir.Value]:
    """The body's input for what was saved, and the value: a number, saved as a vector of one, becomes a number again."""
    if len(stacked) == len(inner.shape(value)) + 1:
        return value, value
    saved = inner.stamp(ir.Value(), inner.type_of(value).with_shape((1,)))
    number = ir.Node("", "Squeeze", [saved, inner.vector([0])], num_outputs=1)
    inner.stamp(number.outputs[0], inner.type_of(value))
    ir.convenience.replace_all_uses_with(value, number.outputs[0])
    inner.graph.insert_before(inner.graph[0], number)
    return saved, number.outputs[0]


def _backwards(op: Emitter, read: _Read) -> Value:
    """The tensor itself, or turned round where it is read from the end: not every runtime reads in both directions."""
    return op.flip(read.value, read.axis) if read.way else read.value


def _axes(name: str, axes: list[int]) -> dict[str, list[int]]:
    return {name: axes} if any(axes) else {}

"""Typed net -> forward nodes, in train mode or in eval mode; every node carries the line of the spec it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePath

from netc.compiler.autodiff.engine import NoGradientError
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.types import array_of
from netc.compiler.language.lowering import Context, Lowered
from netc.compiler.language.operations import Layer
from netc.compiler.language.refusal import Refused
from netc.compiler.language.variables import Variable
from netc.compiler.net import Apply, Constant, Input, Size, Tensor, TypedNet
from netc.grammar.diagnostics import error
from netc.grammar.source import Span


class Forward:
    """The forward nodes of a net in one graph: ask for the values of tensors, and what they need is emitted.

    `held` has the present value of every variable; a layer that computes a buffer anew replaces it, for later calls of
    that layer and for `following`, the next values of buffers.
    """

    def __init__(
        self, net: TypedNet, op: Emitter, inputs: Mapping[str, Value], held: Mapping[Variable, Value], context: Context
    ):
        self.net, self.op, self.inputs, self.context = net, op, inputs, context
        self.held = dict(held)
        self.following: dict[Variable, Value] = {}
        self.values: dict[tuple[object, int], Value] = {}

    def emit(self, roots: Iterable[Tensor]) -> None:
        """Emits everything that the tensors depend on, in the order of the spec."""
        needed: set[object] = set()
        stack: list[object] = [t.origin for t in roots]
        while stack:
            origin = stack.pop()
            if origin not in needed and isinstance(origin, Apply):
                needed.add(origin)
                stack += [x.origin for x in origin.inputs]
        for apply in self.net.applies:
            if apply in needed and (apply, 0) not in self.values:
                self.lower(apply)

    def lower(self, apply: Apply) -> None:
        """Emits one operation."""
        inputs = [self.value(x) for x in apply.inputs]
        lowered = emitted(
            self.op, apply, inputs, {n: self.held[v] for n, v in apply.variables.items()}, self.told(apply)
        )
        for i, (y, output) in enumerate(zip(lowered.outputs, apply.outputs)):
            if self.op.type_of(y) != output.type:
                self.op.stamp(y, output.type)
            self.values[apply, i] = y
        for part, value in lowered.following.items():
            buffer = apply.variables.get(part)
            message = f"`{apply.operation.name}` gives a next value of `{part}`, which is none of its buffers"
            assert buffer is not None, message
            assert buffer.role == "buffer", message
            self.held[buffer] = self.following[buffer] = value

    def told(self, apply: Apply) -> Context:
        """What the operation is told: a layer whose running statistics are frozen does as in evaluation."""
        buffers = [v for v in apply.variables.values() if v.role == "buffer"]
        frozen = bool(buffers) and not any(v.trained for v in buffers)
        return replace(self.context, training=self.context.training and not frozen, site=apply.site)

    def value(self, tensor: Tensor) -> Value:
        """The value of a tensor that has been emitted, or is a leaf."""
        match tensor.origin:
            case Constant() | Size() as leaf:
                return constant(self.op, leaf, tensor)
            case Variable() as variable:
                return self.held[variable]
            case Input(name=name):
                return self.inputs[name]
            case origin:
                return self.values[origin, tensor.index]

    def of(self, tensor: Tensor) -> Value:
        """The value of a tensor, emitting what it needs."""
        self.emit([tensor])
        return self.value(tensor)


def emitted(
    op: Emitter, apply: Apply, inputs: list[Value], variables: Mapping[str, Value], context: Context
) -> Lowered:
    """One operation of the net as nodes, named after its line: `h.relu`. Raises NetError."""
    name = op.free_name(_name(apply))
    with op.at(line_of(apply.span), name):
        try:
            lowered = apply.operation.lower(op, inputs, apply.settings, variables, context)
        except NoGradientError as e:
            raise error("no-gradient", str(e), apply.span) from None
        except Refused as r:
            raise error(r.slug, r.message, apply.span, help=r.help) from None
    for y in lowered.outputs:
        op.name(y, name)
    return lowered


def _name(apply: Apply) -> str:
    """What the value of an operation is called: a layer's like its parameters (`h.dense_1`), else `h.relu`."""
    if isinstance(apply.operation, Layer) and apply.variables:
        return next(iter(apply.variables.values())).name.rpartition(".")[0]
    return f"{apply.path}.{apply.operation.label}"


def constant(op: Emitter, leaf: Constant | Size, tensor: Tensor) -> Value:
    """A literal, or the size of a dimension, as a scalar of its tensor's dtype."""
    if isinstance(leaf, Size):
        with op.at(line_of(tensor.span), f"size/{leaf.dim}"):
            return op.cast(op.dimension(leaf.dim), tensor.type.dtype)
    if isinstance(leaf.value, tuple):
        return op.tensor(array_of(leaf.value, tensor.type.dtype))
    return op.constant(leaf.value, tensor.type.dtype)


def line_of(span: Span) -> str:
    """`digits.net:7`: a place in the spec, without the folder it happens to lie in."""
    return f"{PurePath(span.source.name).name}:{span.line}"

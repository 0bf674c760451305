"""Typed net -> forward nodes, in train mode or in eval mode; every node carries the line of the spec it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath

import onnx_ir as ir

from netc.compiler.autodiff.engine import NoGradientError
from netc.compiler.graph.emitter import Emitter
from netc.compiler.language.words import Refused
from netc.compiler.net import Apply, Constant, Input, Parameter, Tensor, TypedNet
from netc.grammar.diagnostics import error
from netc.grammar.source import Span


class Forward:
    """The forward nodes of a net in one graph: ask for the values of tensors, and what they need is emitted."""

    def __init__(self, net: TypedNet, op: Emitter, inputs: Mapping[str, ir.Value]):
        self.net = net
        self.op = op
        self.inputs = inputs
        self.values: dict[tuple[object, int], ir.Value] = {}

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
        op = self.op
        op.origin = line_of(apply.span)
        if op.random is not None:
            op.random.site = apply.site
        inputs = [self.value(x) for x in apply.inputs]
        parameters = {n: op.parameters[p.name] for n, p in apply.parameters.items()}
        try:
            results = apply.operation.lower(op, inputs, apply.settings, parameters)
        except NoGradientError as e:
            raise error("no-gradient", str(e), apply.span) from None
        except Refused as r:
            raise error(r.slug, r.message, apply.span, help=r.help) from None
        op.origin = ""
        for i, y in enumerate(results if isinstance(results, tuple) else (results,)):
            if op.type_of(y) != apply.outputs[i].type:
                op.stamp(y, apply.outputs[i].type)
            self.values[apply, i] = y

    def value(self, tensor: Tensor) -> ir.Value:
        """The value of a tensor that has been emitted, or is a leaf."""
        match tensor.origin:
            case Constant(value=value):
                if isinstance(value, tuple):
                    return self.op.vector(value)
                return self.op.constant(value, tensor.type.dtype)
            case Parameter(name=name):
                return self.op.parameters[name]
            case Input(name=name):
                return self.inputs[name]
            case origin:
                return self.values[origin, tensor.index]

    def of(self, tensor: Tensor) -> ir.Value:
        """The value of a tensor, emitting what it needs."""
        self.emit([tensor])
        return self.value(tensor)


def line_of(span: Span) -> str:
    """`digits.net:7`: a place in the spec, without the folder it happens to lie in."""
    return f"{PurePath(span.source.name).name}:{span.line}"

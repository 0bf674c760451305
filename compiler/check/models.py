"""Calls of imported ONNX models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from netc.compiler.check.applying import apply, tensors
from netc.compiler.check.arguments import bind
from netc.compiler.check.frame import Frame
from netc.compiler.check.values import Choices, Given, ImportedLayer, Record
from netc.compiler.language.slots import Slot
from netc.compiler.net import Tensor
from netc.grammar.source import Span


def call_model(frame: Frame, layer: ImportedLayer, arguments: Sequence[Given], span: Span) -> Any:
    """An imported model on tensors for its inputs: a record of its outputs and inner values."""
    operation = layer.operation
    slots = [Slot(n, "tensor") for n in operation.input_names]
    bound = bind(slots, arguments, layer.name, span)
    inputs = tensors(frame, [(s, *bound[s.name]) for s in slots], layer.name)

    def choose(output: str) -> Tensor:
        variables = {}
        for weight in operation.needed(output):
            part = operation.weights[weight].part
            if weight not in layer.variables:
                made = layer.variables[weight] = operation.variable(weight)
                made.span = layer.span
                frame.recorder.add_variable(made, partial("{}.{}".format, layer.name, part))
            variables[part] = layer.variables[weight]
        spans = {"x": next(iter(bound.values()))[1]} if bound else {}
        made_of: Tensor = apply(frame, operation, inputs, {"output": output}, span, spans, variables)
        return made_of

    return Record(layer.name, Choices(layer, cache(choose)))

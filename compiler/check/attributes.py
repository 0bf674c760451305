"""What stands behind a dot: a part of a tensor, a layer, an imported spec or model, or an ONNX operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netc.compiler.check import guessing
from netc.compiler.check.foreign import FRAMEWORKS
from netc.compiler.check.frame import Frame
from netc.compiler.check.values import (
    UNKNOWN,
    BlockDefinition,
    Choices,
    LayerInstance,
    Module,
    OnnxNamespace,
    Record,
    describe,
)
from netc.compiler.language.onnx_operators import onnx_operation
from netc.compiler.net import Tensor
from netc.grammar import ast
from netc.grammar.diagnostics import did_you_mean, error

_PARTS = ("weight", "bias", "scale", "slope")  # what layers call their parameters


def refuse_framework(frame: Frame, node: ast.Attribute) -> None:
    """Raises NetError for a name of another framework: `torch.nn.relu`."""
    root = node.span.text.partition(".")[0].strip()
    if root in FRAMEWORKS and frame.environment.find(root) is None and _dotted(node):
        raise guessing.of_framework(node.span.text, node.name.id, node.span)


def part(frame: Frame, node: ast.Attribute, value: Any) -> Any:
    """The part of a value that a name behind a dot means. Raises NetError."""
    name = node.name.id
    match value:
        case OnnxNamespace():
            return onnx_operation(name, node.name.span)
        case Tensor() if name == "shape":
            return value.type.shape
        case LayerInstance():
            return _parameter(frame, node, value)
        case Module():
            known: Mapping[str, Any] = {
                n: b.value for n, b in value.environment.names.items() if isinstance(b.value, BlockDefinition)
            }
        case Record():
            known = value.outputs
        case _:
            shown = node.value.span.text if isinstance(node.value, ast.Name) else "x"
            if isinstance(value, Tensor) and name in _PARTS:
                message = f"{describe(value)} has no parameters: the layer has them that made it"
                help = f"bind the layer, and let a tensor flow into it: `f = Dense(3); h = f(x)` has `f.{name}`"
                raise error("attribute", message, node.name.span, help=help)
            raise guessing.of_tensor(shown, name, node.name.span, describe(value))
    if name not in known:
        what = "block" if isinstance(value, Module) else "output"
        if isinstance(known, Choices):
            known = dict.fromkeys([*known.layer.operation.outputs, *list(known)[-5:]])
        raise error(
            "undefined-name", f"`{value.name}` has no {what} `{name}`", node.name.span,
            help=did_you_mean(name, known, f"it has {', '.join(f'`{k}`' for k in known) or 'none'}"),
        )  # fmt: skip
    return known[name]


def _parameter(frame: Frame, node: ast.Attribute, layer: LayerInstance) -> Any:
    """A parameter of a layer into which a tensor has flowed, as `encode.weight`."""
    name, shown = node.name.id, " ".join(node.value.span.text.split())
    if layer.variables is None and (frame.recorder.problems or not frame.recorder.parsed):
        return UNKNOWN  # what would have flowed into it may stand on a line that is wrong
    if layer.variables is None:
        raise error(
            "undefined-name", f"`{shown}` has no parameters yet: their shapes are those of what flows into it", node.name.span,
            help=f"let a tensor flow into it first: `y = {shown}(x)`",
        )  # fmt: skip
    if name not in layer.variables:
        known = ", ".join(f"`{k}`" for k in layer.variables) or "no parameters"
        raise error(
            "undefined-name", f"`{layer.operation.name}` has no parameter `{name}`", node.name.span,
            help=did_you_mean(name, layer.variables, f"it has {known}"),
        )  # fmt: skip
    variable = layer.variables[name]
    return Tensor(variable.type, node.span, variable)


def _dotted(node: ast.Expression) -> bool:
    """Whether an expression is names with dots alone: `torch.nn.relu`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)

"""The one call rule: `x -> f(a)` is `f(x, a)` for functions, layers, blocks and imported nets; without a tensor, a layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from netc.compiler.check import static
from netc.compiler.check.arguments import Argument, bind, construct, convert, has_tensor
from netc.compiler.check.naming import Path, kind_of
from netc.compiler.check.recorder import Recorder
from netc.compiler.check.values import (
    UNKNOWN,
    BlockDefinition,
    BlockInstance,
    Choices,
    ImportedLayer,
    LayerInstance,
    Module,
    NetInstance,
    Partial,
    Pipeline,
    Record,
    describe,
    show_number,
)
from netc.compiler.library import LIBRARY
from netc.compiler.language.onnx_operators import OnnxOperation
from netc.compiler.language.words import Constructor, Function, Layer, Operation, Slot
from netc.compiler.net import Constant, Parameter, Tensor
from netc.compiler.graph.types import I64, DType, TensorType
from netc.grammar.diagnostics import Label, error
from netc.grammar.source import Span

MAX_CALLS = 60
STATIC_MATH: dict[str, Callable[..., Any]] = {
    "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "sin": math.sin, "cos": math.cos, "abs": abs,
    "floor": math.floor, "ceil": math.ceil, "maximum": max, "minimum": min,
}  # fmt: skip


class Calls(Recorder):
    """Calls of everything that can be called, on values that are already evaluated."""

    def instance(self, value: Any, span: Span) -> Any:
        """A layer's or block's bare name in a pipeline makes that layer once."""
        if isinstance(value, (Layer, BlockDefinition, Module)):
            return self.call(value, [], span)
        return value

    def call(self, callee: Any, arguments: list[Argument], span: Span) -> Any:
        """The one call rule: `x -> f(a)` is `f(x, a)`; without a tensor it is a layer."""
        if callee is UNKNOWN or any(v is UNKNOWN for _, v, _ in arguments):
            return UNKNOWN
        arguments = [(n, self.settled(v), s) for n, v, s in arguments]
        match callee:
            case ImportedLayer():
                return self.call_model(callee, arguments, span)
            case Function():
                return self.call_function(callee, arguments, span)
            case Layer():
                return self.call_layer(callee, arguments, span)
            case OnnxOperation():
                return self.call_onnx(callee, arguments, span)
            case LayerInstance():
                return self.call_instance(callee, arguments, span)
            case Partial():
                return self.call_function(callee.operation, [*arguments, *callee.arguments], span)
            case Pipeline():
                return self.call_pipeline(callee, arguments, span)
            case BlockDefinition() | Module():
                return self.call_block(callee, arguments, span)
            case BlockInstance() | NetInstance():
                return self.enter(callee, arguments, span)
            case Constructor():
                return construct(callee, arguments, span)
            case _:
                raise error("not-callable", f"{describe(callee)} cannot be called", span)

    def call_function(self, function: Function, arguments: list[Argument], span: Span) -> Any:
        if function.name in ("l1", "l2") and len(arguments) == 1 and isinstance(arguments[0][1], str):
            operation = LIBRARY.operations[f"{function.name} of a pattern"]
            return self.apply(operation, [], {"pattern": arguments[0][1]}, arguments[0][2])
        if not has_tensor(arguments):
            numbers = [v for _, v, _ in arguments]
            if function.name in STATIC_MATH and numbers and all(static.is_number(v) for v in numbers):
                return self.static_math(function.name, numbers, span)
            bind(function.slots[1:], arguments, function.name, span)
            return Partial(function, arguments, span)
        bound = bind(function.slots, arguments, function.name, span)
        spans = {n: s for n, (_, s) in bound.items()}
        pairs = []
        for slot in function.slots:
            if slot.variadic:
                pairs += [(slot, v, s) for v, s in bound[slot.name][0]]
            elif slot.is_tensor and slot.name in bound:
                pairs.append((slot, *bound[slot.name]))
        settings = self.settings(function, bound, span)
        return self.apply(function, self.tensors(pairs, function.name), settings, span, spans)

    def static_math(self, name: str, numbers: list[Any], span: Span) -> Any:
        try:
            value = STATIC_MATH[name](*numbers)
        except (ValueError, OverflowError, TypeError):
            shown = ", ".join(show_number(n) for n in numbers)
            raise error("number", f"`{name}({shown})` is not a real number", span) from None
        if isinstance(value, float) and value.is_integer() and name == "sqrt":
            return int(value)
        return value

    def settings(self, operation: Operation, bound: Mapping[str, tuple[Any, Span]], span: Span) -> dict[str, Any]:
        """The static arguments of a call, defaults filled in."""
        settings: dict[str, Any] = {}
        for slot in operation.slots:
            if slot.is_tensor:
                continue
            if slot.name not in bound:
                settings[slot.name] = slot.default
                continue
            value, at = bound[slot.name]
            if isinstance(value, Tensor):
                raise error(
                    "static-argument", f"`{slot.name}` of `{operation.name}` is decided while compiling; a tensor cannot be",
                    at,
                )  # fmt: skip
            settings[slot.name] = self.guard(partial(convert, slot, value, operation.name), at)
        return settings

    def call_layer(self, layer: Layer, arguments: list[Argument], span: Span) -> Any:
        inputs = 1 if has_tensor(arguments) else 0
        if not inputs and arguments and arguments[0][0] is None and len(arguments) > len(layer.slots) - 1:
            inputs = 1
        slots = layer.slots if inputs else layer.slots[1:]
        bound = bind(slots, arguments, layer.name, span)
        spans = {n: s for n, (_, s) in bound.items()}
        settings = self.settings(layer, bound, span)
        made = self.make(
            lambda: LayerInstance(
                layer, settings, self.environment.path.slot(self.line, kind_of(layer.name)), span, spans
            )
        )
        if not inputs:
            return made
        value, at = bound[layer.slots[0].name]
        return self.call_instance(made, [(None, value, at)], span)

    def call_instance(self, layer: LayerInstance, arguments: list[Argument], span: Span) -> Any:
        name = layer.operation.name
        if len(arguments) != 1 or arguments[0][0] is not None:
            raise error("too-many-arguments", f"this `{name}` takes one tensor", span, Label(layer.span, "made here"))
        (_, value, at) = arguments[0]
        (x,) = self.tensors([(layer.operation.slots[0], value, at)], name)
        operation, settings = layer.operation, layer.settings
        own = dict(layer.spans)
        own.setdefault("x", at)
        wanted = self.guard(
            lambda: (operation.infer([x.type], settings), operation.parameters([x.type], settings))[1], at, own
        )
        if layer.parameters is None:
            layer.parameters = {}
            layer.made_for = x.type
            for part, weight in wanted.items():
                parameter_type = TensorType(x.type.dtype, weight.shape)
                self.check_size(parameter_type, span)
                parameter = Parameter(parameter_type, weight.initializer, layer.span)
                layer.parameters[part] = parameter
                self.name_later(parameter, partial("{}.{}".format, layer.slot, part))
        else:
            assert layer.made_for is not None
            for part, weight in wanted.items():
                if layer.parameters[part].type != TensorType(x.type.dtype, weight.shape):
                    raise error(
                        "shape-mismatch",
                        f"`{layer.slot.line}` shares weights made for {layer.made_for.shape[-1]} features, but receives "
                        f"{x.type.shape[-1]}",
                        Label(at, str(x.type)), Label(layer.span, f"made here for {layer.made_for}"),
                        help="bind a second layer, or project the tensor to the same number of features first",
                    )  # fmt: skip
        return self.apply(operation, [x], settings, span, own, layer.parameters)

    def call_pipeline(self, pipeline: Pipeline, arguments: list[Argument], span: Span) -> Any:
        if len(arguments) != 1 or arguments[0][0] is not None:
            raise error("too-many-arguments", "this layer takes one tensor", span)
        value, at = arguments[0][1], arguments[0][2]
        for stage, _ in pipeline.stages:
            value = self.call(stage, [(None, value, at)], span)
        return value

    def call_onnx(self, operation: OnnxOperation, arguments: list[Argument], span: Span) -> Any:
        tensors: list[Any] = []
        first = next((v.type.dtype for _, v, _ in arguments if isinstance(v, Tensor)), None)
        settings: dict[str, Any] = {}
        for name, value, at in arguments:
            if name is not None:
                settings[name] = value
            elif isinstance(value, Tensor):
                tensors.append(value)
            elif first is None:
                raise error("argument", f"`{operation.name}` needs a tensor first, this is {describe(value)}", at)
            else:
                tensors.append(self.onnx_literal(value, first, at))
        if not tensors:
            raise error("missing-argument", f"`{operation.name}` needs a tensor", span)
        operation.constants = {
            i: t.origin.value
            for i, t in enumerate(tensors)
            if isinstance(t.origin, Constant) and isinstance(t.origin.value, tuple)
        }
        spans = {n: s for n, _, s in arguments if n}
        return self.apply(operation, tensors, settings, span, spans)

    def onnx_literal(self, value: Any, dtype: DType, at: Span) -> Tensor:
        """A number becomes a scalar of the first tensor's dtype, a list of whole numbers an i64 vector."""
        if isinstance(value, tuple) and all(isinstance(v, int) and not isinstance(v, bool) for v in value):
            return Tensor(TensorType(I64, (len(value),)), at, Constant(value))
        return self.constant(value, dtype, at)

    def call_model(self, layer: ImportedLayer, arguments: list[Argument], span: Span) -> Any:
        """An imported model on tensors for its inputs: a record of its outputs and inner values."""
        from netc.compiler.importer.layer import Stored, identifier

        operation = layer.operation
        names = {identifier(i.name): i.name for i in operation.inputs}
        slots = [Slot(n, "Tensor") for n in names]
        bound = bind(slots, arguments, layer.name, span)
        inputs = self.tensors([(s, *bound[s.name]) for s in slots], layer.name)

        def choose(output: str) -> Tensor:
            parameters = {}
            for weight in operation.needed(output):
                known = operation.weights[weight]
                if weight not in layer.parameters:
                    made = Parameter(known.type, Stored(operation.value_of(weight)), layer.span, frozen=known.fixed)
                    layer.parameters[weight] = made
                    self.name_later(made, partial("{}.{}".format, layer.name, known.part))
                parameters[known.part] = layer.parameters[weight]
            spans = {"x": next(iter(bound.values()))[1]} if bound else {}
            made_of: Tensor = self.apply(operation, inputs, {"output": output}, span, spans, parameters)
            return made_of

        return Record(layer.name, Choices(layer, cache(choose)))

    # --- blocks and imported nets -------------------------------------------------------------------------------------

    def call_block(self, definition: BlockDefinition | Module, arguments: list[Argument], span: Span) -> Any:
        made = self.make(lambda: self.block_instance(definition, arguments, span))
        if not has_tensor(arguments):
            return made
        made.arguments = []
        return self.enter(made, arguments, span)

    def block_instance(self, definition: BlockDefinition | Module, arguments: list[Argument], span: Span) -> Any:
        if isinstance(definition, Module):
            slot = self.environment.path.slot(self.line, kind_of(definition.name))
            return NetInstance(definition, list(arguments), slot, span)
        name = definition.node.name.id
        made = definition.makes_parameters
        return BlockInstance(
            definition, list(arguments), self.environment.path.slot(self.line, kind_of(name)) if made else None, span
        )

    def enter(self, instance: BlockInstance | NetInstance, arguments: list[Argument], span: Span) -> Any:
        """Evaluates the inside of a block or an imported net; a second call shares what the first one made."""
        if self.depth >= MAX_CALLS:
            raise error("recursion", "blocks are nested more than 60 calls deep; a block may not use itself", span)
        saved = (self.environment, self.made, self.replay, self.line)
        self.made, self.replay = instance.made, 0 if instance.called else None
        self.depth += 1
        try:
            if isinstance(instance, BlockInstance):
                return self.run_block(instance, [*arguments, *instance.arguments], span, saved[0].path, saved[3])
            return self.run_net(instance, [*arguments, *instance.arguments], span)
        finally:
            instance.called = True
            self.depth -= 1
            self.environment, self.made, self.replay, self.line = saved

    def run_block(self, instance: BlockInstance, arguments: list[Argument], span: Span, path: Path, line: str) -> Any:
        raise NotImplementedError

    def run_net(self, instance: NetInstance, arguments: list[Argument], span: Span) -> Any:
        raise NotImplementedError

    def make(self, factory: Callable[[], Any]) -> Any:
        """What this place makes: new the first time, the same again when a shared block is called again."""
        if self.replay is not None:
            made = self.made[self.replay]
            self.replay += 1
            return made
        made = factory()
        self.made.append(made)
        return made

    def name_later(self, parameter: Parameter, path: Callable[[], str]) -> None:
        """Registers a parameter; its path is asked for when the whole net has been read."""
        raise NotImplementedError

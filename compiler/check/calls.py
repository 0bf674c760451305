"""The one call rule: `x -> f(a)` is `f(x, a)` for functions, layers, blocks and imported nets; without a tensor, a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from netc.compiler.check import static
from netc.compiler.check.applying import apply, guard, in_dtype, literal, not_flowing, refused, settled, tensors
from netc.compiler.check.arguments import bind, construct, convert, has_tensor, refuse_unknown
from netc.compiler.check.arrays import is_array
from netc.compiler.check.budget import Exhausted
from netc.compiler.check.computed import of_numbers
from netc.compiler.check.frame import Frame, Making
from netc.compiler.check.guessing import of_value
from netc.compiler.check.models import call_model
from netc.compiler.check.naming import LayerName
from netc.compiler.check.operator_calls import call_operator
from netc.compiler.check.recorder import check_size
from netc.compiler.check.values import (
    UNKNOWN,
    WAITING,
    BlockDefinition,
    BlockInstance,
    Given,
    ImportedLayer,
    LayerInstance,
    Module,
    NetInstance,
    Partial,
    Pipeline,
    describe,
)
from netc.compiler.graph.types import F32
from netc.compiler.language.onnx_operators import OnnxOperation
from netc.compiler.language.operations import Function, Layer, Operation, Patterned, lower_case
from netc.compiler.language.refusal import Refused
from netc.compiler.language.words import Constructor, show_number
from netc.compiler.library import LIBRARY
from netc.compiler.net import Tensor
from netc.grammar.diagnostics import Label, diagnostic, error, spelt_alike
from netc.grammar.source import Span

MAX_CALLS = 60


def call(frame: Frame, callee: Any, arguments: Sequence[Given], span: Span) -> Any:
    """The value of a call of evaluated arguments; without a tensor it is a layer. Raises NetError."""
    if callee is UNKNOWN or any(a.value is UNKNOWN for a in arguments):
        for a in arguments if isinstance(callee, Function | Layer) else ():
            refuse_unknown(callee.slots, a, callee.name)
        if isinstance(callee, BlockDefinition) and frame.depth < MAX_CALLS:
            _enter(frame, _made(frame, callee, [], span), arguments, span)  # what is wrong inside is found all the same
        return UNKNOWN
    arguments = [Given(settled(a.value), a.span, a.name, a.place) for a in arguments]
    match callee:
        case ImportedLayer():
            return call_model(frame, callee, arguments, span)
        case Function():
            return _function(frame, callee, arguments, span)
        case Layer():
            return _layer(frame, callee, arguments, span)
        case OnnxOperation():
            return call_operator(frame, callee, arguments, span)
        case LayerInstance():
            return _layer_instance(frame, callee, arguments, span)
        case Partial():
            return _function(frame, callee.operation, [*arguments, *callee.arguments], span)
        case Pipeline():
            return _pipeline(frame, callee, arguments, span)
        case BlockDefinition() | Module():
            return _definition(frame, callee, arguments, span)
        case BlockInstance() | NetInstance():
            return _enter(frame, callee, arguments, span)
        case Constructor():
            return construct(callee, arguments, span)
        case _:
            help = "functions, layers and blocks are called; a product is written `a * b`"
            if isinstance(callee, tuple):
                help = "leave the parentheses out; an entry is taken by `[0]`"
            if isinstance(callee, str) and (alike := spelt_alike(callee, LIBRARY.words())):
                help = f"write `{alike[0]}`, without quotes"
            raise error("not-callable", f"{describe(callee)} cannot be called", span, help=help)


def instance(frame: Frame, value: Any, span: Span) -> Any:
    """A layer's or block's bare name in a pipeline makes that layer once."""
    return call(frame, value, [], span) if isinstance(value, Layer | BlockDefinition | Module) else value


# --- functions --------------------------------------------------------------------------------------------------------


def _function(frame: Frame, function: Function, arguments: Sequence[Given], span: Span) -> Any:
    if function.pattern and len(arguments) == 1 and isinstance(arguments[0].value, str):
        dtypes = (i.type.dtype for i in frame.recorder.net.inputs if i.type.dtype.is_float)
        penalty = Patterned.of(function, next(dtypes, F32))
        return apply(frame, penalty, [], {"pattern": arguments[0].value}, arguments[0].span)
    for a in arguments:
        if isinstance(a.value, tuple) and any(isinstance(v, Tensor) for v in a.value):
            text = " ".join(a.span.text.split())
            inner = text[1:-1].strip(" ,") if text[0] in "([" else f"{text}[0]"
            raise error(
                "argument", f"`{function.name}` takes its tensors one by one, not as a list", a.span,
                help=f"write `{function.name}({inner})`",
            )  # fmt: skip
        if isinstance(a.value, WAITING):
            raise not_flowing(function.name, a.value, a.span)
    if not any(s.is_tensor for s in function.slots):
        return _made_of_numbers(frame, function, arguments, span)
    if not has_tensor(arguments):
        numbers = [a.value for a in arguments]
        if function.static is not None and numbers and all(static.is_number(v) for v in numbers):
            return _of_numbers(function, numbers, span)
        first = arguments[0] if arguments and arguments[0].name is None else None
        if first is not None and is_array(first.value) and not any(not s.is_tensor for s in function.slots):
            written = Given(
                literal(first.value, F32, first.span), first.span
            )  # there is nothing else that a list could be
            return _function(frame, function, [written, *arguments[1:]], span)
        if function.pattern and len(arguments) > 1 and all(isinstance(a.value, str) for a in arguments):
            terms = " + ".join(f"{function.name}({a.span.text})" for a in arguments)
            message = f"`{function.name}` takes one pattern, got {len(arguments)}"
            raise error("too-many-arguments", message, arguments[1].span, help=f"add them: write `({terms})`")
        if function.pattern and arguments:
            raise error(
                "argument", f"`{function.name}` takes a tensor or a pattern, this is {describe(arguments[0].value)}", span,
                help=f'its size stands before it: write `0.01 * {function.name}("*.weight")`',
            )  # fmt: skip
        bind(function.slots[1:], arguments, function.name, span)
        return Partial(function, list(arguments), span)
    bound = bind(function.slots, arguments, function.name, span)
    pairs = []
    for slot in function.slots:
        if slot.variadic:
            pairs += [(slot, v, s) for v, s in bound[slot.name][0]]
        elif slot.is_tensor and slot.name in bound and (bound[slot.name][0] is not None or slot.required):
            pairs.append((slot, *bound[slot.name]))
    settings = _settings(function, bound)
    spans = {n: s for n, (_, s) in bound.items()}
    if function.group == "cast" and of_numbers(pairs[0][1]):
        (wanted,) = function.infer([pairs[0][1].type], settings)
        anew = in_dtype(frame, pairs[0][1], wanted.dtype)
        if anew.type == wanted:
            return anew
    return apply(frame, function, tensors(frame, pairs, function.name), settings, span, spans)


def _made_of_numbers(frame: Frame, function: Function, arguments: Sequence[Given], span: Span) -> Any:
    """A word without tensors, such as `zeros([N, 4])`; `zeros()` is the initialiser of that name."""
    first_value = LIBRARY.constructors["initializer"].get(function.name)
    if first_value is not None and not arguments:
        return construct(first_value, arguments, span)
    bound = bind(function.slots, arguments, function.name, span)
    spans = {n: s for n, (_, s) in bound.items()}
    return apply(frame, function, [], _settings(function, bound), span, spans)


def _of_numbers(function: Function, numbers: list[Any], span: Span) -> Any:
    assert function.static is not None
    try:
        return function.static(*numbers)
    except (ValueError, OverflowError, TypeError):
        shown = ", ".join(show_number(n) for n in numbers)
        raise error(
            "number", f"`{function.name}({shown})` is not a real number", span, help="check its argument"
        ) from None


def _settings(operation: Operation, bound: Mapping[str, tuple[Any, Span]]) -> dict[str, Any]:
    """The static arguments of a call, defaults filled in."""
    settings: dict[str, Any] = {}
    for slot in operation.slots:
        if slot.is_tensor:
            continue
        if slot.name not in bound:
            settings[slot.name] = slot.default
            continue
        value, at = bound[slot.name]
        if isinstance(value, Tensor) and slot.kind != "initializer":
            raise error(
                "static-argument", f"`{slot.name}` of `{operation.name}` is decided while compiling; a tensor cannot be", at,
                help=of_value(operation.name, value)
                or "give it a number, or an argument of the net such as `net name(hidden = 64)`",
            )  # fmt: skip
        settings[slot.name] = guard(partial(convert, slot, value, operation.name), at)
    return settings


# --- layers -----------------------------------------------------------------------------------------------------------


def _layer(frame: Frame, layer: Layer, arguments: Sequence[Given], span: Span) -> Any:
    flows = [a for i, a in enumerate(arguments) if a.name == layer.slots[0].name or (a.name is None and not i)]
    inputs = 1 if has_tensor(flows) else 0  # a first value may be a tensor too
    if not inputs and arguments and arguments[0].name is None and len(arguments) > len(layer.slots) - 1:
        inputs = 1
    bound = bind(layer.slots if inputs else layer.slots[1:], arguments, layer.name, span)
    spans = {n: s for n, (_, s) in bound.items()}
    settings = _settings(layer, bound)
    scope = frame.environment.scope
    made = frame.making.make(lambda: LayerInstance(layer, settings, scope.layer(frame.line, layer.label), span, spans))
    if not inputs:
        return made
    return _layer_instance(frame, made, [Given(*bound[layer.slots[0].name])], span)


def _layer_instance(frame: Frame, layer: LayerInstance, arguments: Sequence[Given], span: Span) -> Any:
    operation, settings = layer.operation, layer.settings
    if len(arguments) != 1 or arguments[0].name is not None:
        message = f"this `{operation.name}` takes one tensor"
        help = "its settings are given where it is made; join several tensors first: `concat(a, b)`"
        raise error("too-many-arguments", message, span, Label(layer.span, "made here"), help=help)
    at = arguments[0].span
    (x,) = tensors(frame, [(operation.slots[0], arguments[0].value, at)], operation.name)
    spans = {operation.slots[0].name: at, **layer.spans}
    try:
        operation.infer([x.type], settings)
        wanted = operation.variables([x.type], settings)
    except Refused as r:
        raise refused(r, operation, [x], at, spans) from None
    if layer.variables is None:
        layer.variables, layer.made_for = wanted, x.type
        for part, variable in wanted.items():
            if not isinstance(variable.type.size, int):
                message = f"`{part}` of `{operation.name}` would be `{variable.type}`: a parameter has fixed dimensions"
                raise error(
                    "symbolic-parameter", message,
                    Label(at, str(x.type)), Label(layer.span, "made here"),
                    help="give the dimension a number, or reshape the tensor first",
                )  # fmt: skip
            check_size(variable.type, span)
            variable.span = layer.span
            assert variable.first is not None
            guard(partial(variable.first.check, variable.shape), layer.span)
            frame.recorder.add_variable(variable, partial(_part_of, layer.name, part))
    elif any(layer.variables[part].type != v.type for part, v in wanted.items()):
        assert layer.made_for is not None
        raise error(
            "shape-mismatch",
            f"`{layer.name.line}` shares weights made for {layer.made_for.shape[-1]} features, but receives {x.type.shape[-1]}",
            Label(at, str(x.type)), Label(layer.span, f"made here for {layer.made_for}"),
            help="bind a second layer, or project the tensor to the same number of features first",
        )  # fmt: skip
    return apply(frame, operation, [x], settings, span, spans, layer.variables)


def _part_of(layer: LayerName, part: str) -> str:
    return f"{layer.final}.{part}"


def _pipeline(frame: Frame, pipeline: Pipeline, arguments: Sequence[Given], span: Span) -> Any:
    if len(arguments) != 1 or arguments[0].name is not None:
        raise error(
            "too-many-arguments", "this layer takes one tensor", span, help="join several tensors first: `concat(a, b)`"
        )
    value, budget = arguments[0].value, frame.recorder.budget
    budget.pipelines += 1
    try:
        for stage, at in pipeline.stages:
            budget.enter(at, span, budget.pipelines)
            value = call(frame, stage, [Given(value, arguments[0].span)], span)
    finally:
        budget.pipelines -= 1
    return value


# --- blocks and imported nets -----------------------------------------------------------------------------------------


def _definition(frame: Frame, definition: BlockDefinition | Module, arguments: Sequence[Given], span: Span) -> Any:
    made = frame.making.make(lambda: _made(frame, definition, list(arguments), span))
    if not has_tensor(arguments):
        return made
    made.arguments = []
    return _enter(frame, made, arguments, span)


def _made(
    frame: Frame, definition: BlockDefinition | Module, arguments: list[Given], span: Span
) -> BlockInstance | NetInstance:
    name = frame.environment.scope.layer
    if isinstance(definition, Module):
        return NetInstance(definition, arguments, name(frame.line, lower_case(definition.name)), span)
    kind = lower_case(definition.node.name.id)
    return BlockInstance(definition, arguments, name(frame.line, kind) if definition.makes_parameters else None, span)


def _enter(frame: Frame, made: BlockInstance | NetInstance, arguments: Sequence[Given], span: Span) -> Any:
    """Evaluates the inside of a block or an imported net; a second call shares what the first one made."""
    if frame.depth >= MAX_CALLS:
        message = f"blocks are nested more than {MAX_CALLS} calls deep; a block may not use itself"
        raise Exhausted(
            diagnostic(
                "recursion", message, span, help="call it several times from outside: `repeat 3 { h = h -> Unit }`"
            )
        )
    making = Making(made.made, made.called)
    if isinstance(made, BlockInstance):
        made.definition.called = True
    definition = made.definition if isinstance(made, BlockInstance) else made.module
    try:
        return definition.run(frame, making, made, [*arguments, *made.arguments], span)
    finally:
        made.called = True

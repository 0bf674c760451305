"""What an expression means: static values are computed, tensors are typed, layers and blocks are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

import numpy as np

from netc.compiler.check import static
from netc.compiler.check.arguments import Argument, argument_name, bind, construct, convert, has_tensor, refusal
from netc.compiler.check.environment import Environment
from netc.compiler.check.naming import Path, kind_of
from netc.compiler.check.values import (
    CALLABLES,
    UNKNOWN,
    BlockDefinition,
    BlockInstance,
    LayerInstance,
    Module,
    NameRange,
    NetInstance,
    OnnxNamespace,
    Partial,
    Pipeline,
    Record,
    describe,
    show_number,
)
from netc.compiler.dimensions import Symbolic
from netc.compiler.library import LIBRARY
from netc.compiler.library.onnx_operators import OnnxOperation, onnx_operation
from netc.compiler.library.registry import Constructor, Function, Layer, Operation, Refused, Slot
from netc.compiler.typed import Apply, Constant, Parameter, Tensor, TypedNet, site
from netc.compiler.types import DType, TensorType
from netc.grammar import ast
from netc.grammar.diagnostics import Label, NetError, did_you_mean, error
from netc.grammar.source import Span

T = TypeVar("T")
MAX_APPLIES = 100_000
MAX_ELEMENTS = 2**63
MAX_CALLS = 60
STATIC_MATH: dict[str, Callable[..., Any]] = {
    "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "sin": math.sin, "cos": math.cos, "abs": abs,
    "floor": math.floor, "ceil": math.ceil, "maximum": max, "minimum": min,
}  # fmt: skip
LATER_LAYERS = (
    "Conv", "ConvTranspose", "BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm", "Embedding", "LSTM",
    "GRU", "RNN", "MaxPool", "AveragePool",
)  # fmt: skip
LATER_FUNCTIONS = ("attention", "positions", "global_average_pool", "max_pool", "average_pool")


class Evaluator:
    """Evaluates expressions in an environment and appends what they compute to the typed net."""

    def __init__(self, net: TypedNet, symbols: dict[str, Span]):
        self.net = net
        self.symbols = symbols
        self.environment = Environment(Path())
        self.made: list[Any] = []
        self.replay: int | None = None
        self.line = ""
        self.depth = 0
        self.draws: dict[str, int] = {}

    # --- leaves -------------------------------------------------------------------------------------------------------

    def evaluate(self, node: ast.Expression) -> Any:
        """The value of an expression. Raises NetError."""
        method = _METHODS.get(type(node))
        assert method is not None, f"no meaning for {type(node).__name__}"
        return method(self, node)

    def _name(self, node: ast.Name) -> Any:
        binding = self.environment.find(node.id)
        if binding is not None:
            return binding.value
        if node.id in self.symbols:
            return Symbolic((((node.id,), 1),))
        return self.word(node)

    def callee(self, node: ast.Expression) -> Any:
        """What stands before a call: tensors never hide functions there."""
        if isinstance(node, ast.Name):
            binding = self.environment.find(node.id)
            if binding is not None and not isinstance(binding.value, (*CALLABLES, type(UNKNOWN))):
                found = LIBRARY.word(node.id)
                return binding.value if found is None else found
        return self.evaluate(node)

    def word(self, node: ast.Name) -> Any:
        """A word of the library. Raises NetError with the nearest names."""
        found = LIBRARY.word(node.id)
        if found is not None:
            return found
        if node.id == "onnx":
            return OnnxNamespace()
        if node.id in LATER_LAYERS or node.id in LATER_FUNCTIONS:
            kind = "layer" if node.id in LATER_LAYERS else "function"
            raise error(
                "not-available", f"the {kind} `{node.id}` is not available in this version", node.span,
                help="`onnx.<Operator>(x, ...)` calls any ONNX operator directly",
            )  # fmt: skip
        known = [*self.environment.visible(), *LIBRARY.words(), *self.symbols]
        what = "layer or block" if node.id[:1].isupper() else "name"
        near = did_you_mean(node.id, known, "names are bound by an earlier line")
        raise error("undefined-name", f"there is no {what} `{node.id}`", node.span, help=near)

    def _number(self, node: ast.Number) -> Any:
        return node.value

    def _literal(self, node: ast.String | ast.Boolean) -> Any:
        return node.value

    def _group(self, node: ast.Group) -> Any:
        return self.evaluate(node.value)

    def _sequence(self, node: ast.Tuple | ast.List) -> Any:
        return tuple(self.evaluate(i) for i in node.items)

    # --- operators ----------------------------------------------------------------------------------------------------

    def _unary(self, node: ast.Unary) -> Any:
        value = self.evaluate(node.value)
        if value is UNKNOWN:
            return UNKNOWN
        if isinstance(value, Tensor):
            operation = LIBRARY.operations["negative" if node.operator == "-" else "not"]
            return self.apply(operation, [value], {}, node.span)
        if node.operator == "not":
            if not isinstance(value, bool):
                raise error("argument", f"`not` needs a truth value, this is {describe(value)}", node.value.span)
            return not value
        return self.guard(lambda: static.negative(value), node.span)

    def _binary(self, node: ast.Binary) -> Any:
        spine = []  # left-nested chains are long in machine-written specs: walked, not recursed into
        current: ast.Expression = node
        while isinstance(current, ast.Binary):
            spine.append(current)
            current = current.left
        value = self.evaluate(current)
        for part in reversed(spine):
            if isinstance(part.left, ast.Binary) and _chained(part):
                raise error(
                    "chained-comparison", "comparisons do not chain", part.span,
                    help="join them with `and`: `a < b and b < c`",
                )  # fmt: skip
            value = self.combine(part, value)
        return value

    def combine(self, node: ast.Binary, left: Any) -> Any:
        """`left operator right` of a value and an expression."""
        right = self.evaluate(node.right)
        if left is UNKNOWN or right is UNKNOWN:
            return UNKNOWN
        if node.operator == "..":
            if isinstance(left, str) and isinstance(right, str):
                return NameRange(left, right)
            raise error("argument", '`..` makes a range of names: `"p0".."p63"`', node.span)
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            operation = LIBRARY.operations[node.operator]
            slots = operation.slots
            pairs = [(slots[0], left, node.left.span), (slots[1], right, node.right.span)]
            return self.apply(operation, self.tensors(pairs, node.operator), {}, node.span, _labelled(pairs))
        for value, part in ((left, node.left), (right, node.right)):
            if isinstance(value, CALLABLES):
                raise error(
                    "argument", f"`{node.operator}` needs numbers or tensors, this is {describe(value)}", part.span
                )
        return self.guard(lambda: static.binary(node.operator, left, right), node.span)

    def _conditional(self, node: ast.Conditional) -> Any:
        test = self.evaluate(node.test)
        if test is UNKNOWN:
            return UNKNOWN
        if isinstance(test, Tensor):
            raise error(
                "static-condition", f"`if` needs a truth value that is known while compiling, this is a tensor `{test.type}`",
                node.test.span, help="choose between tensors with `where(condition, a, b)`",
            )  # fmt: skip
        if not isinstance(test, bool):
            raise error("argument", f"`if` needs a truth value, this is {describe(test)}", node.test.span)
        return self.evaluate(node.then if test else node.otherwise)

    # --- calls --------------------------------------------------------------------------------------------------------

    def _pipe(self, node: ast.Pipe) -> Any:
        if node.head is None:
            return Pipeline([(self.stage(s), s.span) for s in node.stages])
        if isinstance(node.head, ast.Binary) and node.head.operator not in ("*", "/", "//", "%", "@", "^"):
            raise _two_readings(node.head, node, head=True)
        value = self.evaluate(node.head)
        if isinstance(value, CALLABLES):
            return Pipeline([(value, node.head.span), *((self.stage(s), s.span) for s in node.stages)])
        span = node.head.span
        for stage in node.stages:
            if isinstance(stage, (ast.Binary, ast.Unary)):
                raise _two_readings(stage, node, head=False)
            head: Argument = (None, value, span)
            if isinstance(stage, ast.Call):
                callee = self.callee(stage.function)
                arguments = [head, *self.arguments(callee, stage.arguments)]
            else:
                callee, arguments = self.callee(stage), [head]
            value = self.call(callee, arguments, stage.span)
            span = span.to(stage.span)
        return value

    def stage(self, node: ast.Expression) -> Any:
        """One stage of a layer: a callable that still waits for its first tensor."""
        if isinstance(node, (ast.Binary, ast.Unary)):
            raise error("two-readings", "a stage of a layer is a function or a layer", node.span)
        if isinstance(node, ast.Call):
            callee = self.callee(node.function)
            arguments = self.arguments(callee, node.arguments)
            if isinstance(callee, Function):
                return Partial(callee, arguments, node.span)
            return self.call(callee, arguments, node.span)
        value = self.callee(node)
        if value is not UNKNOWN and not isinstance(value, CALLABLES):
            raise error("not-callable", f"{describe(value)} is not a function or a layer", node.span)
        return self.instance(value, node.span)

    def instance(self, value: Any, span: Span) -> Any:
        """A layer's or block's bare name in a pipeline makes that layer once."""
        if isinstance(value, (Layer, BlockDefinition, Module)):
            return self.call(value, [], span)
        return value

    def _call(self, node: ast.Call) -> Any:
        callee = self.callee(node.function)
        return self.call(callee, self.arguments(callee, node.arguments), node.span)

    def arguments(self, callee: Any, nodes: Sequence[ast.Argument]) -> list[Argument]:
        """Evaluated arguments; an argument with fixed choices takes its words first."""
        slots: tuple[Slot, ...] = callee.slots if isinstance(callee, (Operation, Constructor)) else ()
        words = {w for s in slots for w in s.choices}
        out: list[Argument] = []
        for a in nodes:
            name = argument_name(a.name)
            if isinstance(a.value, ast.Name) and a.value.id in words:
                out.append((name, a.value.id, a.value.span))
            else:
                out.append((name, self.evaluate(a.value), a.value.span))
        return out

    def call(self, callee: Any, arguments: list[Argument], span: Span) -> Any:
        """The one call rule: `x -> f(a)` is `f(x, a)`; without a tensor it is a layer."""
        if callee is UNKNOWN or any(v is UNKNOWN for _, v, _ in arguments):
            return UNKNOWN
        match callee:
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
            from netc.compiler.types import I64

            return Tensor(TensorType(I64, (len(value),)), at, Constant(value))
        return self.constant(value, dtype, at)

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

    # --- indexing and attributes --------------------------------------------------------------------------------------

    def _index(self, node: ast.Index) -> Any:
        value = self.evaluate(node.value)
        if value is UNKNOWN:
            return UNKNOWN
        items: list[Any] = []
        for item in node.items:
            if isinstance(item, ast.Slice):
                parts = [self.entry(p, None) for p in (item.start, item.stop)]
                step = self.entry(item.step, 1)
                if step == 0:
                    raise error("index", "the step of a range may not be 0", item.span)
                items.append((*parts, step))
            else:
                entry = self.evaluate(item)
                if isinstance(entry, Tensor):
                    raise error(
                        "static-argument", "an index is decided while compiling; a tensor cannot be", item.span,
                        help="`gather(x, indices, axis = 0)` selects by a tensor",
                    )  # fmt: skip
                items.append(self.guard(partial(static.whole, entry, "an index"), item.span))
        if isinstance(value, tuple):
            if len(items) == 1 and isinstance(items[0], int) and -len(value) <= items[0] < len(value):
                return value[items[0]]
            raise error("index", f"there is no such entry among {len(value)} values", node.span)
        if not isinstance(value, Tensor):
            raise error("index", f"{describe(value)} cannot be indexed", node.value.span)
        return self.apply(LIBRARY.operations["index"], [value], {"items": tuple(items)}, node.span)

    def entry(self, node: ast.Expression | None, default: int | None) -> int | None:
        if node is None:
            return default
        return self.guard(lambda: static.whole(self.evaluate(node), "an index"), node.span)

    def _attribute(self, node: ast.Attribute) -> Any:
        value = self.evaluate(node.value)
        name = node.name.id
        if value is UNKNOWN:
            return UNKNOWN
        if isinstance(value, OnnxNamespace):
            return onnx_operation(name, node.name.span)
        known: Mapping[str, Any] = {}
        if isinstance(value, Module):
            known = {n: b.value for n, b in value.environment.names.items() if isinstance(b.value, BlockDefinition)}
        elif isinstance(value, Record):
            known = value.outputs
        else:
            raise error("attribute", f"{describe(value)} has no parts", node.name.span)
        if name not in known:
            what = "block" if isinstance(value, Module) else "output"
            raise error(
                "undefined-name", f"`{value.name}` has no {what} `{name}`", node.name.span,
                help=did_you_mean(name, known, f"it has {', '.join(f'`{k}`' for k in known) or 'none'}"),
            )  # fmt: skip
        return known[name]

    # --- tensors ------------------------------------------------------------------------------------------------------

    def tensors(self, pairs: Sequence[tuple[Slot, Any, Span]], what: str) -> list[Tensor]:
        """Arguments as tensors; a literal takes the dtype of the tensors beside it."""
        dtype = next(
            (v.type.dtype for s, v, _ in pairs if isinstance(v, Tensor) and s.kind in ("Tensor", "Tensors")), None
        )
        dtype = dtype or next((v.type.dtype for _, v, _ in pairs if isinstance(v, Tensor)), None)
        out = []
        for slot, value, at in pairs:
            if isinstance(value, Tensor):
                out.append(value)
            elif isinstance(value, CALLABLES):
                raise error(
                    "argument", f"`{what}` needs a tensor, this is {describe(value)}", at,
                    help="let a tensor flow into it: `x -> f`, or call it: `f(x)`",
                )  # fmt: skip
            elif isinstance(value, Record):
                names = ", ".join(f"`.{n}`" for n in value.outputs)
                raise error("argument", f"`{what}` needs one tensor; choose an output: {names}", at)
            elif dtype is None or slot.kind == "Index":
                raise error("argument", f"`{what}` needs a tensor, this is {describe(value)}", at)
            else:
                out.append(self.constant(value, dtype, at))
        return out

    def constant(self, value: Any, dtype: DType, at: Span) -> Tensor:
        """A literal as a scalar of `dtype`. Raises NetError when that would narrow it."""
        if isinstance(value, Symbolic):
            if dtype.kind == "bool":
                raise error("dtype", f"the dimension `{value}` is a number, not a truth value", at)
            made: Tensor = self.apply(LIBRARY.operations["dimension"], [], {"dim": value, "dtype": dtype}, at)
            return made
        if isinstance(value, bool) or not static.is_number(value):
            if isinstance(value, bool) and dtype.kind == "bool":
                return Tensor(TensorType(dtype, ()), at, Constant(value))
            raise error("argument", f"a tensor or a number is needed here, this is {describe(value)}", at)
        if dtype.kind == "bool":
            raise error("dtype", f"the number {show_number(value)} is not a truth value", at)
        if dtype.is_integer:
            exact = Fraction(value)
            limits = np.iinfo(dtype.numpy)
            if exact.denominator != 1 or not limits.min <= exact.numerator <= limits.max:
                raise error(
                    "literal", f"the literal {show_number(value)} does not fit `{dtype}`", at,
                    help="convert the tensor first: `f32(x)`",
                )  # fmt: skip
            return Tensor(TensorType(dtype, ()), at, Constant(exact.numerator))
        if abs(value) > np.finfo(dtype.numpy).max:
            raise error("literal", f"the literal {show_number(value)} does not fit `{dtype}`", at)
        return Tensor(TensorType(dtype, ()), at, Constant(value))

    def apply(
        self,
        operation: Operation,
        inputs: Sequence[Tensor],
        settings: Mapping[str, Any],
        span: Span,
        spans: Mapping[str, Span] | None = None,
        parameters: Mapping[str, Parameter] | None = None,
    ) -> Any:
        """Appends one operation to the net and returns its output, or a tuple of several."""
        try:
            types = operation.infer([x.type for x in inputs], settings)
        except Refused as r:
            raise self.refused(r, inputs, span, dict(spans or {})) from None
        if len(self.net.applies) >= MAX_APPLIES:
            raise error("too-large", f"the net has more than {MAX_APPLIES:,} operations", span)
        made = Apply(operation, tuple(inputs), settings, parameters or {}, span)
        prefix = str(self.environment.path)
        made.path = f"{prefix}.{self.line}" if prefix else self.line
        if operation.name == "dropout":
            made.site = self.draw(made.path)
        for t in types:
            self.check_size(t, span)
        made.outputs = tuple(Tensor(t, span, made, i) for i, t in enumerate(types))
        self.net.applies.append(made)
        return made.outputs if operation.multiple else made.outputs[0]

    def refused(self, r: Refused, inputs: Sequence[Tensor], span: Span, spans: dict[str, Span]) -> NetError:
        """A refusal with its place, and with the lines that the tensors come from."""
        (found,) = refusal(r, span, spans).diagnostics
        primary = found.labels[0].span
        made = [
            Label(x.span, str(x.type))
            for x in dict.fromkeys(inputs)
            if r.slug in ("shape-mismatch", "dtype")
            and not isinstance(x.origin, Constant)
            and x.span.line != primary.line
        ]
        return NetError(replace(found, labels=(*found.labels, *made)))

    def draw(self, path: str) -> int:
        """The number of a new random site on a line: it stays when other lines change."""
        count = self.draws[path] = self.draws.get(path, 0) + 1
        return site(f"{path}/{count}")

    def check_size(self, t: TensorType, span: Span) -> None:
        """Refuses a tensor with 2^63 elements or more before anything is allocated."""
        if isinstance(t.size, int) and t.size >= MAX_ELEMENTS:
            raise error("dimension", f"`{t}` has 2^63 elements or more", span)

    def guard(self, work: Callable[[], T], span: Span, spans: dict[str, Span] | None = None) -> T:
        """Runs `work`, giving a refusal its place."""
        try:
            return work()
        except Refused as r:
            raise refusal(r, span, spans or {}) from None


def _labelled(pairs: Sequence[tuple[Slot, Any, Span]]) -> dict[str, Span]:
    return {s.name: at for s, _, at in pairs}


def _chained(node: ast.Binary) -> bool:
    compare = ("==", "!=", "<", "<=", ">", ">=")
    return node.operator in compare and isinstance(node.left, ast.Binary) and node.left.operator in compare


def _two_readings(part: ast.Expression, pipe: ast.Pipe, head: bool) -> NetError:
    """`h + x -> f` and `x -> f + y` can be read two ways; both are offered."""
    assert isinstance(part, (ast.Binary, ast.Unary))
    if isinstance(part, ast.Unary):
        return error("two-readings", "a stage of a pipeline is a function or a layer", part.span)
    left, right, o = part.left.span.text, part.right.span.text, part.operator
    if head:
        rest = " -> ".join(s.span.text for s in pipe.stages)
        first, second = f"({left} {o} {right}) -> {rest}", f"{left} {o} ({right} -> {rest})"
    else:
        before = pipe.span.text[: part.span.start - pipe.span.start]
        first, second = f"({before}{left}) {o} {right}", f"{before}(f) with `f` bound to `{left} {o} {right}`"
    return error(
        "two-readings", f"`{o}` beside `->` can be read two ways", part.span,
        help=f"write `{' '.join(first.split())}`" + (f" or `{' '.join(second.split())}`" if head else ""),
    )  # fmt: skip


_METHODS: dict[type, Callable[[Evaluator, Any], Any]] = {
    ast.Name: Evaluator._name, ast.Number: Evaluator._number, ast.String: Evaluator._literal,
    ast.Boolean: Evaluator._literal, ast.Group: Evaluator._group, ast.Tuple: Evaluator._sequence,
    ast.List: Evaluator._sequence, ast.Unary: Evaluator._unary, ast.Binary: Evaluator._binary,
    ast.Conditional: Evaluator._conditional, ast.Pipe: Evaluator._pipe, ast.Call: Evaluator._call,
    ast.Index: Evaluator._index, ast.Attribute: Evaluator._attribute,
}  # fmt: skip

"""What an expression means: static values are computed, tensors are typed, layers and blocks are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from netc.compiler.check import static
from netc.compiler.check.arguments import Argument, argument_name
from netc.compiler.check.calls import Calls
from netc.compiler.check.values import (
    CALLABLES,
    UNKNOWN,
    BlockDefinition,
    Choices,
    Module,
    NameRange,
    OnnxNamespace,
    Partial,
    Pipeline,
    Record,
    describe,
)
from netc.compiler.graph.dimensions import Symbolic
from netc.compiler.library import LIBRARY
from netc.compiler.language.onnx_operators import onnx_operation
from netc.compiler.language.words import Constructor, Function, Operation, Slot
from netc.compiler.net import Tensor
from netc.grammar import ast
from netc.grammar.diagnostics import NetError, did_you_mean, error
from netc.grammar.source import Span

LATER_LAYERS = (
    "Conv", "ConvTranspose", "BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm", "Embedding", "LSTM",
    "GRU", "RNN", "MaxPool", "AveragePool",
)  # fmt: skip
LATER_FUNCTIONS = ("attention", "positions", "global_average_pool", "max_pool", "average_pool")


class Evaluator(Calls):
    """Evaluates expressions in an environment and appends what they compute to the typed net."""

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
        left, right = self.settled(left), self.settled(self.evaluate(node.right))
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

    # --- indexing and attributes --------------------------------------------------------------------------------------

    def _index(self, node: ast.Index) -> Any:
        value = self.settled(self.evaluate(node.value))
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
            if isinstance(known, Choices):
                known = dict.fromkeys([*known.layer.operation.outputs, *list(known)[-5:]])
            raise error(
                "undefined-name", f"`{value.name}` has no {what} `{name}`", node.name.span,
                help=did_you_mean(name, known, f"it has {', '.join(f'`{k}`' for k in known) or 'none'}"),
            )  # fmt: skip
        return known[name]


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

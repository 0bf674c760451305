"""What an expression means: static values are computed, tensors are typed, layers and blocks are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netc.compiler.check import attributes, indices, static
from netc.compiler.check.applying import apply, guard, literal, settled, tensors
from netc.compiler.check.arrays import is_array
from netc.compiler.check.budget import Exhausted
from netc.compiler.check.calls import call, instance
from netc.compiler.check.foreign import NOTHING
from netc.compiler.check.frame import Frame
from netc.compiler.check.names import called, meaning
from netc.compiler.check.two_readings import ON_A_LINE, two_readings
from netc.compiler.check.values import (
    CALLABLES,
    SILENT,
    UNKNOWN,
    Given,
    LayerInstance,
    NameRange,
    Partial,
    Pipeline,
    Record,
    describe,
    written_at,
)
from netc.compiler.graph.types import F32
from netc.compiler.language.operations import Function, Operation
from netc.compiler.language.slots import Slot
from netc.compiler.language.words import Constructor
from netc.compiler.library import LIBRARY
from netc.compiler.net import Tensor
from netc.grammar import ast
from netc.grammar.diagnostics import NetError, error
from netc.grammar.source import Span

ARITHMETIC = ("+", "-", "*", "/", "//", "%", "^", "@")  # of numbers in brackets, which are tensors there
WAITING = (Operation, LayerInstance, Partial, Pipeline)  # what takes one tensor from a pipeline
_COMPARE = "compare: `hidden > 2`"


def evaluate(frame: Frame, node: ast.Expression) -> Any:
    """The value of an expression; what it computes is appended to the net. What is wrong with a part of it is reported, and
    that part is then unknown, so that the other parts are read all the same."""
    try:
        return _MEANINGS[type(node)](frame, node)
    except Exhausted:  # what ends the whole expansion
        raise
    except NetError as e:
        frame.recorder.report(e)
        return UNKNOWN


# --- leaves -----------------------------------------------------------------------------------------------------------


def _callee(frame: Frame, node: ast.Expression) -> Any:
    """What stands before a call."""
    return called(frame, node) if isinstance(node, ast.Name) else evaluate(frame, node)


def _literal(frame: Frame, node: ast.Number | ast.String | ast.Boolean) -> Any:
    return node.value


def _group(frame: Frame, node: ast.Group) -> Any:
    return evaluate(frame, node.value)


def _sequence(frame: Frame, node: ast.Tuple | ast.List) -> Any:
    items = tuple(evaluate(frame, i) for i in node.items)
    return UNKNOWN if UNKNOWN in items else _listed(frame, items, node)


def _listed(frame: Frame, value: Any, node: ast.Expression) -> Any:
    """The value, whose entries are counted where it is a list."""
    if type(value) is tuple:
        frame.recorder.budget.list(node.span, value)
    return value


# --- operators --------------------------------------------------------------------------------------------------------


def _unary(frame: Frame, node: ast.Unary) -> Any:
    value = evaluate(frame, node.value)
    if value is UNKNOWN:
        return UNKNOWN
    if is_array(value) and node.operator == "-":
        value = literal(value, F32, node.value.span)
    if isinstance(value, Tensor):
        operation = LIBRARY.operations["negative" if node.operator == "-" else "not"]
        return apply(frame, operation, [value], {}, node.span)
    if node.operator == "not":
        if not isinstance(value, bool):
            raise error(
                "argument", f"`not` needs a truth value, this is {describe(value)}", node.value.span, help=_COMPARE
            )
        return not value
    return guard(lambda: static.negative(value), node.span)


def _binary(frame: Frame, node: ast.Binary) -> Any:
    spine = []  # left-nested chains are long in machine-written specs: walked, not recursed into
    current: ast.Expression = node
    while isinstance(current, ast.Binary):
        spine.append(current)
        current = current.left
    value = evaluate(frame, current)
    for part in reversed(spine):
        if isinstance(part.left, ast.Binary) and _chained(part):
            raise error(
                "chained-comparison", "comparisons do not chain", part.span,
                help="join them with `and`: `a < b and b < c`",
            )  # fmt: skip
        value = _combine(frame, part, value)
    return value


def _combine(frame: Frame, node: ast.Binary, left: Any) -> Any:
    """`left operator right` of a value and an expression."""
    left, right = settled(left), settled(_listed(frame, evaluate(frame, node.right), node.right))
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if node.operator == "..":
        if isinstance(left, str) and isinstance(right, str):
            return NameRange(left, right)
        help = 'write `"p0".."p63"`; numbers are counted by `range(3)`'
        if all(isinstance(v, int) for v in (left, right)):
            texts = node.left.span.text, node.right.span.text
            help = f'numbers are counted by `range({texts[0]}, {texts[1]})`; columns by their names: `"{texts[0]}".."{texts[1]}"`'
        raise error("argument", "`..` makes a range of columns", node.span, help=help)
    if node.operator in ARITHMETIC and not isinstance(left, Tensor) and not isinstance(right, Tensor):
        left, right = (
            literal(v, F32, p.span) if is_array(v) else v for v, p in ((left, node.left), (right, node.right))
        )
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        operation = LIBRARY.operations[node.operator]
        a, b = operation.slots
        pairs = [(a, left, node.left.span), (b, right, node.right.span)]
        spans = {s.name: at for s, _, at in pairs}
        return apply(frame, operation, tensors(frame, pairs, node.operator), {}, node.span, spans)
    for value, part in ((left, node.left), (right, node.right)):
        if isinstance(value, CALLABLES):
            raise error("argument", f"`{node.operator}` needs numbers or tensors, this is {describe(value)}", part.span,
                        written_at(value, part.span), help=f"let a tensor flow into it: `(x -> {part.span.text})`")  # fmt: skip
    return guard(lambda: static.binary(node.operator, left, right), node.span)


def _conditional(frame: Frame, node: ast.Conditional) -> Any:
    test = evaluate(frame, node.test)
    if test is UNKNOWN:
        return UNKNOWN
    if isinstance(test, Tensor):
        raise error(
            "static-condition", f"`if` needs a truth value that is known while compiling, this is a tensor `{test.type}`",
            node.test.span, help="choose between tensors with `where(condition, a, b)`",
        )  # fmt: skip
    if not isinstance(test, bool):
        raise error("argument", f"`if` needs a truth value, this is {describe(test)}", node.test.span, help=_COMPARE)
    return evaluate(frame, node.then if test else node.otherwise)


# --- calls ------------------------------------------------------------------------------------------------------------


def _pipe(frame: Frame, node: ast.Pipe) -> Any:
    if node.head is None:
        return Pipeline([(_stage(frame, s), s.span) for s in node.stages])
    if isinstance(node.head, ast.Binary) and node.head.operator not in ("*", "/", "//", "%", "@", "^"):
        raise two_readings(node.head, node, head=True)
    value = evaluate(frame, node.head)
    if isinstance(value, CALLABLES):
        return Pipeline([(value, node.head.span), *((_stage(frame, s), s.span) for s in node.stages)])
    span = node.head.span
    for stage in node.stages:
        if isinstance(stage, (ast.Binary, ast.Unary)):
            raise two_readings(stage, node, head=False)
        head = Given(value, span)
        if isinstance(stage, ast.Call):
            callee = _callee(frame, stage.function)
            arguments = [head, *_arguments(frame, callee, stage.arguments)]
        else:
            callee, arguments = _callee(frame, stage), [head]
        try:
            if isinstance(callee, WAITING):
                _refuse_flow(value, span)
            value = call(frame, callee, arguments, stage.span)
        except Exhausted:
            raise
        except NetError as e:
            frame.recorder.report(e)
            value = UNKNOWN  # the stages that follow are read all the same
        span = span.to(stage.span)
    return value


def _refuse_flow(value: Any, span: Span) -> None:
    """Raises NetError for what cannot flow into a word: several values, a string, the outputs of an imported net."""
    value, shown = settled(value), " ".join(span.text.split())
    if isinstance(value, tuple) and any(isinstance(v, Tensor) for v in value):
        named = ", ".join("abcdefgh"[: len(value)]) if len(value) <= 8 else "a, b, ..."
        help = f"bind them, `{named} = {shown}`, and let one flow on, or join them: `concat(a, b)`"
    elif isinstance(value, Record):
        *_, last = value.outputs or ["output"]
        help = f"choose an output: `{f'({shown})' if '->' in shown else shown}.{last}`"
    elif isinstance(value, str):
        help = "let a tensor flow: `x -> relu`"
    else:
        return
    raise error("argument", f"one tensor flows through a pipeline, this is {describe(value)}", span, help=help)


def _stage(frame: Frame, node: ast.Expression) -> Any:
    """One stage of a layer: a callable that still waits for its first tensor."""
    if isinstance(node, (ast.Binary, ast.Unary)):
        raise error("two-readings", "a stage of a layer is a function or a layer", node.span, help=ON_A_LINE)
    if isinstance(node, ast.Call):
        callee = _callee(frame, node.function)
        arguments = _arguments(frame, callee, node.arguments)
        if isinstance(callee, Function):
            return Partial(callee, arguments, node.span)
        return call(frame, callee, arguments, node.span)
    value = _callee(frame, node)
    if value is not UNKNOWN and not isinstance(value, CALLABLES):
        raise error("not-callable", f"{describe(value)} is not a function or a layer", node.span,
                    help="after `->` stands what a tensor flows into: `x -> relu -> Dense(3)`")  # fmt: skip
    return instance(frame, value, node.span)


def _call(frame: Frame, node: ast.Call) -> Any:
    before = len(frame.recorder.problems)
    callee = _callee(frame, node.function)
    if callee is UNKNOWN and isinstance(node.function, ast.Attribute) and len(frame.recorder.problems) > before:
        return UNKNOWN  # what `x.astype(float32)` is given goes with the method
    return call(frame, callee, _arguments(frame, callee, node.arguments), node.span)


def _arguments(frame: Frame, callee: Any, nodes: Sequence[ast.Argument]) -> list[Given]:
    """Evaluated arguments; an argument with fixed choices takes its words first."""
    slots: tuple[Slot, ...] = callee.slots if isinstance(callee, (Operation, Constructor)) else ()
    words = {w for s in slots for w in s.choices}
    return [
        named(a, a.value.id if isinstance(a.value, ast.Name) and a.value.id in words else _argument(frame, a.value))
        for a in nodes
    ]


def _argument(frame: Frame, node: ast.Expression) -> Any:
    return _listed(frame, evaluate(frame, node), node)


def named(node: ast.Argument, value: Any) -> Given:
    """An argument as it is written, with its value."""
    if node.name is None:
        return Given(value, node.value.span)
    return Given(value, node.value.span, node.name.id, node.name.span)


# --- indexing and attributes ------------------------------------------------------------------------------------------


def _index(frame: Frame, node: ast.Index) -> Any:
    value = settled(evaluate(frame, node.value))
    if value is UNKNOWN:
        return UNKNOWN
    if not isinstance(value, tuple | Tensor):
        raise indices.not_indexed(value, node)
    of = " ".join(node.value.span.text.split())
    items = tuple(
        _range(frame, i, of, axis) if isinstance(i, ast.Slice) else _entry(frame, i, of, axis)
        for axis, i in enumerate(node.items)
    )
    if isinstance(value, tuple):
        if len(items) == 1 and isinstance(items[0], int) and -len(value) <= items[0] < len(value):
            return value[items[0]]
        raise error("index", f"there is no such entry among {len(value)} values", node.span,
                    help=f"entries run from 0 to {len(value) - 1}")  # fmt: skip
    return apply(frame, LIBRARY.operations["index"], [value], {"items": items}, node.span)


def _range(frame: Frame, node: ast.Slice, of: str, axis: int) -> tuple[int | None, int | None, int]:
    start, stop = (None if p is None else _entry(frame, p, of, axis) for p in (node.start, node.stop))
    step = 1 if node.step is None else _entry(frame, node.step, of, axis)
    if step == 0:
        raise error(
            "index", "the step of a range may not be 0", node.span, help="write `::1`, or `::-1` to turn it round"
        )
    return start, stop, step


def _entry(frame: Frame, node: ast.Expression, of: str, axis: int) -> int:
    value = None if isinstance(node, ast.Name) and node.id in NOTHING else evaluate(frame, node)
    if value is UNKNOWN:
        raise SILENT
    return indices.entry(value, node, of, axis)


def _attribute(frame: Frame, node: ast.Attribute) -> Any:
    attributes.refuse_framework(frame, node)
    value = evaluate(frame, node.value)
    return UNKNOWN if value is UNKNOWN else attributes.part(frame, node, value)


def _chained(node: ast.Binary) -> bool:
    compare = ("==", "!=", "<", "<=", ">", ">=")
    return node.operator in compare and isinstance(node.left, ast.Binary) and node.left.operator in compare


_MEANINGS: dict[type, Callable[[Frame, Any], Any]] = {
    ast.Name: meaning, ast.Number: _literal, ast.String: _literal, ast.Boolean: _literal, ast.Group: _group,
    ast.Tuple: _sequence, ast.List: _sequence, ast.Unary: _unary, ast.Binary: _binary, ast.Conditional: _conditional,
    ast.Pipe: _pipe, ast.Call: _call, ast.Index: _index, ast.Attribute: _attribute,
}  # fmt: skip

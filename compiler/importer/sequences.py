"""Sequences and optional values whose elements are known when the graph is built: what is read from them is read at once.

Exporters write them where a program splits a tensor and picks parts; nothing of them is left for the derivative to meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netc.compiler.graph.dimensions import Dim
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.types import INT64

MAX_PARTS = 1000  # of a tensor that are read one by one
Elements = list[Value]
Operands = Sequence[Any]  # of a node, which knows which of them are there
Known = Sequence[Elements | None]  # what is in each operand that is a sequence
Attributes = Mapping[str, Any]
Make = Callable[[Emitter, Operands, Known, Attributes], Elements | None]
Read = Callable[[Emitter, Elements, Operands, Attributes], Value | None]


class Sequences:
    """The elements of each sequence or optional value that is known; an optional value has one."""

    def __init__(self) -> None:
        self.elements: dict[Value, Elements] = {}

    def made(self, op: Emitter, operator: str, inputs: Operands, attributes: Attributes, result: Value) -> None:
        """Remembers what is in the sequence that a node makes, where that can be told."""
        make = _MADE.get(operator)
        if make is None:
            return
        given = [self.elements.get(x) if x is not None else None for x in inputs]
        found = make(op, inputs, given, attributes)
        if found is not None:
            self.elements[result] = found

    def read(self, op: Emitter, operator: str, inputs: Operands, attributes: Attributes) -> tuple[Value, ...] | None:
        """What a node reads from a known sequence, in place of the node; None for all other nodes."""
        if operator not in _READ or inputs[0] is None:
            return None
        known = self.elements.get(inputs[0])
        found = None if known is None else _READ[operator](op, known, inputs, attributes)
        return None if found is None else (found,)


def _split(op: Emitter, inputs: Operands, _: Known, attributes: Attributes) -> Elements | None:
    """SplitToSequence: parts of the given sizes, or of one size, or single slices that lose their axis."""
    x, sizes = (*inputs, None)[:2]
    if not op.has_type(x):
        return None
    shape = op.shape(x)
    axis = attributes.get("axis", 0) % len(shape)
    single = sizes is None
    if single or not op.has_type(sizes):
        step = 1 if single else None
    elif op.shape(sizes):
        return _parts(op, x, sizes, op.shape(sizes)[0], axis)
    else:
        step = _number(op, sizes)
    size = shape[axis]
    if not step or not isinstance(size, int):
        return None
    if size > step * MAX_PARTS:
        return None
    lengths = [min(step, size - i) for i in range(0, size, step)]
    parts = _parts(op, x, op.vector(lengths), len(lengths), axis)
    squeezed = single and not attributes.get("keepdims", 1)
    return [op.Squeeze(p, op.vector([axis])) for p in parts] if parts and squeezed else parts


def _parts(op: Emitter, x: Value, sizes: Value, count: Dim, axis: int) -> Elements | None:
    if not isinstance(count, int) or not 0 < count <= MAX_PARTS:
        return None
    made = op.node("Split", [x, sizes], {"axis": axis}, count)
    return [made] if count == 1 else list(made)


def _number(op: Emitter, x: Value) -> int | None:
    """The whole number that a scalar constant holds."""
    found = op.scalar_value(x)
    return None if found is None else int(found)


def _place(op: Emitter, position: Value | None, count: int, default: int) -> int | None:
    """A position among `count` as a number from 0 on; None where it is computed or out of range."""
    at = default if position is None else _number(op, position)
    return at % count if at is not None and -count <= at < count else None


def _inserted(op: Emitter, inputs: Operands, given: Known, _: Attributes) -> Elements | None:
    sequence, (_, x, position) = given[0], (*inputs, None)[:3]
    if sequence is None:
        return None
    count = len(sequence)
    at = count if position is None else _number(op, position)
    if at is None or not -count <= at <= count:
        return None
    at = at + count if at < 0 else at
    return [*sequence[:at], x, *sequence[at:]]


def _erased(op: Emitter, inputs: Operands, given: Known, _: Attributes) -> Elements | None:
    sequence, position = given[0], (*inputs, None)[1]
    at = None if sequence is None else _place(op, position, len(sequence), -1)
    return None if sequence is None or at is None else [*sequence[:at], *sequence[at + 1 :]]


def _element(op: Emitter, known: Elements, inputs: Operands, _: Attributes) -> Value | None:
    at = _place(op, inputs[1], len(known), 0)
    return None if at is None else known[at]


def _joined(op: Emitter, known: Elements, _: Operands, attributes: Attributes) -> Value | None:
    axis = attributes["axis"]
    if not known:
        return None
    parts = [op.Unsqueeze(x, op.vector([axis])) for x in known] if attributes.get("new_axis", 0) else known
    return op.Concat(*parts, axis=axis)


_MADE: dict[str, Make] = {
    "Identity": lambda op, inputs, given, attributes: given[0],
    "Optional": lambda op, inputs, given, attributes: list(inputs) if inputs and given[0] is None else None,
    "SequenceConstruct": lambda op, inputs, given, attributes: list(inputs),
    "SequenceEmpty": lambda op, inputs, given, attributes: [],
    "SequenceErase": _erased,
    "SequenceInsert": _inserted,
    "SplitToSequence": _split,
}
_READ: dict[str, Read] = {
    "ConcatFromSequence": _joined,
    "OptionalGetElement": lambda op, known, inputs, attributes: known[0],
    "SequenceAt": _element,
    "SequenceLength": lambda op, known, inputs, attributes: op.constant(len(known), INT64),
}

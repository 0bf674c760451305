"""Appends operations to the typed net: arguments become tensors, literals take their dtype, refusals get their place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np

from netc.compiler.check import static
from netc.compiler.check.arguments import refusal
from netc.compiler.check.arrays import is_array, numbers_in, shape_of
from netc.compiler.check.budget import Exhausted
from netc.compiler.check.computed import depth_in_numbers, of_numbers
from netc.compiler.check.frame import Frame
from netc.compiler.check.recorder import check_size
from netc.compiler.check.values import CALLABLES, Record, describe, written_at
from netc.compiler.graph.dimensions import Symbolic
from netc.compiler.graph.types import F32, I64, DType, TensorType
from netc.compiler.language.operations import Function, Operation
from netc.compiler.language.refusal import Refused
from netc.compiler.language.slots import Slot
from netc.compiler.language.variables import Initializer, Variable
from netc.compiler.language.words import show_number
from netc.compiler.net import Apply, Constant, Input, Size, Tensor
from netc.grammar.diagnostics import Label, NetError, error
from netc.grammar.source import Span

T = TypeVar("T")


def apply(
    frame: Frame,
    operation: Operation,
    inputs: Sequence[Tensor],
    settings: Mapping[str, Any],
    span: Span,
    spans: Mapping[str, Span] | None = None,
    variables: Mapping[str, Variable] | None = None,
) -> Any:
    """Appends one operation to the net and returns its output, or a tuple of several. Raises NetError."""
    try:
        types = operation.infer([x.type for x in inputs], settings)
    except Refused as r:
        raise refused(r, operation, inputs, span, spans or {}) from None
    for t in types:
        check_size(t, span)
    made = Apply(operation, tuple(inputs), settings, variables or {}, span, frame.path)
    made.outputs = tuple(Tensor(t, span, made, i) for i, t in enumerate(types))
    made.numbers = depth_in_numbers(made)
    frame.recorder.add(made)
    return made.outputs if operation.multiple else made.outputs[0]


def refused(
    r: Refused, operation: Operation, inputs: Sequence[Tensor], span: Span, spans: Mapping[str, Span]
) -> NetError:
    """A refusal with its place, and with the lines that the tensors come from."""
    r.help = _spoken(r.help, operation, inputs, spans)
    (found,) = refusal(r, span, spans).diagnostics
    primary = found.labels[0].span
    made = [
        Label(x.span, str(x.type))
        for x in dict.fromkeys(inputs)
        if r.slug in ("shape-mismatch", "dtype")
        and not isinstance(x.origin, Constant | Size)
        and x.span.line != primary.line
    ]
    return NetError(replace(found, labels=(*found.labels, *made)))


def _spoken(help: str, operation: Operation, inputs: Sequence[Tensor], spans: Mapping[str, Span]) -> str:
    """A word's help with the tensors in it as the spec writes them."""
    if "{" not in help:
        return help
    slots = [s for s in operation.slots if s.is_tensor]
    texts = [_text(spans[s.name]) if s.name in spans else letter for s, letter in zip(slots, "xyz")]
    whole = next((t for t, x in zip(texts, inputs) if not x.type.dtype.is_float), "x")
    for i, text in enumerate(texts):  # an argument of its own needs no parentheses
        help = help.replace(f"({{{i}}})", f"({_bare(text)})")
    help = help.replace("({whole})", f"({_bare(whole)})")
    for placeholder, text in {
        **{str(i): t for i, t in enumerate(texts)},
        "whole": whole,
        "input": _input(inputs),
    }.items():
        help = help.replace("{" + placeholder + "}", text)
    return help


def _text(span: Span) -> str:
    """An expression, in parentheses where it has operators."""
    text = " ".join(span.text.split())
    return text if re.fullmatch(r"[\w.]+", text) or _closes_last(re.sub(r"^\w+(?=\()", "", text)) else f"({text})"


def _bare(text: str) -> str:
    """What `_text` gave, without parentheses around the whole."""
    return _bare(text[1:-1]) if text[:1] == "(" and _closes_last(text) else text


def _closes_last(text: str) -> bool:
    """Whether a text begins with a bracket that its last character closes."""
    depths = list(accumulate((c in "([") - (c in ")]") for c in text))
    return 0 in depths and depths.index(0) == len(text) - 1 and text[0] in "(["


def _input(inputs: Sequence[Tensor]) -> str:
    """The name of the input that the first of these tensors is computed from."""
    origin = inputs[0].origin if inputs else None
    while isinstance(origin, Apply) and origin.inputs:
        origin = origin.inputs[0].origin
    return origin.name if isinstance(origin, Input) else "x"


def settled(value: Any) -> Any:
    """A called model stands for its output where it has only one."""
    return value if not isinstance(value, Record) or value.only is None else value.only


def tensors(frame: Frame, pairs: Sequence[tuple[Slot, Any, Span]], what: str) -> list[Tensor]:
    """Arguments as tensors; a literal, and what is computed from numbers alone, takes the dtype of the tensor beside it.
    Raises NetError."""
    pairs = [(s, settled(v), at) for s, v, at in pairs]
    given = [(s, v) for s, v, _ in pairs if isinstance(v, Tensor)]
    given.sort(key=lambda p: of_numbers(p[1]))  # those that have a dtype of their own first
    near = next((v.type.dtype for s, v in given if s.kind == "tensor"), None)
    dtype = near or next((v.type.dtype for _, v in given), None)
    beside = next((_text(at) for _, v, at in pairs if isinstance(v, Tensor)), "x")
    out = []
    for slot, value, at in pairs:
        if isinstance(value, Tensor):
            wanted = near if slot.kind == "tensor" else I64 if slot.kind == "index" else None
            out.append(in_dtype(frame, value, wanted) if wanted and of_numbers(value) else value)
        elif isinstance(value, CALLABLES):
            raise not_flowing(what, value, at)
        elif isinstance(value, Record):
            names = ", ".join(f"`.{n}`" for n in list(value.outputs)[-6:])
            example = f"`{at.text}.{list(value.outputs)[-1]}`"
            raise error(
                "argument", f"`{what}` needs one tensor; choose an output: {names}", at, help=f"write {example}"
            )
        elif is_array(value) and slot.kind in ("tensor", "index"):
            out.append(literal(value, (near or F32) if slot.kind == "tensor" else I64, at, beside))
        elif dtype is None or slot.kind == "index":
            raise error(
                "argument", f"`{what}` needs a tensor, this is {describe(value)}", at,
                help="give it an input, or what is computed from one",
            )  # fmt: skip
        else:
            out.append(literal(value, dtype, at, beside))
    return out


def not_flowing(what: str, value: Any, at: Span) -> NetError:
    """The error of a word that needs a tensor and gets something that a tensor has to flow into."""
    help = "let a tensor flow into it: `x -> f`, or call it: `f(x)`"
    if isinstance(value, Function) and not any(s.is_tensor for s in value.slots):
        help = f"call it: `{value.name}([N, 4])`"
    return error(
        "argument", f"`{what}` needs a tensor, this is {describe(value)}", at, written_at(value, at), help=help
    )


def in_dtype(frame: Frame, tensor: Tensor, dtype: DType) -> Tensor:
    """What is computed from numbers, computed anew in another dtype; as it is where its numbers do not fit there."""
    if tensor.type.dtype == dtype or dtype.kind == "bool":
        return tensor
    try:
        return _anew(frame, tensor, dtype, {})
    except Exhausted:
        raise
    except NetError:
        return tensor


def _anew(frame: Frame, tensor: Tensor, dtype: DType, known: dict[Apply, Any]) -> Tensor:
    """A tensor in another dtype; `known` are the operations that were applied anew before. Raises NetError."""
    match tensor.origin:
        case Apply() as made:
            if made not in known:
                inputs = [_anew(frame, x, dtype, known) for x in made.inputs]
                settings = made.settings if inputs else {**made.settings, "dtype": dtype}
                known[made] = apply(frame, made.operation, inputs, settings, made.span)
            again: Tensor = known[made][tensor.index] if made.operation.multiple else known[made]
            return again
        case Constant(value=value) | Size(dim=value):
            return literal(value, dtype, tensor.span)
        case _:
            raise AssertionError(f"{tensor} is not computed from numbers")


def literal(value: Any, dtype: DType, at: Span, beside: str = "x") -> Tensor:
    """A number, or a symbolic dimension, as a scalar of `dtype`, which is that of the tensor `beside`. Raises NetError when
    that would narrow it."""
    if is_array(value):
        for number in numbers_in(value):
            literal(number, dtype, at, beside)
        return Tensor(TensorType(dtype, guard(partial(shape_of, value), at)), at, Constant(value))
    scalar = TensorType(dtype, ())
    if isinstance(value, Symbolic):
        if dtype.kind == "bool":
            raise error("dtype", f"the dimension `{value}` is a number, not a truth value", at)
        return Tensor(scalar, at, Size(value))
    if isinstance(value, bool) or not static.is_number(value):
        if isinstance(value, bool) and dtype.kind == "bool":
            return Tensor(scalar, at, Constant(value))
        help = "give it a tensor or a number"
        if isinstance(value, Initializer):
            help = f"it is the first value of a parameter: `param w: f32[4] = {' '.join(at.text.split())}`; noise is an `input`"
        message = f"a tensor or a number is needed here, this is {describe(value)}"
        raise error("argument", message, at, help=help)
    if dtype.kind == "bool":
        raise error(
            "dtype", f"the number {show_number(value)} is not a truth value", at,
            help="write `true` or `false`, or make the condition a number: `f32(x)`",
        )  # fmt: skip
    if dtype.is_integer:
        exact = Fraction(value)
        limits = np.iinfo(dtype.numpy)
        if exact.denominator != 1 or not limits.min <= exact.numerator <= limits.max:
            raise error(
                "literal", f"the literal {show_number(value)} does not fit `{dtype}`", at,
                help=f"convert the tensor: `f32({beside})`",
            )  # fmt: skip
        return Tensor(scalar, at, Constant(exact.numerator))
    if abs(value) > float(np.finfo(dtype.numpy).max):
        raise error("literal", f"the literal {show_number(value)} does not fit `{dtype}`", at)
    return Tensor(scalar, at, Constant(value))


def guard(work: Callable[[], T], span: Span, spans: Mapping[str, Span] | None = None) -> T:
    """Runs `work`, giving a refusal its place."""
    try:
        return work()
    except Refused as r:
        raise refusal(r, span, spans or {}) from None

"""Calls of ONNX operators: `onnx.Clip(x, none, 1)`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from netc.compiler.check.applying import apply, in_dtype, literal
from netc.compiler.check.computed import of_numbers
from netc.compiler.check.frame import Frame
from netc.compiler.check.values import Given, describe
from netc.compiler.graph.types import I64, DType, TensorType
from netc.compiler.language.onnx_operators import OnnxOperation
from netc.compiler.net import Constant, Tensor
from netc.grammar.diagnostics import error
from netc.grammar.source import Span


def call_operator(frame: Frame, operation: OnnxOperation, arguments: Sequence[Given], span: Span) -> Any:
    """The results of an operator; its tensors stand in the order of its inputs, `none` for one that is left out."""
    given = [a for a in arguments if a.name is None]
    tensors = [a.value for a in given if isinstance(a.value, Tensor)]
    tensors.sort(key=of_numbers)  # those that have a dtype of their own first
    first = tensors[0].type.dtype if tensors else None
    placed: list[Tensor | None] = []
    for a in given:
        if a.value is None:
            placed.append(None)
        elif first is None:
            raise error("argument", f"`onnx.{operation.name}` needs a tensor first, this is {describe(a.value)}", a.span,
                        help=f"write `onnx.{operation.name}(x, ...)`")  # fmt: skip
        elif not isinstance(a.value, Tensor):
            placed.append(_literal(operation, len(placed), a, first))
        elif of_numbers(a.value):
            wanted = operation.dtype_of(len(placed), first, a.value.type.dtype)
            placed.append(in_dtype(frame, a.value, wanted))
        else:
            placed.append(a.value)
    if first is None:
        raise error(
            "missing-argument",
            f"`onnx.{operation.name}` needs a tensor",
            span,
            help=f"write `onnx.{operation.name}(x)`",
        )
    constants = {i: t.origin.value for i, t in enumerate(placed) if t is not None and isinstance(t.origin, Constant)}
    left_out = frozenset(i for i, t in enumerate(placed) if t is None)
    called = replace(operation, constants=constants, left_out=left_out)
    named = [(a.name, a) for a in arguments if a.name is not None]
    settings = {n: a.value for n, a in named}
    spans = {n: a.span if operation.has_attribute(n) else a.place or a.span for n, a in named}
    return apply(frame, called, [t for t in placed if t is not None], settings, span, spans)


def _literal(operation: OnnxOperation, position: int, given: Given, first: DType) -> Tensor:
    """A number, or a list of them, in the dtype that the operator wants there; i64 for whole numbers in a list, where it may be."""
    value, at = given.value, given.span
    if isinstance(value, tuple) and all(isinstance(v, int) and not isinstance(v, bool) for v in value):
        dtype = operation.dtype_of(position, first, I64)
        if value:
            return literal(value, dtype, at)
        return Tensor(TensorType(dtype, (0,)), at, Constant(value))
    return literal(value, operation.dtype_of(position, first), at)

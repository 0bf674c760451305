"""Indices: what stands between the brackets behind a tensor, and the numbers of a list that select along an axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from netc.compiler.check import static
from netc.compiler.check.applying import guard
from netc.compiler.check.arrays import numbers_in
from netc.compiler.check.computed import counted, numbers_of
from netc.compiler.check.values import CALLABLES, describe
from netc.compiler.net import Constant, Tensor, TypedNet
from netc.grammar import ast
from netc.grammar.diagnostics import Diagnostic, NetError, error


def not_indexed(value: Any, node: ast.Index) -> NetError:
    """The error of brackets behind what is no tensor and no list: `Dense[3]`."""
    ranges = any(isinstance(i, ast.Slice) for i in node.items)
    called = f"{node.value.span.text}({', '.join(i.span.text for i in node.items)})"
    meant = isinstance(value, CALLABLES) and not ranges
    help = f"write `{called}`: arguments stand in parentheses" if meant else "tensors are indexed: `x[:, 0]`"
    return error("index", f"{describe(value)} cannot be indexed", node.value.span, help=help)


def entry(value: Any, node: ast.Expression, of: str, axis: int) -> int:
    """An index as a whole number; it stands at the place `axis` behind the text `of`. Raises NetError for a tensor, a list, and
    for nothing."""
    if isinstance(value, Tensor):
        help = f"entries are taken by a tensor of numbers with `gather({of}, {node.span.text}, axis = {axis})`"
        if value.type.dtype.kind == "bool":
            help = f"choose by a condition with `where({node.span.text}, {of}, 0)`"
        raise error("static-argument", "an index is decided while compiling; a tensor cannot be", node.span, help=help)
    if value is None:
        raise error("index", "an index is a number, this is nothing", node.span,
                    help=f"a new axis is made by a word: write `unsqueeze({of}, {axis})`")  # fmt: skip
    if isinstance(value, tuple):
        raise error("index", f"an index is one number, this is {describe(value)}", node.span,
                    help=f"several entries are taken by `gather({of}, {node.span.text}, axis = {axis})`")  # fmt: skip
    return guard(partial(static.whole, value, "an index"), node.span)


def outside(net: TypedNet) -> Iterator[Diagnostic]:
    """An error for each list of indices with a number outside the axis that it selects from."""
    for apply in net.applies:
        slots = [s for s in apply.operation.slots if s.is_tensor]
        for slot, x in zip(slots, apply.inputs):
            if slot.kind != "index" or x is apply.inputs[0]:
                continue
            size = apply.inputs[0].type.shape[apply.settings.get("axis", -1)]
            wrong = [n for n in _known(x) if not -size <= n < size] if isinstance(size, int) else []
            if wrong:
                message = f"there is no entry {wrong[0]} along an axis of size {size}"
                yield from error("index", message, x.span, help=f"entries run from 0 to {size - 1}").diagnostics


def _known(indices: Tensor) -> Sequence[Any]:
    """The numbers of a list, or those that are computed from numbers alone; nothing where they show at run time."""
    if isinstance(indices.origin, Constant):
        return list(numbers_in(indices.origin.value))
    if turns := counted(indices):
        return [turns[0], turns[-1]]
    array = numbers_of(indices)
    return [] if array is None else array.ravel().tolist()

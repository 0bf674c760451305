"""Appends operations to the typed net: arguments become tensors, literals take their dtype, refusals get their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

from netc.compiler.check import static
from netc.compiler.check.arguments import refusal
from netc.compiler.check.environment import Environment
from netc.compiler.check.naming import Path
from netc.compiler.check.values import CALLABLES, Record, describe, show_number
from netc.compiler.graph.dimensions import Symbolic
from netc.compiler.library import LIBRARY
from netc.compiler.language.words import Operation, Refused, Slot
from netc.compiler.net import Apply, Constant, Parameter, Tensor, TypedNet, site
from netc.compiler.graph.types import DType, TensorType
from netc.grammar.diagnostics import Label, NetError, error
from netc.grammar.source import Span

T = TypeVar("T")
MAX_APPLIES = 100_000
MAX_ELEMENTS = 2**63


class Recorder:
    """The net being written, and where in the spec the evaluation stands."""

    def __init__(self, net: TypedNet, symbols: dict[str, Span]):
        self.net = net
        self.symbols = symbols
        self.environment = Environment(Path())
        self.made: list[Any] = []
        self.replay: int | None = None
        self.line = ""
        self.depth = 0
        self.draws: dict[str, int] = {}

    def settled(self, value: Any) -> Any:
        """A called model stands for its output where it has only one."""
        return value if not isinstance(value, Record) or value.only is None else value.only

    def tensors(self, pairs: Sequence[tuple[Slot, Any, Span]], what: str) -> list[Tensor]:
        """Arguments as tensors; a literal takes the dtype of the tensors beside it."""
        pairs = [(s, self.settled(v), at) for s, v, at in pairs]
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
                names = ", ".join(f"`.{n}`" for n in list(value.outputs)[-6:])
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

"""The table of gradient rules, keyed by operator and opset range.

A rule is the formula and nothing else. It gets the emitter, the node and one cotangent for each output (None where
nothing flows back), and returns one cotangent for each operand: None where there is none. Broadcasting, sums of
contributions and dtypes are the engine's business.

Every operator of the standard domain is in one class: it has a rule, or is lowered by us (written in simpler operators,
through which the gradient is taken), or is expanded by the function body of its specification, or its result has no
gradient, or it is refused with a reason.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Concatenate, Protocol, TypeVar

import onnx_ir as ir

from netc.compiler.graph.emitter import Emitter, Value

Cotangents = Sequence[Value | None]  # one for each operand, or each output; None where nothing flows
Needs = Callable[[Value], bool]  # whether anything becomes of an operand's cotangent; what is not needed may be None
Outputs = Sequence[Value | None]  # computed anew; None for what cannot be


class GraphNode(Protocol):
    """A node as its rule reads it. The rule knows which operands are there, so none is said to be missing."""

    @property
    def op_type(self) -> str: ...
    @property
    def inputs(self) -> Sequence[Any]: ...
    @property
    def outputs(self) -> Sequence[Value]: ...
    @property
    def attributes(self) -> MutableMapping[str, ir.Attr]: ...
    def resize_outputs(self, new_size: int, /) -> None: ...


Rule = Callable[Concatenate[Emitter, GraphNode, ...], Cotangents]
Lowering = Callable[[Emitter, GraphNode], Outputs]
Rewrite = Callable[[Emitter, GraphNode], Outputs | None]
R = TypeVar("R", bound=Rule)
L = TypeVar("L", bound=Lowering)


@dataclass(frozen=True)
class Entry:
    """What is known of an operator for the opsets from `since` to `until`.

    `kind` is rule, lowered, no gradient or refused; `run` is the rule or the lowering. `broadcasts` says that operands are
    broadcast, so that a cotangent may have to be summed over axes that only show at run time. `rewrite` gives the outputs
    of nodes that the rule cannot read, computed anew in a form that it can, and None for all others.
    """

    operator: str
    kind: str
    run: Rule | None = None
    since: int = 1
    until: int = 1 << 30
    broadcasts: bool = False
    reason: str = ""
    rewrite: Rewrite | None = None

    @cached_property
    def asks(self) -> bool:
        """Whether the rule wants to know which cotangents are needed: it has an argument `needs`."""
        return self.run is not None and "needs" in inspect.signature(self.run).parameters


_TABLE: dict[str, list[Entry]] = {}


def gradient(
    operator: str, since: int = 1, until: int = 1 << 30, broadcasts: bool = False, rewrite: Rewrite | None = None
) -> Callable[[R], R]:
    """Decorator: registers the rule of an operator for the opsets from `since` to `until`."""

    def register(rule: R) -> R:
        entry = Entry(operator, "rule", rule, since, until, broadcasts, rewrite=rewrite)
        _TABLE.setdefault(operator, []).append(entry)
        return rule

    return register


def lowered(*operators: str) -> Callable[[L], L]:
    """Decorator: registers a function of (emitter, node) that computes the outputs anew with simpler operators.

    The gradient is taken through them; the node itself stays for the forward values. What only the recomputed outputs
    would need disappears again.
    """

    def register(lowering: L) -> L:
        for operator in operators:
            _TABLE.setdefault(operator, []).append(Entry(operator, "lowered", lowering))
        return lowering

    return register


def no_gradient(*operators: str) -> None:
    """Declares operators whose results are whole numbers, truth values, text, or piecewise constant."""
    for operator in operators:
        _TABLE.setdefault(operator, []).append(Entry(operator, "no gradient"))


def refuse(reason: str, *operators: str) -> None:
    """Declares operators that are not differentiated; the reason says what to do instead."""
    for operator in operators:
        _TABLE.setdefault(operator, []).append(Entry(operator, "refused", reason=reason))


def lookup(operator: str, opset: int) -> Entry | None:
    """The entry for an operator at an opset; None when nothing is known of it."""
    return next((e for e in _TABLE.get(operator, ()) if e.since <= opset <= e.until), None)


def operators() -> dict[str, list[Entry]]:
    """Every operator of the standard domain that the table knows."""
    return dict(sorted(_TABLE.items()))


def attribute(node: GraphNode, name: str, default: Any = None) -> Any:
    """The value of an attribute, or `default` where the node leaves it out."""
    found = node.attributes.get(name)
    return default if found is None else found.value

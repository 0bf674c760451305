"""The table of gradient rules, keyed by operator and opset range.

A rule is the formula and nothing else. It gets the emitter, the node and one cotangent for each output (None where
nothing flows back), and returns one cotangent for each input: None where there is none. Broadcasting, sums of
contributions and dtypes are the engine's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

Rule = Callable[..., list[Any]]


@dataclass(frozen=True)
class Entry:
    """A rule and the opsets it holds for; `rule` is None for an operator whose result has no gradient."""

    operator: str
    rule: Rule | None
    since: int
    until: int


_TABLE: dict[tuple[str, str], list[Entry]] = {}


def gradient(operator: str, since: int = 1, until: int = 1 << 30, domain: str = "") -> Callable[[Rule], Rule]:
    """Decorator: registers the rule of an operator for the opsets from `since` to `until`."""

    def register(rule: Rule) -> Rule:
        _TABLE.setdefault((domain, operator), []).append(Entry(operator, rule, since, until))
        return rule

    return register


def no_gradient(*operators: str) -> None:
    """Declares operators whose results are whole numbers, truth values, text, or piecewise constant."""
    for operator in operators:
        _TABLE.setdefault(("", operator), []).append(Entry(operator, None, 1, 1 << 30))


def lookup(domain: str, operator: str, opset: int) -> Entry | None:
    """The entry for an operator at an opset; None when nothing is known of it."""
    entries = _TABLE.get(("" if domain == "ai.onnx" else domain, operator), ())
    return next((e for e in entries if e.since <= opset <= e.until), None)


def operators() -> dict[str, list[Entry]]:
    """Every operator of the standard domain that the table knows."""
    return {name: entries for (domain, name), entries in sorted(_TABLE.items()) if domain == ""}


def attribute(node: ir.Node, name: str, default: Any = None) -> Any:
    """The value of an attribute, or `default` where the node leaves it out."""
    found = node.attributes.get(name)
    return default if found is None else found.value

"""Warnings about what a line of the net binds and nothing reads: a penalty that is never added, and settings (`batch = 32`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from netc.compiler.check import static
from netc.compiler.check.environment import Environment
from netc.compiler.check.guessing import of_unread
from netc.compiler.check.reading import names_in
from netc.compiler.net import Tensor
from netc.grammar import ast
from netc.grammar.diagnostics import Diagnostic, diagnostic

_TENSOR = "let the loss, a metric or an output depend on it, or remove the line"


def unread_values(spec: ast.Spec, environment: Environment, known: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    """A warning for each line of the net that binds a tensor, or what is called like a setting, that nothing reads; not where
    a warning that is known says so."""
    warned = {d.labels[0].span.line for d in known}
    lines = [s.names for s in spec.nets[0].body if isinstance(s, ast.Bind)]
    bound = [n for names in lines for n in names]
    read = Counter(n.id for n in names_in(spec))
    read.subtract(n.id for n in bound)
    settings = [*(s for d in spec.datas for s in d.settings), *(s for t in spec.trains for s in t.settings)]
    read.subtract(s.name.id for s in settings)
    for names in lines:
        if any(read[n.id] or n.id == "loss" or n.span.line in warned for n in names):
            continue
        for name in names:
            value = environment.names[name.id].value
            help = of_unread(name.id) if _constant(value) else _TENSOR if isinstance(value, Tensor) else ""
            if help:
                message = f"nothing reads `{name.id}`"
                yield diagnostic("unused-value", message, name.span, help=help, severity="warning")


def _constant(value: Any) -> bool:
    """Whether a value is known while compiling, and none of the net's words: a number, a string, a list of them."""
    if isinstance(value, tuple):
        return all(_constant(v) for v in value)
    return isinstance(value, bool | str) or static.is_number(value)

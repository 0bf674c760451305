"""Warnings about settings that stand in the net, where a line binds them and nothing reads them: `batch = 32`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from netc.compiler.check import static
from netc.compiler.check.environment import Environment
from netc.compiler.check.guessing import of_unread
from netc.compiler.check.reading import names_in
from netc.grammar import ast
from netc.grammar.diagnostics import Diagnostic, diagnostic


def unread_values(spec: ast.Spec, environment: Environment) -> Iterator[Diagnostic]:
    """A warning for each number, string or list that is called like a setting, and that nothing reads."""
    bound = [n for s in spec.nets[0].body if isinstance(s, ast.Bind) for n in s.names]
    found = [n for n in bound if of_unread(n.id) and _constant(environment.names[n.id].value)]
    if not found:
        return
    read = Counter(n.id for n in names_in(spec))
    read.subtract(n.id for n in bound)
    settings = [*(s for d in spec.datas for s in d.settings), *(s for t in spec.trains for s in t.settings)]
    read.subtract(s.name.id for s in settings)
    for name in found:
        if not read[name.id]:
            yield diagnostic(
                "unused-value", f"nothing reads `{name.id}`", name.span, help=of_unread(name.id), severity="warning"
            )


def _constant(value: Any) -> bool:
    """Whether a value is known while compiling, and none of the net's words: a number, a string, a list of them."""
    if isinstance(value, tuple):
        return all(_constant(v) for v in value)
    return isinstance(value, bool | str) or static.is_number(value)

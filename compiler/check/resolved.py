"""The spec as it is run: overrides in place, every default of the train block shown."""

from __future__ import annotations

from dataclasses import replace

from netc.compiler.net import TypedNet
from netc.grammar import ast
from netc.grammar.printer import format_expression, format_spec


def resolved(spec: ast.Spec, net: TypedNet) -> str:
    """The text of the spec with everything that is in force."""
    assert net.train is not None
    kept = replace(spec, trains=(), comments=_outside(spec))
    width = max(map(len, net.train.text))
    lines = [f"  {name.ljust(width)} = {value}" for name, value in net.train.text.items()]
    for train in spec.trains:
        for rule in train.rules:
            inner = "; ".join(
                a.name.id if a.value is None else f"{a.name.id} {a.operator} {format_expression(a.value)}"
                for a in rule.adjustments
            )
            lines.append(f'  rule "{rule.pattern.value}" {{ {inner} }}')
    return format_spec(kept).rstrip("\n") + "\n\ntrain {\n" + "\n".join(lines) + "\n}\n"


def _outside(spec: ast.Spec) -> tuple[ast.Comment, ...]:
    """The comments that do not stand inside a train block."""
    inside = [(t.span.start, t.span.end) for t in spec.trains]
    return tuple(c for c in spec.comments if not any(a <= c.span.start < b for a, b in inside))

"""The error of arithmetic beside an arrow, which can be read two ways."""

from __future__ import annotations

from netc.grammar import ast
from netc.grammar.diagnostics import NetError, error

ON_A_LINE = "put the arithmetic on a line of its own, or in parentheses around a pipeline: `(x -> f) + 1`"


def two_readings(part: ast.Expression, pipe: ast.Pipe, head: bool) -> NetError:
    """`h + x -> f` and `x -> f + y` can be read two ways; both are offered."""
    assert isinstance(part, (ast.Binary, ast.Unary))
    if isinstance(part, ast.Unary):
        return error("two-readings", "a stage of a pipeline is a function or a layer", part.span, help=ON_A_LINE)
    left, right, o = part.left.span.text, part.right.span.text, part.operator
    if head:
        rest = " -> ".join(s.span.text for s in pipe.stages)
        first, second = f"({left} {o} {right}) -> {rest}", f"{left} {o} ({right} -> {rest})"
    else:
        before = pipe.span.text[: part.span.start - pipe.span.start]
        first, second = f"({before}{left}) {o} {right}", f"{before}(f) with `f` bound to `{left} {o} {right}`"
    return error(
        "two-readings", f"`{o}` beside `->` can be read two ways", part.span,
        help=f"write `{' '.join(first.split())}`" + (f" or `{' '.join(second.split())}`" if head else ""),
    )  # fmt: skip

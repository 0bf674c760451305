"""How deep a tree is: refused before anything that recurses meets it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netc.grammar import ast
from netc.grammar.diagnostics import NetError, error
from netc.grammar.source import Span

MAX_DEPTH = 100  # of expressions within one another; chains of `+` and `->` are flat


def too_deep(span: Span) -> NetError:
    """The error of an expression that is nested too deep."""
    return error(
        "too-deep", f"expressions are nested more than {MAX_DEPTH} deep", span,
        help="name the inner parts on lines of their own",
    )  # fmt: skip


def check_depth(root: Any) -> None:
    """Refuses a tree in which an expression is nested too deep. Raises NetError.

    An expression has more characters than levels, so what is short is not looked into.
    """
    stack: list[tuple[Any, int]] = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        if node.span.end - node.span.start <= MAX_DEPTH - depth:
            continue
        if depth > MAX_DEPTH:
            raise too_deep(node.span)
        left = node.left if isinstance(node, ast.Binary) and isinstance(node.left, ast.Binary) else None
        deeper = depth + isinstance(node, _EXPRESSIONS)
        stack += [(child, depth if child is left else deeper) for child in _children(node)]


_EXPRESSIONS = (
    ast.Group, ast.Tuple, ast.List, ast.Unary, ast.Binary, ast.Conditional, ast.Pipe, ast.Call, ast.Index, ast.Attribute,
)  # fmt: skip


def _children(node: Any) -> Iterator[Any]:
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        if isinstance(value, ast.Node):
            yield value
        elif isinstance(value, tuple):
            yield from (v for v in value if isinstance(v, ast.Node))

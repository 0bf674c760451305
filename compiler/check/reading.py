"""What can be known of expressions and names without evaluating them: what is read, what makes parameters, what matches."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from typing import Any

from netc.compiler.check.environment import Environment
from netc.compiler.check.values import BlockDefinition
from netc.compiler.language.operations import Layer
from netc.compiler.library import LIBRARY
from netc.grammar import ast
from netc.grammar.diagnostics import did_you_mean, error
from netc.grammar.source import Span


def matching(pattern: str, names: Sequence[str], span: Span) -> list[str]:
    """The parameter names that a pattern matches, `*` crossing dots. A pattern that matches nothing is an error."""
    found = [n for n in names if fnmatch.fnmatchcase(n, pattern)]
    if not found:
        near = did_you_mean(pattern, names, "the parameters are " + ", ".join(f"`{n}`" for n in list(names)[:6]))
        raise error("pattern", f"the pattern `{pattern}` matches no parameter", span, help=near)
    return found


def names_in(node: Any) -> Iterator[ast.Name]:
    """Every name that an expression reads."""
    stack = [node]
    while stack:
        current = stack.pop()
        match current:
            case ast.Name():
                yield current
            case ast.Attribute():
                stack.append(current.value)
            case ast.Argument():
                stack.append(current.value)
            case ast.Node():
                for field in current.__dataclass_fields__:
                    if field != "span":
                        stack.append(getattr(current, field))
            case tuple():
                stack.extend(current)


def makes_parameters(statement: ast.Statement, environment: Environment) -> bool:
    """Whether a block's statement makes layers or parameters: a capitalised layer or block, or `param`."""
    if isinstance(statement, ast.Param):
        return True
    if isinstance(statement, ast.Repeat):
        return any(makes_parameters(s, environment) for s in statement.body)
    for name in names_in(statement):
        binding = environment.find(name.id)
        if binding is not None:
            if isinstance(binding.value, BlockDefinition) and binding.value.makes_parameters:
                return True
        elif isinstance(LIBRARY.operations.get(name.id), Layer):
            return True
    return False


def cycle(name: str, line: str, later: dict[str, ast.Bind]) -> list[str]:
    """The path by which `name`, bound later, reads `line` again, if it does."""
    stack: list[list[str]] = [[line, name]]
    seen = set()
    while stack:
        path = stack.pop()
        current = later.get(path[-1])
        if current is None or path[-1] in seen:
            continue
        seen.add(path[-1])
        for read in {n.id for n in names_in(current.value)}:
            if read == line:
                return [*path, line]
            stack.append([*path, read])
    return []

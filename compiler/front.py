"""Text -> typed net: the stages that come before any graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netc.compiler import check as checker
from netc.compiler.check.overrides import override as override_tree
from netc.compiler.check.resolved import resolved
from netc.compiler.net import TypedNet
from netc.grammar import ast
from netc.grammar.diagnostics import Diagnostic, NetError
from netc.grammar.parser import parse_tolerant
from netc.grammar.source import Source

Overrides = Mapping[str, Any] | Iterable[str]


@dataclass
class Reading:
    """A spec while it is read. `problems` are what the parser found wrong, reported together with wrong meaning."""

    source: Source
    overrides: Overrides = ()
    folder: Path | None = None
    problems: list[Diagnostic] = field(default_factory=list)
    _tree: ast.Spec | None = None
    _net: TypedNet | None = None

    @property
    def tree(self) -> ast.Spec:
        assert self._tree is not None, "the spec has not been parsed"
        return self._tree

    @property
    def net(self) -> TypedNet:
        assert self._net is not None, "the spec has not been checked"
        return self._net


def parse(reading: Reading) -> None:
    """The tree of a text; what does not parse is left out and reported at the end."""
    reading._tree, reading.problems = parse_tolerant(reading.source)


def override(reading: Reading) -> None:
    """Hyperparameters replaced by name. Raises NetError."""
    try:
        reading._tree = override_tree(reading.tree, reading.overrides)
    except NetError as e:
        raise NetError([*reading.problems, *e.diagnostics]) from None


def check(reading: Reading) -> None:
    """The typed net. Raises NetError with everything that is wrong."""
    reading._net = checker.check(reading.tree, reading.source, reading.problems, reading.folder)
    reading.net.resolved = resolved(reading.tree, reading.net)


def typed(source: Source, overrides: Overrides = (), folder: Path | None = None) -> TypedNet:
    """The typed net of a text. Raises NetError with everything that is wrong."""
    reading = Reading(source, overrides, folder)
    for stage in (parse, override, check):
        stage(reading)
    return reading.net

"""Paths of variables: repeats with their index, the line's name, kind and number where it makes several layers.

A path is known only when its scope has been read to the end (a second layer on a line renames the first), so scopes
and layers' names are records that answer when asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property


@dataclass(eq=False)
class NameScope:
    """A scope in which lines are named: the net, one turn of a repeat, or the inside of a block."""

    parent: NameScope | LayerName | None = None
    name: str = ""
    lines: dict[str, dict[str, int]] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)
    now: str = field(init=False)  # the path as it is while the scope is read

    def __post_init__(self) -> None:
        self.now = _join(self.parent.now if self.parent else "", self.name)

    @cached_property
    def final(self) -> str:
        """The path, once the whole net has been read."""
        return _join(self.parent.final if self.parent else "", self.name)

    def layer(self, line: str, kind: str) -> LayerName:
        """The name of a layer that `line` makes."""
        kinds = self.lines.setdefault(line, {})
        kinds[kind] = kinds.get(kind, 0) + 1
        return LayerName(self, line, kind, kinds[kind])

    def repeat(self, name: str) -> str:
        """The name of a repeat, told apart from an earlier one of the same name in this scope."""
        count = self.repeats[name] = self.repeats.get(name, 0) + 1
        return name if count == 1 else f"{name}{count}"


@dataclass(eq=False)
class LayerName:
    """One layer of a line."""

    scope: NameScope
    line: str
    kind: str
    number: int

    @property
    def now(self) -> str:
        """The path among the layers that the line has made so far."""
        return _join(self.scope.now, self._own())

    @cached_property
    def final(self) -> str:
        """The path, once the whole net has been read."""
        return _join(self.scope.final, self._own())

    def _own(self) -> str:
        alone = sum(self.scope.lines[self.line].values()) == 1
        return self.line if alone else f"{self.line}.{self.kind}_{self.number}"


def _join(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope and name else scope or name

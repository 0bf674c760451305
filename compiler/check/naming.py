"""Paths of variables: repeats with their index, the line's name, kind and number where it makes several layers.

A path is known only when its scope has been read to the end (a second layer on a line renames the first), so scopes
and layers' names are records that answer when asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(eq=False)
class NameScope:
    """A scope in which lines are named: the net, one turn of a repeat, or the inside of a block."""

    parent: NameScope | LayerName | None = None
    name: str = ""
    lines: dict[str, dict[str, int]] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)
    _path: str | None = None  # where no layer's name is in it, which may still change

    def __post_init__(self) -> None:
        if self.parent is None or (isinstance(self.parent, NameScope) and self.parent._path is not None):
            self._path = _join(self.parent._path or "" if self.parent else "", self.name)

    def __str__(self) -> str:
        if self._path is not None:
            return self._path
        return _join(str(self.parent or ""), self.name)

    def layer(self, line: str, kind: str) -> LayerName:
        """The name of a layer that `line` makes."""
        kinds = self.lines.setdefault(line, {})
        kinds[kind] = kinds.get(kind, 0) + 1
        return LayerName(self, line, kind, kinds[kind])

    def repeat(self, name: str) -> str:
        """The name of a repeat, told apart from an earlier one of the same name in this scope."""
        count = self.repeats[name] = self.repeats.get(name, 0) + 1
        return name if count == 1 else f"{name}{count}"

    def line(self, name: str) -> str:
        """The path of a line in this scope."""
        return _join(str(self), name)


@dataclass(eq=False)
class LayerName:
    """One layer of a line."""

    scope: NameScope
    line: str
    kind: str
    number: int

    def __str__(self) -> str:
        alone = sum(self.scope.lines[self.line].values()) == 1
        return _join(str(self.scope), self.line if alone else f"{self.line}.{self.kind}_{self.number}")


def _join(*parts: str) -> str:
    return ".".join(p for p in parts if p)

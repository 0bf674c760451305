"""Paths of parameters: repeats with their index, the line's name, kind and number where it makes several layers.

A path is known only when its scope has been read to the end (a second layer on a line renames the first), so scopes
and slots are records that answer when asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(eq=False)
class Path:
    """A scope in which lines are named: the net, one turn of a repeat, or the inside of a block."""

    parent: Path | Slot | None = None
    name: str = ""
    lines: dict[str, dict[str, int]] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return _join(str(self.parent or ""), self.name)

    def slot(self, line: str, kind: str) -> Slot:
        """A place for a layer that `line` makes."""
        kinds = self.lines.setdefault(line, {})
        kinds[kind] = kinds.get(kind, 0) + 1
        return Slot(self, line, kind, kinds[kind])

    def repeat(self, name: str) -> str:
        """The name of a repeat, told apart from an earlier one of the same name in this scope."""
        count = self.repeats[name] = self.repeats.get(name, 0) + 1
        return name if count == 1 else f"{name}{count}"


@dataclass(eq=False)
class Slot:
    """One layer of a line."""

    scope: Path
    line: str
    kind: str
    number: int

    def __str__(self) -> str:
        alone = sum(self.scope.lines[self.line].values()) == 1
        return _join(str(self.scope), self.line if alone else f"{self.line}.{self.kind}_{self.number}")


def kind_of(name: str) -> str:
    """`BatchNorm` as a part of a path: `batch_norm`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name).lower()


def _join(*parts: str) -> str:
    return ".".join(p for p in parts if p)

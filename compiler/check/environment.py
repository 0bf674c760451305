"""Which names are visible where, and what they are bound to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from netc.compiler.check.naming import NameScope
from netc.grammar.source import Span


@dataclass(eq=False)
class Binding:
    """What a name stands for, and where it was bound."""

    value: Any
    span: Span


@dataclass(eq=False)
class Environment:
    """One level of names. A repeat rebinds through to the level outside (`carries`); a block does not."""

    scope: NameScope
    parent: Environment | None = None
    carries: bool = False
    names: dict[str, Binding] = field(default_factory=dict)

    def bind(self, name: str, value: Any, span: Span) -> None:
        """Binds a name on this level."""
        self.names[name] = Binding(value, span)

    def find(self, name: str) -> Binding | None:
        """The innermost binding of a name."""
        level: Environment | None = self
        while level is not None:
            if name in level.names:
                return level.names[name]
            level = level.parent
        return None

    def home(self, name: str) -> Environment | None:
        """The level whose binding a line here may rebind."""
        level: Environment | None = self
        while level is not None:
            if name in level.names:
                return level
            level = level.parent if level.carries else None
        return None

    def visible(self) -> set[str]:
        """Every name that can be read here."""
        own = set(self.names)
        return own | self.parent.visible() if self.parent else own

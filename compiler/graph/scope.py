"""Where nodes come from while they are made."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Scope(NamedTuple):
    """Where the nodes being made come from: a line of the spec (`digits.net:7`), and a name for what they compute."""

    line: str = ""
    name: str = ""


class Scoped(Protocol):
    """What has a scope, such as an emitter."""

    scope: Scope


class Within:
    """A context that sets the scope of an emitter, and restores the one before."""

    __slots__ = ("before", "op", "scope")

    def __init__(self, op: Scoped, scope: Scope):
        self.op, self.scope, self.before = op, scope, op.scope

    def __enter__(self) -> None:
        self.op.scope = self.scope

    def __exit__(self, *_: object) -> None:
        self.op.scope = self.before

"""Where in the spec the evaluation stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from netc.compiler.check.environment import Environment
from netc.compiler.check.naming import NameScope
from netc.compiler.check.recorder import Recorder
from netc.grammar import ast


@dataclass
class Making:
    """What a place makes: new the first time, the same again, in the same order, when a shared block is called again."""

    made: list[Any] = field(default_factory=list)
    replaying: bool = False
    at: int = 0

    def make(self, factory: Callable[[], Any]) -> Any:
        """What stands next here."""
        if self.replaying:
            self.at += 1
            return self.made[self.at - 1]
        self.made.append(factory())
        return self.made[-1]


@dataclass
class Frame:
    """One body of statements being run: the net's, a turn of a repeat, the inside of a block.

    `line` is the name of the line being read; `depth` counts the blocks around; `bodies` are the statements of this body and
    those around it, of which later lines may bind a name that is read too early.
    """

    recorder: Recorder
    environment: Environment = field(default_factory=lambda: Environment(NameScope()))
    making: Making = field(default_factory=Making)
    depth: int = 0
    line: str = ""
    bodies: tuple[Sequence[ast.Statement], ...] = ()

    @property
    def path(self) -> str:
        """The line being read, with the repeats and blocks around it."""
        scope = self.environment.scope.now
        return f"{scope}.{self.line}" if scope else self.line

    @property
    def outermost(self) -> bool:
        """Whether this is the body of the net itself."""
        return not self.depth and self.environment.parent is None

    def body(self, statements: Sequence[ast.Statement]) -> Frame:
        """The same place inside a body of statements."""
        bodies = (*self.bodies, statements)
        return Frame(self.recorder, self.environment, self.making, self.depth, self.line, bodies)

    def turn(self, environment: Environment) -> Frame:
        """One turn of a repeat: the same place with names of its own."""
        return Frame(self.recorder, environment, self.making, self.depth, self.line, self.bodies)

    def inside(self, environment: Environment, making: Making) -> Frame:
        """The inside of a block."""
        return Frame(self.recorder, environment, making, self.depth + 1, self.line, self.bodies)

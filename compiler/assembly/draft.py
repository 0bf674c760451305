"""One graph of a program while the stages of the pipeline build it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from netc.compiler.assembly.accumulation import Accumulator
from netc.compiler.assembly.forward import Forward
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.random import Random
from netc.compiler.language.variables import Variable
from netc.compiler.net import TypedNet
from netc.compiler.training.configuration import TrainConfig


@dataclass
class Draft:
    """What the stages read and write: each reads only what those before it wrote.

    `graph` is the name of the graph (init, step, ...). `batch` are the values of inputs and targets by name, `held` those
    of the state; `following` are next values by name.
    """

    graph: str
    net: TypedNet
    config: TrainConfig
    state: Sequence[Variable]
    op: Emitter
    batch: dict[str, Value] = field(default_factory=dict)
    held: dict[str, Value] = field(default_factory=dict)
    random: Random | None = None
    forward: Forward | None = None
    gradients: dict[Variable, Value] = field(default_factory=dict)
    clipped: dict[Variable, Value] = field(default_factory=dict)
    following: dict[str, Value] = field(default_factory=dict)
    accumulators: dict[str, list[Accumulator]] = field(default_factory=dict)  # by metric
    scores: dict[str, Value] = field(default_factory=dict)  # by metric, in the score graph
    beside: list[Draft] = field(default_factory=list)  # graphs that come with this one: score with eval

    @property
    def lowered(self) -> Forward:
        """The forward pass, which an earlier stage has begun."""
        assert self.forward is not None, f"`{self.graph}` has no forward pass"
        return self.forward

    def of(self, *roles: str) -> list[Variable]:
        """The variables of some roles, in manifest order."""
        return [v for v in self.state if v.role in roles]

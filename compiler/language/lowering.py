"""What a word is told when it is lowered to nodes, besides the emitter and its tensors."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netc.compiler.graph.emitter import Emitter as Emitter
    from netc.compiler.graph.emitter import Value as Value
    from netc.compiler.graph.random import Random as Random
else:  # checking a spec makes no graph, and importing what makes one takes longer than checking
    Emitter = Value = Random = Any


@dataclass(frozen=True)
class Context:
    """Where an operation is lowered: in training or not, with random numbers or not, among which parameters."""

    training: bool
    random: Random | None = None  # absent where nothing is drawn
    site: int | None = None  # the number of this operation's draws, where it draws
    parameters: Mapping[str, Value] = field(default_factory=dict)  # by name: what patterns match

    def matching(self, pattern: str) -> list[Value]:
        """The parameters whose names a pattern matches, `*` crossing dots."""
        return [v for n, v in self.parameters.items() if fnmatch.fnmatchcase(n, pattern)]

    def keep_mask(self, x: Value, keep: float) -> Value:
        """1 / keep with probability `keep`, else 0, of x's type: a function of (seed, step, site, row)."""
        assert self.random is not None, "nothing can be drawn here"
        assert self.site is not None, "nothing is drawn here"
        return self.random.keep_mask(x, keep, self.site)


@dataclass(frozen=True)
class Lowered:
    """The outputs of an operation, and the next value of each buffer that it computes anew."""

    outputs: tuple[Value, ...]
    following: Mapping[str, Value] = field(default_factory=dict)

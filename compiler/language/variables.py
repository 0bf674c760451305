"""State: the one record of everything that outlives a training step, and how its first value is given."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from netc.compiler.graph.types import TensorType
from netc.grammar.source import Span

if TYPE_CHECKING:
    from netc.compiler.language.lowering import Emitter, Random, Value

Role = Literal["parameter", "optimizer", "buffer", "average", "counter", "control"]


class Initializer:
    """First values of a variable: a frozen dataclass whose fields are its settings (library/initializers.py)."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises Refused for a shape that this cannot fill."""

    def words(self, shape: tuple[int, ...]) -> int:
        """How many random 32-bit words the value takes."""
        return 0

    def emit(self, op: Emitter, random: Random, bits: Value | None, shape: tuple[int, ...], dtype: int) -> Value:
        """Emits the value for a static shape from that many words, a uint32 vector (None for 0)."""
        raise NotImplementedError


@dataclass(eq=False, slots=True)
class Variable:
    """A tensor that outlives a step.

    `role` is that of the manifest. `first` is its first value, None for an average, which begins as its owner does.
    `owner` is the parameter that an optimizer's or an average's variable belongs to. `trained` says whether a step
    changes it: a frozen parameter or buffer stays, and a control is the host's. `name` is its path, known when the whole
    net has been read.
    """

    type: TensorType
    first: Initializer | None
    role: Role = "parameter"
    name: str = ""
    owner: Variable | None = None
    trained: bool = True
    span: Span | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions, which are fixed."""
        return tuple(d for d in self.type.shape if isinstance(d, int))

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        size = self.type.size
        assert isinstance(size, int)
        return size

    @property
    def site(self) -> int:
        """The number of this variable in random draws: a hash of its name, so that other lines do not move it."""
        return site(self.name)


def parameter(type: TensorType, first: Initializer) -> Variable:
    """A variable that is trained by its gradient."""
    return Variable(type, first)


def buffer(type: TensorType, first: Initializer) -> Variable:
    """A variable that a layer computes anew in each step, such as a running mean."""
    return Variable(type, first, "buffer")


def site(name: str) -> int:
    """A 31-bit number for a random site: CRC-32 of its name, kept positive for int32."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF

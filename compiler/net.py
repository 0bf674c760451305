"""The typed net: what `check` writes and `lower` reads. Names are resolved, blocks expanded, every type is known."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from netc.compiler.graph.types import TensorType
from netc.grammar.diagnostics import Diagnostic
from netc.grammar.source import Source, Span

if TYPE_CHECKING:
    from netc.compiler.training.configuration import DataConfig, TrainConfig
    from netc.compiler.language.words import Initializer, Operation


@dataclass(eq=False, slots=True)
class Tensor:
    """One value of the net. `origin` is what makes it: an Apply, an Input, a Parameter or a Constant."""

    type: TensorType
    span: Span
    origin: Apply | Input | Parameter | Constant
    index: int = 0

    def __repr__(self) -> str:
        return f"Tensor({self.type})"


@dataclass(frozen=True, eq=False, slots=True)
class Constant:
    """A literal: a scalar of its tensor's dtype, exact until it is written to the graph."""

    value: int | Fraction | float | bool | tuple[int, ...]


@dataclass(eq=False, slots=True)
class Input:
    """A declared input or target."""

    name: str
    role: str
    type: TensorType
    span: Span


@dataclass(eq=False, slots=True)
class Parameter:
    """A trainable tensor; `name` is its path, known when the whole net has been read."""

    type: TensorType
    initializer: Initializer
    span: Span
    name: str = ""
    frozen: bool = False

    @property
    def site(self) -> int:
        """The number of this parameter in random draws: a hash of its name, so that other lines do not move it."""
        return site(self.name)


@dataclass(eq=False, slots=True)
class Apply:
    """One operation applied to tensors. `path` names the line it stands on, with the repeats and blocks around it;
    `site` is the number of its random draws."""

    operation: Operation
    inputs: tuple[Tensor, ...]
    settings: Mapping[str, Any]
    parameters: Mapping[str, Parameter]
    span: Span
    path: str = ""
    site: int = 0
    outputs: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Metric:
    name: str
    mode: str
    value: Tensor
    span: Span


@dataclass
class TypedNet:
    """A whole spec, checked. `applies` is in order of evaluation."""

    name: str
    source: Source
    inputs: list[Input] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)
    applies: list[Apply] = field(default_factory=list)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    metrics: list[Metric] = field(default_factory=list)
    loss: Tensor | None = None
    train: TrainConfig | None = None
    data: DataConfig | None = None
    warnings: list[Diagnostic] = field(default_factory=list)
    batch: str = "N"
    resolved: str = ""

    @property
    def trained(self) -> list[Parameter]:
        return [p for p in self.parameters if not p.frozen]


def site(name: str) -> int:
    """A 31-bit number for a random site: CRC-32 of its name, kept positive for int32."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF

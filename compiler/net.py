"""The typed net: what `check` writes and `assembly` reads. Names are resolved, blocks expanded, every type is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from netc.compiler.graph.dimensions import Dim, Symbolic
from netc.compiler.graph.types import BASE_OPSET, TensorType
from netc.compiler.language.operations import Operation
from netc.compiler.language.variables import Variable
from netc.compiler.training.configuration import TrainConfig
from netc.compiler.training.data import DataConfig
from netc.grammar.diagnostics import Diagnostic
from netc.grammar.source import Source, Span


@dataclass(eq=False, slots=True)
class Tensor:
    """One value of the net. `origin` is what makes it."""

    type: TensorType
    span: Span
    origin: Apply | Input | Variable | Constant | Size
    index: int = 0

    def __repr__(self) -> str:
        return f"Tensor({self.type})"


@dataclass(frozen=True, eq=False, slots=True)
class Constant:
    """A literal: a scalar of its tensor's dtype, exact until it is written to the graph, or lists of those."""

    value: int | Fraction | float | bool | tuple[Any, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Size:
    """A symbolic dimension as a scalar: its size in this batch."""

    dim: Dim


@dataclass(eq=False, slots=True)
class Input:
    """A declared input or target."""

    name: str
    role: str
    type: TensorType
    span: Span


@dataclass(eq=False, slots=True)
class Apply:
    """One operation applied to tensors. `variables` are those it reads, by their part of the name; `path` names the line
    it stands on, with the repeats and blocks around it; `site` is the number of its random draws, where it draws;
    `numbers` says how many operations deep it is computed from numbers alone, 0 where it reads anything else."""

    operation: Operation
    inputs: tuple[Tensor, ...]
    settings: Mapping[str, Any]
    variables: Mapping[str, Variable]
    span: Span
    path: str = ""
    site: int | None = None
    outputs: tuple[Tensor, ...] = ()
    numbers: int = 0

    @property
    def origins(self) -> list[object]:
        """What it reads: that which makes its tensors, and its variables."""
        return [*(x.origin for x in self.inputs), *self.variables.values()]


@dataclass(frozen=True)
class PublishedMetric:
    """A published score: `mode` says which direction is better."""

    name: str
    mode: str
    value: Tensor
    span: Span


@dataclass
class TypedNet:
    """A whole spec, checked. `applies` is in order of evaluation; `variables` are its parameters and buffers."""

    name: str
    source: Source
    inputs: list[Input] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    applies: list[Apply] = field(default_factory=list)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    metrics: list[PublishedMetric] = field(default_factory=list)
    loss: Tensor | None = None
    train: TrainConfig | None = None
    data: DataConfig | None = None
    warnings: list[Diagnostic] = field(default_factory=list)
    batch: str = "N"
    resolved: str = ""

    @property
    def opset(self) -> int:
        """The lowest opset that its programs need."""
        return max([BASE_OPSET, *(a.operation.opset for a in self.applies)])

    def has_rows(self, tensor: Tensor) -> bool:
        """Whether some axis of a tensor counts the rows of the batch."""
        return any(isinstance(d, Symbolic) and self.batch in d.symbols for d in tensor.type.shape)

    @property
    def fitted(self) -> list[Apply]:
        """The uses of layers whose statistics are those of the training rows."""
        return [a for a in self.applies if a.operation.fits]

    @property
    def parameters(self) -> list[Variable]:
        """What patterns, counts and rules speak of."""
        return [v for v in self.variables if v.role == "parameter"]

    @property
    def trained(self) -> list[Variable]:
        """The parameters that gradients change."""
        return [p for p in self.parameters if p.trained]


def ancestors(tensor: Tensor, of: Callable[[Apply], Iterable[object]] = lambda made: made.origins) -> set[object]:
    """What a tensor is computed from: applies, inputs and variables; `of` says which origins of an operation count."""
    seen: set[object] = set()
    stack: list[object] = [tensor.origin]
    while stack:
        origin = stack.pop()
        if origin in seen or isinstance(origin, Constant | Size):
            continue
        seen.add(origin)
        if isinstance(origin, Apply):
            stack += of(origin)
    return seen

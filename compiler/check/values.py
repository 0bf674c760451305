"""What an expression of a net can stand for, besides numbers, strings and tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from netc.compiler.check.environment import Environment
from netc.compiler.check.naming import LayerName
from netc.compiler.graph.dimensions import Symbolic
from netc.compiler.graph.types import TensorType
from netc.compiler.language.operations import Function, Layer, Operation
from netc.compiler.language.slots import REQUIRED, Slot
from netc.compiler.language.variables import Initializer, Variable
from netc.compiler.language.words import Constructor, show_number
from netc.compiler.net import Tensor
from netc.grammar import ast
from netc.grammar.diagnostics import Label, NetError
from netc.grammar.source import Span

if TYPE_CHECKING:
    from netc.compiler.importer.layer import ImportedModel


class Unknown:
    """Stands for what an error made unknowable, so that one mistake is reported once."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()
SILENT = NetError(())  # where something depends on what is unknown: an earlier error says why
Run = Callable[..., Any]  # (frame, making, instance, arguments, span) -> what a block or an imported net returns


@dataclass(frozen=True)
class Returned:
    """What a `return` gives."""

    value: Any


@dataclass(frozen=True)
class Given:
    """One argument of a call: its value and where that stands; `name` and `place` of the name where it is named."""

    value: Any
    span: Span
    name: str | None = None
    place: Span | None = None


@dataclass(frozen=True)
class NameRange:
    """`"p0".."p63"`: the columns of a file from the first to the last, in its order."""

    first: str
    last: str


@dataclass(eq=False)
class LayerInstance:
    """One layer, made by writing its name; its variables are made when a tensor first flows in."""

    operation: Layer
    settings: Mapping[str, Any]
    name: LayerName
    span: Span
    spans: Mapping[str, Span] = field(default_factory=dict)
    variables: dict[str, Variable] | None = None
    made_for: TensorType | None = None


@dataclass(eq=False)
class Partial:
    """A function that waits for its first tensor: `dropout(0.5)`."""

    operation: Function
    arguments: list[Given]
    span: Span


@dataclass(eq=False)
class BlockDefinition:
    """`block Unit(...) { ... }` with the names that were visible there; `run` evaluates its inside."""

    node: ast.Block
    environment: Environment
    makes_parameters: bool
    run: Run
    called: bool = False

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Its signature."""
        return tuple(Slot(p.name.id, "any", REQUIRED if p.default is None else p.default) for p in self.node.parameters)


@dataclass(eq=False)
class BlockInstance:
    """One use of a block: its layers are made on the first call and shared by later ones."""

    definition: BlockDefinition
    arguments: list[Given]
    name: LayerName | None
    span: Span
    made: list[Any] = field(default_factory=list)
    called: bool = False


@dataclass(eq=False)
class Pipeline:
    """Callables applied one after the other: `Dense(128) -> relu`."""

    stages: list[tuple[Any, Span]]


@dataclass(eq=False)
class Module:
    """An imported spec: its blocks by name, and its net as a layer; `run` evaluates the net."""

    name: str
    environment: Environment
    net: ast.Net | None
    span: Span
    run: Run


@dataclass(eq=False)
class NetInstance:
    """An imported net used as a layer, with its own parameters."""

    module: Module
    arguments: list[Given]
    name: LayerName
    span: Span
    made: list[Any] = field(default_factory=list)
    called: bool = False


@dataclass(eq=False)
class Record:
    """The outputs of an imported net, by name."""

    name: str
    outputs: Mapping[str, Any]

    @property
    def only(self) -> Any:
        """The one output of an imported model that has no other; None for everything else."""
        if not isinstance(self.outputs, Choices):
            return None
        names = list(self.outputs.layer.operation.outputs)
        return self.outputs[names[0]] if len(names) == 1 else None


@dataclass(eq=False)
class ImportedLayer:
    """An imported ONNX model; wherever it is called, its weights are the same variables."""

    name: str
    operation: ImportedModel
    span: Span
    variables: dict[str, Variable] = field(default_factory=dict)


class Choices(Mapping[str, Any]):
    """The values of a called model: each is applied when it is chosen. `only` is the output of a model that has one."""

    def __init__(self, layer: ImportedLayer, choose: Callable[[str], Tensor]):
        self.layer, self.choose = layer, choose

    def __getitem__(self, name: str) -> Tensor:
        return self.choose(self.layer.operation.values[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.layer.operation.values)

    def __len__(self) -> int:
        return len(self.layer.operation.values)


class OnnxNamespace:
    """The name `onnx` before a dot."""


WAITING = (LayerInstance, Partial, BlockInstance, Pipeline, NetInstance)  # for a tensor that flows in
CALLABLES = (*WAITING, Operation, BlockDefinition, Module, Constructor, ImportedLayer)
Value = Any


def written_at(value: Value, reader: Span) -> Label | None:
    """Where a layer is written that somebody reads on another line."""
    match value:
        case LayerInstance() | BlockInstance() | NetInstance() | Partial():
            place = value.span
        case Pipeline():
            place = value.stages[0][1]
        case _:
            return None
    return Label(place, "a layer") if place.line != reader.line else None


def describe(value: Value) -> str:
    """A few words for an error message."""
    match value:
        case Tensor():
            return f"a tensor `{value.type}`"
        case bool():
            return "a truth value"
        case int() | Fraction() | float():
            return f"the number {show_number(value)}"
        case str():
            return f'the string "{value}"'
        case Symbolic():
            return f"the symbolic dimension `{value}`"
        case tuple():
            return f"{len(value)} values" if len(value) != 1 else "a list of one value"
        case Initializer():
            return "an initialiser"
        case _ if isinstance(value, WAITING):
            return "a layer, into which no tensor flows yet"
        case Operation():
            return f"the {'layer' if isinstance(value, Layer) else 'function'} `{value.name}`"
        case BlockDefinition():
            return f"the block `{value.node.name.id}`"
        case ImportedLayer():
            return f"the imported model `{value.name}`"
        case Module():
            return f"the imported spec `{value.name}`"
        case Record():
            return f"the outputs of `{value.name}`, of which one must be chosen"
        case NameRange():
            return "a range of names"
        case Constructor():
            return f"the word `{value.name}`"
        case OnnxNamespace():
            return "the name `onnx`"
        case None:
            return "nothing"
        case _:
            return type(value).__name__.lower()

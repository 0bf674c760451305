"""What an expression of a net can stand for, besides numbers, strings and tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from netc.compiler.check.naming import Slot
from netc.compiler.dimensions import Symbolic
from netc.compiler.library.registry import Constructor, Function, Initializer, Layer, Operation
from netc.compiler.typed import Parameter, Tensor
from netc.compiler.types import TensorType
from netc.grammar import ast
from netc.grammar.source import Span


class Unknown:
    """Stands for what an error made unknowable, so that one mistake is reported once."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class NameRange:
    """`"p0".."p63"`: names that end in a running number."""

    first: str
    last: str


@dataclass(eq=False)
class LayerInstance:
    """One layer, made by writing its name; its parameters are made when a tensor first flows in."""

    operation: Layer
    settings: Mapping[str, Any]
    slot: Slot
    span: Span
    spans: Mapping[str, Span] = field(default_factory=dict)
    parameters: dict[str, Parameter] | None = None
    made_for: TensorType | None = None


@dataclass(eq=False)
class Partial:
    """A function that waits for its first tensor: `dropout(0.5)`."""

    operation: Function
    arguments: list[tuple[str | None, Any, Span]]
    span: Span


@dataclass(eq=False)
class BlockDefinition:
    """`block Unit(...) { ... }` with the names that were visible there."""

    node: ast.Block
    environment: Any
    makes_parameters: bool


@dataclass(eq=False)
class BlockInstance:
    """One use of a block: its layers are made on the first call and shared by later ones."""

    definition: BlockDefinition
    arguments: list[tuple[str | None, Any, Span]]
    slot: Slot | None
    span: Span
    made: list[Any] = field(default_factory=list)
    called: bool = False


@dataclass(eq=False)
class Pipeline:
    """Callables applied one after the other: `Dense(128) -> relu`."""

    stages: list[tuple[Any, Span]]


@dataclass(eq=False)
class Module:
    """An imported spec: its blocks by name, and its net as a layer."""

    name: str
    environment: Any
    net: ast.Net | None
    span: Span


@dataclass(eq=False)
class NetInstance:
    """An imported net used as a layer, with its own parameters."""

    module: Module
    arguments: list[tuple[str | None, Any, Span]]
    slot: Slot
    span: Span
    made: list[Any] = field(default_factory=list)
    called: bool = False


@dataclass(eq=False)
class Record:
    """The outputs of an imported net, by name."""

    name: str
    outputs: dict[str, Any]


class OnnxNamespace:
    """The name `onnx` before a dot."""


CALLABLES = (
    Operation, LayerInstance, Partial, BlockDefinition, BlockInstance, Pipeline, Module, NetInstance, Constructor,
)  # fmt: skip
Static = int | Fraction | float | bool | str | tuple[Any, ...] | None
Value = Any


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
            return f"{len(value)} values"
        case Initializer():
            return "an initialiser"
        case LayerInstance() | BlockInstance() | Pipeline() | NetInstance() | Partial():
            return "a layer, into which no tensor flows yet"
        case Operation():
            return f"the {'layer' if isinstance(value, Layer) else 'function'} `{value.name}`"
        case BlockDefinition():
            return f"the block `{value.node.name.id}`"
        case Module():
            return f"the imported spec `{value.name}`"
        case Record():
            return f"the outputs of `{value.name}`, of which one must be chosen"
        case NameRange():
            return "a range of names"
        case None:
            return "nothing"
        case _:
            return type(value).__name__.lower()


def show_number(value: int | Fraction | float) -> str:
    """A number as a spec would write it."""
    if isinstance(value, Fraction):
        return str(value.numerator) if value.denominator == 1 else f"{float(value):.12g}"
    return str(value) if isinstance(value, int) else f"{value:.12g}"

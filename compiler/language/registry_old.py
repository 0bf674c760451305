"""How a function or a layer is described: its signature, its shape rule and its lowering, side by side.

A function is two ordinary functions, the shape rule (whose annotations are the signature) and the lowering:

    @function(group="activation")
    def relu(x: Tensor) -> TensorType:
        '''max(0, x)'''
        return floating(x)

    @relu.lowering
    def _(op, x):
        return op.Relu(x)

A layer is a frozen dataclass whose fields are its settings, with `parameters`, `type` and `lower` (see dense.py).
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

from netc.compiler.graph.dimensions import Dim, Shape
from netc.compiler.graph.types import BroadcastError, TensorType, broadcast
from netc.compiler.language.lowering import Emitter

Tensor = TensorType  # in a signature: a floating or integer tensor; a literal takes its dtype from the other tensors
Condition = TensorType  # a bool tensor
Index = TensorType  # an integer tensor that selects, so that its values must lie inside an axis
Axes = int | tuple[int, ...] | None

TENSOR_KINDS = ("Tensor", "Condition", "Index", "Tensors")


class Refused(Exception):
    """A shape rule's refusal; the checker adds the place: the argument named `at`, or the whole call."""

    def __init__(self, slug: str, message: str, at: str | None = None, help: str = ""):
        super().__init__(message)
        self.slug, self.message, self.at, self.help = slug, message, at, help


@dataclass(frozen=True)
class Slot:
    """One parameter of a signature. `kind` is the annotation: Tensor, int, float, bool, Axes, Initializer, ..."""

    name: str
    kind: str
    default: Any = inspect.Parameter.empty
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def is_tensor(self) -> bool:
        return self.kind in TENSOR_KINDS

    @property
    def variadic(self) -> bool:
        return self.kind == "Tensors"


@dataclass
class Operation:
    """What the typed net applies to tensors. `mode` is set for a metric: which direction is better."""

    name: str
    group: str
    slots: tuple[Slot, ...]
    doc: str
    mode: str = ""
    user: bool = True
    differentiable: bool = True
    accumulator: Callable[..., dict[str, tuple[str, Any]]] | None = None
    scorer: Callable[..., Any] | None = None
    flops: Callable[..., Dim] | None = None

    def infer(self, inputs: Sequence[TensorType], settings: Mapping[str, Any]) -> tuple[TensorType, ...]:
        """Types of the outputs. Raises Refused."""
        raise NotImplementedError

    def lower(
        self, op: Emitter, inputs: Sequence[Any], settings: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Any:
        """Emits the nodes that compute this operation; one value, or a tuple of them."""
        raise NotImplementedError

    @property
    def multiple(self) -> bool:
        """Whether the result is a tuple even when it has one part."""
        return False

    @property
    def signature(self) -> str:
        """As the reference shows it: `leaky_relu(x, slope = 0.01)`."""
        words = []
        for s in self.slots:
            word = f"{s.name}..." if s.variadic else s.name
            words.append(word if s.required else f"{word} = {show_default(s.default)}")
        return f"{self.name}({', '.join(words)})"


def show_default(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, Initializer):
        return initializer_word(value)
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)


def initializer_word(value: Initializer) -> str:
    """An initialiser as a spec would write it, without its defaults."""
    word = next(c for c in LIBRARY.constructors["initializer"].values() if c.cls is type(value))
    if word.name == "constant":
        return f"{value}"
    return word.name


@dataclass
class Function(Operation):
    rule: Callable[..., Any] = field(default=lambda: None)
    body: Callable[..., Any] | None = None
    positions: Callable[..., Any] | None = None  # of a loss: its value at each position

    @cached_property
    def multiple(self) -> bool:
        return str(inspect.signature(self.rule).return_annotation).startswith("tuple")

    def infer(self, inputs: Sequence[TensorType], settings: Mapping[str, Any]) -> tuple[TensorType, ...]:
        try:
            result = self.rule(*inputs, **settings)
        except BroadcastError as e:
            shown = " and ".join(f"`{t}`" for t in inputs)
            raise Refused("shape-mismatch", f"{shown} do not combine in `{self.name}`: {e}") from None
        return result if isinstance(result, tuple) else (result,)

    def lower(
        self, op: Emitter, inputs: Sequence[Any], settings: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Any:
        assert self.body is not None, f"{self.name} has no lowering"
        return self.body(op, *inputs, **settings)

    def lowering(self, body: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator: `body(op, *inputs, **settings)` emits the function."""
        self.body = body
        return body

    def accumulating(self, accumulator: Callable[..., dict[str, tuple[str, Any]]]) -> Callable[..., Any]:
        """Decorator: `accumulator(op, *inputs, **settings)` -> {name: ("sum" | "concat", value)} over one batch."""
        self.accumulator = accumulator
        return accumulator

    def scoring(self, scorer: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator: `scorer(op, accumulated, **settings)` -> the exact value over everything accumulated."""
        self.scorer = scorer
        return scorer

    def costing(self, flops: Callable[..., Dim]) -> Callable[..., Dim]:
        """Decorator: `flops(*input types, **settings)`; without one, an operation for each element of the result."""
        self.flops = flops
        return flops


@dataclass
class Layer(Operation):
    """An operation that makes parameters."""

    cls: type[Any] = object

    def infer(self, inputs: Sequence[TensorType], settings: Mapping[str, Any]) -> tuple[TensorType, ...]:
        return (self.cls(**settings).type(*inputs),)

    def parameters(self, inputs: Sequence[TensorType], settings: Mapping[str, Any]) -> dict[str, Weight]:
        """The parameters made for these inputs. Raises Refused."""
        result: dict[str, Weight] = self.cls(**settings).parameters(*inputs)
        return result

    def lower(
        self, op: Emitter, inputs: Sequence[Any], settings: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Any:
        return self.cls(**settings).lower(op, *inputs, **parameters)


@dataclass(frozen=True)
class Weight:
    """A parameter that a layer asks for."""

    shape: Shape
    initializer: Initializer


class Initializer:
    """First values of a parameter: a frozen dataclass whose fields are its settings (initializers.py)."""

    def words(self, shape: tuple[int, ...]) -> int:
        """How many random 32-bit words the value takes."""
        return 0

    def emit(self, op: Emitter, shape: tuple[int, ...], dtype: int, bits: Any) -> Any:
        """Emits the value for a static shape from that many words, a uint32 vector (None for 0)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constructor:
    """A word that builds a record rather than a tensor: an initialiser, an optimizer, a schedule, a data source."""

    name: str
    group: str
    slots: tuple[Slot, ...]
    doc: str
    cls: type[Any]
    open: bool = False  # takes any further `name = value`

    signature = Operation.signature


@dataclass
class Library:
    """Every word by name."""

    operations: dict[str, Operation] = field(default_factory=dict)
    constructors: dict[str, dict[str, Constructor]] = field(default_factory=dict)

    def word(self, name: str) -> Operation | Constructor | None:
        """What a name means inside a net when the spec does not bind it."""
        found = self.operations.get(name)
        if found is not None:
            return found if found.user else None
        return self.constructors["initializer"].get(name)

    def words(self) -> list[str]:
        """Every name that `word` knows."""
        return [n for n, o in self.operations.items() if o.user] + list(self.constructors["initializer"])


LIBRARY = Library()


def function(
    *, name: str = "", group: str, mode: str = "", user: bool = True, differentiable: bool = True
) -> Callable[[Callable[..., Any]], Function]:
    """Registers a shape rule as a function of the language."""

    def register(rule: Callable[..., Any]) -> Function:
        word = name or rule.__name__
        made = Function(word, group, slots_of(rule), inspect.getdoc(rule) or "", mode, user, differentiable, rule=rule)
        assert word not in LIBRARY.operations, f"`{word}` is registered twice"
        LIBRARY.operations[word] = made
        return made

    return register


def layer(cls: type[Any]) -> type[Any]:
    """Registers a dataclass as a layer of the language; its inputs come before its settings."""
    inputs = slots_of(cls.type)[1:]
    settings = tuple(s for s in _fields(cls))
    LIBRARY.operations[cls.__name__] = Layer(
        cls.__name__, "layer", inputs + settings, inspect.getdoc(cls) or "", cls=cls
    )
    return cls


def constructor(group: str, *, name: str = "", open: bool = False) -> Callable[[type[Any]], type[Any]]:
    """Registers a dataclass as a word that builds a record."""

    def register(cls: type[Any]) -> type[Any]:
        word = name or cls.__name__
        slots = _fields(cls)
        LIBRARY.constructors.setdefault(group, {})[word] = Constructor(
            word, group, slots, inspect.getdoc(cls) or "", cls, open
        )
        return cls

    return register


def _fields(cls: type[Any]) -> tuple[Slot, ...]:
    out = []
    for f in dataclasses.fields(cls):
        if not f.init or f.metadata.get("hidden"):
            continue
        default = f.default if f.default is not dataclasses.MISSING else inspect.Parameter.empty
        out.append(_slot(f.name, str(f.type), default))
    return tuple(out)


def slots_of(rule: Callable[..., Any]) -> tuple[Slot, ...]:
    """The signature of a shape rule, from its annotations."""
    out = []
    for p in inspect.signature(rule).parameters.values():
        kind = "Tensors" if p.kind is p.VAR_POSITIONAL else str(p.annotation)
        out.append(_slot(p.name, kind, p.default))
    return tuple(out)


def _slot(name: str, annotation: str, default: Any) -> Slot:
    if annotation.startswith("Literal["):
        choices = get_args(eval(annotation, {"Literal": Literal}))
        return Slot(name, "choice", default, choices)
    return Slot(name, annotation.removesuffix(" | None"), default)


# --- what shape rules say again and again -----------------------------------------------------------------------------


def floating(x: TensorType) -> TensorType:
    """`x` itself, refused unless its dtype is floating-point."""
    if not x.dtype.is_float:
        raise Refused("dtype", f"a floating-point tensor is needed here, this is `{x}`", help="convert it: `f32(x)`")
    return x


def numeric(x: TensorType) -> TensorType:
    """`x` itself, refused for bool and for the 8- and 16-bit unsigned integers that only hold data."""
    if x.dtype.kind == "bool" or x.dtype.name in ("u8", "u16"):
        raise Refused("dtype", f"`{x.dtype}` has no arithmetic", help="convert it: `f32(x)`")
    return x


def equal_types(operation: str, a: TensorType, b: TensorType) -> TensorType:
    """`a`, refused unless both have the same shape and dtype: ready-made losses never broadcast."""
    if a.shape != b.shape:
        raise Refused(
            "shape-mismatch", f"`{operation}` needs two tensors of one shape, these are `{a}` and `{b}`",
            help="reshape one of them, or write the loss as arithmetic, which broadcasts",
        )  # fmt: skip
    if a.dtype != b.dtype:
        raise Refused("dtype", f"`{operation}` needs two tensors of one dtype, these are `{a}` and `{b}`")
    return a


def axis_of(x: TensorType, axis: int, at: str = "axis") -> int:
    """`axis` counted from the front, refused when `x` has no such axis."""
    if not -x.rank <= axis < x.rank:
        raise Refused("axis", f"there is no axis {axis} in `{x}`", at, f"axes run from {-x.rank} to {x.rank - 1}")
    return axis % x.rank


def axes_of(x: TensorType, axis: Axes) -> tuple[int, ...]:
    """The axes of a reduction, counted from the front; all of them for none."""
    if axis is None:
        return tuple(range(x.rank))
    axes = (axis,) if isinstance(axis, int) else axis
    found = tuple(axis_of(x, a) for a in axes)
    if len(set(found)) != len(found):
        raise Refused("axis", f"an axis is named twice in {axes}", "axis")
    return found


def elementwise(*types: TensorType) -> TensorType:
    """The broadcast type of tensors of one dtype."""
    first = types[0]
    for t in types[1:]:
        if t.dtype != first.dtype:
            raise Refused(
                "dtype", f"the dtypes differ: `{first}` and `{t}`", help=f"convert one of them: `{first.dtype}(x)`"
            )
        first = first.with_shape(broadcast(first.shape, t.shape))
    return first

"""The words of the language: how one is declared, and the table of them all.

A word is a class whose fields are its settings, registered by a decorator. `type` is its shape rule, whose arguments are
the tensors it takes; `lower` emits it. The docstring is its row in the reference.

    @function("activation")
    class LeakyRelu:
        '''x if x > 0 else slope x'''

        slope: float = 0.01

        def type(self, x: Tensor) -> TensorType:
            return floating(x)

        def lower(self, op: Emitter, x: Value) -> Value:
            return op.LeakyRelu(x, alpha=self.slope)

A layer also has `variables`, and `lower` gets their values by name; one with buffers returns its output and their next
values. A loss has `each` in place of `lower`, its value at each position. What is scored over many batches has
`accumulate` and `score`. A word that asks for `context: Context` is told where it is lowered.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, dataclass_transform

from netc.compiler.graph.dimensions import Dim
from netc.compiler.graph.types import F32, FLOAT, BroadcastError, TensorType
from netc.compiler.language.lowering import Context, Emitter, Lowered, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.slots import Slot, gives_several, setting_slots, tensor_slots
from netc.compiler.language.variables import Initializer, Variable

Settings = Mapping[str, Any]
Accumulated = dict[str, tuple[str, Value]]  # what a batch adds: "sum" or "concat", and the value
C = TypeVar("C", bound=type[Any])


@dataclass
class Operation:
    """What the typed net applies to tensors.

    Its traits, so that nobody asks for its name: `mode`, which direction of a metric is better; `user`, whether specs
    write it by name; `differentiable`; `draws`, whether it takes random numbers; `pattern`, whether it takes a pattern of
    parameters in place of a tensor; `watched`, whether its units are looked at for dead ones; `derives`, whether it is
    the derivative of its first tensor by its second; `includes`, the functions that it applies itself, so that they should
    not come before it; `static`, its meaning for plain numbers.
    """

    name: str
    group: str
    slots: tuple[Slot, ...] = ()
    doc: str = ""
    mode: str = ""
    user: bool = True
    differentiable: bool = True
    draws: bool = False
    pattern: bool = False
    watched: bool = False
    derives: bool = False
    includes: tuple[str, ...] = ()
    static: Callable[..., Any] | None = None

    opset = 18  # the lowest that a program needs for it
    accumulates = False  # whether it knows what a batch adds, and the score of everything added
    multiple = False  # whether the result is a tuple even when it has one part

    @property
    def label(self) -> str:
        """Its name as a part of a path: `batch_norm`."""
        return lower_case(self.name)

    def infer(self, inputs: Sequence[TensorType], settings: Settings) -> tuple[TensorType, ...]:
        """Types of the outputs. Raises Refused."""
        raise NotImplementedError

    def variables(self, inputs: Sequence[TensorType], settings: Settings) -> dict[str, Variable]:
        """The variables made for these inputs, without their names. Raises Refused."""
        return {}

    def lower(
        self, op: Emitter, inputs: Sequence[Value], settings: Settings, variables: Mapping[str, Value], context: Context
    ) -> Lowered:
        """Emits the nodes that compute this operation."""
        raise NotImplementedError

    def accumulate(self, op: Emitter, inputs: Sequence[Value], settings: Settings) -> Accumulated:
        """Emits what one batch adds to each accumulator."""
        raise NotImplementedError

    def score(self, op: Emitter, accumulated: Mapping[str, Value], settings: Settings) -> Value:
        """Emits the exact value over everything accumulated."""
        raise NotImplementedError

    def flops(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType], settings: Settings) -> Dim:
        """Floating-point operations: one for each element of the result, none where elements only move."""
        return 0 if self.group == "shape" else outputs[0].size

    @property
    def signature(self) -> str:
        """As the reference shows it: `leaky_relu(x, slope = 0.01)`."""
        words = []
        for s in self.slots:
            word = f"{s.name}..." if s.variadic else s.name
            words.append(word if s.required or s.variadic else f"{word} = {show_default(s.default)}")
        return f"{self.name}({', '.join(words)})"


@dataclass
class Word(Operation):
    """An operation that is declared as a class."""

    cls: type[Any] = object

    def __post_init__(self) -> None:
        self.multiple = gives_several(self.cls.type)
        self.accumulates = hasattr(self.cls, "accumulate")

    def infer(self, inputs: Sequence[TensorType], settings: Settings) -> tuple[TensorType, ...]:
        try:
            found = self.cls(**settings).type(*inputs)
        except BroadcastError as e:
            shown = " and ".join(f"`{t}`" for t in inputs)
            raise Refused("shape-mismatch", f"{shown} do not combine in `{self.name}`: {e}") from None
        return found if isinstance(found, tuple) else (found,)

    @property
    def label(self) -> str:
        return lower_case(self.cls.__name__)  # `power` for `^`

    @cached_property
    def asks(self) -> bool:
        """Whether the lowering wants to know its context."""
        return "context" in inspect.signature(self.cls.lower).parameters

    def lower(
        self, op: Emitter, inputs: Sequence[Value], settings: Settings, variables: Mapping[str, Value], context: Context
    ) -> Lowered:
        told = {"context": context} if self.asks else {}
        made = self.cls(**settings).lower(op, *inputs, **variables, **told)
        if isinstance(made, tuple):
            return Lowered((made[0],), made[1]) if isinstance(made[-1], dict) else Lowered(made)
        return Lowered((made,))

    def accumulate(self, op: Emitter, inputs: Sequence[Value], settings: Settings) -> Accumulated:
        made: Accumulated = self.cls(**settings).accumulate(op, *inputs)
        return made

    def score(self, op: Emitter, accumulated: Mapping[str, Value], settings: Settings) -> Value:
        made: Value = self.cls(**settings).score(op, accumulated)
        return made

    def flops(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType], settings: Settings) -> Dim:
        if not hasattr(self.cls, "flops"):
            return super().flops(inputs, outputs, settings)
        found: Dim = self.cls(**settings).flops(*inputs)
        return found


class Function(Word):
    """A word without parameters."""


class Loss(Function):
    """The mean over all positions of what `each` gives; over many batches, the sum and the count."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.accumulates = True

    def lower(
        self, op: Emitter, inputs: Sequence[Value], settings: Settings, variables: Mapping[str, Value], context: Context
    ) -> Lowered:
        values = self.cls(**settings).each(op, *inputs)
        return Lowered((op.reduce("ReduceMean", values, None, False),))

    def accumulate(self, op: Emitter, inputs: Sequence[Value], settings: Settings) -> Accumulated:
        values = self.cls(**settings).each(op, *inputs)
        total = op.reduce("ReduceSum", values, None, False)
        return {"sum": ("sum", total), "count": ("sum", op.element_count(values, None))}

    def score(self, op: Emitter, accumulated: Mapping[str, Value], settings: Settings) -> Value:
        return op.Div(accumulated["sum"], accumulated["count"])

    def flops(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType], settings: Settings) -> Dim:
        return inputs[0].size


class Layer(Word):
    """A word that makes variables each time it is written."""

    def variables(self, inputs: Sequence[TensorType], settings: Settings) -> dict[str, Variable]:
        made: dict[str, Variable] = self.cls(**settings).variables(*inputs)
        return made


@dataclass
class Patterned(Operation):
    """A function of a tensor applied to every parameter that a pattern matches, summed; 0 outside training."""

    function: Function | None = None

    @classmethod
    def of(cls, function: Function) -> Patterned:
        """What `l2("*.weight")` applies."""
        return cls(f"{function.name} of a pattern", function.group, doc=function.doc, function=function)

    def infer(self, inputs: Sequence[TensorType], settings: Settings) -> tuple[TensorType, ...]:
        return (TensorType(F32, ()),)

    def lower(
        self, op: Emitter, inputs: Sequence[Value], settings: Settings, variables: Mapping[str, Value], context: Context
    ) -> Lowered:
        assert self.function is not None
        weights = context.matching(settings["pattern"]) if context.training else []
        terms = [op.cast(self.function.lower(op, [w], {}, {}, context).outputs[0], FLOAT) for w in weights]
        if not terms:
            return Lowered((op.constant(0.0, FLOAT),))
        return Lowered((terms[0] if len(terms) == 1 else op.Sum(*terms),))


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

    def add(self, made: Operation) -> None:
        assert made.name not in self.operations, f"`{made.name}` is registered twice"
        self.operations[made.name] = made

    def word(self, name: str) -> Operation | Constructor | None:
        """What a name means inside a net when the spec does not bind it."""
        found = self.operations.get(name)
        if found is not None:
            return found if found.user else None
        return self.constructors["initializer"].get(name)

    def words(self) -> list[str]:
        """Every name that `word` knows."""
        return [n for n, o in self.operations.items() if o.user] + list(self.constructors["initializer"])

    def constructor_of(self, made: Any) -> Constructor:
        """The word that builds a record."""
        return next(w for group in self.constructors.values() for w in group.values() if w.cls is type(made))


LIBRARY = Library()


@dataclass_transform(frozen_default=True)
def function(group: str, *, name: str = "", kind: type[Function] = Function, **traits: Any) -> Callable[[C], C]:
    """Registers a class as a function of the language, under its own name in lower case or the one given.

    `traits` are those of Operation: `mode`, `user`, `differentiable`, `draws`, `pattern`, `watched`, `derives`, `includes`,
    `static`.
    """

    def register(cls: C) -> C:
        dataclass(frozen=True)(cls)
        slots = tensor_slots(cls.type) + setting_slots(cls)
        LIBRARY.add(kind(name or lower_case(cls.__name__), group, slots, _doc(cls), cls=cls, **traits))
        return cls

    return register


def loss(*, name: str = "", **traits: Any) -> Callable[[C], C]:
    """Registers a class as a loss: `type` checks the arguments, `each` gives the value at each position."""
    return function("loss", name=name, kind=Loss, mode="min", **traits)


def metric(*, name: str = "", mode: str = "max", differentiable: bool = False, **traits: Any) -> Callable[[C], C]:
    """Registers a class as a metric: it has `lower` for one batch, `accumulate` and `score` for many."""
    return function("metric", name=name, mode=mode, differentiable=differentiable, **traits)


@dataclass_transform(frozen_default=True)
def layer(cls: C) -> C:
    """Registers a class as a layer, under its own name."""
    dataclass(frozen=True)(cls)
    slots = tensor_slots(cls.type) + setting_slots(cls)
    LIBRARY.add(Layer(cls.__name__, "layer", slots, _doc(cls), cls=cls))
    return cls


@dataclass_transform(frozen_default=True)
def constructor(group: str, *, name: str = "", open: bool = False) -> Callable[[C], C]:
    """Registers a class as a word that builds a record, its fields the settings."""

    def register(cls: C) -> C:
        dataclass(frozen=True)(cls)
        word = name or lower_case(cls.__name__)
        known = LIBRARY.constructors.setdefault(group, {})
        assert word not in known, f"`{word}` is registered twice"
        known[word] = Constructor(word, group, setting_slots(cls), _doc(cls), cls, open)
        return cls

    return register


def lower_case(name: str) -> str:
    """`LeakyRelu` as a word: `leaky_relu`; capitals in a row stay together: `prelu`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name).lower()


def _doc(cls: type[Any]) -> str:
    doc = inspect.cleandoc(cls.__doc__ or "")
    own = bool(doc) and not doc.startswith(f"{cls.__name__}(")  # else dataclass wrote it
    assert own, f"{cls.__name__} needs a docstring"
    return doc


def show_default(value: Any) -> str:
    """A default as a spec would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, Initializer):
        return show_initializer(value)
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)


def show_initializer(value: Initializer) -> str:
    """An initialiser as a spec would write it: a plain number, a word, or a word with the settings that are not its
    defaults."""
    if not any(w.cls is type(value) for w in LIBRARY.constructors["initializer"].values()):
        return str(value)  # one of no word: what an imported model stores
    word = LIBRARY.constructor_of(value)
    given = [(s, getattr(value, s.name)) for s in word.slots]
    if len(given) == 1 and given[0][0].required:
        return show_default(given[0][1])
    changed = [f"{s.name} = {show_default(v)}" for s, v in given if v != s.default]
    return f"{word.name}({', '.join(changed)})" if changed else word.name

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
`accumulate` and `score`. A word that asks for `context: Context` is told where it is lowered. `doubt` warns of what is hardly
meant.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeVar, dataclass_transform

from netc.compiler.language.operations import Fitted, Function, Layer, Loss, Operation, lower_case
from netc.compiler.language.slots import Slot, setting_slots

C = TypeVar("C", bound=type[Any])


@dataclass(frozen=True)
class Constructor:
    """A word that builds a record rather than a tensor: an initialiser, an optimizer, a schedule, a data source."""

    name: str
    group: str
    doc: str
    cls: type[Any]
    open: bool  # takes any further `name = value`
    before: tuple[Slot, ...] = ()  # what it takes before its own settings

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Its signature."""
        return self.before + setting_slots(self.cls)


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
        return list(
            dict.fromkeys([n for n, o in self.operations.items() if o.user] + [*self.constructors["initializer"]])
        )

    def constructor_of(self, made: Any) -> Constructor:
        """The word that builds a record."""
        return next(w for group in self.constructors.values() for w in group.values() if w.cls is type(made))


LIBRARY = Library()


@dataclass_transform(eq_default=False)
def function(group: str, *, name: str = "", kind: type[Function] = Function, **traits: Any) -> Callable[[C], C]:
    """Registers a class as a function of the language, under its own name in lower case or the one given.

    `traits` are those of Operation: `mode`, `user`, `differentiable`, `draws`, `pattern`, `watched`, `derives`, `gives`,
    `static`.
    """

    def register(cls: C) -> C:
        LIBRARY.add(kind(name or lower_case(cls.__name__), group, _doc(cls), cls=_with_settings(cls), **traits))
        return cls

    return register


def loss(*, name: str = "", **traits: Any) -> Callable[[C], C]:
    """Registers a class as a loss: `type` checks the arguments, `each` gives the value at each position."""
    return function("loss", name=name, kind=Loss, mode="min", **traits)


def metric(*, name: str = "", mode: str = "max", differentiable: bool = False, **traits: Any) -> Callable[[C], C]:
    """Registers a class as a metric: it has `lower` for one batch, `accumulate` and `score` for many."""
    return function("metric", name=name, mode=mode, differentiable=differentiable, **traits)


@dataclass_transform(eq_default=False)
def layer(cls: C) -> C:
    """Registers a class as a layer, under its own name."""
    LIBRARY.add(Layer(cls.__name__, "layer", _doc(cls), cls=_with_settings(cls)))
    return cls


@dataclass_transform(eq_default=False)
def fitted(cls: C) -> C:
    """Registers a class as a layer whose statistics are those of the training rows, under its name in lower case, as it
    makes no parameters. Its `fit` gives their next values after a batch."""
    LIBRARY.add(Fitted(lower_case(cls.__name__), "layer", _doc(cls), cls=_with_settings(cls)))
    return cls


@dataclass_transform(frozen_default=True)
def constructor(group: str, *, name: str = "", open: bool = False) -> Callable[[C], C]:
    """Registers a class as a word that builds a record, its fields the settings."""

    def register(cls: C) -> C:
        dataclass(frozen=True)(cls)
        word = name or lower_case(cls.__name__)
        known = LIBRARY.constructors.setdefault(group, {})
        assert word not in known, f"`{word}` is registered twice"
        known[word] = Constructor(word, group, _doc(cls), cls, open)
        return cls

    return register


def _with_settings(cls: C) -> C:
    """The class with its annotated fields as settings; one that has none is left as it is, which is quicker."""
    if "__annotations__" in vars(cls):
        dataclass(eq=False, repr=False)(cls)
    return cls


def _doc(cls: type[Any]) -> str:
    doc = inspect.cleandoc(cls.__doc__ or "")
    own = bool(doc) and not doc.startswith(f"{cls.__name__}(")  # else dataclass wrote it
    assert own, f"{cls.__name__} needs a docstring"
    return doc


def signature(word: Operation | Constructor) -> str:
    """As the reference shows it: `leaky_relu(x, slope = 0.01)`."""
    slots = []
    for s in word.slots:
        name = f"{s.name}..." if s.variadic else s.name
        slots.append(name if s.required or s.variadic else f"{name} = {show(s.default)}")
    return f"{word.name}({', '.join(slots)})"


def show(value: Any, every: bool = False) -> str:
    """A value as a spec would write it; a record as the word that builds it, with its settings (those that are not the
    defaults, or `every` one)."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case int() | float() | Fraction():
            return show_number(value)
        case tuple():
            return f"({', '.join(show(v, every) for v in value)}{',' * (len(value) == 1)})"
    if not any(w.cls is type(value) for group in LIBRARY.constructors.values() for w in group.values()):
        return str(value)
    word = LIBRARY.constructor_of(value)
    settings = [(s, getattr(value, s.name)) for s in word.slots]
    if len(settings) == 1 and settings[0][0].required and not every:
        return show(settings[0][1])  # a constant is its value
    shown = [f"{s.name} = {show(v, every)}" for s, v in settings if (every and v is not None) or v != s.default]
    return f"{word.name}({', '.join(shown)})" if shown else word.name


def show_number(value: int | Fraction | float) -> str:
    """A number as a spec would write it."""
    if not isinstance(value, float):
        exact = Fraction(value)
        if exact.denominator == 1 and abs(exact.numerator) < 1 << 64:
            return str(exact.numerator)
        if abs(exact) > sys.float_info.max:
            return f"{Decimal(exact.numerator) / exact.denominator:.12g}"
    return f"{float(value):.12g}"

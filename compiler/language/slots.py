"""The signature of a word, read from real type hints."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from netc.compiler.graph.dimensions import Dim
from netc.compiler.graph.types import TensorType
from netc.compiler.language.variables import Initializer

# What a hint says beyond its Python type. A literal in the place of a Tensor takes its dtype from the other tensors; the
# values of an Index select, so they must lie inside an axis.
Tensor = Annotated[TensorType, "tensor"]
Condition = Annotated[TensorType, "condition"]
Index = Annotated[TensorType, "index"]
Axes = Annotated[int | tuple[int, ...] | None, "axes"]
Sizes = Annotated[tuple[Dim, ...], "sizes"]
Length = Annotated[Any, "length"]  # a whole number or a symbolic dimension
Number = Annotated[Any, "number"]  # exact, or a symbolic dimension

_PLAIN: dict[Any, str] = {int: "int", float: "float", bool: "bool", str: "str", Initializer: "initializer"}
_FILES = str | tuple[str, ...]
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Slot:
    """One parameter of a signature. `kind` says what may be given: tensor, condition, index, int, float, axes, ..."""

    name: str
    kind: str
    default: Any = REQUIRED
    choices: tuple[str, ...] = ()
    variadic: bool = False

    @property
    def required(self) -> bool:
        return self.default is REQUIRED and not self.variadic

    @property
    def is_tensor(self) -> bool:
        return self.kind in ("tensor", "condition", "index")


def tensor_slots(rule: Callable[..., Any]) -> tuple[Slot, ...]:
    """The tensors that a shape rule takes, `self` left out."""
    hints = get_type_hints(rule, include_extras=True)
    return tuple(
        dataclasses.replace(_slot(p.name, hints[p.name], p.default), variadic=p.kind is p.VAR_POSITIONAL)
        for p in list(inspect.signature(rule).parameters.values())[1:]
    )


def setting_slots(cls: type[Any]) -> tuple[Slot, ...]:
    """The settings that are the fields of a dataclass."""
    if not dataclasses.is_dataclass(cls):
        return ()
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        _slot(f.name, hints[f.name], REQUIRED if f.default is dataclasses.MISSING else f.default)
        for f in dataclasses.fields(cls)
        if not f.metadata.get("hidden")
    )


def gives_several(rule: Callable[..., Any]) -> bool:
    """Whether a shape rule returns a tuple, even of one type."""
    return get_origin(get_type_hints(rule).get("return")) is tuple


def _slot(name: str, hint: Any, default: Any) -> Slot:
    """A slot from the hint of a parameter; `X | None` is X, with none as a value where that is the default."""
    if get_origin(hint) is Annotated:
        return Slot(name, str(get_args(hint)[1]), default)
    if get_origin(hint) in (Union, UnionType):
        rest = tuple(a for a in get_args(hint) if a is not NoneType)
        hint = rest[0] if len(rest) == 1 else Union[rest]  # noqa: UP007  (built from parts)
        if get_origin(hint) is Annotated:
            return Slot(name, str(get_args(hint)[1]), default)
    if get_origin(hint) is Literal:
        return Slot(name, "choice", default, get_args(hint))
    if hint == _FILES:
        return Slot(name, "files", default)
    return Slot(name, _PLAIN.get(hint, "any"), default)

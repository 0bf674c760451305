"""From the arguments of a call to the slots of a signature."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from netc.compiler.check import static
from netc.compiler.check.values import Partial, describe
from netc.compiler.graph.dimensions import Symbolic
from netc.compiler.language.words import Constructor, Initializer, Refused, Slot
from netc.compiler.training.schedules import Schedule
from netc.compiler.net import Tensor
from netc.grammar import ast
from netc.grammar.diagnostics import Label, NetError, did_you_mean, error
from netc.grammar.source import Span


class ArgumentName(str):
    """The name of an argument, with the place where it is written."""

    __slots__ = ("span",)
    span: Span


def argument_name(node: ast.Name | None) -> ArgumentName | None:
    """The name of a named argument."""
    if node is None:
        return None
    name = ArgumentName(node.id)
    name.span = node.span
    return name


Argument = tuple[str | None, Any, Span]
Bound = dict[str, tuple[Any, Span]]


def bind(slots: Sequence[Slot], arguments: Sequence[Argument], what: str, span: Span, open: bool = False) -> Bound:
    """The arguments by slot. Raises NetError for too many, unknown, repeated or missing ones."""
    bound: Bound = {}
    by_name = {s.name: s for s in slots}
    positional = [a for a in arguments if a[0] is None]
    variadic = slots[0] if slots and slots[0].variadic else None
    if variadic is not None:
        if not positional:
            raise error("missing-argument", f"`{what}` needs at least one tensor", span)
        bound[variadic.name] = (tuple((v, s) for _, v, s in positional), positional[0][2])
        positional = []
    elif len(positional) > len(slots):
        extra = positional[len(slots)][2]
        takes = f"takes at most {len(slots)} argument{'s' * (len(slots) != 1)}"
        raise error("too-many-arguments", f"`{what}` {takes}, got {len(positional)}", extra, help=_signature(slots))
    for slot, (_, value, at) in zip(slots, positional):
        bound[slot.name] = (value, at)
    for name, value, at in arguments:
        if name is None:
            continue
        place = getattr(name, "span", at)
        if name not in by_name and not open:
            known = did_you_mean(name, by_name, _signature(slots))
            raise error("unknown-argument", f"`{what}` has no argument `{name}`", place, help=known)
        if name in bound:
            first = Label(bound[name][1], "given here")
            raise error("repeated-argument", f"`{what}` gets `{name}` twice", place, first)
        bound[name] = (value, at)
    for slot in slots:
        if slot.required and slot.name not in bound:
            raise error("missing-argument", f"`{what}` needs its argument `{slot.name}`", span, help=_signature(slots))
    return bound


def _signature(slots: Sequence[Slot]) -> str:
    if not slots:
        return "it takes no arguments"
    return "its arguments are " + ", ".join(f"`{s.name}`" for s in slots)


def convert(slot: Slot, value: Any, what: str) -> Any:
    """A static argument in the form that its slot asks for. Raises Refused."""
    name = f"`{slot.name}` of `{what}`"
    if value is None and slot.default is None:
        return None
    match slot.kind:
        case "int":
            return static.whole(value, name, slot.name)
        case "float":
            if static.is_number(value):
                return float(value) if isinstance(value, (Fraction, int)) else value
            raise Refused("argument", f"{name} must be a number, this is {describe(value)}", slot.name)
        case "bool":
            if isinstance(value, bool):
                return value
            raise Refused("argument", f"{name} must be `true` or `false`, this is {describe(value)}", slot.name)
        case "str":
            if isinstance(value, str):
                return value
            raise Refused("argument", f"{name} must be a string, this is {describe(value)}", slot.name)
        case "choice":
            if value in slot.choices:
                return value
            words = " or ".join(f"`{c}`" for c in slot.choices)
            raise Refused("argument", f"{name} must be {words}, this is {describe(value)}", slot.name)
        case "Axes":
            if isinstance(value, tuple):
                return tuple(static.whole(v, name, slot.name) for v in value)
            return static.whole(value, name, slot.name)
        case "Shape":
            items = value if isinstance(value, tuple) else (value,)
            return tuple(v if isinstance(v, Symbolic) else static.whole(v, name, slot.name) for v in items)
        case "Initializer":
            return initializer(value, name, slot.name)
        case "Rate":
            if isinstance(value, Schedule):
                return value
            if static.is_number(value):
                return float(value)
            raise Refused("argument", f"{name} must be a number or a schedule, this is {describe(value)}", slot.name)
        case "Files":
            if isinstance(value, str) or (isinstance(value, tuple) and all(isinstance(v, str) for v in value)):
                return value
            raise Refused("argument", f"{name} must be a path or several, this is {describe(value)}", slot.name)
        case _:
            return value


def initializer(value: Any, name: str, at: str | None) -> Initializer:
    """`he_normal`, `normal(std = 0.02)` or a number. Raises Refused."""
    from netc.compiler.library.initializers import Constant

    if isinstance(value, Constructor) and value.group == "initializer":
        if any(s.required for s in value.slots):
            raise Refused("missing-argument", f"`{value.name}` needs its argument `{value.slots[0].name}`", at)
        made: Initializer = value.cls()
        return made
    if isinstance(value, Initializer):
        return value
    if static.is_number(value):
        return Constant(float(value))
    if isinstance(value, Partial):
        raise Refused("argument", f"{name} must be an initialiser, `{value.operation.name}` is a function", at)
    raise Refused("argument", f"{name} must be an initialiser or a number, this is {describe(value)}", at)


def construct(word: Constructor, arguments: Sequence[Argument], span: Span) -> Any:
    """The record that a constructor builds, and what it was given beyond its signature. Raises NetError."""
    bound = bind(word.slots, arguments, word.name, span, word.open)
    settings = {}
    spans = {n: s for n, (_, s) in bound.items()}
    try:
        for slot in word.slots:
            if slot.name in bound:
                settings[slot.name] = convert(slot, bound[slot.name][0], word.name)
        made = word.cls(**settings)
    except Refused as r:
        raise refusal(r, span, spans) from None
    if not word.open:
        return made
    named = {s.name for s in word.slots}
    return made, {n: v for n, v in bound.items() if n not in named}


def refusal(r: Refused, span: Span, spans: dict[str, Span]) -> NetError:
    """A shape rule's refusal with its place."""
    return error(r.slug, r.message, spans.get(r.at or "", span), help=r.help)


def has_tensor(arguments: Sequence[Argument]) -> bool:
    """Whether any argument is a tensor, so that the call is not waiting for one."""
    return any(isinstance(v, Tensor) for _, v, _ in arguments)

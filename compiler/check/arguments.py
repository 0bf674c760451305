"""From the arguments of a call to the slots of a signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from netc.compiler.check import static
from netc.compiler.check.arrays import is_array, shape_of
from netc.compiler.check.computed import Computed, of_numbers
from netc.compiler.check.guessing import of_argument, of_initializer, of_value
from netc.compiler.check.values import Given, Partial, describe
from netc.compiler.graph.dimensions import Symbolic
from netc.compiler.language.operations import Function
from netc.compiler.language.refusal import Refused
from netc.compiler.language.slots import Slot
from netc.compiler.language.variables import Initializer
from netc.compiler.language.words import Constructor
from netc.compiler.library import LIBRARY
from netc.compiler.library.initializers import ConstantValue, Values
from netc.compiler.net import Tensor
from netc.compiler.training.schedules import Schedule
from netc.grammar.diagnostics import Label, NetError, did_you_mean, error, spelt_alike
from netc.grammar.source import Span

_EXAMPLES = {"int": "2", "float": "0.1", "sizes": "[N, 4]", "axes": "1", "rate": "1e-3", "length": "4", "number": "0"}
_BY_NAME = {"score": "val.loss", "units": "64", "classes": "10", "repeats": "[1, 2]", "equation": '"ij,jk->ik"'}
_FIRST = "write `he_normal`, `normal(std = 0.02)` or `0`"
Bound = dict[str, tuple[Any, Span]]


def bind(slots: Sequence[Slot], arguments: Sequence[Given], what: str, span: Span, open: bool = False) -> Bound:
    """The arguments by slot. Raises NetError for too many, unknown, repeated or missing ones."""
    bound: Bound = {}
    positional = [a for a in arguments if a.name is None]
    variadic = slots[0] if slots and slots[0].variadic else None
    if variadic is not None:
        if not positional:
            raise error("missing-argument", f"`{what}` needs at least one tensor", span, help=f"write `{what}(a, b)`")
        _refuse_unnamed(slots, positional, what)
        bound[variadic.name] = (tuple((a.value, a.span) for a in positional), positional[0].span)
        positional = []
    elif len(positional) > len(slots):
        extra = positional[len(slots)].span
        takes = f"takes at most {len(slots)} argument{'s' * (len(slots) != 1)}"
        several = slots[-1].kind in ("sizes", "axes") if slots else False
        listed = ", ".join(a.span.text for a in positional[len(slots) - 1 :])
        help = f"several are written as a list: `[{listed}]`" if several else _signature(slots)
        raise error("too-many-arguments", f"`{what}` {takes}, got {len(positional)}", extra, help=help)
    for slot, a in zip(slots, positional):
        bound[slot.name] = (a.value, a.span)
    for a in arguments:
        if a.name is None:
            continue
        if not open:
            refuse_unknown(slots, a, what)
        if a.name in bound:
            first = Label(bound[a.name][1], "given here")
            raise error("repeated-argument", f"`{what}` gets `{a.name}` twice", a.place, first, help="keep one of them")
        bound[a.name] = (a.value, a.span)
    for slot in slots:
        if slot.required and slot.name not in bound:
            example = _BY_NAME.get(slot.name) or _EXAMPLES.get(slot.kind, "...")
            raise error("missing-argument", f"`{what}` needs its argument `{slot.name}`", span,
                        help=f"write `{slot.name} = {example}`; {_signature(slots)}")  # fmt: skip
    return bound


def _refuse_unnamed(slots: Sequence[Slot], positional: Sequence[Given], what: str) -> None:
    """Raises NetError for a text among the tensors of a call, where a setting takes one."""
    slot = next((s for s in slots if s.kind == "str"), None)
    text = next((a for a in positional if isinstance(a.value, str)), None)
    if slot is not None and text is not None:
        given = [a.span.text for a in positional if a is not text]
        call = f"{what}({', '.join([*given, f'{slot.name} = {text.span.text}'])})"
        raise error("argument", f"`{slot.name}` of `{what}` is given by its name", text.span, help=f"write `{call}`")


def refuse_unknown(slots: Sequence[Slot], argument: Given, what: str) -> None:
    """Raises NetError for an argument by a name that no slot has."""
    names = [s.name for s in slots]
    if argument.name is not None and argument.name not in names:
        help = of_argument(what, argument.name, slots) or did_you_mean(argument.name, names, _signature(slots))
        raise error("unknown-argument", f"`{what}` has no argument `{argument.name}`", argument.place, help=help)


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
            if isinstance(value, tuple) and what == "split":
                raise Refused("argument", f"{name} counts equal parts, this is {describe(value)}", slot.name,
                              "ranges cut unequal parts: `x[:, :2]`, `x[:, 2:]`")  # fmt: skip
            return static.whole(value, name, slot.name)
        case "float":
            if static.is_number(value):
                return float(value) if isinstance(value, (Fraction, int)) else value
            raise Refused("argument", f"{name} must be a number, this is {describe(value)}", slot.name, "write `0.1`")
        case "bool":
            if isinstance(value, bool):
                return value
            help = of_value(what, value) or f"write `{slot.name} = true` or `{slot.name} = false`"
            raise Refused("argument", f"{name} must be `true` or `false`, this is {describe(value)}", slot.name, help)
        case "str":
            if isinstance(value, str):
                return value
            help = 'put it between `"`'
            raise Refused("argument", f"{name} must be a string, this is {describe(value)}", slot.name, help)
        case "choice":
            if value in slot.choices:
                return value
            words = " or ".join(f"`{c}`" for c in slot.choices)
            raise Refused("argument", f"{name} must be {words}, this is {describe(value)}", slot.name)
        case "axes":
            if isinstance(value, tuple):
                return tuple(static.whole(v, name, slot.name) for v in value)
            return static.whole(value, name, slot.name)
        case "sizes":
            items = value if isinstance(value, tuple) else (value,)
            for v in items:
                if not isinstance(v, Symbolic) and not (static.is_number(v) and Fraction(v).denominator == 1):
                    message = f"{name} is a list of sizes, of which {describe(v)} is none"
                    raise Refused("argument", message, slot.name, f"write `{slot.name} = [N, 4]`")
            return tuple(v if isinstance(v, Symbolic) else int(v) for v in items)
        case "length":
            return value if isinstance(value, Symbolic) else static.whole(value, name, slot.name)
        case "number":
            if static.is_number(value) or isinstance(value, Symbolic):
                return value
            raise Refused("argument", f"{name} must be a number, this is {describe(value)}", slot.name, "write `4`")
        case "initializer":
            return initializer(value, name, slot.name)
        case "rate":
            if isinstance(value, Schedule):
                return value
            if static.is_number(value):
                return float(value)
            raise Refused("argument", f"{name} must be a number or a schedule, this is {describe(value)}", slot.name,
                          "write `1e-3` or `cosine(1e-3, steps = 1000)`")  # fmt: skip
        case "files":
            if isinstance(value, str) or (isinstance(value, tuple) and all(isinstance(v, str) for v in value)):
                return value
            raise Refused("argument", f"{name} must be a path or several, this is {describe(value)}", slot.name,
                          'write `"data/a.csv"` or `("a.npy", "b.npy")`')  # fmt: skip
        case _:
            return value


def initializer(value: Any, name: str, at: str | None) -> Initializer:
    """`he_normal`, `normal(std = 0.02)`, a number, or what is computed from numbers. Raises Refused."""
    if isinstance(value, Function) and value.name in LIBRARY.constructors["initializer"]:  # `zeros` in this place
        value = LIBRARY.constructors["initializer"][value.name]
    if isinstance(value, Constructor) and value.group == "initializer":
        if any(s.required for s in value.slots):
            message = f"`{value.name}` needs its argument `{value.slots[0].name}`"
            raise Refused("missing-argument", message, at, f"write `{value.name}(0.1)`")
        made: Initializer = value.cls()
        return made
    if isinstance(value, Initializer):
        return value
    if static.is_number(value):
        return ConstantValue(float(value))
    if is_array(value):
        return Values(value, shape_of(value))
    if isinstance(value, Tensor) and of_numbers(value):
        return Computed(value)
    if isinstance(value, Partial):
        raise Refused("argument", f"{name} must be an initialiser, `{value.operation.name}` is a function", at, _FIRST)
    alike = spelt_alike(value, LIBRARY.constructors["initializer"]) if isinstance(value, str) else []
    help = f"write `{alike[0]}`" if alike else (isinstance(value, str) and of_initializer(value)) or _FIRST
    raise Refused("argument", f"{name} must be an initialiser or a number, this is {describe(value)}", at, help)


def construct(word: Constructor, arguments: Sequence[Given], span: Span) -> Any:
    """The record that a constructor builds. Raises NetError."""
    bound = bind(word.slots, arguments, word.name, span)
    return built(word, {s.name: s for s in word.slots}, bound, span)


def built(word: Constructor, slots: Mapping[str, Slot], bound: Bound, span: Span) -> Any:
    """The record from arguments that are bound already. Raises NetError."""
    spans = {n: s for n, (_, s) in bound.items()}
    try:
        return word.cls(**{n: convert(slots[n], v, word.name) for n, (v, _) in bound.items()})
    except Refused as r:
        raise refusal(r, span, spans) from None


def refusal(r: Refused, span: Span, spans: Mapping[str, Span]) -> NetError:
    """A word's refusal with its place."""
    return error(r.slug, r.message, spans.get(r.at or "", span), help=r.help)


def has_tensor(arguments: Sequence[Given]) -> bool:
    """Whether any argument is a tensor, so that the call is not waiting for one."""
    return any(isinstance(a.value, Tensor) for a in arguments)

"""Help for a word that there is not: what is written here in its place, or the nearest names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from netc.compiler.check import foreign
from netc.compiler.language.operations import Function
from netc.compiler.language.slots import Slot, setting_slots
from netc.compiler.library import LIBRARY
from netc.compiler.net import Tensor
from netc.compiler.training.configuration import TrainConfig
from netc.grammar.diagnostics import NetError, did_you_mean, error, spelt_alike
from netc.grammar.layout import HARD
from netc.grammar.source import Span

_USES = {  # how the words of a group are used, which no line of a net uses
    "optimizer": "train {{ optimizer = {} }}", "schedule": "train {{ optimizer = adam(rate = {}(0.1)) }}",
    "stop": "train {{ stop = {}(val.loss) }}", "keep": "train {{ keep = {} }}", "plateau": "train {{ plateau = {}(val.loss) }}",
    "average": "train {{ average = {} }}", "source": 'data {{ source = {}("data/file") }}', "split": "data {{ split = {} }}",
    "missing": "data {{ missing = {} }}", "column": 'data {{ source = csv("data/file", x = {}("name")) }}',
}  # fmt: skip
_SETTINGS = {"data": ("source", "split", "missing"), "train": tuple(s.name for s in setting_slots(TrainConfig))}
_BIND = "names are bound by an earlier line, or declared as `input`, `target` or `param`"


@cache
def row(name: str, *tables: str) -> str:
    """What to write in the place of a foreign word, by the first of these tables that has it."""
    for table in tables:
        rows = foreign.by_word(getattr(foreign, table))
        found = name if name in rows else next(iter(spelt_alike(name, rows)), "")
        if found:
            return rows[found]
    return ""


def in_a_net(name: str, at: Span, own: Iterable[str], message: str = "") -> NetError:
    """The error of a name that means nothing in an expression; `own` are the names that the spec binds."""
    if row(name, "UNAVAILABLE"):
        message = f"`{name}` is not available in this version"
        return error("not-available", message, at, help=_written(row(name, "UNAVAILABLE")))
    known = [*own, *LIBRARY.words()]
    if name in foreign.MODELS:
        help = 'export it as an ONNX model, and bring it in: `import "model.onnx" as model`'
        return error("not-available", f"`{name}` is not available in this version", at, help=help)
    score = re.fullmatch(r"(train|val|test)_(\w+)", name)
    if score:
        return error("undefined-name", f"there is no name `{name}`", at, help=f"write `{score[1]}.{score[2]}`")
    kind = "layer or block" if name[:1].isupper() else "name"
    help = (
        did_you_mean(name, spelt_alike(name, known))
        or _written(row(name, "EXPRESSIONS", "LINES"))
        or ("write `none`, or leave the argument out: it has a default" if name in foreign.NOTHING else "")
        or (f"write `{name.lower()}`" if name.lower() in HARD else "")
        or _elsewhere(name)
        or did_you_mean(name, known, _BIND)
    )
    return error("undefined-name", message or f"there is no {kind} `{name}`", at, help=help)


def is_foreign(name: str) -> bool:
    """Whether a name is a word of another framework."""
    return bool(row(name, "UNAVAILABLE", "EXPRESSIONS", "LINES")) or name in foreign.MODELS or name in foreign.NOTHING


def of_framework(path: str, name: str, at: Span) -> NetError:
    """The error of `nn.ReLU`: words stand alone here."""
    groups = [*(w for group in LIBRARY.constructors.values() for w in group), *LIBRARY.words()]
    alike = spelt_alike(name, groups)
    if ".random." in path:
        help = "a net draws in `dropout` and in first values; other random numbers come as an `input`"
        return error("undefined-name", f"there is no `{path}`", at, help=help)
    if alike:
        return error("undefined-name", f"there is no `{path}`", at, help=f"write `{alike[0]}`")
    help = f"words of the language stand alone: `relu(x)`, not `{path.partition('.')[0]}.relu(x)`"
    found = in_a_net(name, at, (), f"there is no `{path}`")
    return (
        found if found.diagnostics[0].help != _BIND else error("undefined-name", f"there is no `{path}`", at, help=help)
    )


def of_tensor(value: str, name: str, at: Span, what: str) -> NetError:
    """The error of `x.mean()`: tensors have no parts."""
    alike = spelt_alike(name, LIBRARY.words()) if not row(name, "METHODS") else []
    call = f"{alike[0]}({value})" if alike else re.sub(r"\bx\b", value, row(name, "METHODS", "EXPRESSIONS"))
    help = f"write `{call}`" if call else f"functions are called: `mean({value})`"
    return error("attribute", f"{what} has no parts", at, help=help)


def of_group(name: str, groups: Sequence[str]) -> str:
    """Help for a word that none of these groups has: sources, splits, optimizers, schedules."""
    words = [w for g in groups for w in LIBRARY.constructors.get(g, {})]
    table = "SOURCES" if set(groups) & {"source", "split"} else "TRAINERS"
    listed = "there are " + ", ".join(f"`{w}`" for w in words) if words else ""
    other = next((g for g in _USES if name in LIBRARY.constructors.get(g, {})), "")
    if other:
        use = _USES[other].format(name).partition("{ ")[2].removesuffix(" }")
        return f"`{name}` has another place: `{use}`"
    return (
        did_you_mean(name, spelt_alike(name, words))
        or _written(row(name, table, "TRAIN"))
        or did_you_mean(name, words, listed)
    )


def of_setting(block: str, name: str, known: Iterable[str]) -> str:
    """Help for a setting that the `data` or the `train` block does not have."""
    known = list(known)
    if row(name, "OPTIONS"):
        return f"it is an option of the command: `{row(name, 'OPTIONS')}`"
    other = "data" if block == "train" else "train"
    if name in _SETTINGS[other]:
        return f"`{name}` belongs into `{other} {{ ... }}`"
    places = [(block, block.upper()), ("train", "TRAIN"), ("net", "NET"), ("data", "DATA")]
    found = next(((place, row(name, table)) for place, table in places if row(name, table)), None)
    alike = did_you_mean(name, spelt_alike(name, known))
    if alike or found is None:
        return alike or did_you_mean(name, known, "its settings are " + ", ".join(f"`{k}`" for k in known))
    place, written = found
    return f"write `{written}`" + (f" in `{place} {{ ... }}`" if place != block else "")


def of_unread(name: str) -> str:
    """Help for a value of the net that nothing reads, and that is called like a setting; nothing for other names."""
    for block, names in _SETTINGS.items():
        if name in names:
            return f"`{name}` belongs into `{block} {{ ... }}`"
    if row(name, "NET"):
        return f"write `{row(name, 'NET')}`"
    return f"write `{row(name, 'TRAIN')}` in `train {{ ... }}`" if row(name, "TRAIN") else ""


def of_argument(word: str, name: str, slots: Sequence[Slot]) -> str:
    """Help for an argument that a word does not have; nothing where none is known."""
    if name in foreign.NEEDLESS:
        return f"leave `{name}` out"
    calls = foreign.by_word(foreign.CALLS.get(word, {}))
    meant = [s.name for s in slots if name in foreign.ARGUMENTS.get(s.name, "").split()]
    return _written(calls.get(name, "")) or (f"it is called `{meant[0]}` here" if meant else "")


def of_value(word: str, value: Any) -> str:
    """Help for a value that no argument of a word takes: the second of two tensors, or the activation, or the size of the input,
    as others give them."""
    if word in ("max", "min") and isinstance(value, Tensor):
        return f"of two tensors the {'larger' if word == 'max' else 'smaller'} is `{word}imum(a, b)`"
    if word == "Dense" and isinstance(value, int) and not isinstance(value, bool):
        return f"the size of the input is known: `Dense({value})`"
    if word == "Dense" and isinstance(value, str | Function):
        name = value if isinstance(value, str) else value.name
        alike = spelt_alike(name, [n for n, o in LIBRARY.operations.items() if o.group == "activation"])
        return f"it is written `x -> Dense(3) -> {alike[0]}` here" if alike else ""
    return ""


def of_initializer(name: str) -> str:
    """Help for an initialiser by the name of another framework."""
    return _written(row(name, "EXPRESSIONS").partition("init = ")[2].removesuffix(")"))


def _elsewhere(name: str) -> str:
    """Help for words of the data and train blocks."""
    for group, use in _USES.items():
        alike = spelt_alike(name, LIBRARY.constructors.get(group, {}))
        if alike:
            return f"`{alike[0]}` belongs to another block: `{use.format(alike[0])}`"
    found = [(b, row(name, b.upper())) for b in ("train", "data") if row(name, b.upper())]
    return f"write `{found[0][1]}` in `{found[0][0]} {{ ... }}`" if found else ""


def _written(text: str) -> str:
    return f"it is written `{text}` here" if text else ""

"""The data and train blocks: every setting named, typed, bounded and resolved."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import netc.compiler.training.optimizers  # noqa: F401
from netc.compiler.check import static
from netc.compiler.check.arguments import Argument, argument_name, bind, construct, convert, refusal
from netc.compiler.check.expressions import Evaluator
from netc.compiler.check.reading import matching
from netc.compiler.check.values import UNKNOWN, NameRange, describe, show_number
from netc.compiler.training.configuration import DataConfig, TrainConfig, Watched
from netc.compiler.library import LIBRARY
from netc.compiler.language.words import Constructor, Refused, Slot, show_default
from netc.compiler.training.optimizers.adam import Adam
from netc.compiler.training.schedules import Schedule
from netc.compiler.net import TypedNet
from netc.grammar import ast
from netc.grammar.diagnostics import Diagnostic, Label, NetError, did_you_mean, error
from netc.grammar.source import Span

# What each setting of a train block is built from: a group of constructors, or a kind of number.
TRAIN_SETTINGS: dict[str, str] = {
    "optimizer": "optimizer", "batch": "int", "epochs": "int", "steps": "int", "seed": "int", "clip_norm": "float",
    "clip_value": "float", "average": "average", "stop": "stop", "plateau": "plateau", "shuffle": "bool",
}  # fmt: skip
DATA_SETTINGS: dict[str, str] = {"source": "source", "split": "split"}
_LEAST = {"batch": 1, "epochs": 0, "steps": 1}


class SettingsReader:
    """Reads both blocks in the environment of the net's arguments, which settings may use."""

    def __init__(self, net: TypedNet, evaluator: Evaluator):
        self.net = net
        self.evaluator = evaluator
        self.problems: list[Diagnostic] = []
        self.broken = False  # whether the parser left statements out
        self.net_is_whole = True  # else parameters and metrics may be missing, which is no error of their readers

    def attempt(self, work: Callable[[], Any]) -> Any:
        """The result of `work`, or None with its problems kept."""
        try:
            return work()
        except NetError as e:
            self.problems += e.diagnostics
            return None

    @staticmethod
    def keep(found: dict[str, Any], node: ast.Setting, read: Callable[..., Any], seen: dict[str, Span]) -> None:
        found[node.name.id] = read(node, seen)

    # --- values -------------------------------------------------------------------------------------------------------

    def value(self, node: ast.Expression, groups: tuple[str, ...]) -> Any:
        """A setting's value; inside it the words of `groups` build records. Raises NetError."""
        if isinstance(node, ast.Group):
            return self.value(node.value, groups)
        if isinstance(node, ast.Tuple | ast.List):
            return tuple(self.value(i, groups) for i in node.items)
        if isinstance(node, ast.Call) and isinstance(node.function, ast.Name):
            word = self.constructor(node.function, groups)
            inner = {"optimizer": ("schedule",)}.get(word.group, ())
            return self.construct(word, self.arguments(node.arguments, inner), node.span)
        if isinstance(node, ast.Name) and self.named(node.id, groups):
            return self.construct(self.constructor(node, groups), [], node.span)
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("train", "val", "test")
        ):
            return self.watched(node)
        return self.evaluator.evaluate(node)

    def arguments(self, nodes: tuple[ast.Argument, ...], groups: tuple[str, ...]) -> list[Argument]:
        return [(argument_name(a.name), self.value(a.value, groups), a.value.span) for a in nodes]

    def named(self, name: str, groups: tuple[str, ...]) -> bool:
        return any(name in LIBRARY.constructors.get(g, {}) for g in groups)

    def constructor(self, name: ast.Name, groups: tuple[str, ...]) -> Constructor:
        for group in groups:
            if name.id in LIBRARY.constructors.get(group, {}):
                return LIBRARY.constructors[group][name.id]
        known = [w for g in groups for w in LIBRARY.constructors.get(g, {})]
        what = " or ".join(groups) or "function"
        raise error(
            "undefined-name", f"there is no {what} `{name.id}`", name.span,
            help=did_you_mean(name.id, known, "there are " + ", ".join(f"`{k}`" for k in known) if known else ""),
        )  # fmt: skip

    def construct(self, word: Constructor, arguments: list[Argument], span: Span) -> Any:
        for _, value, at in arguments:
            if value is UNKNOWN:
                raise error("undefined-name", "this value is not known because of an earlier error", at)
        if word.open:
            arguments = [(n, v, s) for n, v, s in arguments]
        return construct(word, arguments, span)

    def watched(self, node: ast.Attribute) -> Watched:
        """`val.accuracy`: a score of a split."""
        assert isinstance(node.value, ast.Name)
        modes = {"loss": "min", **{m.name: m.mode for m in self.net.metrics}}
        name = node.name.id
        if name not in modes and not self.net_is_whole:
            return Watched(node.value.id, name, "min")
        if name not in modes:
            raise error(
                "undefined-name", f"there is no metric `{name}`", node.name.span,
                help=did_you_mean(name, modes, "the scores are " + ", ".join(f"`{m}`" for m in modes)),
            )  # fmt: skip
        return Watched(node.value.id, name, modes[name])

    # --- train --------------------------------------------------------------------------------------------------------

    def train(self, block: ast.Train | None) -> TrainConfig:
        """The train block with its defaults."""
        found: dict[str, Any] = {"optimizer": Adam(), "epochs": None}
        seen: dict[str, Span] = {}
        for s in block.settings if block else ():
            self.attempt(partial(self.keep, found, s, self.train_setting, seen))
        if "epochs" in seen and "steps" in seen:
            self.problems += error(
                "argument", "`epochs` and `steps` both say how long to train", seen["steps"], seen["epochs"],
                help="keep one of them",
            ).diagnostics  # fmt: skip
        if found["epochs"] is None and "steps" not in found:
            found["epochs"] = 10
        config = TrainConfig(**found)
        rules = block.rules if block and self.net_is_whole else ()
        changes = self.attempt(lambda: self.rules(rules, config)) or {}
        return replace(config, per_parameter=changes, text=train_text(config))

    def train_setting(self, node: ast.Setting, seen: dict[str, Span]) -> Any:
        name = node.name.id
        if name not in TRAIN_SETTINGS:
            raise error(
                "unknown-setting", f"the train block has no setting `{name}`", node.name.span,
                help=did_you_mean(name, TRAIN_SETTINGS, "its settings are " + ", ".join(f"`{k}`" for k in TRAIN_SETTINGS)),
            )  # fmt: skip
        once(node, seen)
        kind = TRAIN_SETTINGS[name]
        at = node.value.span
        if kind in LIBRARY.constructors:
            value = self.value(node.value, (kind,))
            if not isinstance(value, tuple(c.cls for c in LIBRARY.constructors[kind].values())):
                words = ", ".join(f"`{w}`" for w in LIBRARY.constructors[kind])
                raise error("argument", f"`{name}` is one of {words}; this is {describe(value)}", at)
            return value
        raw = self.value(node.value, ())
        try:
            value = convert(Slot(name, kind), raw, "train")
        except Refused as r:
            raise refusal(r, at, {}) from None
        if value < _LEAST.get(name, value):
            raise error("argument", f"`{name}` must be at least {_LEAST[name]}, not {value}", at)
        if name in ("clip_norm", "clip_value") and not value > 0:
            raise error("argument", f"`{name}` must be positive, not {value:g}", at)
        if name in ("seed", "steps", "epochs", "batch") and not -(2**31) <= value < 2**31:
            raise error("argument", f"`{name}` must fit a 32-bit integer", at)
        return value

    def rules(self, rules: tuple[ast.Rule, ...], config: TrainConfig) -> dict[str, dict[str, Any]]:
        """What the rules change, parameter by parameter; they apply in order."""
        names = [p.name for p in self.net.parameters]
        parameters = {p.name: p for p in self.net.parameters}
        changes: dict[str, dict[str, Any]] = {}
        for rule in rules:
            matched = self.attempt(partial(matching, rule.pattern.value, names, rule.pattern.span)) or []
            for adjust in rule.adjustments:
                change = self.attempt(partial(self.adjustment, adjust, config))
                for name in matched:
                    if adjust.name.id == "freeze":
                        parameters[name].frozen = True
                    elif change is not None:
                        own = changes.setdefault(name, {})
                        self.attempt(partial(apply_change, own, change, adjust, config))
        return changes

    def adjustment(self, node: ast.Adjust, config: TrainConfig) -> tuple[str, str, Any] | None:
        name = node.name.id
        if node.value is None:
            return None
        word = constructor_of(config.optimizer)
        slots = {s.name: s for s in word.slots}
        if name not in slots:
            raise error(
                "unknown-setting", f"`{word.name}` has no setting `{name}`", node.name.span,
                help=did_you_mean(name, [*slots, "freeze"], "its settings are " + ", ".join(f"`{s}`" for s in slots)),
            )  # fmt: skip
        raw = self.value(node.value, ("schedule",))
        try:
            return name, node.operator, convert(slots[name], raw, word.name)
        except Refused as r:
            raise refusal(r, node.value.span, {}) from None

    # --- data ---------------------------------------------------------------------------------------------------------

    def data(self, block: ast.Data | None, folder: Path) -> DataConfig | None:
        """The data block as a plain record."""
        if block is None:
            return None
        found: dict[str, Any] = {}
        seen: dict[str, Span] = {}
        for s in block.settings:
            self.attempt(partial(self.keep, found, s, self.data_setting, seen))
        if "source" not in seen and not self.broken:
            self.problems += error("missing-argument", "the data block names no `source`", block.span).diagnostics
        if "source" not in found:
            return None
        return DataConfig(found["source"], found.get("split"), str(folder))

    def data_setting(self, node: ast.Setting, seen: dict[str, Span]) -> Any:
        name = node.name.id
        if name not in DATA_SETTINGS:
            raise error(
                "unknown-setting", f"the data block has no setting `{name}`", node.name.span,
                help=did_you_mean(name, DATA_SETTINGS, "its settings are `source` and `split`"),
            )  # fmt: skip
        once(node, seen)
        if name == "split":
            made = self.value(node.value, ("split",))
            if not hasattr(made, "record"):
                raise error(
                    "argument", f"`split` is `random(...)` or `ordered(...)`, this is {describe(made)}", node.value.span
                )
            return made.record()
        if not isinstance(node.value, ast.Call) or not isinstance(node.value.function, ast.Name):
            raise error(
                "argument", "`source` is one of `csv(...)`, `npz(...)`, `npy(...)`, `idx(...)`", node.value.span
            )
        word = self.constructor(node.value.function, ("source",))
        arguments = self.arguments(node.value.arguments, ())
        bind(word.slots, arguments, word.name, node.value.span, word.open)
        made = self.construct(word, arguments, node.value.span)
        made, extra = made if word.open else (made, {})
        return self.source(word, made, extra, node.value.span)

    def source(self, word: Constructor, made: Any, extra: Mapping[str, tuple[Any, Span]], span: Span) -> dict[str, Any]:
        declared = {i.name: i for i in self.net.inputs}
        record: dict[str, Any] = {"kind": word.name}
        for f in fields(made):
            value = getattr(made, f.name)
            if value is not None:
                record[f.name] = list(value) if isinstance(value, tuple) else value
        if not any(k in record for k in ("path", "train")):
            raise error("missing-argument", f"`{word.name}` names no file", span, help=f'`{word.name}("data/file")`')
        if "path" in record and "train" in record:
            raise error(
                "argument", f"`{word.name}` has both one `path` and a file for `train`", span, help="keep one of them"
            )
        columns: dict[str, Any] = {}
        for name, (value, at) in extra.items():
            if name not in declared:
                near = did_you_mean(
                    name, [*declared, *(s.name for s in word.slots)], "name an input or a target of the net"
                )
                place = getattr(name, "span", at)
                raise error("unknown-argument", f"the net has no input or target `{name}`", place, help=near)
            columns[name] = column(value, at)
        if word.name == "csv":
            missing = [n for n in declared if n not in columns]
            if missing:
                raise error(
                    "missing-argument", f"`csv` does not say which columns `{missing[0]}` is", span,
                    help=f'add `{missing[0]} = "column"` or `{missing[0]} = "first".."last"`',
                )  # fmt: skip
        if word.open:
            record["columns"] = columns
        return record


def once(node: ast.Setting, seen: dict[str, Span]) -> None:
    """Refuses a setting that stands twice."""
    name = node.name.id
    if name in seen:
        raise error("duplicate-name", f"`{name}` is set twice", node.name.span, Label(seen[name], "first set here"))
    seen[name] = node.name.span


def column(value: Any, at: Span) -> Any:
    """`"p0"`, `"p0".."p63"` or `("a", "b")` as a plain record."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple) and value and all(isinstance(v, str) for v in value):
        return list(value)
    if isinstance(value, NameRange):
        first, last = (re.fullmatch(r"(.*?)(\d+)", t) for t in (value.first, value.last))
        if not first or not last or first[1] != last[1] or int(first[2]) > int(last[2]):
            raise error(
                "argument", f'`"{value.first}".."{value.last}"` is no range of names', at,
                help='a range ends in growing numbers: `"p0".."p63"`',
            )  # fmt: skip
        return {"first": value.first, "last": value.last}
    raise error("argument", f"a column is a string, a range or several strings; this is {describe(value)}", at)


def apply_change(own: dict[str, Any], change: tuple[str, str, Any], node: ast.Adjust, config: TrainConfig) -> None:
    """One line of a rule on one parameter. Raises NetError when the result is out of bounds."""
    name, operator, value = change
    if operator == "*=":
        if not static.is_number(value):
            raise error("argument", f"`*=` needs a number, this is {describe(value)}", node.span)
        if name == "rate":
            own["rate_factor"] = own.get("rate_factor", 1.0) * value
        else:
            own[name] = own.get(name, getattr(config.optimizer, name)) * value
    else:
        own[name] = value
        if name == "rate":
            own["rate_factor"] = 1.0
    if own.get("rate_factor", 1.0) < 0:
        raise error("argument", "a rate may not be negative", node.span, help="`freeze` stops a parameter")
    try:
        replace(config.optimizer, **{k: v for k, v in own.items() if k != "rate_factor"})
    except Refused as r:
        raise refusal(r, node.span, {}) from None


def constructor_of(made: Any) -> Constructor:
    """The word that builds a record."""
    for group in LIBRARY.constructors.values():
        for word in group.values():
            if word.cls is type(made):
                return word
    raise KeyError(type(made).__name__)


def show(value: Any) -> str:
    """A setting as a spec would write it, every default shown."""
    if isinstance(value, Watched):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    if value is None or isinstance(value, bool):
        return show_default(value)
    if static.is_number(value):
        return show_number(value)
    if isinstance(value, tuple | list):
        return f"({', '.join(show(v) for v in value)}{',' if len(value) == 1 else ''})"
    word = constructor_of(value)
    given = [(s.name, getattr(value, s.name)) for s in word.slots]
    return f"{word.name}({', '.join(f'{n} = {show(v)}' for n, v in given if v is not None)})"


def train_text(config: TrainConfig) -> dict[str, str]:
    """Every setting that is in force, as text."""
    return {n: show(getattr(config, n)) for n in TRAIN_SETTINGS if getattr(config, n) is not None}


def schedule_of(config: TrainConfig) -> Schedule | None:
    """The schedule of the optimizer's rate, if it is not a constant number."""
    rate = config.optimizer.rate
    return rate if isinstance(rate, Schedule) else None

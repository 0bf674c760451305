"""The train block: every setting named, typed, bounded and resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import netc.compiler.training.optimizers  # noqa: F401  (registers the optimizers)
from netc.compiler.check import static
from netc.compiler.check.arguments import convert, refusal
from netc.compiler.check.guessing import of_setting
from netc.compiler.check.reading import matching
from netc.compiler.check.settings import SettingsBlock, value
from netc.compiler.check.values import describe
from netc.compiler.language.refusal import Refused
from netc.compiler.language.slots import setting_slots
from netc.compiler.language.words import show
from netc.compiler.library import LIBRARY
from netc.compiler.net import TypedNet
from netc.compiler.training.configuration import TrainConfig
from netc.compiler.training.optimizers.adam import Adam
from netc.grammar import ast
from netc.grammar.diagnostics import NetError, did_you_mean, error, spelt_alike

TRAIN_SETTINGS = {s.name: s for s in setting_slots(TrainConfig)}
EPOCHS = 10  # where neither epochs nor steps are given
OPTIMIZER = Adam()  # where none is


def train_block(block: SettingsBlock, node: ast.Train | None) -> TrainConfig:
    """The train block with its defaults."""
    found: dict[str, Any] = {}
    for s in node.settings if node else ():
        read = block.attempt(partial(_setting, block, s))
        if read is not None:
            found[s.name.id] = read
    if "epochs" in block.seen and "steps" in block.seen:
        block.problems += error(
            "argument", "`epochs` and `steps` both say how long to train", block.seen["steps"], block.seen["epochs"],
            help="keep one of them",
        ).diagnostics  # fmt: skip
    if "steps" not in found:
        found.setdefault("epochs", EPOCHS)
    config = TrainConfig(**{"optimizer": OPTIMIZER, **found})
    changes = _rules(block, node.rules if node and block.whole else (), config)
    return replace(config, per_parameter=changes, text=_text(config))


def _setting(block: SettingsBlock, node: ast.Setting) -> Any:
    name, at = node.name.id, node.value.span
    if name not in TRAIN_SETTINGS:
        raise error(
            "unknown-setting", f"the train block has no setting `{name}`", node.name.span,
            help=of_setting("train", name, TRAIN_SETTINGS),
        )  # fmt: skip
    block.once(node)
    words = LIBRARY.constructors.get(name)
    if words is not None:
        made = value(block, node.value, (name,))
        if made is None and TRAIN_SETTINGS[name].default is None:
            return None
        if not isinstance(made, tuple(w.cls for w in words.values())):
            shown = ", ".join(f"`{w}`" for w in words)
            raise error(
                "argument", f"`{name}` is one of {shown}; this is {describe(made)}", at, help=_example(name, made)
            )
        return made
    raw = value(block, node.value)
    try:
        read = convert(TRAIN_SETTINGS[name], raw, "train")
        TrainConfig.check(name, read)
    except Refused as r:
        raise refusal(r, at, {}) from None
    return read


_FROZEN = (
    "trainable",
    "frozen",
    "requires_grad",
    "fixed",
    "lock",
    "locked",
)  # what others call a parameter that stays as it is
_EXAMPLES = {
    "optimizer": "adam(rate = 1e-3)", "average": "ema(0.999)", "stop": "early(val.loss)", "keep": "best(val.loss)",
    "plateau": "reduce(val.loss)",
}  # fmt: skip


def _example(name: str, given: Any) -> str:
    """Help for a setting that takes a word, by what it was given."""
    alike = spelt_alike(given, LIBRARY.constructors[name]) if isinstance(given, str) else []
    return f"write `{name} = {alike[0] if alike else _EXAMPLES.get(name, '...')}`"


# --- rules ------------------------------------------------------------------------------------------------------------


def _rules(block: SettingsBlock, rules: tuple[ast.Rule, ...], config: TrainConfig) -> dict[str, dict[str, Any]]:
    """What the rules change, parameter by parameter; they apply in order. `freeze` stops buffers too."""
    parameters = [p.name for p in block.net.parameters]
    changes: dict[str, dict[str, Any]] = {}
    for rule in rules:
        freezes = any(a.name.id == "freeze" and a.value is None for a in rule.adjustments)
        names = [v.name for v in block.net.variables] if freezes else parameters
        try:
            block.frame.recorder.budget.match(rule.pattern.span, len(names) * (1 + freezes))
        except NetError as e:
            block.problems += e.diagnostics
            break
        matched = block.attempt(partial(matching, rule.pattern.value, names, rule.pattern.span)) or []
        for adjust in rule.adjustments:
            change = block.attempt(partial(_adjustment, block, adjust, config))
            if adjust.name.id == "freeze":
                _freeze(block.net, set(matched))
            elif change is not None:
                for name in matched:
                    if name in parameters:
                        block.attempt(partial(_apply, changes.setdefault(name, {}), change, adjust, config))
    return changes


def _freeze(net: TypedNet, names: set[str]) -> None:
    """Stops these variables; the buffers of a layer are of one piece, so all of them stop when one does."""
    for apply in net.applies:
        buffers = {v.name for v in apply.variables.values() if v.role == "buffer"}
        if buffers & names:
            names |= buffers
    for v in net.variables:
        v.trained = v.trained and v.name not in names


def _adjustment(block: SettingsBlock, node: ast.Adjust, config: TrainConfig) -> tuple[str, str, Any] | None:
    """`rate *= 2` as setting, operator and value; None for `freeze`."""
    if node.value is None:
        return None
    name, word = node.name.id, LIBRARY.constructor_of(config.optimizer)
    slots = {s.name: s for s in word.slots}
    if name not in slots:
        help = did_you_mean(name, [*slots, "freeze"], "its settings are " + ", ".join(f"`{s}`" for s in slots))
        help = "write `freeze`" if name in _FROZEN else help
        raise error("unknown-setting", f"`{word.name}` has no setting `{name}`", node.name.span, help=help)
    raw = value(block, node.value, ("schedule",))
    try:
        return name, node.operator, convert(slots[name], raw, word.name)
    except Refused as r:
        raise refusal(r, node.value.span, {}) from None


def _apply(own: dict[str, Any], change: tuple[str, str, Any], node: ast.Adjust, config: TrainConfig) -> None:
    """One line of a rule on one parameter. Raises NetError when the result is out of bounds."""
    name, operator, by = change
    if operator == "*=":
        if not static.is_number(by):
            raise error("argument", f"`*=` needs a number, this is {describe(by)}", node.span, help="write `rate *= 2`")
        if name == "rate":
            own["rate_factor"] = own.get("rate_factor", 1.0) * by
        else:
            own[name] = own.get(name, getattr(config.optimizer, name)) * by
    else:
        own[name] = by
        if name == "rate":
            own["rate_factor"] = 1.0
    if own.get("rate_factor", 1.0) < 0:
        raise error("argument", "a rate may not be negative", node.span, help="`freeze` stops a parameter")
    try:
        replace(config.optimizer, **{k: v for k, v in own.items() if k != "rate_factor"})
    except Refused as r:
        raise refusal(r, node.span, {}) from None


# --- as text ----------------------------------------------------------------------------------------------------------


def _text(config: TrainConfig) -> Mapping[str, str]:
    """Every setting that is in force, as text."""
    return {n: show(getattr(config, n), every=True) for n in TRAIN_SETTINGS if getattr(config, n) is not None}

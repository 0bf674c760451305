"""`net.hidden=128 train.rate=3e-4`: hyperparameters of a spec replaced by name, before anything is checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netc.compiler.check.data_block import DATA_SETTINGS
from netc.compiler.check.train_block import OPTIMIZER, TRAIN_SETTINGS
from netc.compiler.language.words import show
from netc.compiler.library import LIBRARY
from netc.grammar import ast
from netc.grammar.diagnostics import NetError, did_you_mean, error
from netc.grammar.parser import parse_expression
from netc.grammar.source import Source, Span

KeyPath = tuple[str, ...]
LENGTHS = (("train", "epochs"), ("train", "steps"))  # of which a run has one


def override(spec: ast.Spec, changes: Mapping[str, Any] | Iterable[str]) -> ast.Spec:
    """The spec with each `key=value` in place. Raises NetError with the nearest names for an unknown or unclear key."""
    lengths: dict[KeyPath, Span] = {}  # where epochs and steps are given
    for pair in written(changes):
        key, equals, _ = pair.partition("=")
        source = Source("<override>", pair)
        at = Span(source, 0, len(key))
        if not equals:
            raise error(
                "override",
                f"`{pair}` is no override",
                Span(source, 0, len(pair)),
                help="write `name=value`, without blanks",
            )
        path, old = _find(spec, key.strip(), at)
        value = _value(source, len(key) + 1, old)
        if path in LENGTHS and value.span.text.strip() != "none":
            lengths[path] = at
            if len(lengths) > 1:
                raise error("override", "`epochs` and `steps` both say how long to train", at, help="give one of them")
        spec = _replaced(spec, path, value, at)
    return spec


def written(changes: Mapping[str, Any] | Iterable[str]) -> list[str]:
    """Changes as the command line has them: `key=value`."""
    if isinstance(changes, Mapping):
        return [f"{k}={v if isinstance(v, str) else show(v)}" for k, v in changes.items()]
    if isinstance(changes, str):
        return [changes]
    if not isinstance(changes, Iterable):
        raise _no_override(changes)
    given: list[Any] = list(changes)
    pairs = [pair for pair in given if isinstance(pair, str)]
    if len(pairs) < len(given):
        raise _no_override(next(pair for pair in given if not isinstance(pair, str)))
    return pairs


def _no_override(found: object) -> NetError:
    return error(
        "override", f"overrides are texts `name=value` or a mapping by name, this is {show(found)}",
        help='write `["hidden=64"]` or `{"hidden": 64}`',
    )  # fmt: skip


def _value(source: Source, start: int, old: ast.Expression | None) -> ast.Expression:
    """The value, typed like what it replaces: a bare word stands for a string where a string stood."""
    text = source.text[start:]
    at = Span(source, start, len(source.text))
    if isinstance(old, ast.String) and not text.lstrip().startswith('"'):
        return ast.String(at, text)
    if not text.strip():
        raise error("override", "the override has no value", at, help=f"write `{source.text}1`")
    value = parse_expression(source, start)
    kinds = {ast.Number: "a number", ast.Boolean: "`true` or `false`", ast.String: "a string"}
    for kind, words in kinds.items():
        if isinstance(old, kind) and isinstance(value, tuple(k for k in kinds if k is not kind)):
            raise error(
                "override", f"`{source.text[: start - 1]}` is {words}, this is `{text}`", at, help=f"give it {words}"
            )
    return value


def _find(spec: ast.Spec, key: str, at: Span) -> tuple[KeyPath, ast.Expression | None]:
    """The one hyperparameter that a key names, in full or shortened."""
    known = dict(_known(spec))
    wanted = tuple(key.split("."))
    if wanted in known:
        return wanted, known[wanted]
    fits = [p for p in known if p[-1] == wanted[-1] and _subsequence(wanted, p)]
    shortest = [p for p in fits if len(p) == min(map(len, fits))]
    shortest = [p for p in shortest if p[0] == "net"] or shortest  # the spec's own names come first
    if len(shortest) == 1:
        return shortest[0], known[shortest[0]]
    if shortest:
        shown = " or ".join(f"`{'.'.join(p)}`" for p in shortest)
        raise error("override", f"`{key}` could be {shown}", at, help="write more of the name")
    names = [".".join(p) for p in known] + [p[-1] for p in known]
    shown = ", ".join(f"`{'.'.join(p)}`" for p, v in known.items() if v is not None)
    raise error(
        "override", f"the spec has no hyperparameter `{key}`", at, help=did_you_mean(key, names, f"it has {shown}")
    )


def _subsequence(short: KeyPath, long: KeyPath) -> bool:
    rest = iter(long)
    return all(part in rest for part in short)


def _known(spec: ast.Spec) -> Iterable[tuple[KeyPath, ast.Expression | None]]:
    """Every hyperparameter by path, with its expression; None for a setting that is not written."""
    for net in spec.nets:
        for p in net.parameters:
            yield ("net", p.name.id), p.default
    for block, settings, groups in (
        ("data", [s for d in spec.datas for s in d.settings], DATA_SETTINGS),
        ("train", [s for t in spec.trains for s in t.settings], TRAIN_SETTINGS),
    ):
        if block == "data" and not spec.datas:
            continue
        written = {s.name.id: s.value for s in settings}
        for name in groups:
            yield (block, name), written.get(name)
            value = written.get(name)
            if value is None and name == "optimizer":
                yield from _arguments((block, name), LIBRARY.constructor_of(OPTIMIZER).slots, ())
            elif isinstance(value, ast.Call):
                yield from _call((block, name), value, name)
            elif isinstance(value, ast.Name) and value.id in LIBRARY.constructors.get(name, {}):
                yield from _arguments((block, name), LIBRARY.constructors[name][value.id].slots, ())


def _call(path: KeyPath, call: ast.Call, group: str) -> Iterable[tuple[KeyPath, ast.Expression | None]]:
    word = LIBRARY.constructors.get(group, {}).get(getattr(call.function, "id", ""))
    yield from _arguments(path, word.slots if word else (), call.arguments)


def _arguments(
    path: KeyPath, slots: Sequence[Any], given: Sequence[ast.Argument]
) -> Iterable[tuple[KeyPath, ast.Expression | None]]:
    named = {s.name: None for s in slots}
    values: dict[str, ast.Expression | None] = dict(named)
    for slot, argument in zip(slots, (a for a in given if a.name is None)):
        values[slot.name] = argument.value
    values.update({a.name.id: a.value for a in given if a.name})
    for name, value in values.items():
        yield (*path, name), value
        if isinstance(value, ast.Call):
            yield from _call((*path, name), value, "schedule")


def _replaced(spec: ast.Spec, path: KeyPath, value: ast.Expression, at: Span) -> ast.Spec:
    block, name, *rest = path
    if block == "net":
        nets = tuple(
            replace(n, parameters=tuple(replace(p, default=value) if p.name.id == name else p for p in n.parameters))
            for n in spec.nets
        )
        return replace(spec, nets=nets)
    holders = spec.datas if block == "data" else spec.trains
    if not holders:
        holders = (ast.Train(at, (), ()),)
    holder = holders[0]
    settings = list(holder.settings)
    place = next((i for i, s in enumerate(settings) if s.name.id == name), None)
    if place is None:
        settings.append(ast.Setting(at, ast.Name(at, name), _within(None, tuple(rest), value, at)))
    else:
        settings[place] = replace(settings[place], value=_within(settings[place].value, tuple(rest), value, at))
    changed = (replace(holder, settings=tuple(_one_length(settings, name))), *holders[1:])
    return replace(spec, datas=changed) if block == "data" else replace(spec, trains=changed)


def _one_length(settings: list[ast.Setting], name: str) -> list[ast.Setting]:
    """`epochs` on the command line takes the place of `steps` in the spec, and the other way round."""
    other = {"epochs": "steps", "steps": "epochs"}.get(name)
    return [s for s in settings if s.name.id != other]


def _within(old: ast.Expression | None, rest: KeyPath, value: ast.Expression, at: Span) -> ast.Expression:
    """`old` with the argument named by `rest` replaced."""
    if not rest:
        return value
    if old is None:
        old = ast.Call(at, ast.Name(at, LIBRARY.constructor_of(OPTIMIZER).name), ())
    if isinstance(old, ast.Name):
        old = ast.Call(old.span, old, ())
    assert isinstance(old, ast.Call)
    word = next(
        (g[f.id] for g in LIBRARY.constructors.values() if isinstance(f := old.function, ast.Name) and f.id in g), None
    )
    arguments = list(old.arguments)
    slots = [s.name for s in word.slots] if word else []
    positions = [i for i, a in enumerate(arguments) if a.name is None]
    place = next((i for i, a in enumerate(arguments) if a.name and a.name.id == rest[0]), None)
    if place is None and rest[0] in slots and slots.index(rest[0]) < len(positions):
        place = positions[slots.index(rest[0])]
    if place is None:
        arguments.append(ast.Argument(at, ast.Name(at, rest[0]), value))
    else:
        arguments[place] = replace(arguments[place], value=_within(arguments[place].value, rest[1:], value, at))
    return replace(old, arguments=tuple(arguments))

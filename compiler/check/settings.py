"""The values of settings in data and train blocks: numbers as in the net, and words that build records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from netc.compiler.check.arguments import construct
from netc.compiler.check.expressions import evaluate, named
from netc.compiler.check.frame import Frame
from netc.compiler.check.guessing import of_group, row
from netc.compiler.check.names import VALUES
from netc.compiler.check.values import SILENT, UNKNOWN
from netc.compiler.language.words import Constructor
from netc.compiler.library import LIBRARY
from netc.compiler.net import TypedNet
from netc.compiler.training.configuration import Watched
from netc.grammar import ast
from netc.grammar.diagnostics import Diagnostic, Label, NetError, did_you_mean, error
from netc.grammar.source import Span
from netc.runtime.data.split import SPLITS

T = TypeVar("T")
SPOKEN = {"missing": "rule for missing values", "keep": "rule for weights to keep", "column": "kind of column"}
WITHIN = {"optimizer": ("schedule",)}  # the words that arguments of a word of this group may be built from


@dataclass
class SettingsBlock:
    """A data or train block being read, in the frame of the net, whose arguments settings may use.

    `problems` are collected, not raised. `whole` says whether the net was read without errors: else parameters and metrics
    may be missing, which is no error of their readers; `parsed` whether the parser left nothing out.
    """

    net: TypedNet
    frame: Frame
    parsed: bool
    whole: bool = field(init=False)
    problems: list[Diagnostic] = field(default_factory=list)
    seen: dict[str, Span] = field(default_factory=dict)

    def attempt(self, work: Callable[[], T]) -> T | None:
        """The result of `work`, or None with its problems kept."""
        try:
            return work()
        except NetError as e:
            self.problems += [d for d in e.diagnostics if d not in self.problems]  # a rule meets many parameters
            return None

    def once(self, node: ast.Setting) -> None:
        """Refuses a setting that stands twice."""
        name = node.name.id
        if name in self.seen:
            first = Label(self.seen[name], "first set here")
            raise error("duplicate-name", f"`{name}` is set twice", node.name.span, first, help="keep one of them")
        self.seen[name] = node.name.span


def value(block: SettingsBlock, node: ast.Expression, groups: Sequence[str] = ()) -> Any:
    """A setting's value; inside it the words of `groups` build records. Raises NetError."""
    match node:
        case ast.Group():
            return value(block, node.value, groups)
        case ast.Tuple() | ast.List():
            return tuple(value(block, i, groups) for i in node.items)
        case ast.Call(function=ast.Name() as name):
            word = constructor(name, groups)
            arguments = [named(a, value(block, a.value, WITHIN.get(word.group, ()))) for a in node.arguments]
            return construct(word, arguments, node.span)
        case ast.Name() if any(node.id in LIBRARY.constructors.get(g, {}) for g in groups):
            return construct(constructor(node, groups), [], node.span)
        case ast.Name() if (
            groups
            and node.id not in VALUES
            and block.frame.environment.find(node.id) is None
            and LIBRARY.word(node.id) is None
        ):
            raise undefined(node, groups)
        case ast.Attribute(value=ast.Name(id=split)) if split in SPLITS:
            return _watched(block, split, node)
        case ast.Attribute(value=ast.Name() as split) if row(split.id, "SPLITS"):
            meant = row(split.id, "SPLITS")
            raise error(
                "undefined-name", f"there is no split `{split.id}`", split.span, help=f"write `{meant}.{node.name.id}`"
            )
        case _:
            found = evaluate(block.frame, node)
            if found is UNKNOWN:
                raise SILENT
            return found


def constructor(name: ast.Name, groups: Sequence[str]) -> Constructor:
    """The word of these groups that a name means. Raises NetError."""
    for group in groups:
        if name.id in LIBRARY.constructors.get(group, {}):
            return LIBRARY.constructors[group][name.id]
    raise undefined(name, groups)


def undefined(name: ast.Name, groups: Sequence[str]) -> NetError:
    """The error of a name that is no word of these groups."""
    what = " or ".join(SPOKEN.get(g, g) for g in groups) or "word of this place"
    return error("undefined-name", f"there is no {what} `{name.id}`", name.span, help=of_group(name.id, groups))


def _watched(block: SettingsBlock, split: str, node: ast.Attribute) -> Watched:
    """`val.accuracy`: a score of a split."""
    modes = {"loss": "min", **{m.name: m.mode for m in block.net.metrics}}
    name = node.name.id
    if name not in modes and not block.whole:
        return Watched(split, name, "min")
    if name not in modes:
        raise error(
            "undefined-name", f"there is no metric `{name}`", node.name.span,
            help=did_you_mean(name, modes, "the scores are " + ", ".join(f"`{m}`" for m in modes)),
        )  # fmt: skip
    return Watched(split, name, modes[name])

"""Which operators are differentiated, and how: each operator of the standard domain is in exactly one class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from onnx import defs

from netc.compiler.autodiff import rules  # noqa: F401  (registers them)
from netc.compiler.autodiff.expansion import has_body
from netc.compiler.autodiff.registry import operators
from netc.compiler.autodiff.rules.constant import PIECEWISE

CLASSES = ("rule", "lowered", "expanded", "no gradient", "refused")


@dataclass(frozen=True)
class Coverage:
    """An operator, the class it is in, and what there is to say: the formula, or why it is refused."""

    operator: str
    kind: str
    note: str


def coverage() -> list[Coverage]:
    """Every operator of the standard domain in its newest version, those included that left the standard."""
    return [Coverage(name, *_found(name, since)) for name, since in sorted(standard_operators().items())]


def all_differentiable(names: Iterable[str], opset: int) -> bool:
    """Whether each operator has a gradient wherever floating-point numbers flow through it."""
    known = operators()
    for name in {*names}:
        entries = known.get(name)
        if name in PIECEWISE or (entries[-1].kind == "refused" if entries else not has_body(name, opset)):
            return False
    return True


def standard_operators() -> dict[str, int]:
    """The names of the standard domain's operators, with the opset of their newest version."""
    found: dict[str, int] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "":
            found[schema.name] = max(schema.since_version, found.get(schema.name, 0))
    return found


def _found(name: str, since: int) -> tuple[str, str]:
    entries = operators().get(name, [])
    if entries:
        entry = entries[-1]
        text = entry.reason or (entry.run.__doc__ if entry.run else "") or ""
        return entry.kind, " ".join(text.split())
    if has_body(name, since):
        return "expanded", "by the function body of its specification"
    return "unknown", ""

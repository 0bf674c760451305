"""Writes the generated tables of docs/ from the registries; a test asserts that they are up to date."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import netc
import netc.compiler.check
from netc.compiler.autodiff.coverage import CLASSES, coverage
from netc.compiler.language.operations import Operation
from netc.compiler.language.words import Constructor, signature
from netc.compiler.library import LIBRARY

DOCS = Path(__file__).parent
GROUPS = {
    "activation": "Activations", "elementwise": "Elementwise", "reduction": "Reductions", "shape": "Shapes",
    "making": "Tensors of numbers",
    "loss": "Losses", "metric": "Metrics", "regularizer": "Regularisers", "cast": "Casts",
    "derivative": "Derivatives",
}  # fmt: skip


def row(word: Operation | Constructor) -> str:
    doc = " ".join(word.doc.split()).replace("|", "\\|")
    return f"| `{signature(word)}` | {doc} |"


def table(words: list[Operation] | list[Constructor]) -> str:
    return "\n".join(["| | |", "|---|---|", *map(row, words)])


def functions() -> str:
    parts = []
    for group, title in GROUPS.items():
        words = [o for o in LIBRARY.operations.values() if o.group == group and o.user]
        parts.append(f"**{title}**\n\n{table(words)}")
    return "\n\n".join(parts)


def constructors(*groups: str) -> str:
    return table([c for g in groups for c in LIBRARY.constructors[g].values()])


def operator_table() -> str:
    """Every operator of the ONNX standard, with the class that it is in."""
    lines = ["| operator | class | formula or reason |", "|---|---|---|"]
    for r in coverage():
        lines.append(f"| `{r.operator}` | {r.kind} | {r.note.replace('|', chr(92) + '|')} |")
    counts = Counter(r.kind for r in coverage())
    total = ", ".join(f"{counts[k]} {k}" for k in CLASSES)
    return "\n".join([f"{sum(counts.values())} operators: {total}.", "", *lines])


def api(kind: Callable[[object], bool]) -> str:
    """The public names of the package of one kind, with what their docstrings say."""
    found = {n: getattr(netc, n) for n in sorted(netc.__all__) if kind(getattr(netc, n))}
    return "\n\n".join(described(f"netc.{n}", v) for n, v in found.items())


def described(name: str, value: Any) -> str:
    """A function, or a class with its public methods and properties."""
    members = []
    if inspect.isclass(value):
        for n, member in vars(value).items():
            doc = inspect.getdoc(member)
            if n.startswith("_") or not doc:
                continue
            if inspect.isfunction(member):
                members.append(f"- `{signature_of(n, member)}`: {flat(doc)}")
            elif isinstance(member, property | cached_property):
                members.append(f"- `{n}`: {flat(doc)}")
    has_fields = inspect.isclass(value) and (dataclasses.is_dataclass(value) or issubclass(value, Exception))
    title = name if has_fields else signature_of(name, value)
    return "\n\n".join([f"### `{title}`", inspect.getdoc(value) or "", *(["\n".join(members)] if members else [])])


def signature_of(name: str, function: Any) -> str:
    """`run(spec = None, *, data = None)`: names and defaults, without types."""
    parts, keywords = [], False
    for p in inspect.signature(function).parameters.values():
        if p.name == "self":
            continue
        if p.kind is p.KEYWORD_ONLY and not keywords:
            parts.append("*")
            keywords = True
        parts.append(p.name if p.default is p.empty else f"{p.name} = {p.default!r}")
    return f"{name}({', '.join(parts)})"


def flat(doc: str) -> str:
    return " ".join(doc.split())


SECTIONS = {
    "functions": functions,
    "layers": lambda: table([o for o in LIBRARY.operations.values() if o.group == "layer"]),
    "initializers": lambda: constructors("initializer"),
    "data": lambda: constructors("source", "column", "split", "missing"),
    "optimizers": lambda: constructors("optimizer"),
    "schedules": lambda: constructors("schedule"),
    "rest": lambda: constructors("stop", "keep", "plateau", "average"),
}


OPERATORS = {"operators": operator_table}
API = {"functions": lambda: api(inspect.isfunction), "classes": lambda: api(inspect.isclass)}
PAGES = {"language.md": SECTIONS, "derivatives.md": OPERATORS, "api.md": API}


def generated(text: str, sections: Mapping[str, Callable[[], str]]) -> str:
    """The text with each generated section written anew."""
    for name, make in sections.items():
        pattern = rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda m, make=make: f"{m[1]}{make()}\n{m[2]}", text, flags=re.DOTALL)
        assert count == 1, name
    return text


if __name__ == "__main__":
    for page, sections in PAGES.items():
        path = DOCS / page
        path.write_text(generated(path.read_text(encoding="utf-8"), sections), encoding="utf-8")
        print(f"{path} written", file=sys.stderr)

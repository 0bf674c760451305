"""Writes the generated tables of docs/ from the registries; a test asserts that they are up to date."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import netc.compiler.check.settings  # noqa: F401 - registers optimizers and settings
from netc.compiler.library import LIBRARY
from netc.compiler.library.registry import Constructor, Operation

DOCS = Path(__file__).parent
GROUPS = {
    "activation": "Activations", "elementwise": "Elementwise", "reduction": "Reductions", "shape": "Shapes",
    "loss": "Losses", "metric": "Metrics", "regularizer": "Regularisers", "cast": "Casts",
}  # fmt: skip


def row(word: Operation | Constructor) -> str:
    doc = " ".join(word.doc.split()).replace("|", "\\|")
    return f"| `{word.signature}` | {doc} |"


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


SECTIONS = {
    "functions": functions,
    "layers": lambda: table([o for o in LIBRARY.operations.values() if o.group == "layer"]),
    "initializers": lambda: constructors("initializer"),
    "data": lambda: constructors("source", "split"),
    "optimizers": lambda: constructors("optimizer"),
    "schedules": lambda: constructors("schedule"),
    "rest": lambda: constructors("stop", "plateau", "average"),
}


def generated(text: str) -> str:
    """The text with each generated section written anew."""
    for name, make in SECTIONS.items():
        pattern = rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda m, make=make: f"{m[1]}{make()}\n{m[2]}", text, flags=re.DOTALL)
        assert count == 1, name
    return text


if __name__ == "__main__":
    path = DOCS / "language.md"
    path.write_text(generated(path.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{path} written", file=sys.stderr)

"""Every word and every setting of the language reference has a row in a table of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.numbers import (
    test_averages,
    test_batch_norm,
    test_functions,
    test_initializers,
    test_layers,
    test_losses,
    test_metrics,
    test_optimizers,
    test_schedules,
    test_standardize,
    test_updates,
)
from tests.runtime import test_decisions

PAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
FUNCTIONS = ("CALLS of tests/numbers/test_functions.py", test_functions.CALLS)
DECISIONS = [row[0] for row in (*test_decisions.STOPS, *test_decisions.KEPT, *test_decisions.PLATEAUS)]
# title of a part of the reference -> where its rows are
TABLES: dict[str, tuple[str, Iterable[str]]] = {
    "Activations": FUNCTIONS,
    "Elementwise": FUNCTIONS,
    "Reductions": FUNCTIONS,
    "Shapes": FUNCTIONS,
    "Tensors of numbers": FUNCTIONS,
    "Casts": FUNCTIONS,
    "Derivatives": FUNCTIONS,
    "Regularisers": ("VALUES of tests/numbers/test_updates.py or DROPOUT of test_layers.py",
                     [*test_updates.VALUES, *test_layers.DROPOUT]),
    "Losses": ("LOSSES of tests/numbers/test_losses.py", test_losses.LOSSES),
    "Metrics": ("METRICS of tests/numbers/test_metrics.py", test_metrics.METRICS),
    "layers": ("LAYERS of tests/numbers/test_layers.py, or a file of its own",
               [*test_layers.LAYERS, *test_batch_norm.CALLS, *(c[1] for c in test_standardize.CASES)]),
    "initializers": ("INITIALIZERS of tests/numbers/test_initializers.py",
                     [*test_initializers.INITIALIZERS, *test_initializers.ORTHOGONAL]),
    "optimizers": ("OPTIMIZERS of tests/numbers/test_optimizers.py", test_optimizers.OPTIMIZERS),
    "schedules": ("SCHEDULES of tests/numbers/test_schedules.py", test_schedules.SCHEDULES),
    "rest": ("EMA of tests/numbers/test_averages.py, or STOPS, KEPT and PLATEAUS of tests/runtime/test_decisions.py",
             [*test_averages.EMA, *DECISIONS]),
}  # fmt: skip
ELSEWHERE = {"data"}  # formats of files: tests/runtime/test_data.py
FIRST = {"rate", "value"}  # settings that rows may give without their name, in the first place


def words() -> list[tuple[str, str, tuple[str, ...]]]:
    """(part, word, its settings that have a default) of every generated row."""
    found = []
    for section, body in re.findall(r"<!-- generated: (\w+) -->\n(.*?)<!-- end -->", PAGE, re.DOTALL):
        part = section
        for line in body.splitlines():
            if title := re.fullmatch(r"\*\*(.+)\*\*", line):
                part = title[1]
            if row := re.match(r"\| `(\w+)\(([^`]*)\)` \|", line):
                settings = tuple(s.split(" = ")[0] for s in row[2].split(", ") if " = " in s)
                found.append((part, row[1], settings))
    return found


def inside(text: str, begin: int) -> str:
    """What stands between the bracket at `begin` and its partner."""
    depth = 0
    for i, letter in enumerate(text[begin:], begin):
        depth += (letter in "([") - (letter in ")]")
        if not depth:
            return text[begin + 1 : i]
    raise ValueError(text)


def used(rows: Iterable[str], word: str) -> tuple[bool, set[str]]:
    """Whether some row has the word, and the settings that rows give it by name."""
    there, named = False, set()
    for row in rows:
        for match in re.finditer(rf"(?<![\w.]){word}\b", row):
            there = True
            if row[match.end() : match.end() + 1] == "(":
                named |= set(re.findall(r"(\w+) = ", inside(row, match.end())))
    return there, named


def test_the_reference_is_read_whole() -> None:
    """Else the tests below would ask for nothing."""
    parts = {part for part, _, _ in words()}
    assert parts == {*TABLES, *ELSEWHERE}, "a part of the reference is new: give it a table above"
    assert len(words()) == len(re.findall(r"^\| `\w+\([^`]*\)` \|", PAGE, re.MULTILINE)) > 100


WORDS = [w for w in words() if w[0] not in ELSEWHERE]


@pytest.mark.parametrize(("part", "word", "settings"), WORDS, ids=[f"{p}: {w}" for p, w, _ in WORDS])
def test_the_word_has_a_row(part: str, word: str, settings: tuple[str, ...]) -> None:
    where, rows = TABLES[part]
    there, named = used(rows, word)
    assert there, f"nothing compares the numbers of `{word}`: add a row to {where}"
    missing = set(settings) - named - FIRST
    assert not missing, f"no row gives `{word}` a value of `{sorted(missing)[0]}`: add one to {where}"

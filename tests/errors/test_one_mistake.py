"""One mistake, one error; two mistakes on two lines, two errors."""

from __future__ import annotations

import random

import pytest

import netc
from netc.grammar.diagnostics import Diagnostic, NetError
from tests.errors.mistakes import CLASSES, good_specs

PLACES = 14  # of each class of mistake, drawn by a fixed seed
PAIRS = 160
# Mistakes whose place is their line, so that another line is read as if there were none.
APART = [
    "keyword misspelt", "word misspelt", "word of another case", "setting misspelt", "closing bracket missing",
    "opening bracket missing", "bracket of another kind", "closing bracket too many", "equals sign missing", "colon missing",
    "comma missing", "stray character", "stray number", "stray name", "operator twice", "arrow of another language",
    "power of another language", "comment of another language", "keyword of another language", "end of a line missing",
]  # fmt: skip
SPECS = good_specs()


def errors(text: str) -> list[Diagnostic]:
    try:
        netc.check(text)
    except NetError as e:
        return list(e.diagnostics)
    return []


def test_the_specs_are_good() -> None:
    assert len(SPECS) > 12
    assert [n for n, text in SPECS.items() if errors(text)] == []


@pytest.mark.parametrize("mistake", CLASSES)
def test_one_mistake_is_one_error(mistake: str) -> None:
    places = [found for text in SPECS.values() for found in CLASSES[mistake](text)]
    assert places
    for line, text in random.Random(mistake).sample(places, min(PLACES, len(places))):
        found = errors(text)
        assert len(found) == 1, text + "".join(f"\n{d}" for d in found)
        assert "help" in found[0].render() or found[0].help, found[0].render()
        if mistake in APART and "bracket" not in mistake:  # whose error is at the other one
            assert line + 1 in [x.span.line for x in found[0].labels], found[0].render()


@pytest.mark.parametrize("part", range(4))
def test_two_mistakes_on_two_lines_are_two_errors(part: int) -> None:
    drawn = random.Random(part)
    done = 0
    while done < PAIRS // 4:
        text = drawn.choice([t for t in SPECS.values() if "(\n" not in t])  # whose statements are lines
        first = list(CLASSES[drawn.choice(APART)](text))
        if not first:
            continue
        line, wrong = drawn.choice(first)
        second = [(at, both) for at, both in CLASSES[drawn.choice(APART)](wrong) if abs(at - line) > 1]
        if not second:
            continue
        at, both = drawn.choice(second)
        found = errors(both)
        assert len(found) == 2, f"{line} {at}\n{both}" + "".join(f"\n{d}" for d in found)
        done += 1


def test_what_a_wrong_repeat_would_have_bound_again_is_unknown() -> None:
    lines = [
        "input x: f32[N, 4]",
        "target r: f32[N, 3]",
        "h = x",
        "repeat 2.5 { h = h -> Dense(3) }",
        "loss = mean((h - r)^2)",
    ]
    (found,) = errors("net n {\n" + "\n".join(lines) + "\n}\n")
    assert "2.5" in found.message

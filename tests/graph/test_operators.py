"""The typed methods of the operators, which a type checker reads in place of the emitter's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netc.compiler.autodiff.coverage import standard_operators
from netc.compiler.graph import operators
from netc.compiler.graph.stub import stub

WRITTEN = Path(operators.__file__).with_suffix(".pyi")


def methods() -> set[str]:
    return set(re.findall(r"^    def (\w+)\(", WRITTEN.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_stub_is_what_the_schemas_give_today() -> None:
    """`make docs` writes it anew."""
    assert WRITTEN.read_text(encoding="utf-8") == stub()


def test_every_method_of_the_stub_is_an_operator_of_the_standard() -> None:
    assert methods() - {"node"} <= set(standard_operators())
    assert len(methods()) > 180


@pytest.mark.parametrize("operator", ["Scatter", "Upsample"])
def test_what_left_the_standard_has_no_method(operator: str) -> None:
    assert operator in standard_operators()
    assert operator not in methods()

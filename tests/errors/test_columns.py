"""Columns that are read twice."""

from __future__ import annotations

from typing import Any

import pytest

from netc.compiler.check.columns import repeated, shared

P = {"first": "p08", "last": "p11"}
SHARED: list[tuple[Any, Any, str]] = [
    ("a", "a", "a"), ("a", "b", ""), ("a", ["b", "a"], "a"), (["a", "b"], ["c", "b"], "b"), (P, "p9", "p9"), (P, "p7", ""),
    (P, "q9", ""), (P, "label", ""), (P, ["a", "p11"], "p11"), (P, {"first": "p11", "last": "p20"}, "p11"),
    (P, {"first": "p12", "last": "p20"}, ""), (P, {"first": "q8", "last": "q9"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "column"), SHARED)
def test_a_column_of_two_readers(a: Any, b: Any, column: str) -> None:
    assert shared(a, b) == shared(b, a) == column


def test_a_column_that_one_reader_names_twice() -> None:
    assert repeated(["a", "b", "a"]) == "a"
    assert repeated(["a", "b"]) == repeated("a") == repeated(P) == ""

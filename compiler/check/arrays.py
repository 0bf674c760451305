"""Numbers in brackets as vectors, matrices and so on: `[[1, 0], [0, 1]]`."""

from __future__ import annotations

from typing import Any

from netc.compiler.check import static
from netc.compiler.check.values import describe
from netc.compiler.language.refusal import Refused


def is_array(value: Any) -> bool:
    """Whether a value is a list of numbers, or of such lists."""
    return isinstance(value, tuple) and bool(value) and all(static.is_number(v) or is_array(v) for v in value)


def shape_of(value: Any) -> tuple[int, ...]:
    """The sizes of an array; () of a number. Raises Refused where its lists differ in length."""
    if not isinstance(value, tuple):
        return ()
    inner = [shape_of(v) for v in value]
    for v, shape in zip(value, inner):
        if shape != inner[0]:
            raise Refused(
                "literal", f"the lists in brackets differ: {describe(value[0])} and {describe(v)}",
                help="each row has as many numbers as the others",
            )  # fmt: skip
    return (len(value), *inner[0])


def numbers_in(value: Any) -> list[Any]:
    """Every number of an array, in order."""
    return [n for v in value for n in numbers_in(v)] if isinstance(value, tuple) else [value]

"""How a word says no."""

from __future__ import annotations


class Refused(Exception):
    """A word's refusal of its arguments; the checker adds the place: the argument named `at`, or the whole call.

    In `help`, `{0}`, `{1}`, ... stand for the tensors as the spec writes them, `{whole}` for the first of them that is not
    floating-point, `{input}` for the input that the first is computed from.
    """

    def __init__(self, slug: str, message: str, at: str | None = None, help: str = ""):
        super().__init__(message)
        self.slug, self.message, self.at, self.help = slug, message, at, help


def percent(value: float) -> str:
    """Help for a number of percent where a share is taken; nothing for other numbers."""
    return f"it is a share: {value:g} percent are `{value / 100:g}`" if 1 < value <= 100 else ""

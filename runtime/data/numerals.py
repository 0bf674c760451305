"""Numbers written as text."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|[+-]?(inf(inity)?|nan)", re.IGNORECASE | re.ASCII)
BLANKS = " \t\n\r\f\v"


def is_number(text: str) -> bool:
    """Whether a text is a decimal number, with blanks around it or not; `1_000`, which Python reads, is none."""
    return _NUMBER.fullmatch(text.strip(BLANKS)) is not None

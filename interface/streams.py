"""Standard input, output and error as a shell may leave them: closed, or with an encoding that lacks a letter."""

from __future__ import annotations

import io
import os
import sys


def open_streams() -> None:
    """Fills the places of closed ones, which the next file to be opened would get, and lets every name be printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the whole process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

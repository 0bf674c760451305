"""What can go wrong while running a program: the input was wrong, or the run failed."""

from __future__ import annotations


class InputError(Exception):
    """Data, a file or an option is wrong. `message` stands alone; `help` says what to do."""

    exit_code = 2

    def __init__(self, message: str, help: str = ""):
        super().__init__(message)
        self.message, self.help = message, help

    def render(self) -> str:
        """The error as the command line shows it."""
        lines = [f"error: {self.message}"]
        return "\n".join([*lines, f"  = help: {self.help}"] if self.help else lines)


class RunError(InputError):
    """The input was right, but the run failed: the loss is not finite, the disk is full, a kernel is missing."""

    exit_code = 1

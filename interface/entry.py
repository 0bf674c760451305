"""Where the command `netc` begins: before anything else is imported, which takes a tenth of a second, Ctrl-C has its answer."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """The command line; 130 when it is interrupted while it is being imported."""
    try:
        from netc.command_line import main as command_line
    except KeyboardInterrupt:
        os.write(2, b"interrupted\n")
        sys.exit(130)
    command_line()

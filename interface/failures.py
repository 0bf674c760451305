"""What the command line says where it ends in an error, and its exit code."""

from __future__ import annotations

import errno
import os
import re
import shlex
import sys
from typing import Any

CHANGES = "[KEY=VALUE]..."  # how the usage of a command shows hyperparameters
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS)


def explain(e: Exception) -> int:
    """Prints an error in the one style and gives its exit code; a bug of ours says so."""
    if hasattr(e, "format_message") and hasattr(e, "exit_code"):  # an error of the command line itself
        print(f"error: {e.format_message()}\n  = help: {_usage(e)}", file=sys.stderr)
        return 2
    from netc.grammar.diagnostics import NetError, printable
    from netc.runtime.errors import InputError

    if isinstance(e, NetError):
        print(e.render(color(sys.stderr)), file=sys.stderr)
        count = len(e.diagnostics)
        if count > 1:
            print(f"\n{count} errors", file=sys.stderr)
        return 2
    if isinstance(e, InputError):
        lines = e.render().expandtabs(4).splitlines()
        print("\n".join(map(printable, lines)), file=sys.stderr)
        return e.exit_code
    if os.environ.get("NETC_TRACEBACK"):
        raise e
    if isinstance(e, MemoryError):
        print("error: out of memory\n  = help: a smaller batch or a smaller net needs less", file=sys.stderr)
        return 1
    if isinstance(e, OSError):
        done = "written" if e.errno in FULL else "used"
        place = f"`{printable(str(e.filename))}` cannot be {done}: " if e.filename else _without_place()
        print(f"error: {place}{e.strerror or e}", file=sys.stderr)
        return 1
    kind = type(e).__name__
    print(
        f"internal error: {kind}: {e}\n  = help: this is a bug of netc; please report it with the spec "
        "(NETC_TRACEBACK=1 shows where it happened)",
        file=sys.stderr,
    )
    return 1


def _usage(e: Any) -> str:
    """What to type in the place of a line that the command line does not read."""
    context = getattr(e, "ctx", None)
    command = re.search(r"No such command '(.*\.net)'", e.format_message())
    if command:
        return f"a spec is trained by `netc run {shlex.quote(command[1])}`"
    if context is None or context.parent is None:
        return "`netc --help` lists the commands"
    name = getattr(e, "option_name", "").lstrip("-")
    if name and any(p.metavar == CHANGES for p in context.command.params):
        return f"hyperparameters are written without dashes: `{name}=value`; `{context.command_path} --help` lists the options"
    return f"`{context.command_path} --help` shows how it is written"


def _without_place() -> str:
    """What an error of the system that names no file is about."""
    try:
        os.getcwd()
    except OSError:
        return "the folder you are in is gone: "
    return "output cannot be written: "


def color(stream: Any) -> bool:
    """Whether a stream is a terminal that shows colours."""
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR")

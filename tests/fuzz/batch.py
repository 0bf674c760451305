"""Cases run in a child process under limits of memory and time, so that a hang or a blow-up is found and named."""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import signal
import struct
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import Target

POLL = 0.02


@dataclass(frozen=True)
class Find:
    """A case that went wrong, and how."""

    target: str
    number: int
    what: str


def run(target: Target, start: int, stop: int) -> Iterator[Find]:
    """The finds among the cases start..stop-1. After a case that kills its child the next child goes on behind it."""
    while start < stop:
        with tempfile.TemporaryDirectory() as folder:
            said = Path(folder) / "finds"
            reached, killed = _child(target, start, stop, said)
            for line in said.read_text(encoding="utf-8").splitlines() if said.exists() else ():
                number, _, what = line.partition(" ")
                yield Find(target.name, int(number), what)
        if killed:
            yield Find(target.name, reached, killed)
        start = reached + 1


def _child(target: Target, start: int, stop: int, said: Path) -> tuple[int, str]:
    """Runs the cases in a fork; the last case that it reached, and what killed it there."""
    at = mmap.mmap(-1, 8)  # the case under way, shared with the child
    at[:8] = struct.pack("q", start)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _cases(target, start, stop, said, at)
            code = 0
        except MemoryError:
            code = 2
        finally:
            os._exit(code)
    last, since = start, time.monotonic()
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        now = struct.unpack("q", at[:8])[0]
        if done:
            break
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > target.seconds:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return now, f"no answer within {target.seconds:g} s"
        time.sleep(POLL)
    if os.waitstatus_to_exitcode(status) == 0:
        return stop - 1, ""
    return now, f"the process ended with {os.waitstatus_to_exitcode(status)}"


def _cases(target: Target, start: int, stop: int, said: Path, at: mmap.mmap) -> None:
    """What the child does: case after case, a line for each find."""
    seeds = target.seeds()
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + target.memory, resource.RLIM_INFINITY))
    warnings.simplefilter("error")  # a warning of a library would be printed to a user
    with said.open("w", encoding="utf-8") as out, open(os.devnull, "w") as silence, contextlib.redirect_stderr(silence):
        for number in range(start, stop):
            at[:8] = struct.pack("q", number)
            try:
                target.run(target.case(number, seeds))
            except Exception as e:
                where = traceback.extract_tb(e.__traceback__)[-1]
                text = " ".join(f"{type(e).__name__} at {Path(where.filename).name}:{where.lineno}: {e}".split())
                out.write(f"{number} {text[:300]}\n")
                out.flush()

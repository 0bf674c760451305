"""Judges mutants in one copy of the tree: a process that has imported what others made, and forks a child for each."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

MEMORY = 8 << 30  # a mutant may ask for any amount
OPTIONS = [
    "-x",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "--tb=no",
    "-m",
    "not parity",
    f"--basetemp={Path.cwd()}/.temp",
]


class Chosen:
    """A pytest plugin that keeps only some tests, in their order, and remembers the first that failed."""

    def __init__(self, tests: list[str]):
        self.order = {test: at for at, test in enumerate(tests)}
        self.failed = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self.order), key=lambda i: self.order[i.nodeid])

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid


def judged(chunks: list[tuple[str, list[str]]], timeout: float) -> dict[str, str]:
    """In the child: the verdict of the tests, a file at a time. A file that takes longer than `timeout` ends the child."""
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        import netc.compiler
        import netc.runtime
    except BaseException as e:
        return {"result": "killed", "by": f"import: {type(e).__name__}"}
    for module in (netc.compiler, netc.runtime):
        if not Path(str(module.__file__)).resolve().is_relative_to(Path.cwd()):
            return {"result": "misplaced", "by": str(module.__file__)}
    for file, tests in chunks:
        signal.setitimer(signal.ITIMER_REAL, timeout)
        chosen = Chosen(tests)
        code = pytest.main([*OPTIONS, file], plugins=[chosen])
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return {"result": "killed", "by": chosen.failed or file}
    return {"result": "survived", "by": ""}


def child(answer: int, chunks: list[tuple[str, list[str]]], timeout: float) -> None:
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    try:
        verdict = judged(chunks, timeout)
    except BaseException as e:
        verdict = {"result": "killed", "by": f"end: {type(e).__name__}"}
    os.write(answer, json.dumps(verdict).encode())
    os._exit(0)


def verdict(path: str, text: str, chunks: list[tuple[str, list[str]]], timeout: float) -> dict[str, Any]:
    """Judges one file's changed text in a child, and puts the file back."""
    file, start = Path(path), time.monotonic()
    before = file.read_bytes()
    file.write_text(text, encoding="utf-8")
    read, write = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            child(write, chunks, timeout)
        os.close(write)
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # programs that its tests left behind
        answer = os.read(read, 1 << 16)
    finally:
        file.write_bytes(before)
        os.close(read)
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    late = {"result": "timeout" if ended == signal.SIGALRM else "killed", "by": f"end: signal {ended}"}
    return {**(json.loads(answer) if answer else late), "seconds": round(time.monotonic() - start, 2)}


def main() -> None:
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what modules print is no answer
    for module in json.loads(sys.stdin.readline()):
        try:
            importlib.import_module(module)
        except Exception:  # parts of packages that only import as they were imported there
            continue
    assert not [m for m in sys.modules if m.partition(".")[0] == "netc"], "netc is imported before the change"
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(verdict(**json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()

"""Judges mutants: traces the suite once, then asks workers what the tests say of each."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.mutants.choice import Chunks, Traces
from tests.mutants.copies import KEPT, copy, environment
from tests.mutants.sample import Mutant


def traces(state: str, jobs: int) -> Traces:
    """What each test runs, from the notes of this very tree or a run of the suite under tracing."""
    folder, tree = KEPT / f"traces-{state}", KEPT / "copies" / "traced"
    if not (folder / "lines").exists():
        print("tracing the tests...", flush=True)
        for old in KEPT.glob("traces-*"):
            shutil.rmtree(old)
        folder.mkdir(parents=True)
        copy("traced")
        shutil.copy2(Path(__file__).with_name("sitecustomize.py"), tree / ".types")
        command = [sys.executable, "-m", "pytest", "-m", "not parity", "-p", "no:cacheprovider"]
        command += ["-p", "tests.mutants.tracing", "-n", str(jobs), f"--basetemp={tree}/.temp"]
        known = {"NETC_TRACE": str(folder), "NETC_TRACE_ROOT": str(tree)}
        with open(KEPT / "tracing.log", "wb") as log:
            subprocess.run(command, cwd=tree, env=environment(tree, **known), stdout=log, stderr=log, check=False)
        pieces = [str(p) for p in folder.glob("lines.*")]
        subprocess.run(
            [sys.executable, "-m", "coverage", "combine", "-q", f"--data-file={folder}/lines", *pieces], check=True
        )
    return Traces(folder, tree)


class Worker:
    """A process that judges mutants in a copy of its own."""

    def __init__(self, number: int, modules: list[str]):
        tree = copy(str(number))
        command = [sys.executable, "-m", "tests.mutants.worker"]
        self.process = subprocess.Popen(
            command, cwd=tree, env=environment(tree), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.say(modules)

    def say(self, message: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def judge(self, path: str, text: str, chunks: Chunks, timeout: float) -> dict[str, Any]:
        self.say({"path": path, "text": text, "chunks": chunks, "timeout": timeout})
        assert self.process.stdout is not None
        verdict: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert verdict["result"] != "misplaced", f"{verdict['by']} is not in the copy"
        return verdict


class Judge:
    """Chooses the tests of a mutant; a test's word counts only where it passes without the change."""

    def __init__(self, traces: Traces, timeout: float):
        self.traces, self.timeout, self.sound = traces, timeout, dict[str, bool]()

    def judge(self, worker: Worker, mutant: Mutant) -> dict[str, Any]:
        while True:
            chunks = self.traces.chosen(mutant.path, mutant.mutation, self.timeout / 2)
            verdict = worker.judge(mutant.path, mutant.text, chunks, self.timeout)
            by = verdict["by"]
            if verdict["result"] != "killed" or by.startswith(("import:", "end:")):
                return {**verdict, "tests": sum(len(of) for _, of in chunks)}
            if by not in self.sound:
                file = by.split("::")[0]
                tests = [by] if "::" in by else [t for f, of in chunks if f == file for t in of]
                self.sound[by] = (
                    worker.judge(mutant.path, mutant.source, [(file, tests)], self.timeout)["result"] == "survived"
                )
            if self.sound[by]:
                return verdict
            self.traces.of_file[by.split("::")[0]] -= {by} if "::" in by else self.traces.of_file[by]


def run(mutants: list[Mutant], judge: Judge, jobs: int) -> Iterator[tuple[Mutant, dict[str, Any]]]:
    waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Mutant, dict[str, Any]] | BaseException] = queue.SimpleQueue()
    for mutant in mutants:
        waiting.put(mutant)

    def work(number: int) -> None:
        try:
            worker = Worker(number, judge.traces.modules)
            while True:
                mutant = waiting.get_nowait()
                done.put((mutant, judge.judge(worker, mutant)))
        except queue.Empty:
            worker.process.communicate()
        except BaseException as e:
            done.put(e)

    for number in range(jobs):
        threading.Thread(target=work, args=(number,), daemon=True).start()
    for _ in mutants:
        result = done.get()
        if isinstance(result, BaseException):
            raise result
        yield result

"""A few thousand mutants of every target, and the frame itself: a find of each kind is named with its case."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from tests.fuzz import batch, readers
from tests.fuzz.targets import Target, targets

CASES = 500  # of a target of share 1
LEAST = 10
ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="children are forked under limits")


@linux
@pytest.mark.parametrize("name", targets())
def test_mutants_give_a_result_or_an_error_of_ours(name: str) -> None:
    """In an interpreter of its own: a child forked beside the threads of other tests could wait for them for ever."""
    cases = max(LEAST, int(CASES * targets()[name].share))
    command = [sys.executable, "-m", "tests.fuzz", "--target", name, "--cases", str(cases)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_seeds_reach_the_end_of_a_reader() -> None:
    """Else only its first check would be tried."""
    for target in readers.TARGETS:
        wrap = target.wrap[0]
        good = [target.run(wrap(seed, Random(0))) for seed in target.seeds()]
        assert sum(map(bool, good)) >= len(good) // 3, target.name


def hang() -> None:
    while True:
        time.sleep(1)


def warn() -> None:
    import warnings

    warnings.warn("loud", stacklevel=1)


WRONG = {
    "an exception": (lambda: {}[0], "KeyError at test_fuzz.py"),
    "a warning": (warn, "UserWarning at test_fuzz.py"),
    "no answer": (hang, "no answer within 0.5 s"),
    "memory": (lambda: bytearray(1 << 31), "MemoryError at test_fuzz.py"),
    "an end": (lambda: __import__("os")._exit(3), "the process ended with 3"),
}


@linux
@pytest.mark.parametrize("kind", WRONG)
def test_a_find_is_named_with_its_case_and_the_rest_is_run(kind: str) -> None:
    wrong, what = WRONG[kind]
    seeds = [b"a long good seed", b"another one"]
    bad = {Target("t", lambda data: None, lambda: seeds).case(n, seeds) for n in (12, 17)}

    def run(data: bytes) -> None:
        if data in bad:
            wrong()

    found = list(batch.run(Target("t", run, lambda: seeds, seconds=0.5), 10, 20))
    assert [f.number for f in found] == [12, 17]
    assert all(f.what.startswith(what) for f in found), found


def test_a_case_is_a_function_of_its_number() -> None:
    for target in targets().values():
        seeds = target.seeds()
        cases = [target.case(n, seeds) for n in range(40)]
        assert cases == [target.case(n, seeds) for n in range(40)]
        assert len(set(cases)) > 20

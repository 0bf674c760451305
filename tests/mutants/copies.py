"""Copies of the tree, so that a change is seen by the tests that judge it and by nobody else."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".mutants"
BUSY = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # threads do not survive a fork


def tracked() -> list[str]:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted(n for n in names if n and (ROOT / n).is_file())


def tree_hash() -> str:
    """Of all that decides what the tests do, which this script does not."""
    digest = hashlib.sha256()
    for name in tracked():
        if not name.startswith("tests/mutants") and name.partition("/")[0] not in ("bench", ".ci", "Makefile"):
            digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


def copy(number: int) -> Path:
    """A fresh copy, with the installed layout as links, compiled so that a changed file is noticed by its content."""
    to = KEPT / "copies" / str(number)
    shutil.rmtree(to, ignore_errors=True)
    for name in tracked():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, to / name)
    subprocess.run([sys.executable, "tests/link_types.py"], cwd=to, check=True, stdout=subprocess.DEVNULL)
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "."]
    subprocess.run(command, cwd=to, check=True)
    return to


def environment(tree: Path, **more: str) -> dict[str, str]:
    return {**os.environ, **BUSY, "PYTHONPATH": str(tree / ".types"), **more}

"""`runs/<spec>/<n>/`: everything that a run leaves behind, and the lock that keeps two processes out of one folder."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from netc.runtime.errors import InputError, RunError
from netc.runtime.files import write_atomically

LEARNED = "data.json"  # what reading the data has learned


def refuse_no_run(path: Path) -> None:
    """Refuses a folder that no run has left."""
    if not (path / "program").is_dir():
        raise InputError(f"`{path}` is no run folder", "name one such as `runs/digits/latest`")


class RunFolder:
    """One run's folder, locked while it is open."""

    def __init__(self, path: Path):
        self.path = path
        self._lock: TextIO | None = None
        self._metrics: TextIO | None = None
        self._writer: Any = None
        self._events: Any = None

    @classmethod
    def create(cls, root: Path, name: str) -> RunFolder:
        """The next free number under `root/name`, with `latest` pointing to it. Raises RunError."""
        parent = root / name
        try:
            parent.mkdir(parents=True, exist_ok=True)
            number = 1 + max((int(p.name) for p in parent.iterdir() if p.name.isdigit()), default=0)
            while True:
                try:
                    (parent / str(number)).mkdir()
                    break
                except FileExistsError:
                    number += 1
            latest = parent / "latest"
            with contextlib.suppress(OSError):  # a file system without links still keeps the run
                fresh = parent / f".latest.{os.getpid()}"
                fresh.symlink_to(str(number))
                os.replace(fresh, latest)
        except OSError as e:
            raise RunError(f"no run folder can be made under `{parent}`: {e.strerror or e}") from None
        return cls(parent / str(number)).open()

    def open(self) -> RunFolder:
        """Takes the lock. Raises InputError when another process holds it."""
        try:
            self._lock = (self.path / ".lock").open("w")
        except OSError as e:
            raise RunError(f"`{self.path}` cannot be written: {e.strerror or e}") from None
        try:
            import fcntl

            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass  # no such locks on Windows
        except OSError:
            raise InputError(f"another process is using `{self.path}`", "wait for it, or start a new run") from None
        return self

    def write_text(self, name: str, text: str) -> None:
        write_atomically(self.path / name, text.encode())

    def write_environment(self, device: str) -> None:
        """env.json: what decides the last bits of a run."""
        import onnxruntime

        found = {
            "python": platform.python_version(), "onnxruntime": onnxruntime.__version__, "numpy": np.__version__,
            "platform": platform.platform(), "machine": platform.machine(), "cores": os.cpu_count(), "device": device,
            "command": sys.argv[1:],
        }  # fmt: skip
        self.write_text("env.json", json.dumps(found, indent=1) + "\n")

    def log(self, epoch: int, step: int, scores: Mapping[str, float]) -> None:
        """One row of metrics.csv, and the same numbers as TensorBoard events. Raises RunError."""
        try:
            if self._metrics is None:
                path = self.path / "metrics.csv"
                fresh = not path.exists() or path.stat().st_size == 0
                self._metrics = path.open("a", newline="", encoding="utf-8")
                self._writer = csv.writer(self._metrics)
                if fresh:
                    self._writer.writerow(["epoch", "step", *scores])
            self._writer.writerow([epoch, step, *(f"{v:.9g}" for v in scores.values())])
            self._metrics.flush()
            self.scalars(step, scores)
        except OSError as e:
            raise RunError(f"`{self.path}` cannot be written: {e.strerror or e}") from None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """TensorBoard events."""
        if self._events is None:
            from tensorboardX import SummaryWriter

            self._events = SummaryWriter(str(self.path), flush_secs=10)
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def history(self) -> list[dict[str, float]]:
        """The rows of metrics.csv so far."""
        path = self.path / "metrics.csv"
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as f:
            return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(f)]

    def close(self) -> None:
        for f in (self._metrics, self._lock, self._events):
            if f is not None:
                with contextlib.suppress(OSError):
                    f.close()
        (self.path / ".lock").unlink(missing_ok=True)

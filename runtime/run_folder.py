"""`runs/<spec>/<n>/`: everything that a run leaves behind, and the lock that keeps two processes out of one folder."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from netc.runtime.errors import InputError, RunError
from netc.runtime.events import Events
from netc.runtime.files import write_atomically
from netc.runtime.journal import Journal, Row
from netc.runtime.lock import Lock

NUMBER = re.compile("[1-9][0-9]{0,8}")  # the name of a run; whatever else lies there is left alone

LEARNED = "data.json"  # what reading the data has learned


class RunFolder:
    """One run's folder, locked while it is open."""

    def __init__(self, path: Path):
        self.path = path.parent / path.readlink() if path.is_symlink() else path  # `latest` may soon be another
        self.notices: list[str] = []
        self.checkpoint = 0  # the steps that the last checkpoint holds
        self.metrics = Journal(self.path / "metrics.csv")
        self.watched = Journal(self.path / "watch.csv")
        self.events = Events(self.path)
        self._lock: Lock | None = None

    @classmethod
    def create(cls, root: Path, name: str) -> RunFolder:
        """The next free number under `root/name`, with `latest` pointing to it. Raises RunError."""
        parent = root / name
        for place in (*reversed(parent.parents), parent):
            if place.exists() and not place.is_dir():
                raise RunError(
                    f"no run folder can be made under `{parent}`: `{place}` is a file", "choose another `--out`"
                )
        try:
            parent.mkdir(parents=True, exist_ok=True)
            number = 1 + max((int(p.name) for p in parent.iterdir() if NUMBER.fullmatch(p.name)), default=0)
            while True:
                try:
                    (parent / str(number)).mkdir()
                    break
                except FileExistsError:
                    number += 1
        except OSError as e:
            raise RunError(
                f"no run folder can be made under `{parent}`: {e.strerror or e}", "choose another `--out`"
            ) from None
        made = cls(parent / str(number)).open()
        made.point(parent / "latest")
        return made

    def point(self, latest: Path) -> None:
        """Makes the link `latest` lead here. Where it cannot, nothing is lost, and `notices` says so."""
        if latest.exists() and not latest.is_symlink():
            self.notices.append(f"`{latest}` is no link, so it is left alone and does not lead to this run")
            return
        fresh = latest.with_name(f".{latest.name}.{os.getpid()}")
        try:
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self.path.name)
            os.replace(fresh, latest)
        except OSError as e:
            self.notices.append(f"`{latest}` cannot be made to lead to this run: {e.strerror or e}")
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)

    def open(self) -> RunFolder:
        """Takes the lock. Raises InputError when another process holds it, RunError where none can be taken."""
        try:
            self._lock = Lock(self.path / ".lock")
        except BlockingIOError:
            raise InputError(f"another process is using `{self.path}`", "wait for it, or start a new run") from None
        except OSError as e:
            raise RunError(f"`{self.path / '.lock'}` cannot be locked: {e.strerror or e}") from None
        return self

    def file(self, *parts: str) -> Path:
        """The path of something that is about to be written. Raises RunError when the folder is no longer there."""
        if self._lock is not None and not self._lock.stands():
            raise RunError(
                f"`{self.path}` was moved or deleted while the training was writing to it, or its `.lock` was; "
                f"what was trained since its last checkpoint, of step {self.checkpoint:,}, is lost",
                "from where it is now, `--resume` goes on from that checkpoint",
            )
        return self.path.joinpath(*parts)

    def write_text(self, name: str, text: str) -> None:
        write_atomically(self.file(name), text.encode())

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
        self.file("metrics.csv")
        self.metrics.add({"epoch": epoch, "step": step, **scores})
        self.events.add(step, scores)

    def watch(self, step: int, values: Mapping[str, float]) -> None:
        """One row of watch.csv, and the same numbers as TensorBoard events. Raises RunError."""
        self.file("watch.csv")
        self.watched.add({"step": step, **values})
        self.events.add(step, {f"watch/{n}": v for n, v in values.items()})

    def rewind(self, step: int) -> tuple[list[Row], list[Row]]:
        """What metrics.csv and watch.csv hold up to a checkpoint of this step; the rest of them is dropped."""
        self.checkpoint = step
        return self.metrics.keep(lambda row: row["step"] <= step), self.watched.keep(lambda row: row["step"] < step)

    def close(self) -> None:
        self.events.close()
        if self._lock is not None:
            self._lock.release()

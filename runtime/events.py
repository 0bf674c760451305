"""Scores as TensorBoard events, written at once: no thread that a full disk could end, and no queue to wait for."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netc.runtime.errors import RunError


class Events:
    """A file `events.out.tfevents...` in a folder, made with the first event."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._writer: Any = None

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """One event for each value. Raises RunError."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        try:
            if self._writer is None:
                place = (self.folder / "events").absolute()  # for EventsWriter `s3:...` and `gs:...` are no folders
                self._writer = EventsWriter(str(place), f".{os.getpid()}")
            for name, value in values.items():
                self._writer.write_event(Event(wall_time=time.time(), step=step, summary=scalar(name, value)))
            self._writer.flush()
        except OSError as e:
            raise RunError(f"events cannot be written to `{self.folder}`: {e.strerror or e}") from None

    def close(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()

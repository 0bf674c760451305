"""What two threads may not do at once."""

from __future__ import annotations

from threading import Lock

from netc.runtime.errors import InputError


class Turn:
    """A context that one thread at a time is in: one that comes while another is there is refused, as it would train on a
    state that is being written."""

    def __init__(self) -> None:
        self._lock = Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise InputError("the trainer is in a step of another thread", "give each thread a trainer of its own")

    def __exit__(self, *_: object) -> None:
        self._lock.release()

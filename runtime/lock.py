"""The lock of a folder: held by an open file, so that it ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path

HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)  # what taking a lock fails with while another holds it


class Lock:
    """A file that nobody removes, and a lock of the operating system on it.

    Were the file removed with the lock, a second process could hold the removed file and a third a new one of that name.
    Whoever removes it all the same is noticed by `stands`.
    """

    def __init__(self, path: Path):
        """Takes the lock. Raises BlockingIOError while another process holds it, OSError where none can be taken."""
        self.path = path
        while True:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
            try:
                _take(self._file)
            except OSError as e:
                os.close(self._file)
                if e.errno in HELD:
                    raise BlockingIOError(e.errno, "another process holds the lock") from None
                raise
            if self.stands():
                return
            os.close(self._file)  # removed between opening and locking: the next one is another file

    def stands(self) -> bool:
        """Whether the file of that name is still the one that is held."""
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self.path))
        except OSError:
            return False

    def release(self) -> None:
        """Lets go; once more does nothing."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = -1


if sys.platform == "win32":
    import msvcrt

    def _take(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

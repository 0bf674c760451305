"""Files of data: regular ones alone, unpacked where they are gzip, and never more than was allowed."""

from __future__ import annotations

import gzip
import io
import math
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from netc.runtime.data.naming import nearest
from netc.runtime.errors import InputError

LIMIT_GB = 8.0  # that one file may unpack to, where a source does not say more
GIB = 1 << 30
MOST_DEFLATED = 1032  # bytes that one byte of a deflate stream can stand for: 258 of them in two bits
CHUNK = 1 << 20
# what gzip, zlib and zipfile raise for bytes that they did not write
DAMAGE = (
    gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OverflowError, RuntimeError,
    ValueError,
)  # fmt: skip


class Content(io.RawIOBase):
    """The bytes of a file or of a part of it, in order. `most` is how many there can be, `exact` whether there must be
    that many. Damage, and more bytes than `most`, raise InputError."""

    def __init__(self, stream: Any, what: str, most: int, exact: bool, too_many: InputError):
        self.stream, self.what, self.most, self.exact = stream, what, most, exact
        self.too_many = too_many
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            count = int(self.stream.readinto(buffer))
        except DAMAGE:
            raise InputError(f"{self.what} is truncated or damaged", "copy or download it again") from None
        except OSError as e:
            raise InputError(f"{self.what} cannot be read: {e.strerror or e}") from None
        self.taken += count
        if self.taken > self.most:
            raise self.too_many
        return count

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or all of them; fewer at the end. Memory is taken as they come."""
        parts: list[bytes] = []
        while size:
            part = bytearray(CHUNK if size < 0 else min(size, CHUNK))
            count = self.readinto(part)
            if not count:
                break
            parts.append(bytes(memoryview(part)[:count]))
            size -= count if size > 0 else 0
        return b"".join(parts)

    def fill(self, buffer: memoryview) -> int:
        """Reads into the whole buffer; how many bytes came."""
        done = 0
        while done < len(buffer) and (count := self.readinto(buffer[done : done + CHUNK])):
            done += count
        return done


@dataclass(frozen=True)
class DataFile:
    """A file of a source; at most `limit` bytes are taken from it. As text it is its path, as messages name it."""

    path: Path
    limit: int = int(LIMIT_GB * GIB)

    def __str__(self) -> str:
        return f"`{self.path}`"

    def check(self) -> None:
        """Refuses what is not there, no regular file, empty, or beyond the limit."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            if self.path.is_symlink():
                raise InputError(f"{self} is a link to `{self.path.readlink()}`, which is not there") from None
            raise InputError(f"there is no data file {self}", self._nearest()) from None
        except (OSError, ValueError) as e:
            raise InputError(f"{self} cannot be read: {getattr(e, 'strerror', None) or e}") from None
        if stat.S_ISDIR(found.st_mode):
            raise InputError(f"{self} is a folder", "name the file inside it")
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{self} is a pipe or a device, not a regular file", "write the data to a file first")
        if found.st_size == 0:
            raise InputError(f"{self} is empty")
        if found.st_size > self.limit:
            raise self.too_large(found.st_size)

    @contextmanager
    def raw(self) -> Iterator[BinaryIO]:
        """The file as it lies on the disk, to seek in. Raises InputError."""
        self.check()
        try:
            stream = self.path.open("rb")
        except OSError as e:
            raise InputError(f"{self} cannot be read: {e.strerror or e}") from None
        with stream:
            yield stream

    @contextmanager
    def open(self) -> Iterator[Content]:
        """The bytes of the file, unpacked where it is gzip. Raises InputError, also while they are read."""
        with self.raw() as stream:
            size = os.fstat(stream.fileno()).st_size
            packed = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            if not packed:
                yield Content(stream, str(self), size, True, InputError(f"{self} grows while it is read"))
                return
            most = min(self.limit, size * MOST_DEFLATED)
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield Content(unpacked, str(self), most, False, self._too_large("unpacks to", self.limit + 1))

    def content(self) -> bytes:
        """All bytes of the file, unpacked where it is gzip. Raises InputError."""
        with self.open() as content:
            return content.read()

    def too_large(self, size: int) -> InputError:
        """The refusal of what takes `size` bytes."""
        known = _gib(size) != _gib(self.limit)  # else reading stopped there
        return self._too_large(f"holds {_gib(size)} GiB," if known else "holds", size)

    def _too_large(self, what: str, size: int) -> InputError:
        enough = max(math.ceil(size / GIB), self.limit // GIB + 1)
        return InputError(
            f"{self} {what} more than the limit of {_gib(self.limit)} GiB",
            f"if that is meant, raise the limit in the source: `limit_gb = {enough}`",
        )

    def _nearest(self) -> str:
        try:
            names = os.listdir(self.path.parent)[:1000]
        except OSError:
            return f"there is no folder `{self.path.parent}`"
        stems = {n.partition(".")[0]: n for n in names}
        near = nearest(self.path.name.partition(".")[0], stems)
        return f"did you mean `{self.path.parent / stems[near[0]]}`?" if near else ""


def _gib(size: int) -> str:
    return f"{size / GIB:,.0f}" if size >= 100 * GIB else f"{size / GIB:.3g}"

"""Files -> sources: what is no text, too large, or no regular file is refused before anything is parsed."""

from __future__ import annotations

import stat
from pathlib import Path

from netc.grammar.diagnostics import error
from netc.grammar.source import Source

MAX_BYTES = 1_000_000


def read(path: str | Path) -> Source:
    """The source at `path`: a regular file of at most 1 MB of UTF-8 text. Raises NetError."""
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise error("not-a-file", f"`{path}` is a folder, not a spec", help="name the .net file inside it")
        if not stat.S_ISREG(mode):
            raise error("not-a-file", f"`{path}` is not a regular file")
        if path.stat().st_size > MAX_BYTES:
            raise error("too-large", f"`{path}` has {path.stat().st_size:,} bytes; a spec has at most {MAX_BYTES:,}")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise error("no-such-file", f"there is no file `{path}`") from None
    except OSError as e:
        raise error("unreadable", f"`{path}` cannot be read: {e.strerror or e}") from None
    return decode(raw, str(path))


def decode(raw: bytes, name: str) -> Source:
    """Bytes -> source; a byte order mark is accepted, anything but UTF-8 is refused with its offset."""
    try:
        return Source(name, raw.decode("utf-8-sig"))
    except UnicodeDecodeError as e:
        raise error(
            "not-utf8", f"`{name}` is not UTF-8 text: byte 0x{raw[e.start]:02x} at offset {e.start}",
            help="save the file as UTF-8",
        ) from None  # fmt: skip

"""A program as the runtime sees it: a manifest and graphs, from a folder or from memory; and files that are written whole."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from netc.runtime.data.arrays import kind_of
from netc.runtime.errors import InputError, RunError
from netc.runtime.manifest import lack

FORMAT = 1
COMPILE = "compile it first: `netc.Trainer(netc.compile(spec))`"


class RunnableProgram(Protocol):
    """What the runtime needs of a program."""

    @property
    def manifest(self) -> Mapping[str, Any]: ...

    def model_bytes(self, name: str) -> bytes: ...


def path_of(value: Any, what: str) -> Path:
    """`value` as a path. Raises InputError for what is none."""
    if not isinstance(value, str | Path):
        raise InputError(f"{what} is a path, this is {kind_of(value)}", "give a string or a pathlib.Path")
    if not str(value) or "\0" in str(value):
        raise InputError(
            f"{what} is {'empty' if not str(value) else 'no name that a file can have'}", "name a file or a folder"
        )
    return Path(value)


class ProgramFolder:
    """A program that was written to a folder by `netc compile`, of this version or another. `whole` is the program itself,
    where that is at hand: graphs that the folder does not have are asked of it."""

    def __init__(self, folder: str | Path, whole: RunnableProgram | None = None):
        self.folder, self.whole = Path(folder), whole
        path = self.folder / "manifest.json"
        try:
            self.manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(
                f"`{self.folder}` holds no manifest.json, so it is no program",
                "a spec is compiled first: `netc compile SPEC`",
            ) from None
        except (OSError, ValueError, RecursionError) as e:
            raise InputError(f"`{path}` cannot be read: {e}", "compile the spec again") from None
        if not isinstance(self.manifest, dict):
            raise InputError(f"`{path}` is damaged: it is no record of a program", "compile the spec again")
        found = self.manifest.get("format")
        if found != FORMAT:
            producer = self.manifest.get("producer")
            made = (
                f"{producer.get('name')} {producer.get('version')}" if isinstance(producer, dict) else "nobody it names"
            )
            raise InputError(
                f"`{self.folder}` has program format {found}, made by {made}; this version runs format {FORMAT}",
                "compile the spec again with this version",
            )
        if lacking := lack(self.manifest):
            raise InputError(f"`{path}` is damaged: it has {lacking}", "compile the spec again")

    def model_bytes(self, name: str) -> bytes:
        """The serialized graph `name`. Raises InputError when the program was compiled without it."""
        file = self.manifest["graphs"].get(name)
        if file is None or not (self.folder / file).is_file():
            if self.whole is not None:
                return self.whole.model_bytes(name)
            help = "compile the spec again" if file is not None else f"compile the spec with `--with {name}`"
            raise InputError(f"the program in `{self.folder}` has no {name}.onnx", help)
        content: bytes = (self.folder / file).read_bytes()
        return content


def runnable(program: Any) -> RunnableProgram:
    """The program that a trainer is given, or that of a folder. Raises InputError for what is neither."""
    if isinstance(program, str) and "{" in program:
        raise InputError("a trainer takes a program, or its folder; this is the text of a spec", COMPILE)
    if isinstance(program, str | Path):
        return ProgramFolder(path_of(program, "the folder of a program"))
    if isinstance(program, type) or not hasattr(program, "manifest"):
        raise InputError(f"a trainer takes a program, this is {kind_of(program)}", COMPILE)
    found: RunnableProgram = program
    return found


def write_atomically(path: Path, content: bytes, previous: Path | None = None) -> None:
    """Writes a file so that a crash at any byte leaves the old one or the new one; the old one is kept as `previous`.

    Folders that lack are made, and an old file's rights stay. Raises RunError, with everything as it was.
    """
    fresh: list[Path] = []  # files under names of their own, until they take their place
    try:
        if path.is_dir():
            raise RunError(f"`{path}` cannot be written: it is a folder")
        make_folder(path.parent)
        fresh.append(_written(path, content))
        if path.exists():
            os.chmod(fresh[0], path.stat().st_mode & 0o777)
            if previous is not None:
                fresh.append(_copied(path, previous))
                os.replace(fresh[1], previous)
        os.replace(fresh[0], path)
    except OSError as e:
        raise RunError(f"`{path}` cannot be written: {e.strerror or e}") from None
    finally:
        for name in fresh:  # also the second name of a file that took its own place, which moves nothing
            with contextlib.suppress(OSError):
                name.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it, where there is none. Raises RunError, which names a file in its place; OSError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        place = next(p for p in (path, *path.parents) if p.exists())
        raise RunError(f"`{place}` is a file, where a folder is needed", "move it, or choose another place") from None


def _written(path: Path, content: bytes) -> Path:
    """A new file beside `path` that holds `content`, on the disk and not in a buffer. Leaves nothing where that fails."""
    name = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)  # less the umask
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
    except OSError:
        name.unlink(missing_ok=True)
        raise
    return name


def _copied(path: Path, target: Path) -> Path:
    """The file `path` once more beside `target`: a second name of it, or a copy where a file system has no hard links."""
    name = target.with_name(f".{target.name}.{os.getpid()}")
    name.unlink(missing_ok=True)
    try:
        os.link(path, name)
    except OSError:
        return _written(target, path.read_bytes())
    return name

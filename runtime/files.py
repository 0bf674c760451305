"""A program as the runtime sees it: a manifest and graphs, from a folder or from memory."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from netc.runtime.errors import InputError, RunError

FORMAT = 1


class RunnableProgram(Protocol):
    """What the runtime needs of a program."""

    @property
    def manifest(self) -> Mapping[str, Any]: ...

    def model_bytes(self, name: str) -> bytes: ...


class ProgramFolder:
    """A program that was written to a folder by `netc compile`, of this version or another."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        path = self.folder / "manifest.json"
        try:
            self.manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(
                f"`{self.folder}` holds no manifest.json, so it is no program",
                "a spec is compiled first: `netc compile SPEC`",
            ) from None
        except (OSError, ValueError) as e:
            raise InputError(f"`{path}` cannot be read: {e}") from None
        found = self.manifest.get("format")
        if found != FORMAT:
            producer = self.manifest.get("producer", {})
            raise InputError(
                f"`{self.folder}` has program format {found}, made by {producer.get('name')} {producer.get('version')}; "
                f"this version runs format {FORMAT}",
                "compile the spec again with this version",
            )

    def model_bytes(self, name: str) -> bytes:
        """The serialized graph `name`. Raises InputError when the program was compiled without it."""
        file = self.manifest["graphs"].get(name)
        if file is None or not (self.folder / file).is_file():
            raise InputError(f"the program in `{self.folder}` has no {name}.onnx", f"compile it with `--with {name}`")
        content: bytes = (self.folder / file).read_bytes()
        return content


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that a crash at any byte leaves the old one or the new one. Raises RunError."""
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as e:
        if name:
            Path(name).unlink(missing_ok=True)
        raise RunError(f"`{path}` cannot be written: {e.strerror or e}") from None

"""Tensors on disk: safetensors, written atomically, with a checksum inside and the previous one kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netc.runtime.errors import InputError, RunError
from netc.runtime.files import write_atomically

FORMAT = "1"


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, dtypes, shapes and contents, in order of names."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        array = np.asarray(tensors[name])
        total.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def save_tensors(path: Path, tensors: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> None:
    """Writes tensors and notes (JSON) to a file; one that was there is kept as `<name>.previous`. Raises InputError for notes
    that are no JSON, RunError."""
    from safetensors.numpy import save

    metadata = {"netc": FORMAT, "sha256": digest(tensors), "notes": _written(notes)}
    content = save({n: np.ascontiguousarray(t).reshape(np.shape(t)) for n, t in tensors.items()}, metadata)
    if not path.name:
        raise RunError(f"`{path}` cannot be written: it is a folder")
    try:
        write_atomically(path, content, _previous(path))
    except RunError as e:
        raise RunError(e.message, f"what was there before is whole: `{path}`" if path.is_file() else "") from None


def _written(notes: Mapping[str, Any]) -> str:
    """Notes as text. Raises InputError."""
    try:
        return json.dumps(notes)
    except (TypeError, ValueError, RecursionError):
        raise InputError(
            "notes are kept as JSON, which these are not", "give numbers, texts, lists and mappings of them"
        ) from None


def _read(text: str, path: Path) -> dict[str, Any]:
    """The notes of a file. Raises InputError."""
    try:
        notes = json.loads(text)
    except (ValueError, RecursionError):
        notes = None
    if not isinstance(notes, dict):
        raise InputError(f"`{path}` is damaged: its notes are no record")
    return notes


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".previous")


def load_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Tensors and notes of a file. Raises InputError when it is missing, damaged, or of another format."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"there is no file `{path}`")
    try:
        with safe_open(str(path), framework="numpy") as f:
            metadata = f.metadata() or {}
            tensors = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError) as e:
        raise InputError(f"`{path}` is damaged: {e}") from None
    if metadata.get("netc", FORMAT) != FORMAT:
        raise InputError(f"`{path}` has checkpoint format {metadata['netc']}; this version reads {FORMAT}")
    if "sha256" in metadata and metadata["sha256"] != digest(tensors):
        raise InputError(f"`{path}` is damaged: its contents do not match its checksum")
    return tensors, _read(metadata.get("notes", "{}"), path)


def load_latest(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any], str]:
    """The checkpoint, or the previous one where it is damaged, and what there is to say about that."""
    try:
        return (*load_tensors(path), "")
    except InputError as e:
        previous = _previous(path)
        if not previous.is_file():
            raise
        tensors, notes = load_tensors(previous)
        return tensors, notes, f"{e.message}; the previous checkpoint is used instead"

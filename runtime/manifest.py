"""What a manifest holds (docs/contract.md), looked at before anything relies on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

PARTS = {"spec": dict, "graphs": dict, "inputs": list, "state": list, "metrics": list, "outputs": list, "train": dict}
NUMBER = int | None
FIELDS: dict[str, dict[str, Any]] = {  # of each part, or of each row of it
    "spec": {"name": str, "sha256": str},
    "inputs": {"name": str, "dtype": str, "shape": list, "role": str},
    "state": {"name": str, "dtype": str, "shape": list, "role": str, "changes": bool},
    "metrics": {"name": str, "mode": str, "accumulate": list},
    "outputs": {"name": str, "dtype": str, "shape": list},
    "train": {
        "batch": int, "epochs": NUMBER, "steps": NUMBER, "seed": int, "shuffle": bool, "stop": dict | None,
        "plateau": dict | None,
    },
}  # fmt: skip


def lack(manifest: Mapping[str, Any]) -> str:
    """What a manifest lacks, as "no `train`"; empty where it lacks nothing."""
    for part, kind in PARTS.items():
        if not isinstance(manifest.get(part), kind):
            return f"no `{part}`"
        rows = manifest[part] if kind is list else [manifest[part]]
        for row in rows:
            for name, expected in FIELDS.get(part, {}).items():
                if not isinstance(row, dict) or name not in row or not isinstance(row[name], expected):
                    return f"no `{name}` in `{part}`"
    for name, file in manifest["graphs"].items():
        if not isinstance(file, str) or not file or PurePath(file).name != file:
            return f"no file name for `{name}` in `graphs`"
    return ""

"""The zoo: specs that ship with netc, and the small real data sets that they train on (SOURCES.md)."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The names of the specs of the zoo."""
    return sorted(p.stem for p in FOLDER.glob("*.net"))


def path(name: str) -> Path | None:
    """The spec of that name, or None."""
    found = FOLDER / f"{name}.net"
    return found if name in names() else None

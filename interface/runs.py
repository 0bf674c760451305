"""Which run a user means by RUN: its folder, or the link `latest` that leads to it."""

from __future__ import annotations

import contextlib
import itertools
import shlex
from pathlib import Path

from netc.grammar.diagnostics import nearest
from netc.runtime.errors import InputError

STATE, RESOLVED = Path("state") / "last.safetensors", Path("resolved.net")
MOST = 10_000  # names that are looked at for one that was meant


def existing_run(name: str | Path, to_resume: bool = False) -> Path:
    """The folder of a run. Raises InputError where there is none of that name, or where it lacks what is needed of it."""
    path = Path(name)
    parts = [RESOLVED, STATE] if to_resume else [Path("program") / "manifest.json"]
    try:
        there = path.is_dir()
        lacking = [part for part in parts if not any((path / f"{part}{end}").is_file() for end in ("", ".previous"))]
    except OSError as e:  # a name that no file can have, a folder that may not be entered
        raise InputError(f"`{name}` cannot be read: {e.strerror or e}") from None
    if there and len(lacking) == len(parts) and not (path / RESOLVED).is_file():
        raise InputError(f"`{name}` is no run folder", _others(path))
    if not there:
        what = (
            "is a file, not the folder of a run" if path.exists() else "is no run folder: there is nothing of that name"
        )
        raise InputError(f"`{name}` {what}", _others(path))
    if lacking and to_resume:
        raise InputError(f"the run `{name}` lacks `{lacking[0]}`, so it cannot be resumed", "start a new run")
    if lacking:
        help = f"it is written anew by `netc run --resume {shlex.quote(str(name))}`"
        raise InputError(f"the run `{name}` lacks `{lacking[0]}`", help)
    return path


def _others(path: Path) -> str:
    """The runs that there are: those inside, the nearest by name, or the newest."""
    found = sorted(_runs(path, path.parent, Path("runs")), key=_age)
    inside = [run for run in found if path in run.parents]
    if inside:
        return f"the newest run in it is `{inside[0]}`"
    near = nearest(str(path), map(str, found))
    if near:
        return "did you mean " + " or ".join(f"`{run}`" for run in near) + "?"
    return f"the newest run is `{found[0]}`" if found else "there are no runs in `runs`; `netc run SPEC` makes one"


def _runs(*places: Path) -> set[Path]:
    """The run folders up to two levels below some folders."""
    found: set[Path] = set()
    for place in places:
        with contextlib.suppress(OSError):  # a folder that may not be entered offers nothing
            below = itertools.islice(itertools.chain(place.glob("*"), place.glob("*/*")), MOST)
            found |= {p for p in below if (p / RESOLVED).is_file() and not p.is_symlink()}
    return found


def _age(run: Path) -> float:
    return -(run / RESOLVED).stat().st_mtime

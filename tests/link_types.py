"""Lays out .types/netc as the installed package is, by links, since type checkers cannot follow an editable install."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
TREE = ROOT / ".types" / "netc"


def main() -> None:
    shutil.rmtree(TREE.parent, ignore_errors=True)
    TREE.mkdir(parents=True)
    for file in (ROOT / "interface").iterdir():
        if file.suffix == ".py" or file.name == "py.typed":
            (TREE / file.name).symlink_to(file)
    for folder in ("grammar", "compiler", "runtime", "models"):
        (TREE / folder).symlink_to(ROOT / folder)
    count = sum(1 for f in ("grammar", "compiler", "runtime", "models", "interface") for _ in (ROOT / f).rglob("*.py"))
    seen = sum(1 for p in TREE.iterdir() if p.suffix == ".py") + sum(
        1 for p in TREE.iterdir() if p.is_dir() for _ in p.resolve().rglob("*.py")
    )
    assert count == seen, f"{seen} of {count} files are in the tree"
    print(f".types: {seen} files")


if __name__ == "__main__":
    main()

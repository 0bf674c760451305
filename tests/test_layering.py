"""The folders are the architecture: who may import whom, read from the imports themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "grammar": {"grammar"},
    "compiler": {"compiler", "grammar", "runtime"},  # of the runtime, the words of data blocks alone
    "runtime": {"runtime"},
    "models": {"models"},
    "interface": {"compiler", "grammar", "runtime", "models", "interface"},
}
FILES = [p for folder in ALLOWED for p in sorted((ROOT / folder).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Every module that a file imports, by dotted name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by the installed name"
            found |= {f"{node.module}.{a.name}" for a in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_folder_imports_only_what_it_may(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    for name in imported(path):
        parts = name.split(".")
        assert parts[0] not in ALLOWED, f"`import {name}` loads a second copy; write netc.{name}"
        if parts[0] == "netc":
            target = parts[1] if len(parts) > 1 and parts[1] in ALLOWED else "interface"
            assert target in ALLOWED[folder], f"{folder} may not import {name}"
            if (folder, target) == ("compiler", "runtime"):
                assert parts[:3] == ["netc", "runtime", "data"], f"the compiler reads data formats, not {name}"


def test_no_file_is_a_drawer_for_everything() -> None:
    vague = {"utils", "util", "helpers", "common", "misc"}
    assert not [p for p in FILES if p.stem in vague or p.parent.name in vague]

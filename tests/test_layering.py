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


def module(path: Path) -> str:
    """The name that a file is imported by."""
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    parts = ["netc", *([] if folder == "interface" else [folder]), *rest]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(p): p for p in FILES}


def circles(edges: dict[str, set[str]]) -> set[str]:
    """The nodes of a graph that lie on a circle: what is left when those that lead nowhere are taken away, both ways."""
    for _ in range(2):
        while gone := {n for n, to in edges.items() if not to & edges.keys()}:
            edges = {n: to for n, to in edges.items() if n not in gone}
        turned: dict[str, set[str]] = {n: set() for n in edges}
        for n, to in edges.items():
            for other in to & edges.keys():
                turned[other].add(n)
        edges = turned
    return set(edges)


def dependencies() -> dict[str, set[str]]:
    """Which modules of ours each module imports, at any place in it."""
    found: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        found[name] = set()
        for wanted in imported(path):
            while wanted and wanted not in MODULES:
                wanted = wanted.rpartition(".")[0]
            if wanted and wanted != name:
                found[name].add(wanted)
    return found


def test_no_module_depends_on_itself_in_a_circle() -> None:
    assert not circles(dependencies())


def test_no_room_of_the_compiler_depends_on_itself_in_a_circle() -> None:
    def room(name: str) -> str:
        return ".".join(name.split(".")[:3])

    edges: dict[str, set[str]] = {}
    for name, to in dependencies().items():
        if name.startswith("netc.compiler."):
            edges.setdefault(room(name), set()).update(room(t) for t in to if room(t) != room(name))
    assert not circles(edges)


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {"b", "c"}


def test_no_two_things_have_one_name() -> None:
    """Classes of the syntax tree (`ast.Metric`) too: a reader who meets a name knows what it is."""
    seen: dict[str, str] = {}
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                assert node.name not in seen, f"`{node.name}` in {seen[node.name]} and in {name}"
                seen[node.name] = name


def test_no_file_is_a_drawer_for_everything() -> None:
    vague = {"utils", "util", "helpers", "common", "misc"}
    assert not [p for p in FILES if p.stem in vague or p.parent.name in vague]

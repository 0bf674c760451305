"""Every example of the documentation is run, and every generated table is up to date."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import onnxruntime as ort
import pytest

import netc
from netc.compiler.program import Program

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PREAMBLE = "net part {\n  input x: f32[N, 8]\n  target t: i64[N]\n"
ENDING = "  ending = x -> Dense(3)\n  loss = softmax_cross_entropy(ending, t)\n"
WHOLE = PREAMBLE + "  logits = x -> Dense(3)\n  loss = softmax_cross_entropy(logits, t)\n}\n"


def examples() -> list[tuple[str, str, str]]:
    """(place, kind, text) of every fenced spec in docs/ and the README."""
    found = []
    for path in [*sorted(DOCS.glob("*.md")), ROOT / "README.md"]:
        text = path.read_text(encoding="utf-8")
        for m in re.finditer(r"```(net|net-part|net-train)\n(.*?)```", text, re.DOTALL):
            found.append((f"{path.name}:{text[: m.start()].count(chr(10)) + 1}", m[1], m[2]))
    return found


@pytest.mark.parametrize(("place", "kind", "text"), examples(), ids=lambda v: v if len(v) < 40 else "")
def test_every_example_compiles(place: str, kind: str, text: str) -> None:
    if kind == "net-part":
        text = PREAMBLE + text + ("" if re.search(r"^\s*loss\s*=", text, re.MULTILINE) else ENDING) + "}\n"
    elif kind == "net-train":
        text = WHOLE + text
    program = netc.compile(text)
    assert program.step.graph.node
    assert program.manifest["format"] == 1
    everything = [y for a in program.net.applies for y in a.outputs]  # also what neither loss nor metrics read
    program.net.outputs |= {f"value_{i}": y for i, y in enumerate(everything)}
    run = ort.InferenceSession(Program(program.net).eval.SerializeToString(), providers=["CPUExecutionProvider"])
    assert {f"value_{i}" for i in range(len(everything))} <= {o.name for o in run.get_outputs()}


def test_every_slug_in_the_code_has_a_page() -> None:
    pages = (DOCS / "errors.md").read_text(encoding="utf-8")
    raised = r"(?:error|Refused|diagnostic)\(\s*\"([a-z][a-z0-9-]+)\""
    for folder in ("grammar", "compiler"):
        for path in (ROOT / folder).rglob("*.py"):
            for slug in re.findall(raised, path.read_text(encoding="utf-8")):
                assert f"\n## {slug}\n" in pages, f"{path}: {slug}"


def test_generated_tables_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for page, sections in generate.PAGES.items():
        text = (DOCS / page).read_text(encoding="utf-8")
        assert generate.generated(text, sections) == text, "run `make docs`"


def test_the_host_loop_of_the_contract_runs_as_it_is_printed(tmp_path: Path) -> None:
    text = (DOCS / "contract.md").read_text(encoding="utf-8")
    (loop,) = re.findall(r"```python\n(# host\.py.*?)```", text, re.DOTALL)
    assert len([line for line in loop.splitlines() if line.strip() and not line.startswith("#")]) <= 16
    netc.compile("digits", ["keep=0.9"]).save(tmp_path / "digits.program")
    (tmp_path / "host.py").write_text(loop)
    done = subprocess.run([sys.executable, "host.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    losses = [float(line.split()[-1]) for line in done.stdout.splitlines()]
    assert losses[-1] < losses[0] / 2


def test_the_examples_for_python_run_as_they_are_printed(tmp_path: Path) -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    (tmp_path / "all.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)))
    done = subprocess.run([sys.executable, "all.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "line.onnx").is_file()


def test_links_between_pages_lead_somewhere() -> None:
    for path in [*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"

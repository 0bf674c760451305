"""Bad specs and the exact text that each gets: `name.net` beside `name.err`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from netc.compiler.check import check
from netc.grammar.diagnostics import NetError
from netc.grammar.parser import parse, parse_tolerant
from netc.grammar.reader import decode, read

HERE = Path(__file__).parent
SPECS = sorted(p.stem for p in HERE.glob("*.net"))
PATTERNS = {"chained_comparison"}  # the help of which shows another example
PAGES = (HERE.parent.parent / "docs" / "errors.md").read_text(encoding="utf-8")


def explain(name: str, folder: Path = HERE) -> str:
    """What `netc check` prints for a spec of a folder."""
    source = decode((folder / f"{name}.net").read_bytes(), f"{name}.net")
    try:
        spec, problems = parse_tolerant(source)
        found = check(spec, source, problems, folder).warnings
        return "\n\n".join(d.render() for d in found) + "\n"
    except NetError as e:
        return e.render() + "\n"


@pytest.mark.parametrize("name", SPECS)
def test_a_bad_spec_gets_this_diagnostic(name: str) -> None:
    assert explain(name) == (HERE / f"{name}.err").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SPECS)
def test_the_text_is_in_style_and_its_slug_has_a_page(name: str) -> None:
    text = (HERE / f"{name}.err").read_text(encoding="utf-8")
    heads = re.findall(r"^(error|warning)\[([a-z0-9-]+)\]: (.+)$", text, re.MULTILINE)
    assert heads
    assert "Traceback" not in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)
    for _, slug, message in heads:
        assert f"\n## {slug}\n" in PAGES, f"docs/errors.md has no page for {slug}"
        assert not message.endswith("."), message
        assert not message[0].isupper() or message[0] == "`", message


def helped(name: str) -> list[str]:
    """The help lines that a spec gets."""
    return re.findall(r"= help: (.*)", (HERE / f"{name}.err").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SPECS)
def test_following_the_help_leads_to_a_spec_that_checks(name: str) -> None:
    """`fixed/NAME.net` is the spec after its help was followed, to the letter where the help shows code."""
    if not helped(name):
        return
    assert explain(name, HERE / "fixed") == "\n"
    fixed = " ".join((HERE / "fixed" / f"{name}.net").read_text(encoding="utf-8").split())
    for help in helped(name):
        shown = re.findall(
            r"(?:write|written|mean|turn|convert it:|be|with `and`:|end it with|first:|classes:?|other:|whole:) `([^`]+)`",
            help,
        )
        codes = [re.escape(" ".join(c.split())).replace(r"\.\.\.", ".*") for c in shown]
        assert not codes or any(re.search(c, fixed) for c in codes) or name in PATTERNS, f"{help}: {fixed}"


FILES = [
    ("latin1.net", b"net n {\n  a = \xe9\n}", "is not UTF-8 text: byte 0xe9 at offset 14"),
    ("null.net", b"net n {\n  a = \x00\n}", "unexpected character (U+0000, control character)"),
    ("large.net", b"#" * 1_000_001, "has 1,000,001 bytes"),
]


@pytest.mark.parametrize(("name", "content", "message"), FILES)
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NetError) as e:
        parse(read(tmp_path / name))
    assert message in e.value.render()


def test_a_folder_and_a_pipe_are_no_specs(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.net")
    for path, words in ((tmp_path, "is a folder"), (tmp_path / "pipe.net", "not a regular file")):
        with pytest.raises(NetError) as e:
            read(path)
        assert words in e.value.render()


def test_a_long_line_is_cut_in_the_excerpt(tmp_path: Path) -> None:
    source = decode(b"net n { a = " + b"1 + " * 100_000 + b"$ }", "x.net")
    with pytest.raises(NetError) as e:
        parse(source)
    assert len(e.value.render()) < 1000


def test_imports_that_lead_back_or_out(tmp_path: Path) -> None:
    net = "net n {\n  input x: f32[N, 4]\n  y = x -> Dense(3)\n  loss = mean(y)\n}\n"
    (tmp_path / "a.net").write_text('import "b.net" as b\n' + net)
    (tmp_path / "b.net").write_text('import "a.net" as a\n' + net)
    (tmp_path / "outside").mkdir()
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside" / "c.net").write_text(net)
    (tmp_path / "inside" / "link.net").symlink_to(tmp_path / "outside" / "c.net")
    (tmp_path / "inside" / "d.net").write_text('import "link.net" as l\n' + net)
    for path, words in (
        (tmp_path / "a.net", "leads back to itself"),
        (tmp_path / "inside" / "d.net", "outside the spec's"),
    ):
        source = read(path)
        spec, problems = parse_tolerant(source)
        with pytest.raises(NetError) as e:
            check(spec, source, problems)
        assert words in e.value.render()


if __name__ == "__main__":
    for each in SPECS:
        (HERE / f"{each}.err").write_text(explain(each), encoding="utf-8")
    print(f"{len(SPECS)} files written", file=sys.stderr)

"""Specs that ask for more than anything could hold: refused with a sentence, before the work is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from netc.compiler.check.budget import MAX_OPERATIONS
from netc.compiler.front import typed
from netc.grammar.diagnostics import NetError
from netc.grammar.parser import parse
from netc.grammar.printer import format_spec
from netc.grammar.source import Source

HEAD = "net a {\n  input x: f32[N, 4]\n  target t: f32[N, 4]\n  h = x\n"
TAIL = "  y = h -> Dense(4)\n  loss = mean_squared_error(y, t)\n}\n"


def doubled(first: str, line: str, count: int) -> str:
    """A line, and `count` more of which each names the one before twice."""
    return first + "".join(line.format(i, i - 1) for i in range(1, count))


EXPANSIONS = [  # lines of a net -> the slug, and what is said
    ("repeat 1000 { repeat 1000 { repeat 1000 { h = h + 1 } } }", "too-large", "2,002,002,000 turns and statements"),
    ("repeat 1000 { repeat 1000 { repeat 1000 { } } }", "too-large", "1,002,002,000 turns and statements"),
    ("k = 1000\n  repeat k { repeat k { repeat k { } } }", "too-large", "turns and statements here make more than the 450,000"),
    ("repeat 200000 { }", "too-large", "200,000 turns make a net of more than 100,000 operations"),
    (doubled("block b0(x) { return x + 1 }\n", "block b{0}(x) {{ return b{1}(b{1}(x)) }}\n", 40) + "z = b39(x)",
     "too-large", "statements, turns and calls"),
    (doubled("f0 = -> relu -> relu\n", "f{0} = -> f{1} -> f{1}\n", 40) + "z = f39(x)", "too-large", "turns and calls"),
    (doubled("a0 = (1, 2)\n", "a{0} = (a{1}, a{1})\n", 60), "too-large", "hold more than 4,000,000 values"),
    ("block Unit(x) { y = Unit(Dense(x, 4))\n z = Unit(y)\n return z + Unit(x) }\n  z = Unit(x)", "recursion", "60 calls deep"),
    ("k = N\n" + "  k = k * k + 1\n" * 40, "dimension", "a size has more than 64 terms or factors"),
    ("k = N\n" + "  k = k * 1000\n" * 9, "dimension", "or a number in it that passes 2^63"),
    ("z = h\n  repeat 2000 { z = unsqueeze(z, 1) }", "dimension", "at most 64 axes, this one would have 65"),
    ("p = h -> Dense(1000000000) -> split(1000000000)", "argument", "`parts` may be at most 10,000, not 1,000,000,000"),
    ("w = gradient(mean(Dense(h, 4)), h)\n" + "  w = gradient(mean(w * w), h)\n" * 40, "too-large", "100,000 operations"),
    ("".join(f"  repeat 1 as {'a' * 3000} {{\n" for _ in range(50)) + "repeat 1000 { h = h + 1 }" + "}\n" * 50,
     "too-large", "the names in the net have more than 100,000,000 characters"),
    ("".join(f"  f{i} = {'-> relu' if not i else f'-> f{i - 1}'}\n" for i in range(2000)) + "z = f1999(x)",
     "too-deep", "blocks, repeats or layers are nested too deep in this line"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "slug", "message"), EXPANSIONS, ids=[f"{i}" for i in range(len(EXPANSIONS))])
def test_what_would_not_end_is_refused(lines: str, slug: str, message: str) -> None:
    with pytest.raises(NetError) as e:
        typed(Source("a.net", f"{HEAD}  {lines}\n{TAIL}"))
    found = e.value.diagnostics[0]
    assert (found.slug, message in found.message) == (slug, True), found
    assert found.labels


def test_a_refusal_says_what_was_entered_most() -> None:
    lines = doubled("block b0(x) { return x + 1 }\n", "block b{0}(x) {{ return b{1}(b{1}(x)) }}\n", 40)
    with pytest.raises(NetError) as e:
        typed(Source("a.net", f"{HEAD}{lines}  z = b39(x)\n{TAIL}"))
    label = e.value.diagnostics[0].labels[1]
    assert (label.span.text, label.text.startswith("entered "), label.text.endswith(" times")) == ("b0", True, True)


def test_patterns_that_match_much_are_counted() -> None:
    lines = 'repeat 200 { h = h -> Dense(4) }\n  r = 0 * mean(h)\n  repeat 1000 { r = r + l2("*") }\n'
    with pytest.raises(NetError, match="more than 100,000 operations"):
        typed(Source("a.net", HEAD + lines + TAIL.replace("(y, t)", "(y, t) + r")))


ALLOWED = [
    "repeat 99990 { h = h + 1 }",
    "block b(x) { return x + 1 }\n  repeat 20000 { h = h -> b }",
    "h = x" + " + 1" * 5000,
    "".join(f"k{i} = {i}\n" for i in range(10000)),
]


@pytest.mark.parametrize("lines", ALLOWED, ids=["repeat", "block", "sum", "lines"])
def test_large_nets_are_allowed(lines: str) -> None:
    text = HEAD.replace("  h = x\n", "") + lines if lines.startswith("h =") else HEAD + lines
    assert len(typed(Source("a.net", f"{text}\n{TAIL}")).applies) <= MAX_OPERATIONS


NESTED = {
    "minus": lambda n: f"h = {'-' * n}x",
    "not": lambda n: f"k = 1 if {'not ' * n}true else 2",
    "power": lambda n: f"h = x{'^x' * n}",
    "parentheses": lambda n: f"h = {'(' * n}x{')' * n}",
    "calls": lambda n: f"h = {'relu(' * n}x{')' * n}",
    "lists": lambda n: f"k = {'[' * n}1{']' * n}",
    "conditions": lambda n: f"h = {'x if true else (' * n}x{')' * n}",
    "else": lambda n: f"h = x{' if false else x' * n}",
    "applied": lambda n: f"h = relu{'()' * n}(x)",
    "indexed": lambda n: f"h = x{'[:]' * n}",
    "blocks": lambda n: (
        "".join(f"block b{i}(x) {{\n" for i in range(n)) + "return x\n" + "}\nreturn x\n" * (n - 1) + "}"
    ),
    "repeats": lambda n: "repeat 1 {\n" * n + "k = 1\n" + "}\n" * n,
    "sizes": lambda n: f"param w: f32[{'(' * n}3{')' * n}]",
}


@pytest.mark.parametrize("depth", [10, 100, 1_000, 10_000])
@pytest.mark.parametrize("kind", NESTED)
def test_nesting_works_or_is_refused_in_a_sentence(kind: str, depth: int) -> None:
    text = HEAD.replace("  h = x\n", "") + NESTED[kind](depth) + "\n" + TAIL.replace("h ->", "x ->")
    refused = []
    for work in (lambda s: format_spec(parse(s)), typed):
        try:
            work(Source("a.net", text))
        except NetError as e:
            refused.append(e.diagnostics[0].slug)
    assert refused == [] if depth == 10 else set(refused) <= {"too-deep", "too-large"}
    assert depth <= 100 or len(refused) == 2


def test_the_tree_of_a_long_sum_is_printed() -> None:
    from netc.compiler.pipeline import emitted

    assert emitted(Source("a.net", f"{HEAD}  k = 1{' + 1' * 5000}\n{TAIL}"), "parse").count("Binary") == 5000


def test_imports_that_double_are_read_once_and_deep_ones_refused(tmp_path: Path) -> None:
    net = "net n {\n  input x: f32[N, 4]\n  y = x -> Dense(4)\n  output o = y\n  loss = mean(y)\n}\n"
    for k in range(30):
        twice = "" if k == 29 else f'import "f{k + 1}.net" as a\nimport "f{k + 1}.net" as b\n'
        (tmp_path / f"f{k}.net").write_text(twice + net)
    (tmp_path / "deep.net").write_text('import "d0.net" as a\n' + net)
    for k in range(100):
        (tmp_path / f"d{k}.net").write_text(f'import "d{k + 1}.net" as a\n{net}')
    assert typed(Source(str(tmp_path / "f0.net"), (tmp_path / "f0.net").read_text())).name == "n"
    with pytest.raises(NetError, match="imports lead through more than 32 files"):
        typed(Source(str(tmp_path / "deep.net"), (tmp_path / "deep.net").read_text()))


def test_imported_nets_that_double_are_refused(tmp_path: Path) -> None:
    for k in range(30):
        inner = "  output o = x\n" if k == 29 else "  output o = a(a(x).o).o\n"
        text = "" if k == 29 else f'import "g{k + 1}.net" as a\n'
        (tmp_path / f"g{k}.net").write_text(
            f"{text}net n {{\n  input x: f32[N, 4]\n{inner}  y = x -> Dense(4)\n  loss = mean(y)\n}}\n"
        )
    with pytest.raises(NetError, match="statements, turns and calls"):
        typed(Source(str(tmp_path / "g0.net"), (tmp_path / "g0.net").read_text()))


def test_long_imports_are_refused(tmp_path: Path) -> None:
    net = "net n {\n  input x: f32[N, 4]\n  y = x -> Dense(4)\n  loss = mean(y)\n}\n"
    for k in range(3):
        (tmp_path / f"l{k}.net").write_text(net + "#" * 400_000)
    text = "".join(f'import "l{k}.net" as a{k}\n' for k in range(3)) + net
    with pytest.raises(NetError, match="imported specs have more than 1,000,000 characters"):
        typed(Source(str(tmp_path / "main.net"), text))


def test_the_formatter_looks_at_each_line_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from netc.grammar import printer

    looked: list[int] = []
    real = printer._widths
    monkeypatch.setattr(printer, "_widths", lambda lines: looked.append(len(lines)) or real(lines))
    format_spec(parse(Source("a.net", HEAD + "".join(f"k{i} = {i}\n" for i in range(2000)) + TAIL)))
    assert sum(looked) == 2000 + 5

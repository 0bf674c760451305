"""The changes that `make mutants` makes: a statement in a function, and all that may stand in its place."""

from __future__ import annotations

import pytest

from tests.mutants.operators import compiles, mutations
from tests.mutants.sample import sample

STATEMENTS = [
    ("y = a + b", ["y = a - b"]),
    ("y = (a) * (  # why *?\n        -b)", ["y = (a) / ( # why *?", "b)"]),
    ("y = a / b ** c", ["y = a * b ** c", "y = a / b * c"]),
    ("y = -a", ["y = a"]),
    ("y = 'é' + a", []),
    ("y = 'é', a - b", ["y = 'é', a + b"]),
    ("y = 3", ["y = 4"]),
    ("y = 1", ["y = 2", "y = 0"]),
    ("y = 0.5", ["y = 0.25"]),
    ("y = 1e-8", []),
    ("y = True", ["y = False"]),
    ("y = a < b", ["y = a <= b"]),
    ("y = a not in b", ["y = a in b"]),
    ("y = a == b >= c", ["y = a != b >= c", "y = a == b > c"]),
    ("y = a and b or c", ["y = a or b or c", "y = a and b and c"]),
    ("y = a if b else c", ["y = a if not (b) else c", "y = c if b else a"]),
    ("y = [a for a in b if not c]", ["y = [a for a in b if (c)]"]),
    ("y = op.Add(a, b)", ["y = op.Sub(a, b)"]),
    ("y = op.Sub(a, b)", ["y = op.Add(a, b)", "y = op.Sub(b, a)"]),
    ("y = op.Greater(a, 0.0)", ["y = op.Less(a, 0.0)", "y = op.GreaterOrEqual(a, 0.0)", "y = op.Greater(a, 1.0)"]),
    ("y = op.Neg(a)", ["y = (a)"]),
    ('y = op.reduce("ReduceSum", a)', ['y = op.reduce("ReduceMean", a)']),
    ("y = max(a, b)", ["y = min(a, b)"]),
    ("y = f(a, b)", ["y = f(b, a)"]),
    ("y = f(a, 'text', *b)", []),
    ("y = isinstance(a, A | B)", []),
    ("y = Literal[1]", []),
    ("y: Annotated[int, 1] = a", []),
    ("f(a)", ["pass"]),
    ("y += a", ["pass", "y -= a"]),
    ("a.b = c", ["pass"]),
    ("while a:\n        break", ["while not (a):", "pass"]),
    ("if a:\n        raise E(1 + 2)", ["if False:"]),
    ("if a:\n        return b + c", ["if not (a):", "return b - c"]),
    ("if TYPE_CHECKING:\n        f(a)", []),
    ("return [a, b]", ["return [b, a]"]),
    ("print(a + 1)", []),
    ("logger.info(a + 1)", []),
    ("assert a + 1", []),
    ('y = f"{a + 1}"', []),
    ('"""a + 1"""', []),
]


@pytest.mark.parametrize(("statement", "expected"), STATEMENTS, ids=[s for s, _ in STATEMENTS])
def test_a_statement_is_changed_in_every_way(statement: str, expected: list[str]) -> None:
    source = f'def f(op):\n    """Doc."""\n    {statement}\n'
    found = mutations(source)
    assert sorted(m.difference(source)[1] for m in found) == sorted(expected)
    assert all(compiles(m.applied(source)) for m in found)
    assert all(m.near is None and m.first >= 3 for m in found)


@pytest.mark.parametrize(
    ("returns", "value", "expected"),
    [
        ("bool", "a", ["return not (a)"]),
        ("bool", "not a", ["return (a)"]),
        ("A | None", "a", ["return None"]),
        ("int", "a", ["return (a) + 1"]),
        ("A", "a", []),
    ],
)
def test_what_is_returned_is_changed_by_its_type(returns: str, value: str, expected: list[str]) -> None:
    source = f"def f() -> {returns}:\n    return {value}\n"
    assert [m.difference(source)[1] for m in mutations(source)] == expected


def test_what_runs_at_import_names_the_lines_that_show_it() -> None:
    source = "N = 3\n\n@function(open=True)\ndef f(a: Literal[1] = 0):\n    b\n    c\n\ndef g():\n    return f(N)\n"
    near = {m.difference(source)[1]: m.near for m in mutations(source)}
    assert near == {"N = 4": (1, 9), "@function(open=False)": (5, 6), "def f(a: Literal[1] = 1):": (5, 6)}


def test_a_sample_is_the_same_for_a_seed_and_has_each_file() -> None:
    first = sample(12, 0, "runtime/")
    assert first == sample(12, 0, "runtime/") != sample(12, 1, "runtime/")
    everything = sample(1000, 0, "")
    assert {m.path.partition("/")[0] for m in everything} == {"compiler", "runtime"}
    assert len({(m.path, m.mutation.first) for m in everything}) == len(everything) == 1000

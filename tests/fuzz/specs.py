"""Specs that are nearly right: tokens of good ones left out, doubled, exchanged and replaced."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np

from netc.compiler.front import typed
from netc.compiler.graph.dimensions import Dim, evaluate
from netc.compiler.graph.dimensions import parse as dimension
from netc.compiler.graph.types import DTYPES
from netc.compiler.library import LIBRARY
from netc.compiler.net import TypedNet
from netc.compiler.program import Program, compile
from netc.grammar.diagnostics import NetError
from netc.grammar.layout import HARD, SOFT
from netc.grammar.parser import parse
from netc.grammar.printer import format_spec
from netc.grammar.source import Source
from netc.runtime.errors import RunError
from netc.runtime.trainer import Trainer
from tests.fuzz.targets import Target

ROOT = Path(__file__).parents[2]
_TOKEN = re.compile(r'"[^"\n]*"|\w+|->|==|\.\.|//|\s+|.', re.DOTALL)
_STRANGE = (
    "0", "-1", "1e308", "2^70", "9" * 30, "1 / 3", "none", "true", "x", "()", "(1, 2)", "[]", '""', '"*"', "N", "f32", "->", "loss",
    "Dense", "onnx.Relu", "repeat 3 {", "}", "(", ")", "^", "-", "not", "if", "else", "\n", ";", "gradient(x, x)", "..", ":",
    "range(3)", "range(N)", "zeros([N, 4])", "zeros", "ones(x.shape)", "eye(3)", "full([], 2)", "onnx.Clip(x, none, 1)", "i64(x)",
    "max(x, 0)",
)  # fmt: skip
STRANGE = [t.encode() for t in _STRANGE]
NUMBERS = ["0", "1", "2", "3", "4", "7", "-1", "0.5", "1e-3", "1 / 3", "N", "pi", "none"]
SIGNS = ["+", "-", "*", "/", "^", "@", "<", ">", "=="]
VALUES = [
    "range(3)", "range(N)", "(0.5 * eye(3))", "zeros(x.shape)", "ones([N, 4])", "full([], 2)", "x[:, ::-1]", "x[:, 0]", "(x > 0)",
    "i64(x)", "onnx.Clip(x, none, 1)", "onnx.ReduceSum(x, [1])", "dropout(x)", "(x -> Dense(3))", "transpose(x)",
    "gradient(sum(x^2), x)",
]  # fmt: skip
ROWS = 3
MOST_OPERATIONS = 1000
MOST_ELEMENTS = 1 << 22
OUT_OF_BOUNDS = (
    r"out of (data )?bounds|for N = 3: .*Squeeze.*must be 1 instead of 0"  # entries that these rows do not have
)
LONGEST = 4000  # characters of one error


def seeds() -> list[bytes]:
    """The zoo, the specs of the docs, and those that are wrong on purpose."""
    found = [p.read_bytes() for p in sorted((ROOT / "models").glob("*.net"))]
    found += [p.read_bytes() for p in sorted((ROOT / "tests" / "errors").glob("*.net")) if p.stat().st_size < 4000]
    for page in sorted((ROOT / "docs").glob("*.md")):
        found += [m.encode() for m in re.findall(r"```net\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)]
    return found


def right() -> list[bytes]:
    """Specs that train: those of the zoo and of the docs, and wrong ones after their help was followed."""
    fixed = sorted((ROOT / "tests" / "errors" / "fixed").glob("*.net"))
    wrong = {p.read_bytes() for p in (ROOT / "tests" / "errors").glob("*.net")}
    return [s for s in seeds() if s not in wrong] + [p.read_bytes() for p in fixed]


def mutate(data: bytes, g: Random, seeds: Sequence[bytes], strange: Sequence[bytes]) -> bytes:
    """One to four changes of tokens."""
    tokens = _TOKEN.findall(data.decode("utf-8", "replace"))
    for _ in range(g.randint(1, 4)):
        if not tokens:
            break
        at, to = g.randrange(len(tokens)), g.randrange(len(tokens))
        match g.randrange(7):
            case 0:
                del tokens[at]
            case 1:
                tokens.insert(at, tokens[to])
            case 2:
                tokens[at], tokens[to] = tokens[to], tokens[at]
            case 3:
                tokens[at] = g.choice(strange).decode()
            case 4:
                tokens.insert(at, g.choice(strange).decode())
            case 5:
                tokens[at] = tokens[to]
            case 6:  # a word of this spec by one of another
                words = [i for i, token in enumerate(tokens) if token.isidentifier()]
                others = [w for w in _TOKEN.findall(g.choice(seeds).decode("utf-8", "replace")) if w.isidentifier()]
                if words and others:
                    tokens[g.choice(words)] = g.choice(others)
    return "".join(tokens).encode()


def vary(data: bytes, g: Random, seeds: Sequence[bytes], strange: Sequence[bytes]) -> bytes:
    """One or two tokens by others of their kind, so that many mutants are right: numbers, names, words, signs, shapes."""
    tokens = _TOKEN.findall(data.decode("utf-8", "replace"))
    names = [
        i for i, t in enumerate(tokens) if t.isidentifier() and t not in HARD and t not in SOFT and t not in DTYPES
    ]
    called = [i for i in names if LIBRARY.word(tokens[i])]
    numbers = [i for i, t in enumerate(tokens) if t.isdigit()]
    operators = [i for i, t in enumerate(tokens) if t in SIGNS]
    own = [i for i in names if i not in called]
    for _ in range(g.randint(1, 2)):
        places, others = g.choice([
            (numbers, NUMBERS), (called, LIBRARY.words()), (own, [tokens[i] for i in own]), (operators, SIGNS),
            (own, [*VALUES, *(s.decode() for s in strange)]),
        ])  # fmt: skip
        if places:
            tokens[g.choice(places)] = g.choice(others)
    return "".join(tokens).encode()


def checks(data: bytes) -> bool:
    """Parses, formats and checks a spec: it is right, or refused with a NetError."""
    source = Source("fuzz.net", data.decode("utf-8", "replace"))
    with suppress(NetError):
        format_spec(parse(source))
    return _typed(source) is not None


def _typed(source: Source) -> TypedNet | None:
    """The net of a spec; None where it is refused."""
    refused: NetError | None = None
    try:
        return typed(source, folder=ROOT / "models")
    except NetError as e:
        refused = e
    assert all(len(d.render()) < LONGEST for d in refused.diagnostics), "a message that nobody reads"
    return None


def trains(data: bytes) -> bool:
    """Compiles what `check` accepts, loads the step, and makes one on random rows."""
    source = Source("fuzz.net", data.decode("utf-8", "replace"))
    net = _typed(source)
    if net is None or len(net.applies) > MOST_OPERATIONS or _elements(net) > MOST_ELEMENTS:
        return False
    try:
        program = compile(source, folder=ROOT / "models")
    except NetError as e:
        raise AssertionError(f"check accepts it, compile does not: {e.diagnostics[0].message}") from None
    trainer = Trainer(program, "cpu", threads=1)
    rows, failed = batch(program), ""
    try:
        trainer.fit_statistics(rows)
        trainer.step(rows)
        if net.outputs:
            trainer.predict(rows)
    except RunError as e:
        failed = str(e)
    assert not failed or re.search(OUT_OF_BOUNDS, failed), failed
    return True


def batch(program: Program) -> dict[str, np.ndarray]:
    """Rows for every input, with classes in their range; every symbolic dimension is as many."""
    g, found = np.random.default_rng(7), {}
    for row in program.manifest["inputs"]:
        shape = [bound(d if isinstance(d, int) else dimension(d)) for d in row["shape"]]
        numbers = g.integers(0, row.get("classes", 2), shape) if row["dtype"][0] in "iub" else g.normal(size=shape)
        found[row["name"]] = numbers.astype(row["dtype"])
    return found


def _elements(net: TypedNet) -> int:
    """How many numbers the variables and the tensors of a step hold."""
    sizes = [v.count for v in net.variables] + [bound(t.type.size) for a in net.applies for t in a.outputs]
    return sum(sizes)


def bound(size: Dim) -> int:
    return size if isinstance(size, int) else evaluate(size, dict.fromkeys(size.symbols, ROWS))


TARGETS = [
    Target("check", checks, seeds, STRANGE, change=mutate, share=1 / 10),
    Target("train", trains, right, STRANGE, change=vary, share=1 / 50, seconds=60, memory=1 << 32),
]

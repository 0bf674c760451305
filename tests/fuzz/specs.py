"""Specs that are nearly right: tokens of good ones left out, doubled, exchanged and replaced."""

from __future__ import annotations

import random
import re
from pathlib import Path

from netc.compiler.front import typed
from netc.compiler.pipeline import build, finished, state_of
from netc.grammar.diagnostics import NetError
from netc.grammar.parser import parse
from netc.grammar.printer import format_spec
from netc.grammar.source import Source

ROOT = Path(__file__).parents[2]
_TOKEN = re.compile(r'"[^"\n]*"|\w+|->|==|\.\.|//|\s+|.', re.DOTALL)
_STRANGE = (
    "0", "-1", "1e308", "2^70", "9" * 30, "1 / 3", "none", "true", "x", "()", "(1, 2)", "[]", '""', '"*"', "N", "f32", "->", "loss",
    "Dense", "onnx.Relu", "repeat 3 {", "}", "(", ")", "^", "-", "not", "if", "else", "\n", ";", "gradient(x, x)", "..", ":",
)  # fmt: skip


def seeds() -> list[bytes]:
    """The zoo, the specs of the docs, and those that are wrong on purpose."""
    found = [p.read_bytes() for p in sorted((ROOT / "models").glob("*.net"))]
    found += [p.read_bytes() for p in sorted((ROOT / "tests" / "errors").glob("*.net")) if p.stat().st_size < 4000]
    for page in sorted((ROOT / "docs").glob("*.md")):
        found += [m.encode() for m in re.findall(r"```net\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)]
    return found


def mutate(data: bytes, g: random.Random) -> bytes:
    """One to four changes of tokens."""
    tokens = _TOKEN.findall(data.decode("utf-8", "replace"))
    for _ in range(g.randint(1, 4)):
        if not tokens:
            break
        at, to = g.randrange(len(tokens)), g.randrange(len(tokens))
        match g.randrange(6):
            case 0:
                del tokens[at]
            case 1:
                tokens.insert(at, tokens[to])
            case 2:
                tokens[at], tokens[to] = tokens[to], tokens[at]
            case 3:
                tokens[at] = g.choice(_STRANGE)
            case 4:
                tokens.insert(at, g.choice(_STRANGE))
            case 5:
                tokens[at] = tokens[to]
    return "".join(tokens).encode()


def target(data: bytes) -> None:
    """Parses, formats and checks a spec: it is right, or refused with a NetError."""
    source = Source("fuzz.net", data.decode("utf-8", "replace"))
    try:
        format_spec(parse(source))
    except NetError as e:
        e.render()
    try:
        typed(source, folder=ROOT / "models")
    except NetError as e:
        e.render()


def compiles(data: bytes) -> None:
    """Checks a spec and builds its training step."""
    try:
        net = typed(Source("fuzz.net", data.decode("utf-8", "replace")), folder=ROOT / "models")
        finished(build(net, state_of(net), "step"))
    except NetError as e:
        e.render()

"""One slip of the hand is one error: every token of a spec is left out, doubled, swapped with the next, misspelt, or has a
sign too many behind it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from netc.compiler.check import check
from netc.grammar.diagnostics import NetError
from netc.grammar.parser import parse_tolerant
from netc.grammar.reader import decode

SPEC = """net rich(hidden = 32, act = relu, depth = 2) {
  input x: f32[N, 16]
  input mask: f32[N, 16]
  target label: i64[N]
  target value: f32[N, 1]

  block Unit(v, width) {
    y = v -> Dense(width) -> act -> dropout(0.1)
    return y + v
  }

  param gain: f32[16] = ones
  h = x * mask * gain -> Dense(hidden, init = glorot_uniform)
  repeat depth as i {
    h = Unit(h, hidden)
  }
  logits = h -> Dense(10)
  price = h -> Dense(1)
  loss = softmax_cross_entropy(logits, label) + 0.5 * mean_squared_error(price, value) + 1e-4 * l2("*.weight")
  metric acc = accuracy(logits, label)
  output probability = softmax(logits)
  output price
}

train {
  optimizer = adam(rate = cosine(1e-3, warmup = 10))
  batch = 32
  epochs = 5
  clip_norm = 1
  stop = early(val.acc, patience = 3)
  rule "*.bias" { rate = 0.5 }
}

data {
  source = csv("data/rich.csv", x = "a0".."a15", mask = "m0".."m15", label = "label", value = "price")
  split = random(train = 0.8, val = 0.2)
}
"""
TOKENS = list(re.finditer(r'"[^"\n]*"|[A-Za-z_]\w*|\d[\d.e-]*|->|\.\.|[^\s\w]', SPEC))
SEVERAL = {  # which read as something else, on several lines or at several places
    ("left out", "h = (h, hidden)"), ("=", "optimizer = adam(rate == cosine(1e-3, warmup = 10))"),
}  # fmt: skip


def errors(text: str) -> list[str]:
    source = decode(text.encode(), "rich.net")
    try:
        spec, problems = parse_tolerant(source)
        check(spec, source, problems, Path())
    except NetError as e:
        return [d.message for d in e.diagnostics]
    return []


def slips(kind: str) -> Iterator[tuple[str, str]]:
    """Each spec with one slip, and the line that it is in."""
    g = random.Random(0)
    for m, after in zip(TOKENS, [*TOKENS[1:], None]):
        word, rest = m[0], SPEC[m.end() :]
        if kind == "doubled":
            word = f"{word} {word}"
        elif kind == "swapped" and after is not None:
            word, rest = f"{after[0]} {word}", SPEC[after.end() :]
        elif kind == "misspelt" and re.fullmatch(r"[A-Za-z_]\w\w+", word):
            i = g.randrange(len(word) - 1)
            word = g.choice([word[:i] + word[i + 1 :], word[:i] + word[i + 1] + word[i] + word[i + 2 :], word + "s"])
        elif kind == "left out":
            word = ""
        elif len(kind) == 1:
            word += kind
        else:
            continue
        text = SPEC[: m.start()] + word + rest
        yield text, text.splitlines()[text[: m.start()].count("\n")].strip()


@pytest.mark.parametrize("kind", ["left out", "doubled", "swapped", "misspelt", *'\n,(){}="'])
def test_one_slip_is_one_error(kind: str) -> None:
    assert errors(SPEC) == []
    several = {(kind, line): found for text, line in slips(kind) if len(found := errors(text)) > 1}
    assert {k: v for k, v in several.items() if k not in SEVERAL} == {}

"""What a word finds doubtful in the tensors that it gets: right as the language goes, and hardly what was meant.

A word that looks has a method `doubt`, whose arguments are its tensors as `Seen`, and which gives a `Doubt` or None.
"""

from __future__ import annotations

from dataclasses import dataclass

from netc.compiler.graph.types import TensorType
from netc.grammar.source import Span

PROBABILITIES, LOG_PROBABILITIES = "probabilities", "log-probabilities"


@dataclass(frozen=True)
class Seen:
    """A tensor with what is known of its values: `kind` is the trait `gives` of the word that computed them, `word` its name."""

    type: TensorType
    kind: str = ""
    word: str = ""
    span: Span | None = None


@dataclass(frozen=True)
class Doubt:
    """A warning; its place is that of the word which computed `at`, or of the whole call."""

    slug: str
    message: str
    help: str
    at: Seen | None = None


def not_logits(word: str, scores: Seen, applied: tuple[str, ...] = ()) -> Doubt | None:
    """Of a word that takes logits, and applies these functions itself."""
    if not scores.kind:
        return None
    help = f"give it the logits: leave `{scores.word}` out"
    if scores.word in applied:
        message = f"`{word}` applies `{applied[0]}` itself; this one comes twice"
        return Doubt("softmax-twice", message, help, scores)
    return Doubt("not-logits", f"`{word}` takes logits, and `{scores.word}` gives {scores.kind}", help, scores)


def not_log_probabilities(word: str, given: Seen) -> Doubt | None:
    """Of a word that takes log-probabilities."""
    if given.kind != PROBABILITIES:
        return None
    message = f"`{word}` takes log-probabilities, and `{given.word}` gives probabilities"
    help = f"write `log_{given.word}` in its place" if given.word == "softmax" else "give it their `log`"
    return Doubt("not-log-probabilities", message, help, given)


def one_class(word: str, x: TensorType, axis: int, value: str, instead: str) -> Doubt | None:
    """Of a word that compares the classes on an axis, of which there is one."""
    if x.shape[axis] != 1:
        return None
    return Doubt("constant-value", f"`{word}` over one class is always {value}", instead)

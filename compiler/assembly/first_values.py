"""seed -> the first value of every state tensor."""

from __future__ import annotations

from netc.compiler.assembly.draft import Draft
from netc.compiler.graph.emitter import Value
from netc.compiler.graph.random import Random
from netc.compiler.language.variables import Variable

WORDS_AT_ONCE = 1 << 22  # 16 MB for each buffer of the hash


def first_values(draft: Draft) -> None:
    """Emits the first value of each variable; an average begins as its owner does."""
    op, random = draft.op, draft.random
    assert random is not None
    bits = _random_words(draft, random)
    for v in draft.state:
        with op.at("", v.name):
            if v.first is None:
                assert v.owner is not None
                value = op.Identity(draft.following[v.owner.name])
            else:
                value = v.first.emit(op, random, bits.get(v), v.shape, v.type.dtype.onnx)
        draft.following[v.name] = value


def _random_words(draft: Draft, random: Random) -> dict[Variable, Value]:
    """The random words of every variable that takes some, drawn in groups that bound the memory of init."""
    found: dict[Variable, Value] = {}
    group: list[tuple[Variable, int]] = []
    total = 0

    def draw() -> None:
        if group:
            with draft.op.at("", "random"):
                found.update(zip((v for v, _ in group), random.bits([(count, v.site) for v, count in group])))
            group.clear()

    for v in draft.state:
        count = v.first.words(v.shape) if v.first is not None else 0
        if count:
            group.append((v, count))
        total += count
        if total > WORDS_AT_ONCE:
            draw()
            total = 0
    draw()
    return found

"""What a target of fuzzing is, and the table of them all: a new one is a `Target` in the list of a module named here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.fuzz.mutation import mutate


@dataclass(frozen=True)
class Target:
    """`run` is given a mutant, and returns when what came of it is right; whatever it raises is a find.

    `wrap` are ways to pack a mutant into a file, one of which is drawn: the bytes as they are, or compressed, so that the
    checksum fits and the reader behind it is reached.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    tokens: Sequence[bytes] = ()
    wrap: Sequence[Callable[[bytes, Random], bytes]] = field(default_factory=lambda: [lambda data, random: data])

    def case(self, number: int, seeds: Sequence[bytes]) -> bytes:
        """Case `number`: a mutant of a seed."""
        random = Random(f"{self.name}:{number}")
        mutant = mutate(random.choice(seeds), random, seeds, self.tokens)
        return random.choice(self.wrap)(mutant, random)


def targets() -> dict[str, Target]:
    """Every target by name."""
    from tests.fuzz import readers

    return {t.name: t for module in (readers,) for t in module.TARGETS}

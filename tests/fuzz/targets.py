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
    checksum fits and the reader behind it is reached. `change` makes a mutant of a seed. `share` is how many of its cases are
    run for one of a reader, whose cases are quick; `seconds` and `memory` are what one case may take.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    tokens: Sequence[bytes] = ()
    wrap: Sequence[Callable[[bytes, Random], bytes]] = field(default_factory=lambda: [lambda data, random: data])
    change: Callable[[bytes, Random, Sequence[bytes], Sequence[bytes]], bytes] = mutate
    share: float = 1
    seconds: float = 10  # on a busy machine too
    memory: int = 1 << 29  # bytes beyond what the process holds when it begins

    def case(self, number: int, seeds: Sequence[bytes]) -> bytes:
        """Case `number`: a mutant of a seed."""
        random = Random(f"{self.name}:{number}")
        mutant = self.change(random.choice(seeds), random, seeds, self.tokens)
        return random.choice(self.wrap)(mutant, random)


def targets() -> dict[str, Target]:
    """Every target by name."""
    from tests.fuzz import models, readers, specs

    return {t.name: t for module in (readers, specs, models) for t in module.TARGETS}

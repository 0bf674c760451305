"""Which mutants are made: a sample by seed, spread over the files."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.mutants.copies import ROOT
from tests.mutants.operators import Mutation, compiles, mutations


@dataclass(frozen=True)
class Mutant:
    path: str
    source: str = field(repr=False)
    mutation: Mutation

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.path, *self.mutation.difference(self.source))

    @property
    def text(self) -> str:
        return self.mutation.applied(self.source)


def sample(count: int, seed: int, only: str) -> list[Mutant]:
    """Mutants in proportion to the mutable lines of a file, no two on a line; of each file one, where the count allows."""
    folders = [ROOT / "compiler", ROOT / "runtime"]
    files = [p for folder in folders for p in sorted(folder.rglob("*.py")) if str(p.relative_to(ROOT)).startswith(only)]
    sources = {p.relative_to(ROOT).as_posix(): p.read_text(encoding="utf-8") for p in files}
    found = {path: mutations(source) for path, source in sources.items()}
    lines = {path: len({m.first for m in of}) for path, of in found.items() if of}
    if count < len(lines):
        lines = {path: lines[path] for path in sorted(random.Random(seed).sample(sorted(lines), count))}
    quotas = dict.fromkeys(lines, 1)
    for _ in range(count - len(lines)):
        quotas[max(lines, key=lambda path: lines[path] / quotas[path])] += 1
    return [m for path, n in quotas.items() for m in _of_file(path, sources[path], found[path], n, seed)]


def _of_file(path: str, source: str, found: list[Mutation], count: int, seed: int) -> list[Mutant]:
    draw = random.Random(f"{seed} {path}")
    lines = sorted({m.first for m in found})
    draw.shuffle(lines)
    taken: list[Mutant] = []
    for line in lines:
        here = [m for m in found if m.first == line]
        kind = draw.choice(sorted({m.kind for m in here}))
        mutant = Mutant(path, source, draw.choice([m for m in here if m.kind == kind]))
        if len(taken) < count and compiles(mutant.text):
            taken.append(mutant)
    return sorted(taken, key=lambda m: m.mutation.start)

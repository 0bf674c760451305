"""Which tests should notice a mutation: those that run its lines, from many files, quick ones and likely ones first."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from coverage import CoverageData

from tests.mutants.operators import Mutation

FEW, FIRST = 15, 60  # tests that are tried before the rest
AROUND = 15  # lines before and behind a change: what else of them a test runs says how close it looks
RARE = 25  # tests that come first because they run what few others do
TABLES = (  # what is declared when a module is imported shows in these
    "tests/test_docs.py::test_generated", "tests/language/test_traits.py", "tests/autodiff/test_table.py",
    "tests/numbers/test_complete.py", "tests/errors/test_refusals.py", "tests/errors/test_refused_settings.py",
    "tests/numbers/test_random_bits.py",
)  # fmt: skip
Chunks = list[tuple[str, list[str]]]  # files of tests, each with its tests


class Traces:
    """What a traced run of the suite has noted; `folder` holds the notes, `root` the copy it ran in."""

    def __init__(self, folder: Path, root: Path):
        self.root, self.data = root, CoverageData(str(folder / "lines"))
        self.data.read()
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self.modules: list[str] = []
        for file in sorted(folder.glob("notes-*.json")):  # one of each process
            notes = json.loads(file.read_text(encoding="utf-8"))
            self.seconds.update(notes["seconds"])
            self.failed.update(notes["failed"])
            self.modules += [m for m in notes["modules"] if m not in self.modules]
        self.of_file: dict[str, set[str]] = defaultdict(set)
        for test in self.seconds:
            if "::" in test and test not in self.failed:
                self.of_file[test.split("::")[0]].add(test)
        self.contexts: dict[str, dict[int, list[str]]] = {}

    def running(self, path: str, lines: Iterable[int]) -> tuple[set[str], bool]:
        """The tests that run any of the lines, and whether importing does."""
        if path not in self.contexts:
            self.contexts[path] = self.data.contexts_by_lineno(str(self.root / path))
        names = {name for line in lines for name in self.contexts[path].get(line, ())}
        tests = {t for n in names for t in (self.of_file.get(n, ()) if "::" not in n else (n,))}
        return {t for t in tests if t in self.of_file[t.split("::")[0]]}, "" in names

    def chosen(self, path: str, mutation: Mutation, budget: float) -> Chunks:
        """The tests for a mutation that together take `budget` seconds at most: the first ones, then the rest.

        Lines of a function are judged by the tests that run them; what runs at import first by the tables of all that is
        declared, then also by those that run the lines that show it, by those of the module, and by one of each file.
        """
        tests, imported = self.running(path, range(mutation.first, mutation.last + 1))
        ranked = [tests]
        if mutation.near is not None or imported:
            ranked.insert(0, {t for of in self.of_file.values() for t in of if t.startswith(TABLES)})
            ranked.append(self.running(path, mutation.near or ())[0])
            ranked.append(self.running(path, list(self.contexts[path]))[0])
            ranked.append({min(of, key=self.seconds.__getitem__) for of in self.of_file.values() if of})
        around = mutation.near or range(max(1, mutation.first - AROUND), mutation.last + AROUND + 1)
        rarity, order = self.rarity(path, around), list[str]()
        for group in ranked:
            rare = sorted(group & rarity.keys(), key=lambda t: (-rarity[t], self.seconds[t], t))[:RARE]
            order += [t for t in dict.fromkeys((*rare, *self.varied(path, group, rarity))) if t not in order]
        taken, left, files = [], budget, set()
        for test in order:
            file = test.split("::")[0]
            cost = self.seconds[test] + (0 if file in files else self.seconds.get(file, 0))
            if cost <= left and self.seconds[test] <= budget / 4:
                taken.append(test)
                files.add(file)
                left -= cost
        few = sorted(chunks(taken[:FEW]), key=lambda chunk: sum(map(self.seconds.__getitem__, chunk[1])))
        return few + chunks(taken[FEW:FIRST]) + chunks(taken[FIRST:])

    def rarity(self, path: str, lines: Iterable[int]) -> dict[str, int]:
        """For each test how few others run the lines that it runs, in powers of two."""
        shares: dict[str, float] = defaultdict(float)
        for line in lines:
            names = [n for n in self.contexts[path].get(line, ()) if n]
            for name in names:
                shares[name] += 1 / len(names)
        return {name: math.floor(math.log2(share)) for name, share in shares.items()}

    def varied(self, path: str, tests: set[str], rarity: Mapping[str, int]) -> list[str]:
        """One of each file, then a second of each...; files that mirror the changed one before others.

        Within a file other functions come before other rows of one function's table; of these those that run what few
        tests run, and quick ones, come first.
        """
        words = set(PurePosixPath(path).with_suffix("").parts[1:]) | {"numbers"}
        of_file: dict[str, list[str]] = defaultdict(list)
        rows: dict[str, int] = defaultdict(int)
        turn: dict[str, int] = {}
        for test in sorted(tests, key=lambda t: (-rarity.get(t, -1000), self.seconds[t], t)):
            function = test.partition("[")[0]
            turn[test] = rows[function] = rows[function] + 1
            of_file[test.split("::")[0]].append(test)
        for of in of_file.values():
            of.sort(key=turn.__getitem__)  # which keeps their order in each turn

        def rank(file: str) -> tuple[bool, float]:
            parts = PurePosixPath(file).with_suffix("").parts[1:]
            mirrors = not words.isdisjoint({p.removeprefix("test_") for p in parts})
            return not mirrors, self.seconds.get(file, 0) + self.seconds[of_file[file][0]]

        files = sorted(of_file, key=rank)
        longest = max((len(of) for of in of_file.values()), default=0)
        return [of_file[f][i] for i in range(longest) for f in files if i < len(of_file[f])]


def chunks(tests: list[str]) -> Chunks:
    """Tests by file, in the order in which the files come first."""
    of_file: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        of_file[test.split("::")[0]].append(test)
    return list(of_file.items())

"""Changes a little of compiler/ and runtime/ many times over, and runs the tests that should notice: `make mutants`."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter, defaultdict
from typing import Any

from tests.mutants.copies import KEPT, ROOT, tree_hash
from tests.mutants.judging import Judge, run, traces
from tests.mutants.sample import Mutant, sample

EXPLAINED = ROOT / "tests" / "mutants_explained.txt"
LOG = KEPT / "log.jsonl"
ENOUGH = 0.95
Verdict = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=240, help="how many mutants (240)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (0)")
    parser.add_argument("--only", default="", metavar="PATH", help="files whose path begins so")
    parser.add_argument("--list", action="store_true", help="show the sample and stop")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (2)")
    parser.add_argument(
        "--timeout",
        type=float,
        default=60,
        help="seconds for a file of tests; all that are chosen take half of it (60)",
    )
    parser.add_argument("--again", action="store_true", help="forget earlier verdicts")
    asked = parser.parse_args()
    mutants = sample(asked.count, asked.seed, asked.only)
    if asked.list:
        for mutant in mutants:
            print(difference(mutant))
        return 0
    KEPT.mkdir(exist_ok=True)
    if asked.again:
        LOG.unlink(missing_ok=True)
    verdicts = judged(mutants, asked.jobs, asked.timeout)
    return told(verdicts, explanations())


def judged(mutants: list[Mutant], jobs: int, timeout: float) -> dict[Mutant, Verdict]:
    """A verdict for each mutant, from the log where it holds.

    A kill holds while the file is the same; a survival while the whole tree is, for as many tests or fewer.
    """
    state = tree_hash()
    records = [json.loads(line) for line in LOG.read_text(encoding="utf-8").splitlines()] if LOG.exists() else []
    same = [r for r in records if r["state"] == state and r["limit"] >= timeout]
    holding = {r["id"]: r for r in [*same, *(r for r in records if r["result"] != "survived")]}
    verdicts: dict[Mutant, Verdict] = {m: holding[identity(m)] for m in mutants if identity(m) in holding}
    waiting = [m for m in mutants if m not in verdicts]
    if waiting:
        judge = Judge(traces(state, jobs), timeout)
        with LOG.open("a", encoding="utf-8") as log:
            for mutant, verdict in run(waiting, judge, jobs):
                verdicts[mutant] = verdict
                where = {"place": place(mutant), "kind": mutant.mutation.kind}
                record = {"id": identity(mutant), "state": state, "limit": timeout, **where, **verdict}
                log.write(json.dumps(record) + "\n")
                log.flush()
                by = verdict["by"] or f"{verdict['tests']} tests"
                progress = f"{len(verdicts)}/{len(mutants)} {verdict['result']:8} {verdict['seconds']:5.1f} s"
                print(f"{progress}  {place(mutant)}  {mutant.mutation.kind}  {by}", flush=True)
    return {m: verdicts[m] for m in mutants}


def place(mutant: Mutant) -> str:
    return f"{mutant.path}:{mutant.source.encode()[: mutant.mutation.start].count(10) + 1}"


def identity(mutant: Mutant) -> str:
    return hashlib.sha256(f"{mutant.path}\0{mutant.text}\0{mutant.source}".encode()).hexdigest()[:24]


def difference(mutant: Mutant) -> str:
    before, after = mutant.mutation.difference(mutant.source)
    return f"{place(mutant)}  {mutant.mutation.kind}\n  - {before}\n  + {after}"


def explanations() -> dict[tuple[str, str, str], str]:
    """By path, line before and line after; blocks of four lines, the last of which is the reason."""
    text = EXPLAINED.read_text(encoding="utf-8") if EXPLAINED.exists() else ""
    blocks = [[line for line in block.splitlines() if not line.startswith("#")] for block in text.split("\n\n")]
    found = {}
    for block in filter(None, blocks):
        assert len(block) == 4, f"{EXPLAINED.name}: path, `- before`, `+ after`, reason: {block}"
        path, before, after, reason = (line.strip() for line in block)
        found[path, before.removeprefix("- "), after.removeprefix("+ ")] = reason
    return found


def told(verdicts: dict[Mutant, Verdict], explained: dict[tuple[str, str, str], str]) -> int:
    """Prints the table and the survivors; the exit status."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    survivors = []
    for mutant, verdict in verdicts.items():
        result = verdict["result"]
        if result == "survived" and (mutant.path, *mutant.mutation.difference(mutant.source)) in explained:
            result = "explained"
        table[mutant.path][result] += 1
        survivors += [mutant] if result == "survived" else []
    columns = ["killed", "timeout", "explained", "survived"]
    width = max(map(len, table), default=4)
    print("\n" + "file".ljust(width), *(c.rjust(9) for c in columns))
    total: Counter[str] = Counter()
    for path, of in sorted(table.items()):
        total += of
        print(path.ljust(width), *(str(of[c] or "").rjust(9) for c in columns))
    print("all".ljust(width), *(str(total[c]).rjust(9) for c in columns))
    for mutant in survivors:
        print(f"\n{difference(mutant)}\n  judged by {verdicts[mutant]['tests'] or 'no'} tests")
    share = 1 - len(survivors) / max(1, len(verdicts))
    print(f"\n{share:.1%} of {len(verdicts)} are noticed or explained; {ENOUGH:.0%} are asked for")
    return 0 if share >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())

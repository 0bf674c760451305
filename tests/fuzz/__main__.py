"""`make fuzz`: many cases of every target, or of some; finds are printed as they come, and the exit code is 1 for any."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.batch import run
from tests.fuzz.targets import Target, targets

BATCH = 2000  # cases of one child


def arguments() -> argparse.Namespace:
    known = targets()
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--cases", type=int, default=1_000_000, help="in total, divided among the targets by their share"
    )
    parser.add_argument("--first", type=int, default=0, help="the number of the first case of each target")
    parser.add_argument("--target", action="append", choices=[*known], help="one of them; may be repeated")
    parser.add_argument("--only", metavar="TARGET:NUMBER", help="run one case here, with its traceback")
    return parser.parse_args()


def fuzz(target: Target, first: int, cases: int) -> int:
    """The number of finds, each printed."""
    found, begun = 0, time.monotonic()
    for start in range(first, first + cases, BATCH):
        for find in run(target, start, min(start + BATCH, first + cases)):
            found += 1
            print(f"{find.target}:{find.number}  {find.what}", flush=True)
    seconds = time.monotonic() - begun
    print(
        f"{target.name}: cases {first:,} to {first + cases - 1:,}, {found} finds, {cases / seconds:,.0f} a second",
        flush=True,
    )
    return found


def main() -> int:
    options, known = arguments(), targets()
    if options.only:
        name, _, number = options.only.rpartition(":")
        case = known[name].case(int(number), known[name].seeds())
        print(repr(case))
        known[name].run(case)
        return 0
    chosen = options.target or [*known]
    whole = sum(known[n].share for n in chosen)
    finds = [fuzz(known[n], options.first, max(1, int(options.cases * known[n].share / whole))) for n in chosen]
    return int(sum(finds) > 0)


if __name__ == "__main__":
    sys.exit(main())

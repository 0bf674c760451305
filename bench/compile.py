"""Times of the compiler: each in its own process, from the start of Python to its end, medians. `make bench`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from netc import models

ROUNDS = 7
LAYERS = 1000
DEEP = f"""net deep {{
  input x: f32[N, 8]
  h = x
  repeat {LAYERS} {{ h = h -> Dense(8) -> relu }}
  loss = mean(h)
}}
train {{ optimizer = sgd(rate = 0.01) }}
"""


def rows(folder: Path) -> dict[str, tuple[list[str], int]]:
    """Name -> (arguments of netc, rounds)."""
    deep, digits = folder / "deep.net", str(models.path("digits"))
    deep.write_text(DEEP, encoding="utf-8")
    return {
        "help": (["--help"], ROUNDS),
        "check digits": (["check", digits], ROUNDS),
        "compile digits": (["compile", digits, "-o", str(folder / "digits.program")], ROUNDS),
        f"check {LAYERS:,} layers": (["check", str(deep)], 3),
        f"compile {LAYERS:,} layers": (["compile", str(deep), "-o", str(folder / "deep.program")], 3),
    }


def seconds(arguments: list[str], folder: Path) -> float:
    """One run of a command. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", "netc.command_line", *arguments]
    begun = time.perf_counter()
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return time.perf_counter() - begun


def main() -> None:
    print("command: seconds (median; fastest and slowest)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, (arguments, rounds) in rows(folder).items():
            seconds(arguments, folder)  # fills the caches of files and of compiled modules
            found = [seconds(arguments, folder) for _ in range(rounds)]
            print(f"{title}: {statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})", flush=True)


if __name__ == "__main__":
    main()

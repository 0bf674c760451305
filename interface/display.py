"""What a person sees while a spec trains: live progress and a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from netc.grammar.diagnostics import printable
from netc.runtime.progress import Reporter
from netc.tables import wrapped

REFRESH_SECONDS = 0.1


class Display(Reporter):
    """Prints one line for each epoch; on a terminal a progress bar stays below them."""

    def __init__(self, quiet: bool = False):
        self.console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self.errors = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self.quiet = quiet
        self.bar: Progress | None = None
        self.task: Any = None
        self.shown_at = 0.0
        self.columns: dict[str, list[str]] = {}  # the lines of each head, by the name of the score
        self.wide = False  # a table would be wider than the terminal

    @property
    def width(self) -> int | None:
        return self.console.width if self.console.is_terminal else None

    def header(self, text: str) -> None:
        if not self.quiet:
            self.console.print(wrapped(text, self.width) + "\n", markup=False)

    def start(self, epochs: int | None, steps: int, rows: int) -> None:
        if self.quiet or not self.console.is_terminal:
            return
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(), TimeRemainingColumn(), console=self.console, transient=True,
        )  # fmt: skip
        self.task = self.bar.add_task("training", total=steps)
        self.bar.start()

    def step(self, epoch: int, step: int, loss: float) -> None:
        if self.bar is None:
            return
        now = time.monotonic()
        if now - self.shown_at > REFRESH_SECONDS:
            self.shown_at = now
            self.bar.update(self.task, completed=step, description=f"epoch {epoch}  loss {loss:.4f}")

    def epoch(self, epoch: int, step: int, scores: Mapping[str, float], best: bool) -> None:
        if self.quiet:
            return
        if not self.columns:
            self.begin(list(scores))
        mark = " *" if best else ""
        if self.wide:
            found = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
            self.console.print(wrapped(f"epoch {epoch}: {found}{mark}", self.width), markup=False)
            return
        values = [
            (f"{scores[name]:.4f}" if name in scores else "").rjust(_width(head)) for name, head in self.columns.items()
        ]
        self.line(str(epoch), values, mark, "")

    def begin(self, names: list[str]) -> None:
        """The head of the table of epochs: one line, or two, split above score, where that is too wide."""
        for heads in ({n: [n] for n in names}, {n: n.split(".", 1) for n in names}):
            self.columns = heads
            needed = len("epoch") + sum(2 + _width(head) for head in heads.values()) + len(" *")
            self.wide = self.width is not None and needed > self.width
            if not self.wide:
                break
        else:
            return  # no head: each number has its name beside it
        for k in range(max(map(len, self.columns.values()))):
            cells = [head[k].rjust(_width(head)) for head in self.columns.values()]
            self.line("epoch" if k == 0 else "", cells, "", "bold")

    def line(self, first: str, cells: list[str], mark: str, style: str) -> None:
        self.console.print(f"{first.rjust(5)}  {'  '.join(cells)}{mark}", style=style or None, markup=False)

    def notice(self, message: str) -> None:
        self.errors.print("\n".join(map(printable, message.splitlines())), style="yellow", markup=False)

    def stop(self) -> None:
        """Takes the progress bar away."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def _width(head: list[str]) -> int:
    return max(9 if len(head) == 1 else 6, *map(len, head))

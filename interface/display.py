"""What a person sees while a spec trains: live progress and a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from netc.grammar.diagnostics import printable
from netc.runtime.loop import Reporter

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
        self.columns: list[str] = []

    def header(self, text: str) -> None:
        if not self.quiet:
            self.console.print(text + "\n", markup=False)

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
            self.columns = list(scores)
            self.line("epoch", [c.rjust(_width(c)) for c in self.columns], "", "bold")
        values = [f"{scores[c]:.4f}".rjust(_width(c)) if c in scores else " " * _width(c) for c in self.columns]
        self.line(str(epoch), values, " *" if best else "", "")

    def line(self, first: str, cells: list[str], mark: str, style: str) -> None:
        self.console.print(f"{first.rjust(5)}  {'  '.join(cells)}{mark}", style=style or None, markup=False)

    def notice(self, message: str) -> None:
        self.errors.print("\n".join(map(printable, message.splitlines())), style="yellow", markup=False)

    def stop(self) -> None:
        """Takes the progress bar away."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def _width(column: str) -> int:
    return max(9, len(column))

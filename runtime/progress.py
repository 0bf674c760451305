"""Where a run stands, what it tells on its way, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netc.runtime.rules import Kept, Patience


@dataclass
class Progress:
    """Where the loop stands; saved with each checkpoint, so that a resumed run goes on bit for bit."""

    epoch: int = 0  # epochs done
    rows: int = 0  # rows seen in the epoch under way
    sums: dict[str, float] = field(default_factory=dict)  # scores of its batches, weighted by rows
    kept: Kept = field(default_factory=Kept)
    stop: Patience = field(default_factory=Patience)
    plateau: Patience = field(default_factory=Patience)
    seconds: float = 0.0  # of training, from the first epoch on

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Progress:
        """From what `asdict` made of it. Raises TypeError or KeyError."""
        parts = {
            "kept": Kept(**saved["kept"]),
            "stop": Patience(**saved["stop"]),
            "plateau": Patience(**saved["plateau"]),
        }
        return cls(**{**saved, **parts})


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `reason` is one of done, early, stopped (by a callback), interrupted. `best` is the score of the kept
    weights, None where those of the last step are kept."""

    reason: str
    epochs: int
    steps: int
    seconds: float
    best: float | None
    best_epoch: int
    best_score: str
    scores: dict[str, float]
    history: list[dict[str, float]]
    confusion: dict[str, np.ndarray]
    confusion_split: str  # whose rows the matrices count


class Reporter:
    """What the loop tells whoever shows it; the methods do nothing here."""

    def header(self, text: str) -> None: ...

    def start(self, epochs: int | None, steps: int, rows: int) -> None: ...

    def step(self, epoch: int, step: int, loss: float) -> None: ...

    def epoch(self, epoch: int, step: int, scores: Mapping[str, float], best: bool) -> None: ...

    def notice(self, message: str) -> None: ...

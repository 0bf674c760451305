"""What the host decides by scores: when to stop, when to lower the rates, which weights to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netc.runtime.data.sources import LoadedData
from netc.runtime.errors import InputError

Rule = Mapping[str, Any]  # of the manifest: split, score, mode, and what the rule adds


@dataclass
class Patience:
    """The best value of a score so far, and how many epochs have passed without a better one."""

    best: float | None = None
    waited: int = 0

    def ends(self, rule: Rule, scores: Mapping[str, float]) -> bool:
        """Whether the score of a rule has not improved by more than its `delta` in the last `patience` epochs."""
        value = scores[watched(rule)]
        if improves(value, self.best, rule["mode"], rule["delta"]):
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        return self.waited >= int(rule["patience"])


@dataclass
class Kept:
    """The epoch whose weights are kept: the one with the best score, and among equals with the lowest loss."""

    best: float | None = None
    loss: float | None = None
    epoch: int = 0

    def takes(self, rule: Rule, scores: Mapping[str, float], epoch: int) -> bool:
        """Whether the weights of an epoch are the best so far; then they are the kept ones."""
        value, loss = scores[watched(rule)], scores[f"{rule['split']}.loss"]
        tied = value == self.best and improves(loss, self.loss, "min")
        if not (tied or improves(value, self.best, rule["mode"])):
            return False
        self.best, self.loss, self.epoch = value, loss, epoch
        return True


def watched(rule: Rule) -> str:
    """`val.loss`: the score that a rule looks at."""
    return f"{rule['split']}.{rule['score']}"


def improves(value: float, best: float | None, mode: str, delta: float = 0.0) -> bool:
    """Whether a score is better than the best one by more than `delta`; one that is not a number never is."""
    if best is None:
        return value == value
    return value > best + delta if mode == "max" else value < best - delta


def keeping(train: Mapping[str, Any], data: LoadedData) -> Rule | None:
    """The rule that chooses the weights to keep; None for those of the last step.

    Where the spec does not say, it is the score that `stop` waits for, or else `val.loss`; a score of the training rows
    decides only where there are no others.
    """
    if train["keep"] is not None:
        return None if train["keep"] == "last" else dict(train["keep"])
    held_out = data.rows("val") > 0
    if train["stop"] and not (held_out and train["stop"]["split"] == "train"):
        return {k: train["stop"][k] for k in ("split", "score", "mode")}
    return {"split": "val", "score": "loss", "mode": "min"} if held_out else None


def refuse_empty(rules: Mapping[str, Rule | None], data: LoadedData) -> None:
    """Raises InputError for a rule over a split without rows."""
    for rule in rules.values():
        if rule and not data.rows(rule["split"]):
            raise InputError(
                f"the spec watches `{watched(rule)}`, but the data has no {rule['split']} rows",
                "give the split some rows: `split = random(train = 0.8, val = 0.2)`",
            )

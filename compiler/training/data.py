"""The data block, resolved: where rows come from, how they are divided, and what becomes of values that are missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from netc.compiler.language.refusal import Refused, percent
from netc.compiler.language.words import constructor


class DataSplit:
    """How rows are divided among train, val and test."""

    def record(self) -> dict[str, Any]:
        """As the manifest has it."""
        raise NotImplementedError


@constructor("split", name="random")
class RandomSplit(DataSplit):
    """rows drawn without replacement by the seed, in the given shares, which sum to 1"""

    train: float = 1.0
    val: float = 0.0
    test: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("train", "val", "test"):
            if not 0 <= getattr(self, name) <= 1:
                raise Refused("argument", f"`{name}` must be a share from 0 to 1", name, percent(getattr(self, name)))
        if abs(float(self.train + self.val + self.test) - 1) > 1e-9:
            total = float(self.train + self.val + self.test)
            raise Refused("argument", f"the shares sum to {total:g}, not 1", None, "train + val + test = 1")

    def record(self) -> dict[str, Any]:
        return {"kind": "random", "train": float(self.train), "val": float(self.val), "test": float(self.test),
                "seed": self.seed}  # fmt: skip


@constructor("split", name="ordered")
class OrderedSplit(DataSplit):
    """the first rows to train, the next to val, the last to test, in the given shares"""

    train: float = 1.0
    val: float = 0.0
    test: float = 0.0

    def __post_init__(self) -> None:
        RandomSplit(self.train, self.val, self.test)

    def record(self) -> dict[str, Any]:
        return {"kind": "ordered", "train": float(self.train), "val": float(self.val), "test": float(self.test)}


@constructor("split", name="stratified")
class StratifiedSplit(DataSplit):
    """as random, with the same shares of every class in each split; `by` is an input, a target or a column of the file"""

    by: str
    train: float = 1.0
    val: float = 0.0
    test: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        RandomSplit(self.train, self.val, self.test)

    def record(self) -> dict[str, Any]:
        shares = RandomSplit(self.train, self.val, self.test, self.seed).record()
        return {**shares, "kind": "stratified", "by": self.by}


@constructor("split", name="grouped")
class GroupedSplit(StratifiedSplit):
    """as random, with all rows of a group in one split; `by` is an input, a target or a column of the file"""

    def record(self) -> dict[str, Any]:
        return {**super().record(), "kind": "grouped"}


@constructor("column")
class Category:
    """a column whose cells are names even where they are digits, such as codes of places"""

    column: str


class MissingValues:
    """What is done about values that are missing from the data, by its name in the manifest."""

    kind: ClassVar[str]

    def record(self) -> dict[str, Any]:
        """As the manifest has it."""
        return {"kind": self.kind}


@constructor("missing", name="mean")
class FilledByMean(MissingValues):
    """in inputs of floating-point numbers, the mean of the column over the training rows"""

    kind = "mean"


@constructor("missing", name="drop")
class DroppedRows(MissingValues):
    """the row is left out"""

    kind = "drop"


@dataclass(frozen=True)
class DataConfig:
    """`source` is a plain record ({"kind": "csv", "path": ..., "columns": {...}}), paths relative to `folder`; empty
    where the data comes from the caller."""

    source: Mapping[str, Any]
    split: Mapping[str, Any] | None
    missing: Mapping[str, Any] | None
    folder: str

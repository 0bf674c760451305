"""The data and train blocks, resolved: what the manifest records and the runtime obeys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from netc.compiler.language.words import Refused, constructor
from netc.compiler.training.optimizers.base import Optimizer
from netc.compiler.net import Parameter

Files = str | tuple[str, ...]  # one path, or one for each input and target


@dataclass(frozen=True)
class Watched:
    """`val.loss`: a score of a split, with the direction that is better."""

    split: str
    name: str
    mode: str

    def __str__(self) -> str:
        return f"{self.split}.{self.name}"


def _patience(patience: int) -> None:
    if patience < 1:
        raise Refused("argument", f"`patience` must be at least 1, not {patience}", "patience")


@constructor("stop", name="early")
@dataclass(frozen=True)
class Early:
    """stop after `patience` epochs in which the score did not improve by more than `delta`; keeps the best weights"""

    score: Watched
    patience: int = 5
    delta: float = 0.0

    def __post_init__(self) -> None:
        _patience(self.patience)


@constructor("plateau", name="reduce")
@dataclass(frozen=True)
class Reduce:
    """multiply every rate by `factor` after `patience` epochs without improvement by more than `delta`"""

    score: Watched
    factor: float = 0.5
    patience: int = 3
    delta: float = 0.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        _patience(self.patience)
        if not 0 < self.factor < 1:
            raise Refused("argument", f"`factor` must be between 0 and 1, not {float(self.factor):g}", "factor")


@constructor("average", name="ema")
@dataclass(frozen=True)
class Ema:
    """a' = decay a + (1 - decay) w after each step; evaluation and export use a  (Polyak & Juditsky, 1992)"""

    decay: float = 0.999

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise Refused("argument", f"`decay` must be in [0, 1), not {float(self.decay):g}", "decay")


@constructor("split", name="random")
@dataclass(frozen=True)
class RandomSplit:
    """rows drawn without replacement by the seed, in the given shares, which sum to 1"""

    train: float = 1.0
    val: float = 0.0
    test: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("train", "val", "test"):
            if not 0 <= getattr(self, name) <= 1:
                raise Refused("argument", f"`{name}` must be a share from 0 to 1", name)
        if abs(float(self.train + self.val + self.test) - 1) > 1e-9:
            total = float(self.train + self.val + self.test)
            raise Refused("argument", f"the shares sum to {total:g}, not 1", None, "train + val + test = 1")

    def record(self) -> dict[str, Any]:
        return {"kind": "random", "train": float(self.train), "val": float(self.val), "test": float(self.test),
                "seed": self.seed}  # fmt: skip


@constructor("split", name="ordered")
@dataclass(frozen=True)
class OrderedSplit:
    """the first rows to train, the next to val, the last to test, in the given shares"""

    train: float = 1.0
    val: float = 0.0
    test: float = 0.0

    def __post_init__(self) -> None:
        RandomSplit(self.train, self.val, self.test)

    def record(self) -> dict[str, Any]:
        return {"kind": "ordered", "train": float(self.train), "val": float(self.val), "test": float(self.test)}


@constructor("source", name="csv", open=True)
@dataclass(frozen=True)
class Csv:
    """a CSV file, .gz too: `name = "column"` or `name = "first".."last"` for each input and target"""

    path: Files | None = None
    train: Files | None = None
    val: Files | None = None
    test: Files | None = None
    header: bool = True
    delimiter: str = ","


@constructor("source", name="npz", open=True)
@dataclass(frozen=True)
class Npz:
    """a .npz archive; `name = "key"` where the key differs from the name"""

    path: Files | None = None
    train: Files | None = None
    val: Files | None = None
    test: Files | None = None


@constructor("source", name="npy")
@dataclass(frozen=True)
class Npy:
    """.npy files, one for each input and target, in the order of their declarations"""

    path: Files | None = None
    train: Files | None = None
    val: Files | None = None
    test: Files | None = None


@constructor("source", name="idx")
@dataclass(frozen=True)
class Idx:
    """IDX files, .gz too (the format of MNIST), one for each input and target, in the order of their declarations"""

    path: Files | None = None
    train: Files | None = None
    val: Files | None = None
    test: Files | None = None


@dataclass(frozen=True)
class DataConfig:
    """`source` is a plain record ({"kind": "csv", "path": ..., "columns": {...}}), paths relative to `folder`."""

    source: Mapping[str, Any]
    split: Mapping[str, Any] | None
    folder: str


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides how parameters change. `per_parameter` holds what rules changed."""

    optimizer: Optimizer
    batch: int = 32
    epochs: int | None = 10
    steps: int | None = None
    seed: int = 0
    clip_norm: float | None = None
    clip_value: float | None = None
    average: Ema | None = None
    stop: Early | None = None
    plateau: Reduce | None = None
    shuffle: bool = True
    per_parameter: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    text: Mapping[str, str] = field(default_factory=dict)

    def optimizer_of(self, parameter: Parameter) -> Optimizer:
        """The optimizer with what the rules say of this parameter."""
        changes = {k: v for k, v in self.per_parameter.get(parameter.name, {}).items() if k != "rate_factor"}
        return replace(self.optimizer, **changes)

    def rate_factor(self, parameter: Parameter) -> float:
        """What `rate *= x` rules multiply this parameter's rate by."""
        return float(self.per_parameter.get(parameter.name, {}).get("rate_factor", 1))

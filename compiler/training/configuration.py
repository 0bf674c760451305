"""The train block, resolved: what the manifest records and the runtime obeys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from netc.compiler.language.refusal import Refused, percent
from netc.compiler.language.variables import Variable
from netc.compiler.language.words import constructor
from netc.compiler.training.optimizers.base import Optimizer


@dataclass(frozen=True)
class Watched:
    """`val.loss`: a score of a split, with the direction that is better."""

    split: str
    name: str
    mode: str

    def __str__(self) -> str:
        return f"{self.split}.{self.name}"


def _is_score(word: str, score: object) -> None:
    """Refuses what is no score of a split."""
    if not isinstance(score, Watched):
        raise Refused(
            "argument", f"`score` of `{word}` is a score of a split, such as `val.loss`", "score", "write `val.loss`"
        )


def _waits(word: str, score: object, patience: int, delta: float) -> None:
    """What a rule that waits for a score to improve needs. Raises Refused."""
    _is_score(word, score)
    if patience < 1:
        raise Refused("argument", f"`patience` must be at least 1, not {patience}", "patience")
    if delta < 0:
        raise Refused("argument", f"`delta` must be 0 or more, not {float(delta):g}", "delta")


@constructor("stop")
class Early:
    """stop after `patience` epochs in which the score did not improve by more than `delta`"""

    score: Watched
    patience: int = 5
    delta: float = 0.0

    def __post_init__(self) -> None:
        _waits("early", self.score, self.patience, self.delta)


@constructor("keep")
class Best:
    """the weights of the epoch with the best score, and among equals with the lowest loss"""

    score: Watched

    def __post_init__(self) -> None:
        _is_score("best", self.score)


@constructor("keep")
class Last:
    """the weights of the last step"""


@constructor("plateau")
class Reduce:
    """multiply every rate by `factor` after `patience` epochs without improvement by more than `delta`"""

    score: Watched
    factor: float = 0.5
    patience: int = 3
    delta: float = 0.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        _waits("reduce", self.score, self.patience, self.delta)
        if not 0 < self.factor < 1:
            raise Refused(
                "argument",
                f"`factor` must be between 0 and 1, not {float(self.factor):g}",
                "factor",
                percent(self.factor),
            )


@constructor("average")
class Ema:
    """a' = decay a + (1 - decay) w after each step; evaluation and export use a  (Polyak & Juditsky, 1992)"""

    decay: float = 0.999

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise Refused(
                "argument", f"`decay` must be in [0, 1), not {float(self.decay):g}", "decay", percent(self.decay)
            )


def setting(default: Any, **bounds: float) -> Any:
    """A field with bounds: `least`, or `above`, which it may not reach."""
    return field(default=default, metadata=bounds)


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides how parameters change. Its fields are the settings of a train block, but for those that are
    marked hidden: `per_parameter` holds what rules changed, `text` every setting in force as a spec writes it."""

    optimizer: Optimizer
    batch: int = setting(32, least=1)
    epochs: int | None = setting(None, least=0)
    steps: int | None = setting(None, least=1)
    seed: int = 0
    clip_norm: float | None = setting(None, above=0)
    clip_value: float | None = setting(None, above=0)
    average: Ema | None = None
    stop: Early | None = None
    keep: Best | Last | None = None
    plateau: Reduce | None = None
    shuffle: bool = True
    per_parameter: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, metadata={"hidden": True})
    text: Mapping[str, str] = field(default_factory=dict, metadata={"hidden": True})

    @classmethod
    def check(cls, name: str, value: Any) -> None:
        """Refuses a setting that is out of bounds."""
        bounds = cls.__dataclass_fields__[name].metadata
        if value is None:
            return
        if "least" in bounds and value < bounds["least"]:
            raise Refused("argument", f"`{name}` must be at least {bounds['least']}, not {value}")
        if "above" in bounds and not value > bounds["above"]:
            raise Refused("argument", f"`{name}` must be positive, not {value:g}")
        if isinstance(value, int) and not -(2**31) <= value < 2**31:
            raise Refused("argument", f"`{name}` must fit a 32-bit integer")

    def optimizer_of(self, parameter: Variable) -> Optimizer:
        """The optimizer with what the rules say of this parameter."""
        changes = {k: v for k, v in self.per_parameter.get(parameter.name, {}).items() if k != "rate_factor"}
        return replace(self.optimizer, **changes)

    def rate_factor(self, parameter: Variable) -> float:
        """What `rate *= x` rules multiply this parameter's rate by."""
        return float(self.per_parameter.get(parameter.name, {}).get("rate_factor", 1))

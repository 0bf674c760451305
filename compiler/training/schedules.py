"""Learning rates as functions of the step counter, emitted as scalar graph nodes.

`t` is the number of steps done (0 in the first step). A schedule that needs a length takes it from its `steps`, else
from `train.steps`, else from the control tensor `total_steps`, which the host sets to epochs x ceil(rows / batch).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from netc.compiler.graph.types import FLOAT
from netc.compiler.language.lowering import Emitter, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.words import constructor


@dataclass(frozen=True)
class Schedule:
    """A named rate. `rate` is its largest value."""

    needs_length: ClassVar[bool] = False

    rate: float

    def __post_init__(self) -> None:
        if not (self.rate > 0 and math.isfinite(self.rate)):
            raise Refused("argument", f"the rate must be positive, not {float(self.rate):g}", "rate")
        for name in ("every", "steps"):
            value = getattr(self, name, None)
            if value is not None and value < 1:
                raise Refused("argument", f"`{name}` must be at least 1, not {value}", name)
        if getattr(self, "warmup", 0) < 0:
            raise Refused("argument", f"`warmup` must be 0 or more, not {getattr(self, 'warmup', 0)}", "warmup")

    @property
    def fixed_length(self) -> int | None:
        """The length that the spec itself gives."""
        return getattr(self, "steps", None)

    def curve(self, op: Emitter, t: Value, length: Value | None) -> Value:
        """Emits rate(t) / rate, before warm-up. `t` and `length` are float32 scalars."""
        raise NotImplementedError

    def emit(self, op: Emitter, t: Value, length: Value | None) -> Value:
        """Emits rate(t), a float32 scalar; the first `warmup` steps climb in a straight line."""
        warmup = getattr(self, "warmup", 0)
        base = op.Mul(self.curve(op, op.Relu(op.Sub(t, float(warmup))) if warmup else t, length), float(self.rate))
        if not warmup:
            return base
        climb = op.Min(op.Mul(op.Add(t, 1.0), 1.0 / warmup), op.constant(1.0, FLOAT))
        return op.Mul(base, climb)

    def progress(self, op: Emitter, t: Value, length: Value | None) -> Value:
        """t over the length that is left after warm-up, in [0, 1]; 0 while no length is known."""
        assert length is not None, "a schedule that needs a length has one"
        left = op.Max(op.Sub(length, float(getattr(self, "warmup", 0))), op.constant(1.0, FLOAT))
        share = op.Min(op.Div(t, left), op.constant(1.0, FLOAT))
        return share if isinstance(self.fixed_length, int) else op.Mul(share, op.Sign(length))


Rate = Annotated[float | Schedule, "rate"]


@constructor("schedule", name="constant")
class ConstantRate(Schedule):
    """rate"""

    warmup: int = 0

    def curve(self, op: Emitter, t: Value, length: Value | None) -> Value:
        return op.constant(1.0, FLOAT)


@constructor("schedule")
class Step(Schedule):
    """rate factor^floor(t / every)"""

    every: int
    factor: float = 0.1
    warmup: int = 0

    def curve(self, op: Emitter, t: Value, length: Value | None) -> Value:
        drops = op.Floor(op.Div(t, float(self.every)))
        return op.Pow(op.constant(float(self.factor), 1), drops)


@constructor("schedule")
class Exponential(Schedule):
    """rate decay^(t / every); with `staircase` the exponent is floored"""

    decay: float
    every: int = 1
    staircase: bool = False
    warmup: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.decay > 0:
            raise Refused("argument", f"`decay` must be positive, not {float(self.decay):g}", "decay")

    def curve(self, op: Emitter, t: Value, length: Value | None) -> Value:
        exponent = op.Div(t, float(self.every))
        exponent = op.Floor(exponent) if self.staircase else exponent
        return op.Pow(op.constant(float(self.decay), 1), exponent)


@constructor("schedule")
class Polynomial(Schedule):
    """end + (rate - end) (1 - t / steps)^power, then end"""

    needs_length = True

    end: float = 0.0
    power: float = 1.0
    warmup: int = 0
    steps: int | None = None

    def curve(self, op: Emitter, t: Value, length: Value | None) -> Value:
        floor = float(self.end) / float(self.rate)
        left = op.Sub(1.0, self.progress(op, t, length))
        shape = left if self.power == 1 else op.Pow(left, float(self.power))
        return op.Add(op.Mul(shape, 1 - floor), floor)


@constructor("schedule")
class Cosine(Schedule):
    """end + (rate - end) (1 + cos(pi t / steps)) / 2, then end  (Loshchilov & Hutter, 2016)"""

    needs_length = True

    end: float = 0.0
    warmup: int = 0
    steps: int | None = None

    def curve(self, op: Emitter, t: Value, length: Value | None) -> Value:
        floor = float(self.end) / float(self.rate)
        wave = op.Add(op.Mul(op.Cos(op.Mul(self.progress(op, t, length), math.pi)), 0.5), 0.5)
        return op.Add(op.Mul(wave, 1 - floor), floor)

"""Gradients and state -> next state: clipping, optimizer, averages and the counter, as graph nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.types import FLOAT, I32
from netc.compiler.language.variables import Variable
from netc.compiler.training.configuration import TrainConfig
from netc.compiler.training.optimizers.base import Update
from netc.compiler.training.schedules import Rate, Schedule

CLIP_EPSILON = 1e-6  # as torch.nn.utils.clip_grad_norm_
Values = dict[Variable, Value]


def clipped(op: Emitter, config: TrainConfig, gradients: Values) -> Values:
    """The gradients, limited element by element (`clip_value`), then by their global norm (`clip_norm`)."""
    if config.clip_value is not None:
        limit = float(config.clip_value)
        gradients = {
            p: op.Clip(g, op.constant(-limit, g.dtype), op.constant(limit, g.dtype)) for p, g in gradients.items()
        }
    if config.clip_norm is not None:
        norm = global_norm(op, list(gradients.values()))
        scale = op.Min(op.Div(float(config.clip_norm), op.Add(norm, CLIP_EPSILON)), op.constant(1.0, FLOAT))
        gradients = {p: op.Mul(g, op.cast(scale, g.dtype)) for p, g in gradients.items()}
    return gradients


def updated(op: Emitter, config: TrainConfig, state: Mapping[str, Value], gradients: Values) -> dict[str, Value]:
    """The next value of each trained parameter, of what its optimizer keeps, and of the step counter, by name."""
    with op.at("", "update/step"):
        step = op.cast(state["step"], FLOAT)
        count = op.Add(step, 1.0)
    following: dict[str, Value] = {}
    for parameter, gradient in gradients.items():
        w = state[parameter.name]
        optimizer = config.optimizer_of(parameter)
        rate = _rate(op, config, state, step, optimizer.rate, config.rate_factor(parameter))
        kept = {slot: state[f"{parameter.name}/{slot}"] for slot in optimizer.state()}
        with op.at("", f"update/{parameter.name}"):
            following[parameter.name], later = optimizer.update(
                op, w, gradient, Update(op.cast(rate, w.dtype), count), kept
            )
        assert later.keys() == kept.keys(), (
            f"`{type(optimizer).__name__}` keeps {list(kept)}, but returned {list(later)}"
        )
        following.update({f"{parameter.name}/{slot}": value for slot, value in later.items()})
    return {**following, "step": op.Add(state["step"], op.constant(1, I32))}


def averaged(
    op: Emitter,
    config: TrainConfig,
    state: Mapping[str, Value],
    following: Mapping[str, Value],
    averages: Sequence[Variable],
) -> dict[str, Value]:
    """The next value of each average: a' = decay a + (1 - decay) w, with w the next value of its parameter."""
    if config.average is None:
        return {}
    decay = float(config.average.decay)
    found = {}
    for average in averages:
        assert average.owner is not None
        old = op.Mul(state[average.name], decay)
        found[average.name] = op.Add(old, op.Mul(following[average.owner.name], 1 - decay))
    return found


def _rate(
    op: Emitter, config: TrainConfig, state: Mapping[str, Value], step: Value, rate: Rate, factor: float
) -> Value:
    """The rate of this step, a float32 scalar, with the host's `rate_scale` in it."""

    def base() -> Value:
        planned = rate.emit(op, step, _length(op, config, state, rate)) if isinstance(rate, Schedule) else float(rate)
        return op.Mul(state["rate_scale"], planned)

    with op.at("", "rate"):
        made: Value = op.shared(("rate", rate), base)
        if factor != 1:
            made = op.shared(("rate", rate, factor), partial(op.Mul, made, factor))
    return made


def base_rate(op: Emitter, config: TrainConfig, state: Mapping[str, Value], trained: Sequence[Variable]) -> Value:
    """The optimizer's rate in the step that follows `step` steps, a float32 scalar: before the factors that rules give
    to single parameters, and where they give every one a rate of its own, that of the first."""
    used = [config.optimizer_of(p).rate for p in trained]
    rate = config.optimizer.rate if config.optimizer.rate in used else used[0]
    with op.at("", "rate"):
        step = op.cast(state["step"], FLOAT)
    return _rate(op, config, state, step, rate, 1.0)


def _length(op: Emitter, config: TrainConfig, state: Mapping[str, Value], schedule: Schedule) -> Value | None:
    """The steps that a schedule runs over."""
    fixed = schedule.fixed_length or config.steps
    if fixed is not None:
        return op.constant(float(fixed), FLOAT)
    return op.cast(state["total_steps"], FLOAT) if "total_steps" in state else None


def global_norm(op: Emitter, values: Sequence[Value]) -> Value:
    """sqrt of the sum of all squares, float32."""
    squares = [op.cast(op.reduce("ReduceSumSquare", v, None, False), FLOAT) for v in values]
    return op.Sqrt(squares[0] if len(squares) == 1 else op.Sum(*squares))

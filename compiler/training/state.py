"""The state of a training program: every tensor that outlives a step, its name, role and first value."""

from __future__ import annotations

from dataclasses import dataclass

from netc.compiler.training.configuration import TrainConfig
from netc.compiler.training.schedules import Schedule
from netc.compiler.net import Parameter, TypedNet
from netc.compiler.graph.types import F32, I32, TensorType


@dataclass(frozen=True)
class StateRow:
    """One row of the manifest's state table. `first` is a number, or None where a parameter's initialiser decides."""

    name: str
    type: TensorType
    role: str
    changes: bool
    parameter: Parameter | None = None
    first: float | None = None


def optimizer_name(parameter: Parameter, slot: str) -> str:
    """`h.weight/first_moment`"""
    return f"{parameter.name}/{slot}"


def average_name(parameter: Parameter) -> str:
    """`h.weight/average`"""
    return f"{parameter.name}/average"


def state_rows(net: TypedNet, config: TrainConfig) -> list[StateRow]:
    """Every state tensor in manifest order: parameters, optimizer, averages, counter, control."""
    rows = [StateRow(p.name, p.type, "parameter", not p.frozen, p) for p in net.parameters]
    for p in net.trained:
        for slot, first in config.optimizer_of(p).state().items():
            rows.append(StateRow(optimizer_name(p, slot), p.type, "optimizer", True, p, first))
    if config.average is not None:
        rows += [StateRow(average_name(p), p.type, "average", True, p) for p in net.trained]
    scalar = TensorType(I32, ())
    rows.append(StateRow("step", scalar, "counter", True, None, 0))
    rows.append(StateRow("rate_scale", TensorType(F32, ()), "control", False, None, 1))
    if needs_length(net, config):
        rows.append(StateRow("total_steps", scalar, "control", False, None, 0))
    return rows


def needs_length(net: TypedNet, config: TrainConfig) -> bool:
    """Whether a schedule takes its length from epochs and rows, which only the host knows."""
    rates = [config.optimizer_of(p).rate for p in net.trained]
    return config.steps is None and any(
        isinstance(r, Schedule) and r.needs_length and r.fixed_length is None for r in rates
    )


def evaluated_name(parameter: Parameter, config: TrainConfig) -> str:
    """The state that evaluation reads for a parameter: its average where there is one."""
    return average_name(parameter) if config.average is not None and not parameter.frozen else parameter.name

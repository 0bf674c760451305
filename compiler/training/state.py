"""The state of a training program: every variable, in the order of the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netc.compiler.graph.types import F32, I32, DType, TensorType
from netc.compiler.language.variables import Initializer, Role, Variable
from netc.compiler.library.initializers import ConstantValue, Zeros
from netc.compiler.training.configuration import TrainConfig
from netc.compiler.training.schedules import Schedule


def program_state(made: Sequence[Variable], config: TrainConfig) -> list[Variable]:
    """What the net's layers made, and what training adds: optimizers' state, averages, the counter and the controls."""
    parameters = [v for v in made if v.role == "parameter"]
    trained = [p for p in parameters if p.trained]
    kept = [
        Variable(p.type, ConstantValue(first), "optimizer", f"{p.name}/{slot}", p)
        for p in trained
        for slot, first in config.optimizer_of(p).state().items()
    ]
    buffers = [v for v in made if v.role == "buffer"]
    averages = [Variable(p.type, None, "average", f"{p.name}/average", p) for p in trained if config.average]
    scalars = [_scalar("step", "counter", I32, Zeros()), _scalar("rate_scale", "control", F32, ConstantValue(1.0))]
    if needs_length(trained, config):
        scalars.append(_scalar("total_steps", "control", I32, Zeros()))
    return [*parameters, *kept, *buffers, *averages, *scalars]


def _scalar(name: str, role: Role, dtype: DType, first: Initializer) -> Variable:
    return Variable(TensorType(dtype, ()), first, role, name, trained=role == "counter")


def needs_length(trained: Iterable[Variable], config: TrainConfig) -> bool:
    """Whether a schedule takes its length from epochs and rows, which only the host knows."""
    rates = [config.optimizer_of(p).rate for p in trained]
    return config.steps is None and any(
        isinstance(r, Schedule) and r.needs_length and r.fixed_length is None for r in rates
    )


def evaluated(state: Sequence[Variable]) -> dict[Variable, Variable]:
    """What evaluation reads for each parameter and buffer: its average where there is one."""
    averages = {v.owner: v for v in state if v.role == "average"}
    return {v: averages.get(v, v) for v in state if v.role in ("parameter", "buffer")}

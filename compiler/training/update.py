"""Gradients and state -> next state: clipping, schedule, decay, optimizer, averages and the counter, as graph nodes."""

from __future__ import annotations

from functools import partial
from typing import Any

import onnx_ir as ir

from netc.compiler.training.configuration import TrainConfig
from netc.compiler.graph.emitter import Emitter
from netc.compiler.training.schedules import Rate, Schedule
from netc.compiler.training.state import average_name, optimizer_name
from netc.compiler.net import Parameter
from netc.compiler.graph.types import FLOAT

INT32 = 6
CLIP_EPSILON = 1e-6  # as torch.nn.utils.clip_grad_norm_


class Update:
    """One optimizer step in a graph whose inputs hold the state by name."""

    def __init__(self, op: Emitter, config: TrainConfig, state: dict[str, ir.Value]):
        self.op, self.config, self.state = op, config, state
        self.t = op.cast(state["step"], FLOAT)
        op.count = op.Add(self.t, 1.0)

    def emit(self, gradients: dict[Parameter, ir.Value]) -> dict[str, ir.Value]:
        """The next value of everything that changes, by state name, buffers aside."""
        op, config = self.op, self.config
        following: dict[str, ir.Value] = {}
        averages: dict[str, ir.Value] = {}
        for parameter, gradient in self.clipped(gradients).items():
            w = self.state[parameter.name]
            optimizer = config.optimizer_of(parameter)
            rate = self.rate(optimizer.rate, config.rate_factor(parameter))
            kept = {slot: self.state[optimizer_name(parameter, slot)] for slot in optimizer.state()}
            w_next, kept_next = optimizer.update(op, w, gradient, op.cast(rate, w.dtype), kept)
            following[parameter.name] = w_next
            following.update({optimizer_name(parameter, slot): value for slot, value in kept_next.items()})
            if config.average is not None:
                decay = float(config.average.decay)
                old = op.Mul(self.state[average_name(parameter)], decay)
                averages[average_name(parameter)] = op.Add(old, op.Mul(w_next, 1 - decay))
        return {**following, **averages, "step": op.Add(self.state["step"], op.constant(1, INT32))}

    def clipped(self, gradients: dict[Parameter, ir.Value]) -> dict[Parameter, ir.Value]:
        """The gradients, limited element by element (`clip_value`), then by their global norm (`clip_norm`)."""
        op, config = self.op, self.config
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

    def rate(self, rate: Rate, factor: float) -> ir.Value:
        """The rate of this step, a float32 scalar, with the host's `rate_scale` in it."""
        op = self.op

        def base() -> ir.Value:
            scale = self.state["rate_scale"]
            planned = rate.emit(op, self.t, self.length(rate)) if isinstance(rate, Schedule) else float(rate)
            scaled: ir.Value = op.Mul(scale, planned)
            return scaled

        made: ir.Value = op.shared(("rate", rate), base)
        if factor != 1:
            made = op.shared(("rate", rate, factor), partial(op.Mul, made, factor))
        return made

    def length(self, schedule: Schedule) -> Any:
        """The steps that a schedule runs over."""
        fixed = schedule.fixed_length or self.config.steps
        if fixed is not None:
            return self.op.constant(float(fixed), FLOAT)
        return self.op.cast(self.state["total_steps"], FLOAT) if "total_steps" in self.state else None


def global_norm(op: Emitter, values: list[ir.Value]) -> ir.Value:
    """sqrt of the sum of all squares, float32."""
    squares = [op.cast(op.reduce("ReduceSumSquare", v, None, False), FLOAT) for v in values]
    total = squares[0] if len(squares) == 1 else op.Sum(*squares)
    root: ir.Value = op.Sqrt(total)
    return root

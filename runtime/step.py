"""The step of a program bound to fixed buffers, so that a step moves nothing but its batch and its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netc.runtime.device import DTYPES, Device, value_on
from netc.runtime.errors import RunError
from netc.runtime.interrupt import Interrupt


class StepBinding:
    """Two bindings of the step for one batch shape: from the first set of state to the second, and back."""

    def __init__(
        self,
        run: Any,
        device: Device,
        inputs: Mapping[str, tuple[tuple[int, ...], np.dtype]],
        scores: Sequence[str],
        own: Mapping[str, Any],
        sets: tuple[Mapping[str, Any], Mapping[str, Any]],
    ):
        self.session = run
        self.on_cpu = device.kind == "cpu"
        self.values = {n: value_on(device, np.zeros(shape, dtype)) for n, (shape, dtype) in inputs.items()}
        # on the CPU a value and its buffer are one piece of memory
        self.buffers = {n: v.numpy() for n, v in self.values.items()} if self.on_cpu else {}
        kinds = {o.name: DTYPES[o.type] for o in run.get_outputs()}
        self.scores = {n: value_on(device, np.zeros((), dtype=kinds[n])) for n in scores}
        self.views = {n: v.numpy() for n, v in self.scores.items()} if self.on_cpu else {}
        self.first = sets[0]
        fixed = {**self.values, **own}
        self.bindings = (self._bind(fixed, *sets), self._bind(fixed, *reversed(sets)))

    def _bind(self, fixed: Mapping[str, Any], now: Mapping[str, Any], following: Mapping[str, Any]) -> Any:
        binding = self.session.io_binding()
        for i in self.session.get_inputs():
            binding.bind_ortvalue_input(i.name, fixed[i.name] if i.name in fixed else now[i.name])
        for o in self.session.get_outputs():
            name = o.name.removesuffix(".next")
            binding.bind_ortvalue_output(o.name, self.scores[o.name] if o.name in self.scores else following[name])
        return binding

    def copy(self, batch: Mapping[str, np.ndarray]) -> None:
        """Puts a batch in place."""
        for name, array in batch.items():
            if self.on_cpu:
                np.copyto(self.buffers[name], array)
            else:
                self.values[name].update_inplace(np.ascontiguousarray(array))

    def run(self, now: Mapping[str, Any], interrupt: Interrupt | None) -> dict[str, float]:
        """One step from the set `now` to the other; the scores. Raises RunError, KeyboardInterrupt when asked to stop."""
        options = interrupt.options if interrupt is not None else None
        try:
            self.session._sess.run_with_iobinding(self.bindings[now is not self.first]._iobinding, options)
        except Exception as e:  # onnxruntime raises its own types
            if interrupt is not None and interrupt.asked:
                raise KeyboardInterrupt from None
            raise RunError(f"the step failed: {e}") from None
        views = self.views or {n: v.numpy() for n, v in self.scores.items()}
        return {n: float(v) for n, v in views.items()}

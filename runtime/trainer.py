"""Runs a program's graphs: training steps, exact evaluation, prediction, gradients. State stays where it is computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netc.runtime.checkpoint import load_tensors, save_tensors
from netc.runtime.data.arrays import kind_of
from netc.runtime.data.learned import Learned
from netc.runtime.data.memory import given
from netc.runtime.data.read import Arrays
from netc.runtime.device import Device, parse_device, session, value_on
from netc.runtime.errors import InputError, RunError
from netc.runtime.evaluation import Evaluator
from netc.runtime.files import RunnableProgram, path_of, runnable
from netc.runtime.interrupt import Interrupt
from netc.runtime.prediction import predicted
from netc.runtime.rows import RESIDENT_BYTES, DeviceRows, HostRows, Rows, refuse_other_rows
from netc.runtime.state import State, whole
from netc.runtime.step import StepBinding
from netc.runtime.turn import Turn

Batch = Mapping[str, Any]
CONTROLS = ("rate_scale", "total_steps")
MAX_BATCH_SIZES = 4  # with a step session of their own; on the CPU further sizes share one


class Trainer:
    """A program with its state on a device. `device` is auto, cpu, cuda or cuda:<number>."""

    def __init__(
        self,
        program: RunnableProgram | str | Path,
        device: str | Device = "auto",
        seed: int | None = None,
        *,
        tf32: bool = False,
        threads: int = 0,
    ):
        self.program = runnable(program)
        self.device = device if isinstance(device, Device) else parse_device(device, tf32, threads)
        self.manifest = self.program.manifest
        self.seed = whole(self.manifest["train"]["seed"] if seed is None else seed, "seed", -(2**31))
        self.rows = {r["name"]: r for r in self.manifest["state"]}
        self.statistics = [n for n, r in self.rows.items() if r.get("fitted")]
        self.inputs = self.manifest["inputs"]
        self.scores = ["loss", *(m["name"] for m in self.manifest["metrics"])]
        self.learned = Learned()
        self.interrupt: Interrupt | None = None
        self._sessions: dict[tuple[str, int], Any] = {}
        self._evaluator: Evaluator | None = None
        self._bindings: dict[Any, StepBinding] = {}
        self._turn = Turn()
        self._seed, self._row = (value_on(self.device, np.array(k, dtype=np.int32)) for k in (self.seed, 0))
        self._state = State(self.rows, self.device, self._replaced)
        self.reset()

    def __reduce__(self) -> Any:
        raise InputError(
            "a trainer is neither pickled nor copied",
            "`save` writes its state, which another trainer of its program loads",
        )

    # --- state --------------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """First values of everything, from init.onnx and the seed."""
        self._state.put(dict(zip(self.rows, self._first_values())))

    def _first_values(self) -> list[np.ndarray]:
        init = session(self.program.model_bytes("init"), Device(threads=self.device.threads), called="`init.onnx`")
        found: list[np.ndarray] = init.run(list(self.rows), {"seed": np.array(self.seed, dtype=np.int32)})
        return found

    def _replaced(self) -> None:
        """After values of the state were put in the place of others."""
        self._bindings.clear()
        self._fitted = False  # until it is asked

    @property
    def state(self) -> dict[str, np.ndarray]:
        """A copy of every state tensor, by name."""
        return self._state.arrays()

    @property
    def steps(self) -> int:
        """How many steps have been done."""
        return self._state.steps

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """A copy of every parameter, by name."""
        return self._state.arrays("parameter")

    def load_parameters(self, tensors: Mapping[str, Any]) -> None:
        """Replaces parameters (or any other state) by name. Raises InputError for an unknown name or another shape."""
        self._state.load_some(tensors)

    def load_state(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Replaces the whole state. Raises InputError when it belongs to another program."""
        self._state.load(tensors)

    def set_control(self, name: str, value: float) -> None:
        """Overwrites a control tensor (`rate_scale`, `total_steps`) between steps; a program without it ignores that.
        Raises InputError for another name, and for what is no number of its dtype."""
        self._state.set_control(name, value)

    def control(self, name: str) -> float:
        """The value of a control tensor. Raises InputError for another name."""
        return self._state.control(name)

    def save(self, path: str | Path, notes: Mapping[str, Any] | None = None) -> None:
        """Writes the whole state as safetensors. Raises InputError, RunError."""
        if not isinstance(notes, Mapping | None):
            raise InputError(f"notes are a mapping, this is {kind_of(notes)}")
        save_tensors(path_of(path, "the file of a state"), self.state, {"seed": self.seed, **(notes or {})})

    def load(self, path: str | Path) -> dict[str, Any]:
        """Reads what `save` wrote and returns its notes. Raises InputError."""
        tensors, notes = load_tensors(path_of(path, "the file of a state"))
        self.load_state(tensors)
        return notes

    # --- training -----------------------------------------------------------------------------------------------------

    def step(self, batch: Batch, row: int = 0) -> dict[str, float]:
        """One training step on a batch, by name: every input and target, first dimension the batch.

        `row` is the number of the batch's first row where a larger batch is split. Returns the loss and the metrics.
        Raises InputError for a batch that does not fit, RunError when the runtime fails.
        """
        checked, first = self._checked(batch), whole(row, "row", 0)
        with self._turn:
            binding = self._binding({n: (a.shape, a.dtype) for n, a in checked.items()})
            binding.copy(checked)
            return self._advance(binding, first)

    def _checked(self, batch: Batch, targets: bool = True) -> Arrays:
        """A batch from Python as the program wants it, with or without targets. Raises InputError."""
        self.refuse_unfitted()
        return self._given(batch, [r for r in self.inputs if targets or r["role"] == "input"])

    def _given(self, batch: Batch, wanted: list[Any]) -> Arrays:
        return given(batch, self.inputs, wanted, self.learned, (self.manifest.get("data") or {}).get("missing"))

    def resident(self, data: Mapping[str, Any]) -> Rows:
        """Data as `step_rows` wants it: checked arrays on the CPU, a copy of them on another device. Raises InputError."""
        arrays = self._checked(data)
        fits = sum(a.nbytes for a in arrays.values()) <= RESIDENT_BYTES
        return DeviceRows(arrays, self.device) if self.device.kind != "cpu" and fits else HostRows(arrays)

    def step_rows(self, data: Rows, rows: np.ndarray) -> dict[str, float]:
        """`step` on the rows (int64 numbers) of data made `resident`: gathered into the step's own buffers, moved once.
        Raises InputError for rows that there are not, RunError when the runtime fails."""
        refuse_other_rows(data, rows)
        with self._turn:
            binding = self._binding({n: ((len(rows), *a.shape[1:]), a.dtype) for n, a in data.arrays.items()})
            data.gather(rows, binding.buffers, binding.values)
            return self._advance(binding)

    def _binding(self, inputs: Mapping[str, tuple[tuple[int, ...], np.dtype]]) -> StepBinding:
        """The binding of the step for inputs of these shapes."""
        key = tuple(shape for shape, _ in inputs.values())
        if key not in self._bindings:
            run = self._session("step", key[0][0])
            own, state = {"seed": self._seed, "row": self._row}, self._state
            self._bindings[key] = StepBinding(run, self.device, inputs, self.scores, own, (state.now, state.following))
        return self._bindings[key]

    def _advance(self, binding: StepBinding, row: int = 0) -> dict[str, float]:
        """Runs the step on what lies in its buffers; the two sets of state change places."""
        self._state.refuse_full()
        if row:
            self._row.update_inplace(np.array(row, dtype=np.int32))
        scores = binding.run(self._state.now, self.interrupt)
        if row:
            self._row.update_inplace(np.array(0, dtype=np.int32))
        self._state.advance()
        return scores

    def undo(self) -> None:
        """Goes back to the state before the last step. Raises InputError where no step can be undone."""
        self._state.undo()

    def _session(self, name: str, size: int = 0) -> Any:
        """The session of a graph; of the step one for each batch size, so that shape arithmetic folds away."""
        many = sum(n == name for n, _ in self._sessions) >= MAX_BATCH_SIZES
        fixed = size if self.device.kind == "cuda" or (name == "step" and not many) else 0
        key = (name, fixed)
        if key not in self._sessions:
            sizes = {str(self.inputs[0]["shape"][0]): fixed} if fixed else None
            model = self.program.model_bytes(name)
            self._sessions[key] = session(model, self.device, sizes, resident=name == "step", called=f"`{name}.onnx`")
        return self._sessions[key]

    def gradients(self, batch: Batch) -> dict[str, np.ndarray]:
        """The gradient of the loss with respect to each trained parameter, by its name, on one batch."""
        return {n.removeprefix("grad/"): g for n, g in self._diagnose("grad", batch).items() if n.startswith("grad/")}

    def watch(self, batch: Batch) -> dict[str, float]:
        """Diagnostics of the step that this batch would make: gradient norms, update ratios, dead units."""
        return {n.removeprefix("watch/"): float(v) for n, v in self._diagnose("watch", batch).items()}

    def rate(self, step: int | None = None) -> float:
        """The rate of the step after `step` others, by default of the next one: the optimizer's, before factors of rules."""
        run = self._sessions.get(("rate", 0))
        if run is None:
            run = session(
                self.program.model_bytes("rate"), Device(threads=1), called="`rate.onnx`"
            )  # a handful of scalars
            self._sessions["rate", 0] = run
        held = {i.name: self._state.now[i.name].numpy() for i in run.get_inputs()}
        after = {} if step is None else {"step": np.array(whole(step, "step", 0), np.int32)}
        (rate,) = run.run(["rate"], {**held, **after})
        return float(str(np.float32(rate)))  # the shortest number that this float32 stands for: 0.001

    def _diagnose(self, name: str, batch: Batch) -> dict[str, np.ndarray]:
        """Runs a graph beside the step; nothing of the training changes."""
        checked = self._checked(batch)
        run = self._session(name, len(next(iter(checked.values()))))
        own = {"seed": np.array(self.seed, dtype=np.int32), "row": np.array(0, dtype=np.int32)}
        feeds: dict[str, np.ndarray] = {}
        for i in run.get_inputs():
            known = checked.get(i.name, own.get(i.name))
            feeds[i.name] = self._state.now[i.name].numpy() if known is None else known
        return dict(zip([o.name for o in run.get_outputs()], _values(run, feeds, f"`{name}`")))

    # --- statistics of the training rows ------------------------------------------------------------------------------

    @property
    def fitted(self) -> bool:
        """Whether the statistics of the training rows are known, or there are none."""
        if not self._fitted:
            self._fitted = not any(n.endswith(".count") and not self._state.now[n].numpy() for n in self.statistics)
        return self._fitted

    def refuse_unfitted(self) -> None:
        """Raises InputError where `standardize` has no statistics yet, so that what it gives would be something else."""
        if not self.fitted:
            name = self.statistics[0].rpartition(".")[0]
            raise InputError(
                f"the statistics of `{name}` are not computed yet", "call `fit_statistics` with the training rows first"
            )

    def fit_statistics(self, data: Mapping[str, Any], batch: int = 1024) -> None:
        """Computes what `standardize` subtracts and divides by, from all rows of `data`. Raises InputError."""
        if self.statistics:
            self._fit(self._given(data, self.inputs), whole(batch, "batch", 1))

    def _fit(self, data: Arrays, batch: int) -> None:
        run, first = self._session("fit"), dict(zip(self.rows, self._first_values()))
        held = {n: first[n] for n in self.statistics}
        used = {i.name for i in run.get_inputs()}
        for start in range(0, len(next(iter(data.values()))), batch):
            feeds = {n: a[start : start + batch] for n, a in data.items() if n in used}
            held = dict(zip(held, _values(run, {**feeds, **held}, "`fit`")))
        self.load_parameters(held)

    # --- evaluation ---------------------------------------------------------------------------------------------------

    def evaluate(self, data: Mapping[str, Any], batch: int = 1024) -> dict[str, float]:
        """The loss (without regularisers by pattern) and every metric over all rows of `data`, exactly."""
        return self.evaluator().evaluate(self._checked(data), whole(batch, "batch", 1))

    def evaluator(self) -> Evaluator:
        """Evaluation with the state as it is now."""
        if self._evaluator is None:
            self._evaluator = Evaluator(self.program, self.device, self._session("eval"))
        made = self._evaluator
        made.state = self._state.now
        made.interrupt = self.interrupt
        return made

    def predict(self, inputs: Mapping[str, Any], batch: int = 1024) -> dict[str, np.ndarray]:
        """The outputs for all rows, as the deployed model gives them."""
        if not self.manifest["outputs"]:
            raise InputError("the spec has no `output`, so there is nothing to predict", "add `output name = ...`")
        batch = whole(batch, "batch", 1)
        checked = self._checked(inputs, targets=False)
        run = self._session("infer")
        used = {i.name for i in run.get_inputs()}
        state = {n: v.numpy() for n, v in self._state.now.items() if n in used}

        def outputs(rows: Arrays) -> list[np.ndarray]:
            return _values(run, {**state, **{n: a for n, a in rows.items() if n in used}}, "the prediction")

        return predicted(self.manifest, checked, batch, outputs)


def _values(run: Any, feeds: Mapping[str, np.ndarray], what: str) -> list[np.ndarray]:
    """What a session gives for these inputs. Raises RunError."""
    try:
        found: list[np.ndarray] = run.run(None, feeds)
    except Exception as e:  # onnxruntime raises its own types
        raise RunError(f"{what} failed: {e}") from None
    return found

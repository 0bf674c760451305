"""The state of a program on a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netc.runtime.data.arrays import array_of
from netc.runtime.data.check import shown_number
from netc.runtime.device import Device, value_on
from netc.runtime.errors import InputError, RunError

MAX_STEPS = 2**31 - 2  # that the program's counter, an int32, can go on from
CONTROLS = ("rate_scale", "total_steps")
Row = Mapping[str, Any]  # of the manifest: a tensor of the state


class State:
    """Every tensor of the state, held twice as ONNX Runtime values: a step reads `now` and writes `following`, and then they
    change places. So no buffer is ever read and written by one step, and the state before a step survives it.

    `replaced` is called when values are put in the place of others.
    """

    def __init__(self, rows: Mapping[str, Row], device: Device, replaced: Callable[[], None]):
        self.rows, self.device, self.replaced = rows, device, replaced
        self.steps = 0
        self.now: dict[str, Any] = {}
        self.following: dict[
            str, Any
        ] = {}  # behind a step the state before it, until values are put in the place of others
        self.undoable = False

    def put(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Takes the whole state. Raises InputError for a count of steps that no training has."""
        self.steps = _counted(tensors["step"])
        self.now = {n: value_on(self.device, np.asarray(t)) for n, t in tensors.items()}
        changing = (n for n, r in self.rows.items() if r["changes"])
        self.following = {**self.now, **{n: value_on(self.device, np.asarray(tensors[n])) for n in changing}}
        self._replaced()

    def replace(self, name: str, value: np.ndarray) -> None:
        """Takes one tensor; what never changes is one value in both sets."""
        if name == "step":
            self.steps = _counted(value)
        self.now[name] = value_on(self.device, value)
        if not self.rows[name]["changes"]:
            self.following[name] = self.now[name]
        self._replaced()

    def _replaced(self) -> None:
        self.undoable = False
        self.replaced()

    def arrays(self, *roles: str) -> dict[str, np.ndarray]:
        """Copies of the tensors of some roles, or of all, by name."""
        return {n: np.array(self.now[n].numpy()) for n, r in self.rows.items() if not roles or r["role"] in roles}

    def advance(self) -> None:
        """After a step: what it wrote is the state."""
        self.now, self.following = self.following, self.now
        self.steps += 1
        self.undoable = True

    def undo(self) -> None:
        """Goes back to the state before the last step. Raises InputError where that is not kept."""
        if not self.undoable:
            raise InputError(
                "there is no step to undo", "one step is undone, once, before anything else changes the state"
            )
        self.now, self.following = self.following, self.now
        self.steps -= 1
        self.undoable = False

    def refuse_full(self) -> None:
        """Raises RunError where the counter holds no further step."""
        if self.steps >= MAX_STEPS:
            raise RunError(
                f"{self.steps:,} steps are done; the program's counter, of 32 bits, holds no more",
                "start a new run from these weights",
            )

    def load(self, tensors: Mapping[str, Any]) -> None:
        """Takes the whole state from outside. Raises InputError when it belongs to another program."""
        if not isinstance(tensors, Mapping):
            raise InputError(f"a state is a mapping of arrays by name, not {type(tensors).__name__}")
        tensors = {n: array_of(t, f"`{n}`") for n, t in tensors.items()}
        missing, extra = self.rows.keys() - tensors.keys(), tensors.keys() - self.rows.keys()
        if missing or extra:
            what = f"lacks `{sorted(missing)[0]}`" if missing else f"has `{sorted(extra)[0]}`"
            raise InputError(f"the checkpoint belongs to another model: it {what}")
        for name, row in self.rows.items():
            if list(tensors[name].shape) != row["shape"] or tensors[name].dtype != row["dtype"]:
                raise InputError(
                    f"the checkpoint belongs to another model: `{name}` is {list(tensors[name].shape)} there"
                )
        self.put({n: tensors[n] for n in self.rows})

    def load_some(self, tensors: Mapping[str, Any]) -> None:
        """Takes parameters, or any other tensors, from outside, all or none. Raises InputError for an unknown name, another
        shape, and what is no number of its dtype."""
        if not isinstance(tensors, Mapping):
            raise InputError(f"parameters are a mapping of arrays by name, not {type(tensors).__name__}", self._names())
        taken = {name: self._taken(name, value) for name, value in tensors.items()}
        for name, array in taken.items():
            self.replace(name, array)

    def _taken(self, name: str, value: Any) -> np.ndarray:
        """A tensor from outside in the dtype of the state's."""
        row = self.rows.get(name)
        if row is None:
            raise InputError(f"the program has no parameter `{name}`", self._names())
        array, dtype = array_of(value, f"`{name}`"), np.dtype(row["dtype"])
        if array.dtype.kind not in "biuf":
            raise InputError(f"`{name}` is {dtype}, the given value {array.dtype}")
        if list(array.shape) != row["shape"]:
            raise InputError(f"`{name}` has shape {row['shape']}, the given value {list(array.shape)}")
        with np.errstate(all="ignore"):
            found = array.astype(dtype)
            lost = (found != array) if dtype.kind in "iub" else np.isinf(found) & np.isfinite(array)
        if lost.any():
            raise InputError(f"`{name}` is {dtype}, which does not hold {shown_number(array[lost].flat[0])}")
        if name == "step":
            _counted(found)
        return found

    def control(self, name: str) -> float:
        """The value of a control. Raises InputError."""
        if name not in CONTROLS:
            raise _no_control(name)
        if name not in self.rows:
            raise InputError(f"the program has no control `{name}`: no schedule of it takes its length from epochs")
        return float(self.now[name].numpy())

    def set_control(self, name: str, value: Any) -> None:
        """Takes the value of a control; a program without it ignores that. Raises InputError."""
        if name not in CONTROLS:
            raise _no_control(name)
        if isinstance(value, bool) or not isinstance(value, float | int | np.generic | np.ndarray):
            raise InputError(f"`{name}` is a finite number from 0 on, this is {value!r}")
        number = array_of(value, f"`{name}`")
        if number.shape or number.dtype.kind not in "iuf" or not np.isfinite(number) or number < 0:
            raise InputError(f"`{name}` is a finite number from 0 on, this is {value!r}")
        if name in self.rows:
            whole_only = np.dtype(self.rows[name]["dtype"]).kind == "i"
            self.replace(name, self._taken(name, whole(value, name, 0) if whole_only else number))

    def _names(self) -> str:
        shown = [f"`{n}`" for n, r in self.rows.items() if r["role"] == "parameter"][:6]
        return "the parameters are " + ", ".join(shown)


def _no_control(name: str) -> InputError:
    return InputError(f"there is no control `{name}`", f"the controls are {', '.join(f'`{n}`' for n in CONTROLS)}")


def _counted(value: Any) -> int:
    """The count of steps that a state holds. Raises InputError for one that no training has."""
    done = int(value)
    if not 0 <= done <= MAX_STEPS:
        raise InputError(f"`step` counts the steps done; it must lie in 0..{MAX_STEPS}, not {done}")
    return done


def whole(value: Any, name: str, least: int) -> int:
    """A whole number from `least` on that fits the int32 of a program. Raises InputError."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputError(f"`{name}` is a whole number, this is {value!r}")
    if not least <= value < 2**31:
        raise InputError(f"`{name}` must lie in {least}..{2**31 - 1}, not {value}")
    return int(value)

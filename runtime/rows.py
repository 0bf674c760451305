"""Rows of a data set, gathered straight into the buffers of a step, so that a batch is moved once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from netc.runtime.data.arrays import kind_of
from netc.runtime.device import Device, session, value_on
from netc.runtime.errors import InputError, RunError

RESIDENT_BYTES = 2**31  # of a data set that is kept on a device; a larger one is sent batch by batch
MAX_BINDINGS = 8


class Rows(Protocol):
    """Arrays whose rows can be put in place."""

    arrays: Mapping[str, np.ndarray]

    def gather(self, rows: np.ndarray, buffers: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        """Writes the given rows (int64 [B]) of every array into the value of its name, through its buffer if it has one."""


class HostRows:
    """Data in the host's memory."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self.arrays = arrays

    def gather(self, rows: np.ndarray, buffers: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        for name, array in self.arrays.items():
            if name in buffers:  # mode "raise" would copy once more, and the rows are known to exist
                np.take(array, rows, axis=0, out=buffers[name], mode="clip")
            else:
                values[name].update_inplace(np.ascontiguousarray(array[rows]))


class DeviceRows:
    """Data copied to a device once; a small graph gathers each batch there, and only the row numbers are sent."""

    def __init__(self, arrays: Mapping[str, np.ndarray], device: Device):
        self.arrays = arrays
        self.device = device
        self.data = {n: value_on(device, a) for n, a in arrays.items()}
        self.session = session(_gather_model(arrays), device, resident=True)
        self._bound: dict[int, tuple[Any, Any, Any]] = {}

    def gather(self, rows: np.ndarray, buffers: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        key = id(next(iter(values.values())))
        if key not in self._bound:
            if len(self._bound) >= MAX_BINDINGS:
                self._bound.clear()
            at = value_on(self.device, rows)
            binding = self.session.io_binding()
            binding.bind_ortvalue_input("rows", at)
            for name, data in self.data.items():
                binding.bind_ortvalue_input(f"data/{name}", data)
                binding.bind_ortvalue_output(name, values[name])
            self._bound[key] = at, binding, values  # held, so that its key stays its own
        at, binding, _ = self._bound[key]
        at.update_inplace(np.ascontiguousarray(rows, dtype=np.int64))
        try:
            self.session.run_with_iobinding(binding)
        except Exception as e:  # onnxruntime raises its own types
            raise RunError(f"a batch could not be gathered on {self.device}: {e}") from None


def refuse_other_rows(data: Any, rows: Any) -> None:
    """Refuses numbers of rows that the data does not have, and what is no data made resident."""
    if not isinstance(data, (HostRows, DeviceRows)):
        raise InputError(
            f"rows are taken of data made resident, this is {kind_of(data)}", "`trainer.resident(data)` makes it so"
        )
    if not isinstance(rows, np.ndarray) or rows.dtype != np.int64 or rows.ndim != 1 or not len(rows):
        raise InputError(
            "`rows` is a vector of int64 numbers, at least one", "`numpy.flatnonzero(mask)` numbers the rows of a mask"
        )
    total = len(next(iter(data.arrays.values())))
    if int(rows.view(np.uint64).max()) >= total:  # a negative number is a large one there
        raise InputError(f"`rows` must lie in 0..{total - 1}, as there are {total:,}")


def _gather_model(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A graph with a Gather along the rows for each array."""
    from onnx import TensorProto, helper

    inputs = [helper.make_tensor_value_info("rows", TensorProto.INT64, ["B"])]
    outputs, nodes = [], []
    for name, array in arrays.items():
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        inputs.append(helper.make_tensor_value_info(f"data/{name}", kind, array.shape))
        outputs.append(helper.make_tensor_value_info(name, kind, ["B", *array.shape[1:]]))
        nodes.append(helper.make_node("Gather", [f"data/{name}", "rows"], [name], axis=0))
    graph = helper.make_graph(nodes, "rows", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return bytes(model.SerializeToString())

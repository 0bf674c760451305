"""Where a program runs: `auto`, `cpu`, `cuda` or `cuda:1`, and the sessions that run there."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.runtime.errors import InputError, RunError

# the element types of a session's inputs and outputs, as ONNX Runtime writes them
DTYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(bool)": np.bool_,
    **{f"tensor({np.dtype(t).name})": t for t in (np.float16, np.int8, np.int16, np.int32, np.int64)},
    **{f"tensor({np.dtype(t).name})": t for t in (np.uint8, np.uint16, np.uint32, np.uint64)},
}  # fmt: skip
CUDA_HELP = "install the GPU libraries with `pip install 'netc[cuda]'`, or choose `--device cpu`"


@dataclass(frozen=True)
class Device:
    """A device and how exact it is asked to be; `tf32` lets CUDA round float32 products to 10 bits of mantissa."""

    kind: str = "cpu"
    index: int = 0
    tf32: bool = False
    threads: int = 0  # of one operator; 0 lets ONNX Runtime choose

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"


MAX_THREADS = 256  # of one operator; some thousands end the process in ONNX Runtime


def parse_device(text: str, tf32: bool = False, threads: int = 0) -> Device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:k` stands for. Raises InputError when it is not there."""
    found = re.fullmatch(r"(auto|cpu|cuda)(?::(\d{1,9}))?", text) if isinstance(text, str) else None
    if not found or (found[2] and found[1] != "cuda"):
        raise InputError(f"there is no device `{text!s:.40}`", "devices are `auto`, `cpu`, `cuda` and `cuda:<number>`")
    if isinstance(threads, bool) or not isinstance(threads, int | np.integer):
        raise InputError(
            f"`threads` is a whole number, this is {threads!r}", "0 lets the runtime choose: one for each core"
        )
    threads = int(threads)
    if not 0 <= threads <= MAX_THREADS:
        raise InputError(
            f"`threads` must lie in 0..{MAX_THREADS}, not {threads}", "0 lets the runtime choose: one for each core"
        )
    kind, index = found[1], int(found[2] or 0)
    if kind == "cpu":
        return Device("cpu", threads=threads)
    problem = cuda_problem()
    if problem is None:
        return Device("cuda", index, tf32, threads)
    if kind == "auto":
        return Device("cpu", threads=threads)
    raise InputError(f"a GPU was asked for, but {problem}", CUDA_HELP)


def cuda_problem() -> str | None:
    """Why CUDA cannot be used here, or None. Probes the driver before any provider is loaded."""
    import onnxruntime as ort

    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return f"the installed onnxruntime {ort.__version__} has no CUDA provider"
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return "CUDA_VISIBLE_DEVICES hides every GPU"
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return "no NVIDIA driver was found (libcuda)"
    initialise = getattr(driver, "cuInit", None)
    if initialise is not None and initialise(0) != 0:
        return "the NVIDIA driver finds no usable GPU"
    return None


LOSING = "MatMulScaleFusion"  # an optimizer that takes away a value which it still needs, in float64
LOST_VALUE = "is not a graph input, initializer, or output of a previous node"


def session(
    model: bytes,
    device: Device,
    sizes: Mapping[str, int] | None = None,
    exact: bool = False,
    resident: bool = False,
    called: str = "the program",
) -> Any:
    """An inference session of a graph, which errors call so. `sizes` fixes symbolic dimensions, so that shape arithmetic
    folds away; `exact` turns the graph optimizer off; `resident` demands that on CUDA every node runs there. Raises RunError."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = device.threads
    options.use_deterministic_compute = True
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    if exact:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if resident and device.kind == "cuda":
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    for name, size in (sizes or {}).items():
        options.add_free_dimension_override_by_name(name, size)
    try:
        made = ort.InferenceSession(model, options, providers=_providers(device))
    except Exception as e:  # onnxruntime raises its own types, one for each status code
        if LOST_VALUE not in str(e):
            raise RunError(_reason(str(e), sizes or {}, called)) from None
        made = ort.InferenceSession(model, options, providers=_providers(device), disabled_optimizers=[LOSING])
    if device.kind == "cuda" and made.get_providers()[0] != "CUDAExecutionProvider":
        raise RunError("a GPU was asked for, but ONNX Runtime fell back to the CPU", CUDA_HELP)
    if resident and device.kind == "cuda":
        elsewhere = placed_elsewhere(made)
        if elsewhere:
            shown = ", ".join(f"`{o}`" for o in sorted(set(elsewhere)))
            raise RunError(f"these operators of the step have no CUDA kernel: {shown}", "run with `--device cpu`")
    return made


def value_on(device: Device, array: np.ndarray) -> Any:
    """An ONNX Runtime value on a device with the contents of a copy of `array`."""
    import onnxruntime as ort

    return ort.OrtValue.ortvalue_from_numpy(np.array(array, copy=True, order="C"), device.kind, device.index)


def placed_elsewhere(made: Any) -> list[str]:
    """The operators that ONNX Runtime's own report places on another device than CUDA."""
    return [
        node.op_type
        for part in made.get_provider_graph_assignment_info()
        if part.ep_name != "CUDAExecutionProvider"
        for node in part.get_nodes()
    ]


def _providers(device: Device) -> list[Any]:
    if device.kind == "cpu":
        return ["CPUExecutionProvider"]
    import onnxruntime as ort

    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    options = {"device_id": str(device.index), "use_tf32": "1" if device.tf32 else "0"}
    return [("CUDAExecutionProvider", options), "CPUExecutionProvider"]


def _reason(text: str, sizes: Mapping[str, int], called: str) -> str:
    """ONNX Runtime's message without its status prefix, with the sizes that it is about; a missing kernel is named."""
    missing = re.search(r"Could not find an implementation for (\w+)\((\d+)\) node with name '([^']*)'", text)
    if missing:
        return f"ONNX Runtime has no kernel for the operator `{missing[1]}` here (node `{missing[3]}`)"
    fixed = " for " + ", ".join(f"{n} = {size}" for n, size in sizes.items()) if sizes else ""
    return f"ONNX Runtime refuses {called}{fixed}: " + re.sub(r"^\[ONNXRuntimeError\][^:]*: \d+ : \w+ : ", "", text)

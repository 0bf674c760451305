"""netc: a declarative graph compiler. A network spec becomes a training program of standard ONNX graphs.

program = netc.compile("digits.net")          # -> Program: .step, .eval, .infer, ... as onnx.ModelProto
result  = netc.run("digits.net", data=...)    # compile, train, evaluate, export
trainer = netc.Trainer(program)               # .step(batch), .evaluate(data), .gradients(batch), .save(path)
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

os.environ.setdefault(
    "ORT_DISABLE_TELEMETRY", "1"
)  # onnxruntime reads it when it is loaded: nothing leaves the machine
if "onnxruntime" in sys.modules:
    sys.modules["onnxruntime"].disable_telemetry_events()

if TYPE_CHECKING:
    from netc.api import Result, check, compile, export, run
    from netc.compiler.autodiff.model import grad, jvp
    from netc.compiler.program import Program
    from netc.grammar.diagnostics import NetError
    from netc.runtime.errors import InputError, RunError
    from netc.runtime.trainer import Trainer

_HOMES = {
    "grad": "netc.compiler.autodiff.model", "jvp": "netc.compiler.autodiff.model",
    "compile": "netc.api", "run": "netc.api", "check": "netc.api", "export": "netc.api", "Result": "netc.api",
    "Program": "netc.compiler.program", "NetError": "netc.grammar.diagnostics", "Trainer": "netc.runtime.trainer",
    "InputError": "netc.runtime.errors", "RunError": "netc.runtime.errors",
}  # fmt: skip
__all__ = [
    "InputError", "NetError", "Program", "Result", "RunError", "Trainer", "check", "compile", "export", "grad", "jvp",
    "run",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used: `netc --help` needs none of them."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'netc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])

"""What is done to every graph before it is written: a list of onnx_ir passes, readable top to bottom.

Common subexpressions never arise: the emitter gives the same node for the same question. (onnx_ir's own pass takes time
quadratic in the number of outputs, and its identity elimination loses the names of outputs that hold the same value.)
"""

from __future__ import annotations

import sys

import onnx_ir as ir
from onnx_ir.passes import common

from netc.compiler.graph.passes.names import NamesPass
from netc.compiler.graph.passes.unused import UnusedPass

PASSES: dict[str, type[ir.passes.PassBase]] = {
    "unused": UnusedPass,
    "names": NamesPass,
}


def optimize(model: ir.Model, verify: bool = False, print_after: str = "") -> None:
    """Runs the passes in place; with `verify` the checker runs after each, `print_after` names one to print after."""
    for name, cls in PASSES.items():
        cls()(model)
        if verify:
            common.CheckerPass(full_check=True)(model)
        if print_after == name:
            print(ir.to_onnx_text(model), file=sys.stderr)

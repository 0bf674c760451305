"""What is done to every graph before it is written: a list of onnx_ir passes, readable top to bottom.

(onnx_ir's identity elimination is left out: it merges graph outputs that hold the same value and loses their names.)
"""

from __future__ import annotations

import sys

import onnx_ir as ir
from onnx_ir.passes import common

PASSES: dict[str, type[ir.passes.PassBase]] = {
    "cse": common.CommonSubexpressionEliminationPass,
    "unused": common.RemoveUnusedNodesPass,
    "names": common.NameFixPass,
}


def optimize(model: ir.Model, verify: bool = False, print_after: str = "") -> None:
    """Runs the passes in place; with `verify` the checker runs after each, `print_after` names one to print after."""
    for name, cls in PASSES.items():
        cls()(model)
        if verify:
            common.CheckerPass(full_check=True)(model)
        if print_after == name:
            print(ir.to_onnx_text(model), file=sys.stderr)

"""What is done to every graph before it is written."""

import onnx_ir as ir

from netc.compiler.graph.passes.names import NamesPass
from netc.compiler.graph.passes.unused import UnusedPass


def finish(model: ir.Model) -> None:
    """Drops what nobody reads and names what is left, in place."""
    UnusedPass()(model)
    NamesPass()(model)

"""Symbolic dimensions used as scalars: `x / N`."""

from __future__ import annotations

from typing import Any

from netc.compiler.graph.dimensions import Dim
from netc.compiler.language.words import function
from netc.compiler.graph.types import DType, TensorType


@function(name="dimension", group="shape", user=False, differentiable=False)
def dimension(dim: Dim, dtype: DType) -> TensorType:
    """the size of a dimension of this batch, as a scalar"""
    return TensorType(dtype, ())


@dimension.lowering
def _(op: Any, dim: Dim, dtype: DType) -> Any:
    return op.cast(op.dimension(dim), dtype.onnx)

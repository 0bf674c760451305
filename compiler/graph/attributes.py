"""Attributes of nodes, from Python's values."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir


def attribute(name: str, value: Any) -> ir.Attr:
    """An attribute of the kind that the value's type tells: a number, a text, a list of either, a graph, a tensor."""
    match value:
        case bool() | int():
            return ir.AttrInt64(name, int(value))
        case float():
            return ir.AttrFloat32(name, value)
        case str():
            return ir.AttrString(name, value)
        case ir.Graph():
            return ir.AttrGraph(name, value)
        case ir.Attr():
            return value
        case list() | tuple():
            if value and isinstance(value[0], str):
                return ir.AttrStrings(name, list(value))
            floats = any(isinstance(v, float) for v in value)
            return ir.AttrFloat32s(name, list(value)) if floats else ir.AttrInt64s(name, list(value))
        case _:
            return ir.AttrTensor(name, value)

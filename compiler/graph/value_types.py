"""What an emitter knows of its values: dtypes and shapes, and where each symbolic size can be read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import onnx_ir as ir

from netc.compiler.graph.dimensions import Dim, Shape, Symbolic, parse, symbol
from netc.compiler.graph.inference import UnknownError
from netc.compiler.graph.types import FLOATS, ONNX_DTYPES, TensorType

_TENSOR_TYPES = {number: ir.TensorType(ir.DataType(number)) for number in ONNX_DTYPES}


class ValueTypes:
    """The types of a graph's values. `outer` is that of the enclosing graph: what is known there is known here."""

    graph: ir.Graph

    def __init__(self, outer: ValueTypes | None = None):
        self.types: dict[ir.Value, TensorType] = outer.types if outer else {}
        self._lost: dict[str, int] = outer._lost if outer else {"names": 0}
        self._sizes: dict[str, tuple[ir.Value, int]] = dict(outer._sizes) if outer else {}
        self._sized: set[Shape] = set(outer._sized) if outer else set()

    def stamp(self, value: ir.Value, t: TensorType) -> ir.Value:
        """Records what is known of a value's type."""
        value.type = _TENSOR_TYPES[t.dtype.onnx]
        value.shape = _shared_shape(t.shape)
        self.types[value] = t
        return value

    def stamp_proto(self, value: ir.Value, proto: Any) -> None:
        """Records an inferred type; a dimension that inference lost gets a name of its own."""
        if not proto.HasField("tensor_type") or not proto.tensor_type.HasField("shape"):
            if proto.WhichOneof("value"):
                value.type = ir.serde.deserialize_type_proto_for_type(proto)
            return
        dims: list[Dim] = []
        for d in proto.tensor_type.shape.dim:
            if d.HasField("dim_value"):
                dims.append(d.dim_value)
            else:
                dims.append(parse(d.dim_param) if d.dim_param else self.lost())
        self.stamp_numbers(value, proto.tensor_type.elem_type, tuple(dims))

    def stamp_numbers(self, value: ir.Value, number: int, shape: Shape) -> None:
        """Records a type by the dtype's number in TensorProto.DataType, which may be one that has no TensorType."""
        found = ONNX_DTYPES.get(number)
        if found is not None:
            self.stamp(value, TensorType(found, shape))
            return
        value.type = ir.TensorType(ir.DataType(number))
        value.shape = _shared_shape(shape)

    def lost(self) -> Dim:
        """A new name for a dimension that inference lost."""
        self._lost["names"] += 1
        return symbol(f"unknown_{self._lost['names']}")

    def reserve(self, names: Iterable[str]) -> None:
        """Keeps `lost` from giving names that a model has: one name is one size."""
        numbers = [int(m[1]) for n in names if (m := re.fullmatch(r"unknown_(\d+)", n))]
        self._lost["names"] = max([self._lost["names"], *numbers])

    def type_of(self, value: ir.Value) -> TensorType:
        """The dtype and shape of a value. Raises UnknownError."""
        known = self.known_type(value)
        if known is None:
            if value.dtype is not None and int(value.dtype) not in ONNX_DTYPES:
                raise UnknownError(f"`{value.name}` has the dtype {value.dtype.name}, which is not known")
            raise UnknownError(f"the shape of `{value.name}` is not known")
        return known

    def known_type(self, value: ir.Value) -> TensorType | None:
        """The dtype and shape of a value, None where inference lost them."""
        found = self.types.get(value)
        if found is None and value.dtype is not None and value.shape is not None and int(value.dtype) in ONNX_DTYPES:
            dims = tuple(d if isinstance(d, int) else parse(d.value) if d.value else self.lost() for d in value.shape)
            found = self.types[value] = TensorType(ONNX_DTYPES[int(value.dtype)], dims)
        return found

    def has_type(self, value: ir.Value) -> bool:
        """Whether the shape of a value is known."""
        return self.known_type(value) is not None

    def shape(self, value: ir.Value) -> Shape:
        """The dimensions of a value, symbolic ones included."""
        return self.type_of(value).shape

    def static_shape(self, value: ir.Value) -> tuple[int, ...]:
        """The dimensions of a value that has none but fixed ones. Raises UnknownError."""
        dims = self.shape(value)
        fixed = tuple(d for d in dims if isinstance(d, int))
        if len(fixed) != len(dims):
            raise UnknownError(f"the size of `{value.name}` is not fixed")
        return fixed

    def is_float(self, value: ir.Value) -> bool:
        """Whether a value is a tensor of numbers that gradients flow through."""
        return value.dtype is not None and int(value.dtype) in FLOATS

    def learn_size(self, value: ir.Value) -> None:
        """Remembers where the size of each symbolic dimension can be read."""
        t = self.known_type(value)
        if t is None or t.shape in self._sized:
            return
        self._sized.add(t.shape)
        for axis, d in enumerate(t.shape):
            if isinstance(d, Symbolic) and len(d.terms) == 1:
                self._sizes.setdefault(str(d), (value, axis))

    def has_size(self, name: str) -> bool:
        """Whether some value has the symbolic dimension of this name as an axis."""
        return name in self._sizes

    def learn_sizes(self) -> None:
        """`learn_size` for everything in a graph that others made."""
        for value in [*self.graph.inputs, *(v for n in self.graph for v in n.outputs)]:
            self.learn_size(value)


@lru_cache(maxsize=4096)
def _shared_shape(shape: Shape) -> ir.Shape:
    return ir.Shape([d if isinstance(d, int) else str(d) for d in shape], frozen=True)

"""Element types and tensor types, as the language writes them: `f32[N, 64]`."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from netc.compiler.graph.dimensions import Dim, Shape, Symbolic, product


@dataclass(frozen=True)
class DType:
    """`name` as in a spec, `onnx` the number of TensorProto.DataType, `numpy` the name of the numpy type."""

    name: str
    onnx: int
    numpy: str
    kind: str
    bytes: int

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        return self.kind in ("int", "uint")

    def __str__(self) -> str:
        return self.name


DTYPES = {
    d.name: d
    for d in (
        DType("f16", 10, "float16", "float", 2),
        DType("f32", 1, "float32", "float", 4),
        DType("f64", 11, "float64", "float", 8),
        DType("i8", 3, "int8", "int", 1),
        DType("i16", 5, "int16", "int", 2),
        DType("i32", 6, "int32", "int", 4),
        DType("i64", 7, "int64", "int", 8),
        DType("u8", 2, "uint8", "uint", 1),
        DType("u16", 4, "uint16", "uint", 2),
        DType("u32", 12, "uint32", "uint", 4),
        DType("u64", 13, "uint64", "uint", 8),
        DType("bool", 9, "bool", "bool", 1),
    )
}
BASE_OPSET = 18  # which the most runtimes and devices have kernels for
INT64, FLOAT = 7, 1  # numbers of TensorProto.DataType
FLOATS = (1, 10, 11, 16)  # float32, float16, float64, bfloat16: what gradients flow through
F32, I64, I32, BOOL = DTYPES["f32"], DTYPES["i64"], DTYPES["i32"], DTYPES["bool"]
BF16 = DType("bf16", 16, "bfloat16", "float", 2)  # in models of others only: few kernels have it
SPEC_DTYPES = {d.onnx: d for d in DTYPES.values()}  # by number: those that a spec can name
ONNX_DTYPES = {**SPEC_DTYPES, BF16.onnx: BF16}  # and those that a graph may have


@dataclass(frozen=True)
class TensorType:
    """A dtype and a shape whose dimensions may be symbolic."""

    dtype: DType
    shape: Shape

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Dim:
        return product(self.shape)

    @property
    def is_scalar(self) -> bool:
        return not self.shape

    def with_shape(self, shape: Shape) -> TensorType:
        return TensorType(self.dtype, shape)

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(dtype, self.shape)


def show_shape(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]"


class BroadcastError(ValueError):
    """Two shapes do not combine; the message says where."""


@lru_cache(maxsize=4096)
def broadcast(a: Shape, b: Shape) -> Shape:
    """numpy's rule, but one symbolic dimension may not land on two axes (`[N, 1] - [N]`) unless both are written out
    (`[N, 1] - [1, N]`). Raises BroadcastError."""
    rank = max(len(a), len(b))
    left: Shape = (1,) * (rank - len(a)) + a
    right: Shape = (1,) * (rank - len(b)) + b
    out: list[Dim] = []
    for axis, (x, y) in enumerate(zip(left, right)):
        if x == y or y == 1:
            out.append(x)
        elif x == 1:
            out.append(y)
        else:
            raise BroadcastError(f"axis {axis - rank} is {x} on one side and {y} on the other")
    if len(a) != len(b):
        only_left = {x for x, y in zip(left, right) if x != y and isinstance(x, Symbolic)}
        only_right = {y for x, y in zip(left, right) if x != y and isinstance(y, Symbolic)}
        both = only_left & only_right
        if both:
            raise BroadcastError(f"`{next(iter(both))}` would land on two axes of the result {show_shape(tuple(out))}")
    return tuple(out)


def array_of(value: Any, dtype: DType) -> Any:
    """A number, or lists of numbers, as an array; fractions, which NumPy does not read, as floats."""
    import numpy as np

    return np.array(_rounded(value), dtype.numpy)


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_rounded(v) for v in value]
    return float(value) if isinstance(value, Fraction) else value

"""Small compositions of nodes that lowerings and gradient rules share; the emitter has them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnx_ir as ir

from netc.compiler.graph.dimensions import Dim, Shape, product
from netc.compiler.graph.operators import Operators
from netc.compiler.graph.types import BF16, DTYPES, FLOAT, INT64, ONNX_DTYPES, DType, TensorType
from netc.compiler.graph.value_types import ValueTypes


class Compositions(ValueTypes, Operators):
    """What an emitter (emitter.py) can make of several operators."""

    opset: int

    def constant(self, value: Any, dtype: Any) -> ir.Value:
        """A scalar constant."""
        raise NotImplementedError

    def tensor(self, array: Any) -> ir.Value:
        """A constant tensor."""
        raise NotImplementedError

    def known(self, value: ir.Value) -> np.ndarray | None:
        """The contents of a small constant; None for anything else."""
        raise NotImplementedError

    def numbers(self, array: np.ndarray, like: ir.Value) -> ir.Value:
        """A constant tensor in another value's dtype."""
        assert like.dtype is not None
        return self.tensor(array.astype(like.dtype.numpy()))

    def vector(self, items: Sequence[int]) -> ir.Value:
        """A constant vector of int64, as axes and shapes are given."""
        return self.tensor(np.array(items, dtype=np.int64))

    def shared(self, key: Any, make: Callable[[], Any]) -> Any:
        """The value that `make` emitted for this key before, or emits now."""
        raise NotImplementedError

    def cast(self, x: ir.Value, dtype: Any) -> ir.Value:
        """x in another dtype; x itself when it has it already."""
        number = int(dtype.onnx if isinstance(dtype, DType) else dtype)
        return x if int(x.dtype or 0) == number else self.Cast(x, to=number)

    def stop_gradient(self, x: ir.Value) -> ir.Value:
        """x, marked so that differentiation stops here."""
        y: ir.Value = self.Identity(x)
        producer = y.producer()
        assert producer is not None
        producer.metadata_props["netc.stop_gradient"] = "1"
        return y

    def reduce(self, operator: str, x: ir.Value, axis: Any, keep: bool) -> ir.Value:
        """ReduceSum and its siblings over an axis, several, or all (None)."""
        axes = None if axis is None else [axis] if isinstance(axis, int) else list(axis)
        t = self.type_of(x)
        gone = range(t.rank) if axes is None else [a % t.rank for a in axes]
        shape = tuple(1 if i in gone else d for i, d in enumerate(t.shape) if keep or i not in gone)
        at = None if axes is None else self.vector(axes)
        made: ir.Value = self.node(operator, [x, at], {"keepdims": int(keep)}, 1, TensorType(t.dtype, shape))
        return made

    def reshape(self, x: ir.Value, shape: Shape) -> ir.Value:
        """x in another shape, symbolic dimensions allowed."""
        t = self.type_of(x)
        if t.shape == shape:
            return x
        empty = any(d == 0 for d in shape)  # then a 0 is a size, not a copy
        vector = self.shape_tensor(shape) if empty else self._shape_vector(shape, t.shape)
        return self.Reshape(x, vector, allowzero=1 if empty else None, type=t.with_shape(shape))

    def _shape_vector(self, shape: Shape, source: Shape) -> ir.Value:
        """A shape for Reshape: 0 copies a dimension in its place, one -1 is inferred, else it is computed."""
        wanted = [
            0 if i < len(source) and source[i] == d and not isinstance(d, int) else d for i, d in enumerate(shape)
        ]
        open_ = [i for i, d in enumerate(wanted) if not isinstance(d, int)]
        if len(open_) <= 1:
            return self.vector([d if isinstance(d, int) else -1 for d in wanted])
        return self.shape_tensor(shape)

    def shape_tensor(self, shape: Shape) -> ir.Value:
        """A shape as an int64 vector: constant where it is static."""
        if all(isinstance(d, int) for d in shape):
            return self.vector([d for d in shape if isinstance(d, int)])
        one = self.vector([0])
        parts = [self.vector([d]) if isinstance(d, int) else self.Unsqueeze(self.dimension(d), one) for d in shape]
        joined: ir.Value = parts[0] if len(parts) == 1 else self.Concat(*parts, axis=0)
        return joined

    def dimension(self, dim: Dim) -> ir.Value:
        """A dimension as an int64 scalar."""
        if isinstance(dim, int):
            return self.constant(dim, INT64)

        def compute() -> ir.Value:
            total: ir.Value | None = None
            for symbols, coefficient in dim.terms:
                term: ir.Value | None = None
                for s in symbols:
                    size = self.shared(("size", s), partial(self._size, s))
                    term = size if term is None else self.Mul(term, size)
                if term is None:
                    term = self.constant(coefficient, INT64)
                elif coefficient != 1:
                    term = self.Mul(term, self.constant(coefficient, INT64))
                total = term if total is None else self.Add(total, term)
            assert total is not None
            return total

        found: ir.Value = self.shared(("dimension", dim), compute)
        return found

    def count(self, x: ir.Value) -> ir.Value:
        """How many elements x has, as an int64 scalar: from its dimensions where these are known, since runtimes fold them
        once the sizes are fixed, else by Size."""
        t = self.known_type(x)
        total = self.lost() if t is None else product(t.shape)
        known = isinstance(total, int) or total.symbols <= self._sizes.keys()
        return self.dimension(total) if known else self.Size(x)

    def _size(self, name: str) -> ir.Value:
        source, axis = self._sizes[name]
        length = self.Shape(source, start=axis, end=axis + 1, type=TensorType(DTYPES["i64"], (1,)))
        return self.Squeeze(length, self.vector([0]), type=TensorType(DTYPES["i64"], ()))

    def expand(self, x: ir.Value, shape: Shape) -> ir.Value:
        """x repeated to a shape."""
        t = self.type_of(x)
        if t.shape == shape:
            return x
        return self.Expand(x, self.shape_tensor(shape), type=t.with_shape(shape))

    def sizes(self, x: ir.Value) -> ir.Value:
        """The shape of x as an int64 vector, a constant where it is static."""
        t = self.known_type(x)
        if t is not None and all(isinstance(d, int) for d in t.shape):
            return self.shape_tensor(t.shape)
        return self.Shape(x)

    def like(self, x: ir.Value, pattern: ir.Value) -> ir.Value:
        """The elements of x in the shape of another value, which has as many."""
        t, wanted = self.known_type(x), self.known_type(pattern)
        if wanted is not None and t is not None:
            if t.shape == wanted.shape:
                return x
            if sum(not isinstance(d, int) for d in wanted.shape) <= 1:
                return self.reshape(x, wanted.shape)
        return self.Reshape(x, self.sizes(pattern), type=self._typed(x, wanted))

    def _typed(self, x: ir.Value, shape: TensorType | None) -> Any:
        """The dtype of x with a shape, or None to leave it to inference."""
        return None if shape is None or x.dtype is None else shape.with_dtype(ONNX_DTYPES[int(x.dtype)])

    def flip(self, x: ir.Value, axis: int) -> ir.Value:
        """x in reverse along an axis."""
        least = int(np.iinfo(np.int64).min)
        ends = (self.vector([-1]), self.vector([least]), self.vector([axis]), self.vector([-1]))
        return self.Slice(x, *ends, type=self.known_type(x))

    def flat(self, x: ir.Value) -> ir.Value:
        """All elements of x in one axis."""
        return self.reshape(x, (product(self.shape(x)),))

    def element_count(self, x: ir.Value, axis: Any) -> ir.Value:
        """How many elements of x a reduction over `axis` takes in, as a float32 scalar."""
        shape = self.shape(x)
        axes = range(len(shape)) if axis is None else [axis] if isinstance(axis, int) else axis
        count = product(shape[a] for a in axes)
        return self.constant(count, FLOAT) if isinstance(count, int) else self.cast(self.dimension(count), FLOAT)

    def one_hot(self, x: ir.Value, classes: int) -> ir.Value:
        """1 at each index along a new last axis, as float32."""
        numbers = self.tensor(np.arange(classes, dtype=np.int64))
        at = self.Unsqueeze(self.cast(x, INT64), self.vector([-1]))
        return self.cast(self.Equal(at, numbers), FLOAT)

    def identity_matrix(self, size: int, dtype: Any) -> ir.Value:
        return self.tensor(np.eye(size, dtype=ONNX_DTYPES[int(dtype)].numpy))

    def fill(self, value: float, shape: tuple[int, ...], dtype: Any) -> ir.Value:
        """A tensor of one value, which costs no space in the file."""
        return self.filled(self.vector(shape), value, dtype, TensorType(ONNX_DTYPES[int(dtype)], shape))

    def filled(self, sizes: ir.Value, value: float, dtype: Any, type: TensorType | None = None) -> ir.Value:
        """One value, in a shape that may be computed."""
        number = int(dtype)
        if number == BF16.onnx and self.opset < 20:  # which ConstantOfShape makes since opset 20
            found: ir.Value = self.Expand(self.constant(value, number), sizes, type=type)
            return found
        content = ir.tensor(np.array([value], dtype=ONNX_DTYPES[number].numpy))
        return self.ConstantOfShape(sizes, value=content, type=type)

    def zeros_like(self, x: ir.Value) -> ir.Value:
        """Zeros of x's type."""
        t = self.known_type(x)
        assert x.dtype is not None
        if t is not None and t.is_scalar:
            return self.constant(0, x.dtype)
        return self.filled(self.sizes(x), 0, x.dtype, t)

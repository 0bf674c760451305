"""The one way to make nodes: `op.Mul(x, y)` appends a node to the graph and knows the type of its result at once."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any

import numpy as np
import onnx_ir as ir

from netc.compiler.dimensions import Dim, Shape, Symbolic, add, parse, product, symbol
from netc.compiler.types import BOOL, DTYPES, ONNX_DTYPES, DType, TensorType

IR_VERSION = 8
BASE_OPSET = 18
INT64 = 7
FLOAT = 1

_FIRST = {
    "Relu", "Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Neg", "Abs", "Identity", "Floor", "Ceil", "Round", "Sign", "Not",
    "Reciprocal", "Erf", "Softplus", "Softsign", "Softmax", "LogSoftmax", "Elu", "Selu", "LeakyRelu", "HardSigmoid",
    "HardSwish", "Sin", "Cos", "Clip", "ScatterElements", "PRelu", "ScatterND",
}  # fmt: skip
_BROADCAST = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Sum", "And", "Or"}
_COMPARE = {"Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"}


class UnknownError(Exception):
    """A value's type, or the numbers that it holds, would have to be known to go on."""


class Emitter:
    """Builds one graph. Where a number stands for a tensor it becomes a constant of the first tensor's dtype."""

    def __init__(self, name: str, opset: int = BASE_OPSET, training: bool = False):
        self.graph = ir.Graph([], [], nodes=[], opset_imports={"": opset}, name=name)
        self.opset = opset
        self.training = training
        self.origin = ""  # `file:line` that the nodes being made come from
        self.parameters: dict[str, ir.Value] = {}
        self.random: Any = None
        self.count: Any = None
        self._types: dict[ir.Value, TensorType] = {}
        self._constants: dict[Any, ir.Value] = {}
        self._shared: dict[Any, Any] = {}
        self._made: dict[Any, Any] = {}
        self._lost = 0
        self._taken: set[str] = set()  # names of a graph that was adopted
        self._sizes: dict[str, tuple[ir.Value, int]] = {}

    @classmethod
    def adopt(cls, graph: ir.Graph, opset: int) -> Emitter:
        """An emitter that goes on with a graph that exists, whoever made it; its shapes must have been inferred."""
        made = cls(graph.name or "graph", opset)
        made.graph = graph
        made._taken = {v.name for n in graph for v in n.outputs if v.name} | {v.name for v in graph.inputs if v.name}
        made._taken |= set(graph.initializers)
        for value in [*graph.inputs, *(v for n in graph for v in n.outputs)]:
            if value.shape is not None and value.dtype is not None and int(value.dtype) in ONNX_DTYPES:
                made._note_sizes(value, made.type_of(value))
        return made

    # --- nodes --------------------------------------------------------------------------------------------------------

    def __getattr__(self, operator: str) -> Callable[..., Any]:
        if not operator[0].isupper():
            raise AttributeError(operator)

        def emit(*inputs: Any, num_outputs: int = 1, type: TensorType | None = None, **attributes: Any) -> Any:
            if operator == "Split":
                attributes["num_outputs"] = num_outputs
            return self.node(operator, inputs, attributes, num_outputs, type)

        return emit

    def node(
        self,
        operator: str,
        inputs: Sequence[Any],
        attributes: Mapping[str, Any],
        num_outputs: int = 1,
        type: TensorType | tuple[TensorType, ...] | None = None,
    ) -> Any:
        """Appends a node; one value, or a tuple of several. `type` is given where inference would lose it.

        The same operator on the same inputs gives the values that it gave before: no common subexpressions arise.
        """
        first = next((x for x in inputs if isinstance(x, ir.Value)), None)
        values = [
            x if x is None or isinstance(x, ir.Value) else self.constant(x, FLOAT if first is None else first.dtype)
            for x in inputs
        ]
        while values and values[-1] is None:
            values.pop()
        key = _question(operator, values, attributes, num_outputs)
        known = self._made.get(key) if key is not None else None
        if known is not None:
            return known
        attrs = [_attribute(n, v) for n, v in attributes.items() if v is not None]
        node = ir.Node("", operator, values, attrs, num_outputs=num_outputs)
        if self.origin:
            node.metadata_props["netc.line"] = self.origin
        lost = self._lost
        if type is None:
            types = self._infer(operator, values, attributes, node)
        else:
            types = type if isinstance(type, tuple) else (type,)
        for output, t in zip(node.outputs, types):
            self.stamp(output, t)
            if self._lost > lost:
                self._note_sizes(output, t)
        self.graph.append(node)
        made = node.outputs[0] if num_outputs == 1 else tuple(node.outputs)
        if key is not None:
            self._made[key] = made
        return made

    def stamp(self, value: ir.Value, t: TensorType) -> ir.Value:
        """Records what is known of a value's type."""
        value.type = ir.TensorType(ir.DataType(t.dtype.onnx))
        value.shape = ir.Shape([d if isinstance(d, int) else str(d) for d in t.shape])
        self._types[value] = t
        return value

    def _infer(
        self, operator: str, values: list[ir.Value | None], attributes: Mapping[str, Any], node: ir.Node
    ) -> Sequence[TensorType]:
        known = _quick(operator, [self.type_of(v) if v is not None else None for v in values], attributes)
        return (known,) if known is not None else self._infer_by_schema(operator, values, node)

    def _infer_by_schema(self, operator: str, values: list[ir.Value | None], node: ir.Node) -> list[TensorType]:
        from onnx import defs, helper, shape_inference

        proto = helper.make_node(operator, [], [])
        names: list[str] = []
        types, data = {}, {}
        for i, v in enumerate(values):
            names.append("" if v is None else f"x{i}")
            if v is None:
                continue
            types[names[i]] = _type_proto(self.type_of(v))
            if v.const_value is not None and v.const_value.size <= 64:
                data[names[i]] = helper.make_tensor(
                    names[i], v.const_value.dtype, list(v.const_value.shape), v.const_value.numpy().ravel().tolist()
                )
        proto.input.extend(names)
        proto.output.extend(f"y{i}" for i in range(len(node.outputs)))
        proto.attribute.extend(ir.to_proto(a) for a in node.attributes.values())
        schema = defs.get_schema(operator, self.opset)
        opsets = [helper.make_opsetid("", self.opset)]
        try:
            found = shape_inference.infer_node_outputs(
                schema, proto, types, input_data=data, opset_imports=opsets, ir_version=IR_VERSION
            )
        except shape_inference.InferenceError as e:
            raise UnknownError(f"the type of `{operator}` of these values cannot be inferred: {e}") from None
        return [self._from_proto(found[o]) for o in proto.output]

    def _from_proto(self, proto: Any) -> TensorType:
        """A type as inferred; a dimension that inference lost gets a name of its own."""
        dims: list[Dim] = []
        for d in proto.tensor_type.shape.dim:
            if d.HasField("dim_value"):
                dims.append(d.dim_value)
            else:
                self._lost += not d.dim_param
                dims.append(parse(d.dim_param or f"unknown_{self._lost}"))
        return TensorType(ONNX_DTYPES[proto.tensor_type.elem_type], tuple(dims))

    # --- inputs, outputs and constants --------------------------------------------------------------------------------

    def input(self, name: str, t: TensorType) -> ir.Value:
        """Declares a graph input."""
        value = self.stamp(ir.Value(name=name), t)
        self.graph.inputs.append(value)
        self._note_sizes(value, t)
        return value

    def _note_sizes(self, value: ir.Value, t: TensorType) -> None:
        """Remembers where the size of each symbolic dimension can be read."""
        for axis, d in enumerate(t.shape):
            if isinstance(d, Symbolic) and len(d.terms) == 1:
                self._sizes.setdefault(str(d), (value, axis))

    def output(self, name: str, value: ir.Value) -> None:
        """Publishes a value under a name; what already has a public name gets an Identity."""
        taken = value.is_graph_input() or value.is_graph_output() or value.is_initializer()
        if taken:
            value = self.Identity(value)
        value.name = name
        self.graph.outputs.append(value)

    def constant(self, value: Any, dtype: Any) -> ir.Value:
        """A scalar constant, one for each value and dtype."""
        number = int(dtype.onnx if isinstance(dtype, DType) else dtype)
        exact = float(value) if isinstance(value, Fraction) else value
        return self.tensor(np.array(exact, dtype=ONNX_DTYPES[number].numpy))

    def vector(self, items: Sequence[int]) -> ir.Value:
        """A constant vector of int64, as axes and shapes are given."""
        return self.tensor(np.array(items, dtype=np.int64))

    def tensor(self, array: Any) -> ir.Value:
        """A constant tensor, one for each content."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            while name in self._taken:
                name += "_"
            value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
            dtype = next(d for d in DTYPES.values() if d.numpy == array.dtype.name)
            self.stamp(value, TensorType(dtype, tuple(array.shape)))
            self.graph.register_initializer(value)
            self._constants[key] = value
        return self._constants[key]

    def shared(self, key: Any, make: Callable[[], Any]) -> Any:
        """The value that `make` emitted for this key before, or emits now."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    # --- what is known of a value -------------------------------------------------------------------------------------

    def type_of(self, value: ir.Value) -> TensorType:
        """The dtype and shape of a value."""
        known = self._types.get(value)
        if known is None:
            if value.dtype is None or value.shape is None or int(value.dtype) not in ONNX_DTYPES:
                raise UnknownError(f"the type of `{value.name}` is not known")
            dims = tuple(d if isinstance(d, int) else self._symbol(d.value) for d in value.shape)
            known = self._types[value] = TensorType(ONNX_DTYPES[int(value.dtype)], dims)
        return known

    def _symbol(self, name: str | None) -> Dim:
        """A dimension that inference named, or a new name for one that it lost."""
        if name is not None:
            return parse(name)
        self._lost += 1
        return symbol(f"unknown_{self._lost}")

    def shape(self, value: ir.Value) -> Shape:
        """The dimensions of a value, symbolic ones included."""
        return self.type_of(value).shape

    def is_float(self, value: ir.Value) -> bool:
        return self.type_of(value).dtype.is_float

    def integers(self, value: ir.Value) -> list[int]:
        """The whole numbers that a constant vector holds, such as axes. Raises UnknownError where they are computed."""
        if value.const_value is None:
            raise UnknownError(f"`{value.name}` is computed, not a constant")
        return [int(i) for i in value.const_value.numpy().ravel()]

    def scalar_value(self, value: ir.Value) -> int | float | None:
        """The number that a scalar constant holds."""
        if value.const_value is None or value.const_value.size != 1:
            return None
        number: int | float = value.const_value.numpy().item()
        return number

    def matching(self, pattern: str) -> list[ir.Value]:
        """The parameters that a pattern matches."""
        return [v for n, v in self.parameters.items() if fnmatch.fnmatchcase(n, pattern)]

    # --- small compositions that lowerings and gradient rules share ---------------------------------------------------

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
        made: ir.Value = self.Reshape(x, vector, allowzero=1 if empty else None, type=t.with_shape(shape))
        return made

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

    def _size(self, name: str) -> ir.Value:
        source, axis = self._sizes[name]
        length = self.Shape(source, start=axis, end=axis + 1, type=TensorType(DTYPES["i64"], (1,)))
        size: ir.Value = self.Squeeze(length, self.vector([0]), type=TensorType(DTYPES["i64"], ()))
        return size

    def expand(self, x: ir.Value, shape: Shape) -> ir.Value:
        """x repeated to a shape."""
        t = self.type_of(x)
        if t.shape == shape:
            return x
        made: ir.Value = self.Expand(x, self.shape_tensor(shape), type=t.with_shape(shape))
        return made

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
        found = ONNX_DTYPES[int(dtype)]
        content = ir.tensor(np.array([value], dtype=found.numpy))
        made: ir.Value = self.ConstantOfShape(self.vector(shape), value=content, type=TensorType(found, shape))
        return made

    def zeros_like(self, x: ir.Value) -> ir.Value:
        """Zeros of x's type."""
        t = self.type_of(x)
        content = ir.tensor(np.array([0], dtype=t.dtype.numpy))
        made: ir.Value = self.ConstantOfShape(self.shape_tensor(t.shape), value=content, type=t)
        return made


def _question(operator: str, values: Sequence[Any], attributes: Mapping[str, Any], num_outputs: int) -> Any:
    """What makes two nodes the same; None for an Identity, which may carry a mark, and for tensors and graphs."""
    if operator in ("Identity", "ConstantOfShape", "Loop"):
        return None
    fixed = tuple((n, tuple(v) if isinstance(v, list) else v) for n, v in sorted(attributes.items()))
    return operator, tuple(map(id, values)), fixed, num_outputs


def _attribute(name: str, value: Any) -> ir.Attr:
    match value:
        case bool() | int():
            return ir.AttrInt64(name, int(value))
        case float():
            return ir.AttrFloat32(name, value)
        case str():
            return ir.AttrString(name, value)
        case ir.Graph():
            return ir.AttrGraph(name, value)
        case list() | tuple():
            if value and isinstance(value[0], str):
                return ir.AttrStrings(name, list(value))
            floats = any(isinstance(v, float) for v in value)
            return ir.AttrFloat32s(name, list(value)) if floats else ir.AttrInt64s(name, list(value))
        case _:
            return ir.AttrTensor(name, value)


def _quick(operator: str, types: Sequence[TensorType | None], attributes: Mapping[str, Any]) -> TensorType | None:
    """The result's type of the commonest operators; None leaves it to the schema."""
    first = types[0] if types else None
    if first is None:
        return None
    if operator in _FIRST:
        return first
    if operator in _BROADCAST or operator in _COMPARE:
        shape = first.shape
        for t in types[1:]:
            assert t is not None
            shape = _joined(shape, t.shape)
        return TensorType(BOOL if operator in _COMPARE else first.dtype, shape)
    if operator == "Where":
        a, b = types[1], types[2]
        assert a is not None
        assert b is not None
        return a.with_shape(_joined(_joined(first.shape, a.shape), b.shape))
    if operator == "Cast":
        return first.with_dtype(ONNX_DTYPES[attributes["to"]])
    if operator == "Transpose":
        return first.with_shape(tuple(first.shape[i] for i in attributes["perm"]))
    if operator == "Concat":
        at = attributes["axis"] % first.rank
        joined: Dim = 0
        for t in types:
            assert t is not None
            joined = add(joined, t.shape[at])
        return first.with_shape((*first.shape[:at], joined, *first.shape[at + 1 :]))
    if operator in ("MatMul", "Gemm"):
        second = types[1]
        assert second is not None
        if first.rank == 2 and second.rank == 2:
            rows = first.shape[1 if attributes.get("transA") else 0]
            columns = second.shape[0 if attributes.get("transB") else 1]
            return first.with_shape((rows, columns))
        if operator == "MatMul" and first.rank > 2 and second.rank == 2:
            return first.with_shape((*first.shape[:-1], second.shape[1]))
    return None


def _joined(a: Shape, b: Shape) -> Shape:
    """numpy's broadcast of shapes that are known to combine."""
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b)
    return tuple(y if x == 1 else x for x, y in pairs)


@lru_cache(maxsize=4096)
def _type_proto(t: TensorType) -> Any:
    from onnx import helper

    return helper.make_tensor_type_proto(t.dtype.onnx, [d if isinstance(d, int) else str(d) for d in t.shape])

"""The one way to make nodes: `op.Mul(x, y)` appends a node to the graph and knows the type of its result at once."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import onnx_ir as ir

from netc.compiler.graph.compositions import Compositions
from netc.compiler.graph.folding import UNFOLDABLE, evaluate
from netc.compiler.graph.inference import UnknownError, infer_by_schema, quick, reshaped, type_proto, unsure
from netc.compiler.graph.types import FLOAT, ONNX_DTYPES, DType, TensorType
from netc.compiler.graph.value_types import ValueTypes

BASE_OPSET = 18
SMALL = 64  # elements of a constant that inference may look at
FOLD_ELEMENTS = 4096  # of a constant that is computed when the graph is built
_OPAQUE = {ir.Attr, ir.Graph}  # attributes that are not compared
UNSHARED = {
    "Identity",
    "ConstantOfShape",
    "If",
    "Loop",
    "Scan",
    "RandomNormal",
    "RandomUniform",
    "Constant",
} | UNFOLDABLE


class Emitter(ValueTypes, Compositions):
    """Builds one graph. Where a number stands for a tensor it becomes a constant of the first tensor's dtype."""

    def __init__(
        self,
        name: str,
        opset: int = BASE_OPSET,
        training: bool = False,
        fold: bool = False,
        parent: Emitter | None = None,
    ):
        super().__init__(parent)
        self.parent = parent
        self.root: Emitter = parent.root if parent else self
        self.fold = fold
        self.variables: set[ir.Value] = set()  # initializers that are not constants: trained or differentiated
        self.needed: Callable[[ir.Value], bool] | None = None  # whose cotangents the engine asks a rule for
        self.graph = ir.Graph([], [], nodes=[], opset_imports={"": opset}, name=name)
        self.opset = opset
        self.training = training
        self.origin = ""  # `file:line` that the nodes being made come from
        self.parameters: dict[str, ir.Value] = {}
        self.random: Any = None
        self.count: Any = None
        self._constants: dict[Any, ir.Value] = {}
        self._scalars: dict[Any, ir.Value] = {}
        self._shared: dict[Any, Any] = {}
        self._made: dict[Any, Any] = {}

    def nested(self, name: str) -> Emitter:
        """An emitter for the body of a control-flow node; it sees this one's values, and constants are shared."""
        made = Emitter(name, self.opset, self.training, self.fold, self)
        made.graph.opset_imports.clear()
        made.origin = self.origin
        return made

    # --- nodes --------------------------------------------------------------------------------------------------------

    def __getattr__(self, operator: str) -> Callable[..., Any]:
        if not operator[0].isupper():
            raise AttributeError(operator)

        def emit(*inputs: Any, num_outputs: int = 1, type: TensorType | None = None, **attributes: Any) -> Any:
            if operator == "Split":
                attributes["num_outputs"] = num_outputs
            return self.node(operator, inputs, attributes, num_outputs, type)

        self.__dict__[operator] = emit  # found at once the next time
        return emit

    def node(
        self,
        operator: str,
        inputs: Sequence[Any],
        attributes: Mapping[str, Any],
        num_outputs: int = 1,
        type: TensorType | Sequence[Any] | None = None,
    ) -> Any:
        """Appends a node; one value, or a tuple of several. `type` is given where inference would lose it.

        The same operator on the same inputs gives the values that it gave before: no common subexpressions arise.
        """
        values = list(inputs)
        for i, x in enumerate(values):
            if x is not None and not isinstance(x, ir.Value):
                first = next((v for v in inputs if isinstance(v, ir.Value)), None)
                values[i] = self.constant(x, FLOAT if first is None else first.dtype)
        while values and values[-1] is None:
            values.pop()
        key = _question(operator, values, attributes, num_outputs)
        known = self._before(key)
        if known is not None:
            return known
        if self.fold:
            folded = self._folded(operator, values, attributes, num_outputs)
            if folded is not None:
                return folded
        attrs = [_attribute(n, v) for n, v in attributes.items() if v is not None]
        node = ir.Node("", operator, values, attrs, num_outputs=num_outputs)
        if self.origin:
            node.metadata_props["netc.line"] = self.origin
        if type is None:
            self._infer(node, values, attributes)
        else:
            for output, t in zip(node.outputs, (type,) if isinstance(type, TensorType) else type):
                if isinstance(t, TensorType):
                    self.stamp(output, t)
                else:
                    self.stamp_proto(output, t)
        for output in node.outputs:
            self.learn_size(output)
        self.graph.append(node)
        made = node.outputs[0] if num_outputs == 1 else tuple(node.outputs)
        if key is not None:
            self._made[key] = made
        return made

    def _before(self, key: Any) -> Any:
        """What this node, asked for before here or in an enclosing graph, gave."""
        if key is None:
            return None
        at: Emitter | None = self
        while at is not None:
            if key in at._made:
                return at._made[key]
            at = at.parent
        return None

    def _folded(
        self, operator: str, values: Sequence[ir.Value | None], attributes: Mapping[str, Any], num_outputs: int
    ) -> Any:
        """The constants that a node on constants gives, or the shape of a value whose shape is static."""
        if operator in ("Shape", "Size") and isinstance(values[0], ir.Value):
            t = self.known_type(values[0])
            if t is not None and all(isinstance(d, int) for d in t.shape):
                sizes = np.array(t.shape, dtype=np.int64)
                if operator == "Size":
                    return self.tensor(np.array(sizes.prod(), dtype=np.int64))
                return self.tensor(sizes[attributes.get("start") : attributes.get("end")])
        if not values or operator in UNFOLDABLE:
            return None
        arrays = []
        for v in values:
            array = None if v is None else self.known(v)
            if array is None and v is not None:
                return None
            arrays.append(array)
        attrs = [_attribute(n, v) for n, v in attributes.items() if v is not None]
        found = evaluate(operator, arrays, attrs, num_outputs, self.opset)
        if found is None:
            return None
        made = tuple(self.tensor(a) for a in found)
        return made[0] if num_outputs == 1 else made

    def _infer(self, node: ir.Node, values: Sequence[ir.Value | None], attributes: Mapping[str, Any]) -> None:
        """Stamps the outputs with what is known of their types."""
        types = [None if v is None else self.known_type(v) for v in values]
        known = quick(node.op_type, types, attributes)
        if node.op_type == "Reshape" and types[0] is not None and values[1] is not None:
            vector = self.known(values[1], SMALL)
            if vector is not None:
                shape = reshaped(types[0].shape, vector.tolist(), bool(attributes.get("allowzero")))
                known = None if shape is None else types[0].with_shape(shape)
        if known is not None:
            self.stamp(node.outputs[0], known)
            return
        given = [None if v is None else type_proto(v, t) for v, t in zip(values, types)]
        data = [None if v is None else self.known(v, SMALL) for v in values]
        for output, proto in zip(node.outputs, infer_by_schema(node, given, data, self.opset)):
            self.stamp_proto(output, proto)
        y = self.known_type(node.outputs[0])
        if y is not None and node.op_type == "Einsum" and unsure(attributes["equation"], types):
            self.stamp(node.outputs[0], y.with_shape(tuple(self.lost() for _ in y.shape)))

    # --- inputs, outputs and constants --------------------------------------------------------------------------------

    def input(self, name: str | None, t: TensorType) -> ir.Value:
        """Declares a graph input."""
        return self.declare(self.stamp(ir.Value(name=name), t))

    def declare(self, value: ir.Value) -> ir.Value:
        """Makes a value an input of the graph."""
        self.graph.inputs.append(value)
        self.learn_size(value)
        return value

    def output(self, name: str, value: ir.Value) -> None:
        """Publishes a value under a name; what already has a public name gets an Identity."""
        producer = value.producer()
        own = producer is not None and producer.graph is self.graph
        if value.name != name or value.is_graph_output():  # else an input or initializer that is an output as it is
            if not own or value.is_graph_output():
                value = self.Identity(value)
            value.name = name
        self.graph.outputs.append(value)

    def constant(self, value: Any, dtype: Any) -> ir.Value:
        """A scalar constant, one for each value and dtype."""
        if self.parent is not None:
            return self.root.constant(value, dtype)
        number = int(dtype.onnx if isinstance(dtype, DType) else dtype)
        key = repr(value), number
        known = self._scalars.get(key)
        if known is None:
            exact = float(value) if isinstance(value, Fraction) else value
            known = self._scalars[key] = self.tensor(np.array(exact, dtype=ONNX_DTYPES[number].numpy))
        return known

    def vector(self, items: Sequence[int]) -> ir.Value:
        """A constant vector of int64, as axes and shapes are given."""
        return self.tensor(np.array(items, dtype=np.int64))

    def tensor(self, array: Any) -> ir.Value:
        """A constant tensor, one for each content."""
        if self.parent is not None:
            return self.root.tensor(array)
        key = _content(array)
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            while name in self.graph.initializers:
                name += "_"
            value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
            dtype = next((d for d in ONNX_DTYPES.values() if d.numpy == array.dtype.name), None)
            if dtype is None:
                raise UnknownError(f"constants of the dtype {array.dtype.name} are not known")
            self.stamp(value, TensorType(dtype, tuple(array.shape)))
            self.graph.register_initializer(value)
            self._constants[key] = value
        return self._constants[key]

    def adopt(self, value: ir.Value) -> None:
        """Makes an initializer of a model the constant of its content, so that no second one arises."""
        array = self.known(value, SMALL)
        if array is not None:
            self._constants.setdefault(_content(array), value)

    def shared(self, key: Any, make: Callable[[], Any]) -> Any:
        """The value that `make` emitted for this key before, or emits now."""
        at: Emitter | None = self
        while at is not None:
            if key in at._shared:
                return at._shared[key]
            at = at.parent
        self._shared[key] = make()
        return self._shared[key]

    def needs(self, value: ir.Value) -> bool:
        """Whether anything becomes of a rule's cotangent for this operand; what is not needed may be None."""
        return self.needed is None or self.needed(value)

    def known(self, value: ir.Value, limit: int = FOLD_ELEMENTS) -> np.ndarray | None:
        """The contents of a constant of at most `limit` elements; None for anything else."""
        content = value.const_value
        if content is None or content.size > limit or value in self.root.variables:
            return None
        found: np.ndarray = content.numpy()
        return found

    def integers(self, value: ir.Value) -> list[int]:
        """The whole numbers that a constant vector holds, such as axes. Raises UnknownError where they are computed."""
        found = self.known(value)
        if found is None:
            raise UnknownError(f"`{value.name}` is computed, not a constant")
        return [int(i) for i in found.ravel()]

    def scalar_value(self, value: ir.Value) -> int | float | None:
        """The number that a scalar constant holds."""
        found = self.known(value, 1)
        if found is None or found.size != 1:
            return None
        number: int | float = found.item()
        return number

    def matching(self, pattern: str) -> list[ir.Value]:
        """The parameters that a pattern matches."""
        return [v for n, v in self.parameters.items() if fnmatch.fnmatchcase(n, pattern)]


def _content(array: Any) -> Any:
    return array.dtype.str, array.shape, array.tobytes()


def _question(operator: str, values: Sequence[Any], attributes: Mapping[str, Any], num_outputs: int) -> Any:
    """What makes two nodes the same; None for an Identity, which may carry a mark, and for tensors and graphs."""
    if operator in UNSHARED:
        return None
    if not attributes:
        return operator, tuple(map(id, values)), num_outputs
    if any(type(v) in _OPAQUE for v in attributes.values()):
        return None
    fixed = tuple((n, tuple(v) if isinstance(v, list) else v) for n, v in sorted(attributes.items()))
    return operator, tuple(map(id, values)), num_outputs, fixed


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
        case ir.Attr():
            return value
        case list() | tuple():
            if value and isinstance(value[0], str):
                return ir.AttrStrings(name, list(value))
            floats = any(isinstance(v, float) for v in value)
            return ir.AttrFloat32s(name, list(value)) if floats else ir.AttrInt64s(name, list(value))
        case _:
            return ir.AttrTensor(name, value)

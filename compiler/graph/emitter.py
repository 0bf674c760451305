"""The one way to make nodes: `op.Mul(x, y)` appends a node to the graph and knows the type of its result at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import onnx_ir as ir

from netc.compiler.graph.attributes import attribute
from netc.compiler.graph.compositions import Compositions
from netc.compiler.graph.folding import folded, is_random
from netc.compiler.graph.inference import UnknownError, infer_by_schema, quick, reshaped, type_proto, unsure
from netc.compiler.graph.scope import Scope, Within
from netc.compiler.graph.types import BASE_OPSET, FLOAT, ONNX_DTYPES, DType, TensorType

Value = ir.Value
SMALL = 64  # elements of a constant that inference may look at
FOLD_ELEMENTS = 4096  # of a constant that is computed when the graph is built
VARIABLE = "netc.variable"  # marks an initializer whose content is not to be relied on
_OPAQUE = {ir.Attr, ir.Graph}  # attributes that are not compared
# a random operator draws anew each time; an Identity may carry a mark; bodies are not compared
_UNSHARED = {"Identity", "ConstantOfShape", "If", "Loop", "Scan", "Constant"}


class Emitter(Compositions):
    """Builds one graph. Where a number stands for a tensor it becomes a constant of the first tensor's dtype.

    Nodes on constants are computed at once, and the same question gives the same node, so that a graph has neither
    foldable constants nor common subexpressions.
    """

    def __init__(self, name: str, opset: int = BASE_OPSET, parent: Emitter | None = None):
        super().__init__(parent)
        self.parent = parent
        self.root: Emitter = parent.root if parent else self
        self.graph = ir.Graph([], [], nodes=[], opset_imports={"": opset} if parent is None else {}, name=name)
        self.opset = opset
        self.scope: Scope = parent.scope if parent else Scope()
        self._constants: dict[Any, Value] = {}
        self._scalars: dict[Any, Value] = {}
        self._shared: dict[Any, Any] = {}
        self._made: dict[Any, Any] = {}
        self._named: dict[str, Value] = {}  # the values that were named here
        self._numbers: dict[str, int] = {}  # the last number behind each name that was wanted more than once
        self._unnamed: set[Value] = set()  # values named after their scope and operator, for want of a name

    def nested(self, name: str) -> Emitter:
        """An emitter for the body of a control-flow node; it sees this one's values, and constants are shared."""
        return Emitter(name, self.opset, self)

    # --- nodes --------------------------------------------------------------------------------------------------------

    def at(self, line: str, name: str = "") -> Within:
        """A context: the nodes made inside come from this line, and their values are named below `name`."""
        return Within(self, Scope(line, name))

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
        values = self._operands(inputs)
        key = _question(operator, values, attributes, num_outputs)
        known = self._before(key)
        if known is not None:
            return known
        if operator in ("Shape", "Size") or all(v is None or v.const_value is not None for v in values):
            constants = folded(self, operator, values, attributes, num_outputs)
            if constants is not None:
                return constants[0] if num_outputs == 1 else constants
        attrs = [attribute(n, v) for n, v in attributes.items() if v is not None] if attributes else []
        node = ir.Node("", operator, values, attrs, num_outputs=num_outputs)
        if self.scope.line:
            node.metadata_props["netc.line"] = self.scope.line
        if type is None:
            self._infer(node, values, attributes)
        else:
            for output, t in zip(node.outputs, (type,) if isinstance(type, TensorType) else type):
                if isinstance(t, TensorType):
                    self.stamp(output, t)
                else:
                    self.stamp_proto(output, t)
        below = self.scope.name
        for output in node.outputs:
            self.learn_size(output)
            if below:
                self._give(output, f"{below}/{operator}")
                self.root._unnamed.add(output)
        self.graph.append(node)
        made = node.outputs[0] if num_outputs == 1 else tuple(node.outputs)
        if key is not None:
            self._made[key] = made
        return made

    def more_outputs(self, node: Any, *types: TensorType) -> Sequence[Value]:
        """Makes a node give further outputs: all of its outputs then. They are named below the node's first one."""
        given = len(node.outputs)
        node.resize_outputs(given + len(types))
        for output, t in zip(node.outputs[given:], types):
            self.learn_size(self.stamp(output, t))
            if node.outputs[0].name:
                self._give(output, f"{node.outputs[0].name}/{node.op_type}")
        outputs: Sequence[Value] = node.outputs
        return outputs

    def name(self, value: Value, name: str) -> Value:
        """Names a value that was made without a name of its own; one that has a name keeps it."""
        if value in self.root._unnamed:
            self.root._unnamed.discard(value)
            self._give(value, name)
        return value

    def free_name(self, wanted: str) -> str:
        """The wanted name, with a number behind it where another value has it."""
        named, name = self.root._named, wanted
        if name in named:
            numbers = self.root._numbers
            while name in named:
                numbers[wanted] = numbers.get(wanted, 1) + 1
                name = f"{wanted}_{numbers[wanted]}"
        return name

    def _give(self, value: Value, wanted: str) -> None:
        value.name = name = self.free_name(wanted)
        self.root._named[name] = value

    def _operands(self, inputs: Sequence[Any]) -> list[Value | None]:
        """Inputs with numbers as constants of the first tensor's dtype, without those left out at the end."""
        values = list(inputs)
        for i, x in enumerate(values):
            if type(x) is not Value and x is not None:
                first = next((v for v in inputs if isinstance(v, Value)), None)
                values[i] = self.constant(x, FLOAT if first is None else first.dtype)
        while values and values[-1] is None:
            values.pop()
        return values

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

    def _infer(self, node: ir.Node, values: Sequence[Value | None], attributes: Mapping[str, Any]) -> None:
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

    def input(self, name: str | None, t: TensorType) -> Value:
        """Declares a graph input."""
        return self.declare(self.stamp(Value(name=name), t))

    def declare(self, value: Value) -> Value:
        """Makes a value an input of the graph."""
        self.graph.inputs.append(value)
        self.learn_size(value)
        if value.name:
            self.root._named.setdefault(value.name, value)
        return value

    def output(self, name: str, value: Value) -> None:
        """Publishes a value under a name; what already has a public name gets an Identity."""
        producer = value.producer()
        own = producer is not None and producer.graph is self.graph
        if value.name != name or value.is_graph_output():  # else an input or initializer that is an output as it is
            if not own or value.is_graph_output():
                value = self.Identity(value)
            inner = self.root._named.get(name)
            self.root._named[name] = value
            self.root._unnamed.discard(value)
            value.name = name
            if inner is not None and inner is not value and not inner.is_graph_output():
                self._give(inner, name)  # it makes way for what is published
        self.graph.outputs.append(value)

    def constant(self, value: Any, dtype: Any) -> Value:
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

    def tensor(self, array: Any) -> Value:
        """A constant tensor, one for each content."""
        if self.parent is not None:
            return self.root.tensor(array)
        key = _content(array)
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            while name in self.graph.initializers:
                name += "_"
            value = Value(name=name, const_value=ir.tensor(array, name=name))
            dtype = next((d for d in ONNX_DTYPES.values() if d.numpy == array.dtype.name), None)
            if dtype is None:
                raise UnknownError(f"constants of the dtype {array.dtype.name} are not known")
            self.stamp(value, TensorType(dtype, tuple(array.shape)))
            self.graph.register_initializer(value)
            self._constants[key] = value
        return self._constants[key]

    def adopt(self, value: Value) -> None:
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

    # --- what constants hold ------------------------------------------------------------------------------------------

    def known(self, value: Value, limit: int = FOLD_ELEMENTS) -> np.ndarray | None:
        """The contents of a constant of at most `limit` elements; None for anything else."""
        content = value.const_value
        if content is None or content.size > limit or VARIABLE in value.meta:
            return None
        found: np.ndarray = content.numpy()
        return found

    def integers(self, value: Value) -> list[int]:
        """The whole numbers that a constant vector holds, such as axes. Raises UnknownError where they are computed."""
        found = self.known(value)
        if found is None:
            raise UnknownError(f"`{value.name}` is computed, not a constant")
        return [int(i) for i in found.ravel()]

    def scalar_value(self, value: Value) -> int | float | None:
        """The number that a scalar constant holds."""
        found = self.known(value, 1)
        if found is None or found.size != 1:
            return None
        number: int | float = found.item()
        return number


def _content(array: Any) -> Any:
    return array.dtype.str, array.shape, array.tobytes()


def _question(operator: str, values: Sequence[Any], attributes: Mapping[str, Any], num_outputs: int) -> Any:
    """What makes two nodes the same; None for those that are never the same."""
    if operator in _UNSHARED or is_random(operator):
        return None
    if not attributes:
        return operator, tuple(map(id, values)), num_outputs
    if any(type(v) in _OPAQUE for v in attributes.values()):
        return None
    fixed = tuple((n, tuple(v) if isinstance(v, list) else v) for n, v in sorted(attributes.items()))
    return operator, tuple(map(id, values)), num_outputs, fixed

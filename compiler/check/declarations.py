"""What a net declares: inputs, targets and parameters with their types, outputs, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netc.compiler.check import static
from netc.compiler.check.arguments import initializer
from netc.compiler.check.environment import Binding
from netc.compiler.check.expressions import Evaluator
from netc.compiler.check.values import UNKNOWN, describe
from netc.compiler.graph.dimensions import Dim, Symbolic, symbol
from netc.compiler.library.initializers import HeNormal, Zeros
from netc.compiler.net import Input, Metric, Parameter, Tensor, TypedNet
from netc.compiler.graph.types import DTYPES, DType, TensorType
from netc.grammar import ast
from netc.grammar.diagnostics import Label, did_you_mean, error

RESERVED = ("loss", "seed", "row", "step")


class Declarations(Evaluator):
    """The lines that give a net its interface and its parameters."""

    def __init__(self, net: TypedNet):
        super().__init__(net, {})
        self.unnamed: list[tuple[Parameter, Callable[[], str]]] = []

    def new_name(self, name: ast.Name, value: Any) -> None:
        """Binds a name for the first time."""
        earlier = self.environment.names.get(name.id)
        if earlier is not None and earlier.value is not UNKNOWN:
            raise error(
                "duplicate-name", f"`{name.id}` is bound twice", name.span, Label(earlier.span, "first bound here")
            )
        self.environment.names[name.id] = Binding(value, name.span)

    def reserved(self, name: ast.Name) -> None:
        if name.id in RESERVED:
            raise error("reserved-name", f"`{name.id}` is reserved", name.span, help="choose another name")

    def dtype(self, node: ast.Name) -> DType:
        if node.id not in DTYPES:
            raise error(
                "unknown-dtype", f"there is no dtype `{node.id}`", node.span,
                help=did_you_mean(node.id, DTYPES, "dtypes are " + ", ".join(f"`{d}`" for d in DTYPES)),
            )  # fmt: skip
        return DTYPES[node.id]

    def dimension(self, node: ast.Expression, declares: bool) -> Dim:
        """One entry of a type: a positive whole number or a symbolic dimension."""
        if isinstance(node, ast.Name) and declares and self.environment.find(node.id) is None and node.id[:1].isupper():
            self.symbols.setdefault(node.id, node.span)
            return symbol(node.id)
        value = self.evaluate(node)
        if isinstance(value, Symbolic):
            return value
        size = self.guard(lambda: static.whole(value, "a dimension"), node.span)
        if size < 1:
            raise error("dimension", f"a dimension must be at least 1, not {size}", node.span)
        return size

    def declare(self, node: ast.Declare) -> None:
        if self.depth or self.environment.parent is not None:
            raise error(
                "declaration-place", f"`{node.role}` stands in the net itself, not inside a block or repeat", node.span
            )
        self.reserved(node.name)
        dtype = self.dtype(node.type.dtype)
        shape = tuple(self.dimension(d, declares=True) for d in node.type.dims)
        found = TensorType(dtype, shape)
        self.check_size(found, node.type.span)
        if not shape or not isinstance(shape[0], Symbolic) or str(shape[0]) not in self.symbols:
            raise error(
                "batch-dimension", f"the first dimension of `{node.name.id}` is the batch and needs a name",
                node.type.dims[0].span if node.type.dims else node.type.span, help=f"write `{dtype}[N, ...]`",
            )  # fmt: skip
        first = next(iter(self.net.inputs), None)
        if first is not None and first.type.shape[0] != shape[0]:
            raise error(
                "batch-dimension", f"the batch is `{first.type.shape[0]}` in one declaration and `{shape[0]}` in another",
                node.type.dims[0].span, Label(first.span, "declared here"),
            )  # fmt: skip
        made = Input(node.name.id, node.role, found, node.span)
        self.new_name(node.name, Tensor(found, node.span, made))
        self.net.batch = str(shape[0])
        self.net.inputs.append(made)

    def param(self, node: ast.Param) -> None:
        self.line = node.name.id
        if node.name.id in RESERVED:
            self.reserved(node.name)
        dtype = self.dtype(node.type.dtype)
        if not dtype.is_float:
            raise error("dtype", f"a parameter is floating-point, not `{dtype}`", node.type.span)
        shape = tuple(self.dimension(d, declares=False) for d in node.type.dims)
        if any(isinstance(d, Symbolic) for d in shape):
            raise error("symbolic-parameter", "a parameter has fixed dimensions", node.type.span)
        found = TensorType(dtype, shape)
        self.check_size(found, node.type.span)
        first: Any = HeNormal() if len(shape) > 1 else Zeros()
        if node.value is not None:
            value = self.evaluate(node.value)
            first = self.guard(lambda: initializer(value, f"`{node.name.id}`", None), node.value.span)
        path, name = self.environment.path, node.name.id

        def make() -> Parameter:
            made = Parameter(found, first, node.span)
            self.name_later(made, lambda: f"{path}.{name}".lstrip("."))
            return made

        made = self.make(make)
        self.new_name(node.name, Tensor(found, node.span, made))

    def name_later(self, parameter: Parameter, path: Callable[[], str]) -> None:
        self.net.parameters.append(parameter)
        self.unnamed.append((parameter, path))

    def output(self, node: ast.Output) -> None:
        value = self.publish(node.name, node.value, "output")
        if value is not UNKNOWN:
            self.net.outputs[node.name.id] = value

    def publish(self, name: ast.Name, expression: ast.Expression | None, what: str) -> Any:
        """The tensor that `output` or `metric` makes public."""
        if self.depth or self.environment.parent is not None:
            raise error(
                "declaration-place", f"`{what}` stands in the net itself, not inside a block or repeat", name.span
            )
        self.line = name.id
        if what == "output" or name.id in ("seed", "row", "step"):
            self.reserved(name)
        value = self.settled(self.evaluate(name if expression is None else expression))
        at = (expression or name).span
        if value is not UNKNOWN and not isinstance(value, Tensor):
            raise error("argument", f"`{what} {name.id}` publishes a tensor, this is {describe(value)}", at)
        if what == "output" and expression is not None:
            self.new_name(name, value)
        if name.id in self.net.outputs or any(m.name == name.id for m in self.net.metrics):
            raise error("duplicate-name", f"`{name.id}` is published twice", name.span)
        return value

    def metric(self, node: ast.Metric) -> None:
        value = self.publish(node.name, node.value, "metric")
        if value is UNKNOWN:
            return
        at = (node.value or node.name).span
        if not value.type.is_scalar:
            raise error("not-scalar", f"a metric is one number, this is `{value.type}`", at, help="take its `mean`")
        if not value.type.dtype.is_float:
            raise error("dtype", f"a metric is floating-point, this is `{value.type}`", at, help="convert it: `f32(x)`")
        natural = getattr(getattr(value.origin, "operation", None), "mode", "")
        if node.mode is not None and node.mode.id not in ("max", "min"):
            raise error(
                "metric-mode", f"a metric is better at its `max` or its `min`, not `{node.mode.id}`", node.mode.span
            )
        mode = node.mode.id if node.mode else natural
        if not mode:
            raise error(
                "metric-mode", f"say which direction of `{node.name.id}` is better", node.name.span,
                help=f"`metric {node.name.id} (min) = ...` or `(max)`",
            )  # fmt: skip
        self.net.metrics.append(Metric(node.name.id, mode, value, node.span))

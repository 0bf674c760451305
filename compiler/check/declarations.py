"""What a net declares: inputs, targets and parameters with their types, outputs, metrics."""

from __future__ import annotations

from typing import Any

from netc.compiler.check import static
from netc.compiler.check.applying import guard, settled
from netc.compiler.check.arguments import initializer
from netc.compiler.check.expressions import evaluate
from netc.compiler.check.frame import Frame
from netc.compiler.check.recorder import check_size
from netc.compiler.check.values import UNKNOWN, describe
from netc.compiler.graph.dimensions import Dim, Symbolic, symbol
from netc.compiler.graph.types import DTYPES, DType, TensorType
from netc.compiler.language.variables import Initializer, Variable, parameter
from netc.compiler.library.initializers import HeNormal, Zeros
from netc.compiler.net import Apply, Input, PublishedMetric, Tensor
from netc.grammar import ast
from netc.grammar.diagnostics import Label, did_you_mean, error

COUNTERS = ("seed", "row", "step")
RESERVED = ("loss", *COUNTERS)


def new_name(frame: Frame, name: ast.Name, value: Any) -> None:
    """Binds a name for the first time. Raises NetError."""
    earlier = frame.environment.names.get(name.id)
    if earlier is not None and earlier.value is not UNKNOWN:
        message = f"`{name.id}` is bound twice"
        raise error("duplicate-name", message, name.span, Label(earlier.span, "first bound here"))
    frame.environment.bind(name.id, value, name.span)


def refuse_reserved(name: ast.Name, reserved: tuple[str, ...] = RESERVED) -> None:
    """Raises NetError for a name that the contract uses."""
    if name.id in reserved:
        raise error("reserved-name", f"`{name.id}` is reserved", name.span, help="choose another name")


def dtype_of(node: ast.Name) -> DType:
    """The dtype that a type names. Raises NetError."""
    if node.id not in DTYPES:
        raise error(
            "unknown-dtype", f"there is no dtype `{node.id}`", node.span,
            help=did_you_mean(node.id, DTYPES, "dtypes are " + ", ".join(f"`{d}`" for d in DTYPES)),
        )  # fmt: skip
    return DTYPES[node.id]


def declare(frame: Frame, node: ast.Declare) -> None:
    """`input x: f32[N, 4]`, `target t: i64[N]`."""
    net = frame.recorder.net
    _only_outermost(frame, node.role, node)
    refuse_reserved(node.name)
    dtype = dtype_of(node.type.dtype)
    shape = tuple(_dimension(frame, d, declares=True) for d in node.type.dims)
    found = TensorType(dtype, shape)
    check_size(found, node.type.span)
    if not shape or not isinstance(shape[0], Symbolic) or str(shape[0]) not in frame.recorder.symbols:
        raise error(
            "batch-dimension", f"the first dimension of `{node.name.id}` is the batch and needs a name",
            node.type.dims[0].span if node.type.dims else node.type.span, help=f"write `{dtype}[N, ...]`",
        )  # fmt: skip
    first = next(iter(net.inputs), None)
    if first is not None and first.type.shape[0] != shape[0]:
        raise error(
            "batch-dimension", f"the batch is `{first.type.shape[0]}` in one declaration and `{shape[0]}` in another",
            node.type.dims[0].span, Label(first.span, "declared here"),
        )  # fmt: skip
    made = Input(node.name.id, node.role, found, node.span)
    new_name(frame, node.name, Tensor(found, node.span, made))
    net.batch = str(shape[0])
    net.inputs.append(made)


def _only_outermost(frame: Frame, what: str, node: ast.Node) -> None:
    if not frame.outermost:
        message = f"`{what}` stands in the net itself, not inside a block or repeat"
        raise error("declaration-place", message, node.span)


def _dimension(frame: Frame, node: ast.Expression, declares: bool) -> Dim:
    """One entry of a type: a positive whole number or a symbolic dimension."""
    if isinstance(node, ast.Name) and declares and frame.environment.find(node.id) is None and node.id[:1].isupper():
        frame.recorder.symbols.setdefault(node.id, node.span)
        return symbol(node.id)
    value = evaluate(frame, node)
    if isinstance(value, Symbolic):
        return value
    size = guard(lambda: static.whole(value, "a dimension"), node.span)
    if size < 1:
        raise error("dimension", f"a dimension must be at least 1, not {size}", node.span)
    return size


def param(frame: Frame, node: ast.Param) -> None:
    """`param w: f32[3, 4] = he_normal`."""
    name = frame.line = node.name.id
    refuse_reserved(node.name)
    dtype = dtype_of(node.type.dtype)
    if not dtype.is_float:
        raise error("dtype", f"a parameter is floating-point, not `{dtype}`", node.type.span)
    shape = tuple(_dimension(frame, d, declares=False) for d in node.type.dims)
    if any(isinstance(d, Symbolic) for d in shape):
        raise error("symbolic-parameter", "a parameter has fixed dimensions", node.type.span)
    found = TensorType(dtype, shape)
    check_size(found, node.type.span)
    first: Initializer = HeNormal() if len(shape) > 1 else Zeros()
    if node.value is not None:
        value = evaluate(frame, node.value)
        first = guard(lambda: initializer(value, f"`{name}`", None), node.value.span)
    scope = frame.environment.scope

    def make() -> Variable:
        made = parameter(found, first)
        made.span = node.span
        frame.recorder.add_variable(made, lambda: f"{scope.final}.{name}" if scope.final else name)
        return made

    new_name(frame, node.name, Tensor(found, node.span, frame.making.make(make)))


def output(frame: Frame, node: ast.Output) -> None:
    """`output a = e` publishes and binds, `output a` publishes what is bound."""
    value = _published(frame, node.name, node.value, "output")
    if value is not UNKNOWN:
        frame.recorder.net.outputs[node.name.id] = value
        frame.recorder.published.add(node.name.id)


def _published(frame: Frame, name: ast.Name, expression: ast.Expression | None, what: str) -> Any:
    """The tensor that `output` or `metric` makes public."""
    _only_outermost(frame, what, name)
    frame.line = name.id
    refuse_reserved(name, RESERVED if what == "output" else COUNTERS)
    value = settled(evaluate(frame, name if expression is None else expression))
    at = (expression or name).span
    if value is not UNKNOWN and not isinstance(value, Tensor):
        raise error("argument", f"`{what} {name.id}` publishes a tensor, this is {describe(value)}", at)
    if what == "output" and expression is not None:
        new_name(frame, name, value)
    if name.id in frame.recorder.published:
        raise error("duplicate-name", f"`{name.id}` is published twice", name.span)
    return value


def metric(frame: Frame, node: ast.Metric) -> None:
    """`metric a = accuracy(y, t)`, or with its better direction: `metric a (min) = e`."""
    value = _published(frame, node.name, node.value, "metric")
    if value is UNKNOWN:
        return
    at = (node.value or node.name).span
    if not value.type.is_scalar:
        raise error("not-scalar", f"a metric is one number, this is `{value.type}`", at, help="take its `mean`")
    if not value.type.dtype.is_float:
        raise error("dtype", f"a metric is floating-point, this is `{value.type}`", at, help="convert it: `f32(x)`")
    if node.mode is not None and node.mode.id not in ("max", "min"):
        raise error(
            "metric-mode", f"a metric is better at its `max` or its `min`, not `{node.mode.id}`", node.mode.span
        )
    natural = value.origin.operation.mode if isinstance(value.origin, Apply) else ""
    mode = node.mode.id if node.mode else natural
    if not mode:
        raise error(
            "metric-mode", f"say which direction of `{node.name.id}` is better", node.name.span,
            help=f"`metric {node.name.id} (min) = ...` or `(max)`",
        )  # fmt: skip
    frame.recorder.published.add(node.name.id)
    frame.recorder.net.metrics.append(PublishedMetric(node.name.id, mode, value, node.span))

"""What a net declares: inputs, targets and parameters with their types, outputs, metrics."""

from __future__ import annotations

from functools import partial
from typing import Any

from netc.compiler.check import static
from netc.compiler.check.applying import guard, settled
from netc.compiler.check.arguments import initializer
from netc.compiler.check.environment import Environment
from netc.compiler.check.expressions import evaluate
from netc.compiler.check.foreign import NOTHING
from netc.compiler.check.frame import Frame
from netc.compiler.check.guessing import row
from netc.compiler.check.reading import names_in
from netc.compiler.check.recorder import check_size
from netc.compiler.check.values import CALLABLES, SILENT, UNKNOWN, describe, written_at
from netc.compiler.graph.dimensions import Dim, Symbolic, symbol
from netc.compiler.graph.types import DTYPES, DType, TensorType
from netc.compiler.language.operations import Operation
from netc.compiler.language.variables import Initializer, Variable, parameter
from netc.compiler.library.initializers import HeNormal, Zeros
from netc.compiler.net import Apply, Input, PublishedMetric, Tensor
from netc.grammar import ast
from netc.grammar.diagnostics import Label, NetError, did_you_mean, error
from netc.grammar.source import Span

COUNTERS = ("seed", "row", "step")
_DTYPES = "dtypes are " + ", ".join(f"`{d}`" for d in DTYPES)
RESERVED = ("loss", *COUNTERS)


def new_name(frame: Frame, name: ast.Name, value: Any) -> None:
    """Binds a name for the first time. Raises NetError."""
    refuse_dimension(frame, name)
    earlier = frame.environment.names.get(name.id)
    if earlier is not None and earlier.value is not UNKNOWN:
        message = f"`{name.id}` is bound twice"
        raise error(
            "duplicate-name", message, name.span, Label(earlier.span, "first bound here"), help="choose another name"
        )
    frame.environment.bind(name.id, value, name.span)


def home_of(frame: Frame, name: ast.Name, value: ast.Expression) -> Environment:
    """The level that a line binds `name` on. Only a line that reads a name may rebind it, and in a repeat one behind it."""
    refuse_dimension(frame, name)
    home = frame.environment.home(name.id)
    if home is None:
        if frame.environment.carries and name.id == "loss":
            raise inner_loss(name, "repeat")
        return frame.environment
    earlier = home.names[name.id]
    if earlier.value is UNKNOWN or any(n.id == name.id for n in names_in(value)):
        return home
    if home is not frame.environment and name.id in _read_before(frame, value):
        return home  # what a turn has read, it gives to the next one
    help = "choose another name"
    if home is not frame.environment:
        help = (
            f"choose another name for what is the repeat's own; to hand `{name.id}` on, let this line or one before it in the "
            f"repeat read it"
        )
    if name.id == "loss":
        raise error(
            "two-losses", "the net has two losses", name.span, Label(earlier.span, "the first one"),
            help="add the second to the first: `loss = loss + ...`",
        )  # fmt: skip
    raise error(
        "duplicate-name", f"`{name.id}` is bound twice, and this line does not read it", name.span,
        Label(earlier.span, "first bound here"), help=help,
    )  # fmt: skip


def _read_before(frame: Frame, value: ast.Expression) -> set[str]:
    """The names that the lines of this body read before the one with this value."""
    read: set[str] = set()
    for statement in frame.bodies[-1]:
        if isinstance(statement, ast.Bind):
            if statement.value is value:
                break
            read |= {n.id for n in names_in(statement.value)}
    return read


def refuse_reserved(name: ast.Name, reserved: tuple[str, ...] = RESERVED) -> None:
    """Raises NetError for a name that the contract uses."""
    if name.id in reserved:
        raise error("reserved-name", f"`{name.id}` is reserved", name.span, help="choose another name")


def refuse_dimension(frame: Frame, name: ast.Name) -> None:
    """Raises NetError for a line of the net that binds the name of one of its dimensions, which would then mean two things."""
    declared = None if frame.depth else frame.recorder.symbols.get(name.id)
    if declared is not None:
        raise error("duplicate-name", f"`{name.id}` is a dimension of the net", name.span, Label(declared, "declared here"),
                    help="choose another name")  # fmt: skip


def inner_loss(name: ast.Name, around: str) -> NetError:
    """The error of a loss that a block or a repeat would keep to itself."""
    helps = {
        "block": "call it by another name and `return` it; the loss of the net adds what the block gives",
        "repeat": "bind `loss` before the repeat, and let the line read it: `loss = loss + ...`",
    }
    message = f"a `loss` inside a {around} is not the loss of the net"
    return error("declaration-place", message, name.span, help=helps[around])


def dtype_of(node: ast.Name) -> DType:
    """The dtype that a type names. Raises NetError."""
    if node.id not in DTYPES:
        raise error(
            "unknown-dtype", f"there is no dtype `{node.id}`", node.span,
            help=f"write `{meant}`" if (meant := row(node.id, "DTYPES")) else did_you_mean(node.id, DTYPES, _DTYPES),
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
            node.type.dims[0].span if node.type.dims else node.type.span, help=_with_batch(found),
        )  # fmt: skip
    first = next(iter(net.inputs), None)
    if first is not None and first.type.shape[0] != shape[0]:
        raise error(
            "batch-dimension", f"the batch is `{first.type.shape[0]}` in one declaration and `{shape[0]}` in another",
            node.type.dims[0].span, Label(first.span, "declared here"), help=f"write `{first.type.shape[0]}` in both",
        )  # fmt: skip
    made = Input(node.name.id, node.role, found, node.span)
    new_name(frame, node.name, Tensor(found, node.span, made))
    net.batch = str(shape[0])
    net.inputs.append(made)


def _with_batch(found: TensorType) -> str:
    """Help for a type without a batch: its first size was meant as the batch, or as the size of each row."""
    if len(found.shape) == 1:
        each = found.shape[0]
        return f"write `{found.dtype}[N, {each}]`, or `{found.dtype}[N]` where {each} is the batch"
    return f"write `{found.dtype}[{', '.join(['N', *map(str, found.shape[1:])])}]`"


def _only_outermost(frame: Frame, what: str, node: ast.Node) -> None:
    if not frame.outermost:
        message = f"`{what}` stands in the net itself, not inside a block or repeat"
        raise error(
            "declaration-place", message, node.span, help="move the line out of it; a block gives values by `return`"
        )


def _dimension(frame: Frame, node: ast.Expression, declares: bool) -> Dim:
    """One entry of a type: a positive whole number or a symbolic dimension."""
    free = isinstance(node, ast.Name) and declares and frame.environment.find(node.id) is None
    if isinstance(node, ast.Name) and free and node.id[:1].isupper() and node.id not in NOTHING:
        frame.recorder.symbols.setdefault(node.id, node.span)
        return symbol(node.id)
    if isinstance(node, ast.Name) and declares and not _bound(frame, node.id):
        raise error(
            "undefined-name", f"there is no dimension `{node.id}`", node.span,
            help="a dimension without a fixed size has a capital name: `N`",
        )  # fmt: skip
    value = evaluate(frame, node)
    if value is UNKNOWN:
        raise SILENT
    if isinstance(value, Symbolic):
        return value
    size = guard(lambda: static.whole(value, "a dimension"), node.span)
    if size < 1:
        raise error(
            "dimension", f"a dimension must be at least 1, not {size}", node.span,
            help="write a whole number from 1 on, or a capital name such as `N` where the size varies",
        )  # fmt: skip
    return size


def _bound(frame: Frame, name: str) -> bool:
    return frame.environment.find(name) is not None or name in frame.recorder.symbols


def param(frame: Frame, node: ast.Param) -> None:
    """`param w: f32[3, 4] = he_normal`."""
    name = frame.line = node.name.id
    refuse_reserved(node.name)
    dtype = dtype_of(node.type.dtype)
    if not dtype.is_float:
        raise error("dtype", f"a parameter is floating-point, not `{dtype}`", node.type.span, help="write `f32`")
    shape = tuple(_dimension(frame, d, declares=False) for d in node.type.dims)
    if any(isinstance(d, Symbolic) for d in shape):
        raise error("symbolic-parameter", "a parameter has fixed dimensions", node.type.span, help="write numbers")
    found = TensorType(dtype, shape)
    check_size(found, node.type.span)
    first: Initializer = HeNormal() if len(shape) > 1 else Zeros()
    if node.value is not None:
        value = evaluate(frame, node.value)
        if value is UNKNOWN:
            raise SILENT
        first = guard(lambda: initializer(value, f"`{name}`", None), node.value.span)
        guard(partial(first.check, tuple(d for d in shape if isinstance(d, int))), node.value.span)
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
    refuse_reserved(name)
    value = settled(evaluate(frame, name if expression is None else expression))
    at = (expression or name).span
    if value is not UNKNOWN and not isinstance(value, Tensor):
        help = "numbers of the spec are known without the model: leave the line out"
        if isinstance(value, Operation):
            help = f"call it: `{value.name}(x)`"
        elif isinstance(value, CALLABLES):
            help = f"let a tensor flow into it: `{what} {name.id} = x -> f`"
        message = f"`{what} {name.id}` publishes a tensor, this is {describe(value)}"
        raise error("argument", message, at, written_at(value, at), help=help)
    if what == "output" and expression is not None:
        home_of(frame, name, expression).bind(name.id, value, name.span)
    if name.id in frame.recorder.published:
        raise error("duplicate-name", f"`{name.id}` is published twice", name.span, help="choose another name")
    return value


def _shown(at: Span) -> str:
    return " ".join(at.text.split())


def metric(frame: Frame, node: ast.Metric) -> None:
    """`metric a = accuracy(y, t)`, or with its better direction: `metric a (min) = e`."""
    match node.value:
        case ast.Call(
            function=ast.Call() | ast.Group() as inner, arguments=(ast.Argument(value=ast.Name(id="min" | "max")),)
        ):
            behind = node.value.arguments[0].span
            raise error("metric-mode", "the better direction stands before the `=`", behind,
                        help=f"write `metric {node.name.id} ({behind.text}) = {_shown(inner.span)}`")  # fmt: skip
    value = _published(frame, node.name, node.value, "metric")
    if value is UNKNOWN:
        return
    at = (node.value or node.name).span
    if not value.type.is_scalar:
        raise error(
            "not-scalar",
            f"a metric is one number, this is `{value.type}`",
            at,
            help=f"reduce it: `mean({_shown(at) if value.type.dtype.is_float else f'f32({_shown(at)})'})`",
        )
    if not value.type.dtype.is_float:
        raise error(
            "dtype", f"a metric is floating-point, this is `{value.type}`", at, help=f"convert it: `f32({_shown(at)})`"
        )
    if node.mode is not None and node.mode.id not in ("max", "min"):
        raise error(
            "metric-mode",
            f"a metric is better at its `max` or its `min`, not `{node.mode.id}`",
            node.mode.span,
            help=f"write `metric {node.name.id} (max)` or `metric {node.name.id} (min)`",
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

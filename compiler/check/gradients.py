"""Where gradients flow: from the loss back to every trained parameter, and from y to x in `gradient(y, x)`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from netc.compiler.check.applying import guard
from netc.compiler.graph.types import array_of
from netc.compiler.language.lowering import Context
from netc.compiler.language.variables import Variable
from netc.compiler.library.derivative import UNREACHED
from netc.compiler.net import Apply, Constant, Tensor, TypedNet, ancestors
from netc.grammar.diagnostics import Diagnostic, NetError, diagnostic, error
from netc.grammar.source import Span


class Flow:
    """Through which operands each operation lets a gradient back to `wanted`."""

    def __init__(self, net: TypedNet, wanted: Iterable[object]):
        self.opset = net.opset
        self.reaching: set[object] = set(wanted)  # what depends on them, by any operation
        for apply in net.applies:
            if not self.reaching.isdisjoint(apply.origins):
                self.reaching.add(apply)
        self._known: dict[Apply, list[object]] = {}

    def through(self, apply: Apply) -> list[object]:
        """The origins of an operation that a gradient comes back to, of those that depend on `wanted`. Raises NetError."""
        if apply not in self._known:
            asked = [o for o in apply.origins if o in self.reaching]
            differentiable = apply.operation.differentiable
            self._known[apply] = (
                _derived(apply, self.opset, asked)
                if asked and differentiable is None
                else (asked if differentiable else [])
            )
        return self._known[apply]


def _derived(apply: Apply, opset: int, asked: list[object]) -> list[object]:
    """Those of the origins that have a gradient, by taking it: the words of ONNX do not say. Raises NetError."""
    from netc.compiler.autodiff import NoGradientError, backpropagate
    from netc.compiler.graph.emitter import Emitter

    op = Emitter("derivative", opset)
    inputs = [
        op.tensor(array_of(x.origin.value, x.type.dtype)) if isinstance(x.origin, Constant) else op.input(None, x.type)
        for x in apply.inputs
    ]
    variables = {part: op.input(None, v.type) for part, v in apply.variables.items()}
    lower = partial(apply.operation.lower, op, inputs, apply.settings, variables, Context(training=True))
    made = guard(lower, apply.span)
    read = [(o, x) for o, x in zip(apply.origins, [*inputs, *variables.values()]) if o in asked and op.is_float(x)]
    cotangents = {y: op.input(None, t.type) for y, t in zip(made.outputs, apply.outputs) if op.is_float(y)}
    try:
        found = backpropagate(op, cotangents, [x for _, x in read])
    except NoGradientError as e:
        raise error("no-gradient", str(e), apply.span) from None
    return [o for (o, _), dx in zip(read, found) if dx is not None]


def derivatives(net: TypedNet) -> Iterator[Diagnostic]:
    """`gradient(y, x)` where y does not come from x by operators that have a gradient."""
    for apply in net.applies:
        if apply.operation.derives:
            y, x = apply.inputs
            try:
                if x.origin in ancestors(y, Flow(net, [x.origin]).through):
                    continue
            except NetError as e:
                yield from e.diagnostics
                continue
            help = "differentiate with respect to a tensor that it is computed from"
            yield diagnostic("no-gradient", UNREACHED, apply.span, help=help)


def train_what_is_reached(net: TypedNet, loss: Tensor) -> None:
    """Each trained parameter reaches the loss by operators that have a gradient; what does not reach it at all is no longer
    trained; buffers beside the way of the loss stay. Raises NetError."""
    if not net.trained:
        why = "every parameter is frozen" if net.parameters else "it has no parameters"
        help = (
            "free one of them: make the pattern of the `freeze` rule narrower"
            if net.parameters
            else "add a layer: `x -> Dense(3)`"
        )
        raise error("nothing-to-train", f"nothing to train in `{net.name}`: {why}", loss.span, help=help)
    flow = Flow(net, net.trained)
    reached, flowing, unused = ancestors(loss), ancestors(loss, flow.through), list[Variable]()
    for variable in net.variables:
        if not variable.trained or variable in (reached if variable.role == "buffer" else flowing):
            continue
        if variable in reached:
            stop = _blocking(net, flow, flowing, variable)
            raise error(
                "no-gradient", f"no gradient reaches `{variable.name}`: `{stop.operation.name}` has none", stop.span,
                variable.span, help="use a smooth operation, or freeze the parameter with a rule",
            )  # fmt: skip
        variable.trained = False
        if variable.role == "parameter":
            unused.append(variable)
    net.warnings += _unused(unused)
    if not net.trained:
        raise error("nothing-to-train", "the loss depends on no parameter", loss.span,
                    help="compute it from what a layer gives")  # fmt: skip


def _unused(variables: list[Variable]) -> Iterator[Diagnostic]:
    """A warning for each layer whose parameters the loss does not depend on."""
    places: dict[Span | None, list[str]] = {}
    for v in variables:
        places.setdefault(v.span, []).append(f"`{v.name}`")
    for span, names in places.items():
        message = f"the loss does not depend on {', '.join(names)}, so nothing is trained here"
        help = "let the loss depend on it, remove the line, or freeze it with a rule to say that this is meant"
        yield diagnostic("unused-parameter", message, span, help=help, severity="warning")


def _blocking(net: TypedNet, flow: Flow, flowing: set[object], parameter: Variable) -> Apply:
    """The first operation that lets no gradient back to what depends on a parameter."""
    reaching = Flow(net, [parameter]).reaching
    for apply in net.applies:
        if apply in flowing and not reaching.isdisjoint(apply.origins) and reaching.isdisjoint(flow.through(apply)):
            return apply
    raise AssertionError(f"{parameter.name} is blocked by nothing")

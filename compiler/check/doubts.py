"""Warnings about a net that is right and hardly meant: what its words doubt, and what is left unused."""

from __future__ import annotations

from collections.abc import Iterator

from netc.compiler.language.doubts import Seen
from netc.compiler.language.variables import Variable
from netc.compiler.net import Apply, Tensor, TypedNet, ancestors
from netc.grammar.diagnostics import Diagnostic, diagnostic


def warnings(net: TypedNet) -> Iterator[Diagnostic]:
    """Every warning about a net that was read without errors, one for each place."""
    places = set()
    for warning in [*_of_words(net), *_unused_inputs(net), *_constant_metrics(net), *_mixed_outputs(net)]:
        place = (warning.slug, warning.labels[0].span)
        if place not in places:
            places.add(place)
            yield warning


def _of_words(net: TypedNet) -> Iterator[Diagnostic]:
    for apply in net.applies:
        doubt = apply.operation.doubt([_seen(x) for x in apply.inputs], apply.settings)
        if doubt is not None:
            at = doubt.at.span if doubt.at is not None else apply.span
            yield diagnostic(doubt.slug, doubt.message, at, help=doubt.help, severity="warning")


def _seen(tensor: Tensor) -> Seen:
    """What is known of a tensor's values; words that move elements or convert them do not change that."""
    origin = tensor.origin
    while isinstance(origin, Apply) and not origin.operation.gives and origin.operation.group in ("shape", "cast"):
        origin = origin.inputs[0].origin
    if isinstance(origin, Apply) and origin.operation.gives:
        return Seen(tensor.type, origin.operation.gives, origin.operation.name, origin.span)
    return Seen(tensor.type)


def _unused_inputs(net: TypedNet) -> Iterator[Diagnostic]:
    """A warning for each input and target that nothing depends on."""
    ends = [*net.outputs.values(), *(m.value for m in net.metrics), *([net.loss] if net.loss else [])]
    read = set().union(*(ancestors(t) for t in ends))
    for i in net.inputs:
        if i not in read:
            message = f"nothing depends on the {i.role} `{i.name}`"
            help = "let the loss, a metric or an output depend on it, or remove the line"
            yield diagnostic("unused-input", message, i.span, help=help, severity="warning")


def _constant_metrics(net: TypedNet) -> Iterator[Diagnostic]:
    """A warning for each metric that no parameter changes."""
    for metric in net.metrics:
        if not any(isinstance(o, Variable) for o in ancestors(metric.value)):
            message = f"no parameter changes the metric `{metric.name}`"
            help = "compute it from what the net predicts, or remove the line"
            yield diagnostic("constant-value", message, metric.span, help=help, severity="warning")


def _mixed_outputs(net: TypedNet) -> Iterator[Diagnostic]:
    """A warning for each output that depends on something in which the rows of the batch are one: a deployed model would
    answer a row by those beside it."""
    met = [a for a in net.applies if any(map(net.has_rows, a.inputs)) and not any(map(net.has_rows, a.outputs))]
    for name, tensor in net.outputs.items():
        read = ancestors(tensor, of=_of_rows)
        first = next((a for a in met if a in read), None)
        if first is not None:
            message = (
                f"the output `{name}` depends on all rows of a batch: `{first.operation.name}` makes one of them here"
            )
            help = "reduce each row by itself, such as by `axis = 1`; `maximum(x, 0)` compares entry by entry"
            yield diagnostic("mixed-output", message, first.span, help=help, severity="warning")


def _of_rows(made: Apply) -> list[object]:
    """What an operation reads; a derivative is that of each row by itself where its sum over rows is derived."""
    return made.origins[1:] if made.operation.derives else made.origins

"""What each graph of a program gives: the outputs of the contract, in its order."""

from __future__ import annotations

from collections.abc import Callable

from netc.compiler.assembly.draft import Draft
from netc.compiler.assembly.watching import watched
from netc.compiler.graph.emitter import Emitter
from netc.compiler.graph.types import FLOAT
from netc.compiler.training.update import base_rate


def publish(draft: Draft) -> None:
    """Gives a graph its outputs."""
    OUTPUTS[draft.graph](draft)


def _init(draft: Draft) -> None:
    for v in draft.state:
        draft.op.output(v.name, draft.following[v.name])


def _step(draft: Draft) -> None:
    _scores(draft)
    _apply(draft)


def _grad(draft: Draft) -> None:
    _scores(draft)
    for p, g in draft.gradients.items():
        draft.op.output(f"grad/{p.name}", g)
    _following(draft, "buffer")


def _apply(draft: Draft) -> None:
    roles = ("buffer",) if draft.graph == "step" else ()
    _following(draft, "parameter", "optimizer", *roles, "average", "counter")


def _following(draft: Draft, *roles: str) -> None:
    for v in draft.of(*roles):
        if v.trained:
            draft.op.output(f"{v.name}.next", draft.following[v.name])


def _scores(draft: Draft) -> None:
    loss = draft.net.loss
    assert loss is not None
    draft.op.output("loss", draft.lowered.value(loss))
    for metric in draft.net.metrics:
        draft.op.output(metric.name, draft.lowered.value(metric.value))


def _eval(draft: Draft) -> None:
    _scores(draft)
    for found in draft.accumulators.values():
        for name, _, value in found:
            draft.op.output(name, value)
    _outputs(draft)


def _infer(draft: Draft) -> None:
    _outputs(draft)
    if not draft.net.outputs:
        _loadable(draft.op, "outputs")
    for value in draft.held.values():
        if not value.uses():
            draft.op.graph.inputs.remove(value)


def _outputs(draft: Draft) -> None:
    for name, tensor in draft.net.outputs.items():
        draft.op.output(name, draft.lowered.value(tensor))


def _fit(draft: Draft) -> None:
    for name in draft.held:
        draft.op.output(f"{name}.next", draft.following[name])


def _score(draft: Draft) -> None:
    for name, value in draft.scores.items():
        draft.op.output(name, value)
    if not draft.scores:
        _loadable(draft.op, "metrics")


def _watch(draft: Draft) -> None:
    with draft.op.at("", "watch"):
        for name, value in watched(draft):
            draft.op.output(f"watch/{name}", value)


def _rate(draft: Draft) -> None:
    draft.op.output("rate", base_rate(draft.op, draft.config, draft.held, draft.net.trained))


def _loadable(op: Emitter, name: str) -> None:
    """Gives a graph that would be empty one output, 0: ONNX Runtime does not load a graph without any value."""
    op.output(name, op.constant(0.0, FLOAT))


OUTPUTS: dict[str, Callable[[Draft], None]] = {
    "init": _init,
    "step": _step,
    "watch": _watch,
    "grad": _grad,
    "apply": _apply,
    "rate": _rate,
    "eval": _eval,
    "infer": _infer,
    "score": _score,
    "fit": _fit,
}

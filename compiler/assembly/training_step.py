"""The stages of a training step: forward, derived backward, clipping, update, averages."""

from __future__ import annotations

from netc.compiler.assembly.draft import Draft
from netc.compiler.assembly.forward import Forward
from netc.compiler.autodiff import NoGradientError, backpropagate
from netc.compiler.language.lowering import Context
from netc.compiler.training import update
from netc.compiler.training.state import evaluated
from netc.grammar.diagnostics import error


def lower(draft: Draft) -> None:
    """The forward pass: what the loss and the metrics need, and where the net is evaluated its outputs too."""
    net, training = draft.net, draft.graph in ("step", "watch", "grad")
    made = evaluated(draft.state)
    held = {v: draft.held[v.name if training else read.name] for v, read in made.items()}
    parameters = {v.name: value for v, value in held.items() if v.role == "parameter"}
    draft.forward = Forward(net, draft.op, draft.batch, held, Context(training, draft.random, parameters=parameters))
    if draft.graph != "infer":
        assert net.loss is not None
        draft.forward.emit([net.loss])
    draft.following = {
        v.name: value for v, value in draft.forward.following.items()
    }  # by the calls behind the loss alone
    if draft.graph != "infer":
        draft.forward.emit([m.value for m in net.metrics])
    if not training:
        draft.forward.emit(net.outputs.values())


def differentiate(draft: Draft) -> None:
    """The gradient of the loss with respect to every trained parameter. Raises NetError."""
    loss, op = draft.net.loss, draft.op
    assert loss is not None
    one = op.constant(1.0, loss.type.dtype)
    parameters = [draft.held[p.name] for p in draft.net.trained]
    try:
        found = backpropagate(op, {draft.lowered.value(loss): one}, parameters)
    except NoGradientError as e:
        raise error("no-gradient", str(e), loss.span) from None
    for p, x, g in zip(draft.net.trained, parameters, found):
        draft.gradients[p] = op.zeros_like(x) if g is None else g


def clip(draft: Draft) -> None:
    """Limits the gradients."""
    with draft.op.at("", "clip"):
        draft.clipped = update.clipped(draft.op, draft.config, draft.gradients)


def step(draft: Draft) -> None:
    """The next value of every parameter, of what its optimizer keeps, and of the counter."""
    draft.following |= update.updated(draft.op, draft.config, draft.held, draft.clipped)


def average(draft: Draft) -> None:
    """The next value of every average."""
    with draft.op.at("", "average"):
        averages = draft.of("average")
        draft.following |= update.averaged(draft.op, draft.config, draft.held, draft.following, averages)

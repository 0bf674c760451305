"""Statistics of the training rows: the graph that takes a batch and gives what is known after it."""

from __future__ import annotations

from netc.compiler.assembly.draft import Draft
from netc.compiler.assembly.forward import Forward, line_of
from netc.compiler.language.lowering import Context


def fit(draft: Draft) -> None:
    """The next value of every statistic, from the present one and what flows into its layer."""
    op, net = draft.op, draft.net
    held = {v: draft.held[v.name] for v in draft.state if v.name in draft.held}
    draft.forward = Forward(net, op, draft.batch, held, Context(training=False))
    for apply in net.fitted:  # a layer that is used twice is fitted to all that flows in
        x = draft.forward.of(apply.inputs[0])
        with op.at(line_of(apply.span), "fit"):
            found = apply.operation.fit(op, x, apply.settings, {n: held[v] for n, v in apply.variables.items()})
        held |= {apply.variables[n]: value for n, value in found.items()}
    draft.following = {v.name: value for v, value in held.items()}

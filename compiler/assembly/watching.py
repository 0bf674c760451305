"""Diagnostics of a training step: gradient norms, update ratios, the share of dead units."""

from __future__ import annotations

from collections.abc import Iterator

from netc.compiler.assembly.draft import Draft
from netc.compiler.graph.emitter import Value
from netc.compiler.graph.types import FLOAT
from netc.compiler.training.update import global_norm


def watched(draft: Draft) -> Iterator[tuple[str, Value]]:
    """Each diagnostic with its name."""
    op = draft.op
    yield "gradient_norm", global_norm(op, list(draft.gradients.values()))
    for p, g in draft.gradients.items():
        yield f"gradient_norm/{p.name}", global_norm(op, [g])
    for p in draft.gradients:
        change = global_norm(op, [op.Sub(draft.following[p.name], draft.held[p.name])])
        size = op.Max(global_norm(op, [draft.held[p.name]]), op.constant(1e-12, FLOAT))
        yield f"update_ratio/{p.name}", op.Div(change, size)
    for path, share in _dead_units(draft):
        yield f"dead_units/{path}", share


def _dead_units(draft: Draft) -> Iterator[tuple[str, Value]]:
    """For each watched function (ReLU), the share of its features that are zero for every row of the batch."""
    op, values = draft.op, draft.lowered.values
    seen: dict[str, int] = {}
    for apply in draft.net.applies:
        if not apply.operation.watched or (apply, 0) not in values:
            continue
        y = values[apply, 0]
        rank = len(op.shape(y))
        if rank < 2:
            continue
        name = f"{apply.path}.{apply.operation.label}"
        seen[name] = seen.get(name, 0) + 1
        highest = op.reduce("ReduceMax", y, list(range(rank - 1)), False)
        dead = op.cast(op.Equal(highest, op.constant(0.0, y.dtype)), FLOAT)
        yield f"{name}_{seen[name]}", op.reduce("ReduceMean", dead, None, False)

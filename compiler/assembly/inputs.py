"""What each graph of a program reads: the inputs of the contract, in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from netc.compiler.assembly.draft import Draft
from netc.compiler.graph.random import Random
from netc.compiler.graph.types import I32, TensorType
from netc.compiler.language.variables import Variable
from netc.compiler.training.state import evaluated

SCALAR = TensorType(I32, ())


def declare(draft: Draft) -> None:
    """Gives a graph its inputs."""
    INPUTS[draft.graph](draft)


def _batch(draft: Draft, *roles: str) -> None:
    draft.batch = {i.name: draft.op.input(i.name, i.type) for i in draft.net.inputs if i.role in roles}


def _state(draft: Draft, variables: Iterable[Variable]) -> None:
    draft.held = {v.name: draft.op.input(v.name, v.type) for v in variables}


def _init(draft: Draft) -> None:
    draft.random = Random(draft.op, draft.op.input("seed", SCALAR))


def _step(draft: Draft) -> None:
    _batch(draft, "input", "target")
    seed, row = (draft.op.input(n, SCALAR) for n in ("seed", "row"))
    _state(draft, draft.state)
    draft.random = Random(draft.op, seed, draft.held["step"], row)


def _grad(draft: Draft) -> None:
    _batch(draft, "input", "target")
    seed, step, row = (draft.op.input(n, SCALAR) for n in ("seed", "step", "row"))
    _state(draft, draft.of("parameter", "buffer"))
    draft.random = Random(draft.op, seed, step, row)


def _apply(draft: Draft) -> None:
    draft.gradients = {p: draft.op.input(f"grad/{p.name}", p.type) for p in draft.net.trained}
    _state(draft, (v for v in draft.state if v.role != "buffer" and (v.role != "parameter" or v.trained)))


def _rate(draft: Draft) -> None:
    _state(draft, draft.of("counter", "control"))


def _evaluation(draft: Draft, *roles: str) -> None:
    _batch(draft, *roles)
    read = set(evaluated(draft.state).values())
    _state(draft, (v for v in draft.state if v in read))


def _fit(draft: Draft) -> None:
    _batch(draft, "input", "target")
    fitted = {v for a in draft.net.fitted for v in a.variables.values()}
    _state(draft, (v for v in draft.state if v in fitted))


INPUTS: dict[str, Callable[[Draft], None]] = {
    "init": _init,
    "step": _step,
    "watch": _step,
    "grad": _grad,
    "apply": _apply,
    "fit": _fit,
    "rate": _rate,
    "eval": lambda draft: _evaluation(draft, "input", "target"),
    "infer": lambda draft: _evaluation(draft, "input"),
}

"""The manifest: what a host needs to know of a program (docs/contract.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from netc.compiler import version
from netc.compiler.assembly.accumulation import Accumulator
from netc.compiler.graph.types import TensorType
from netc.compiler.language.variables import Variable
from netc.compiler.net import Apply, Input, Tensor, TypedNet
from netc.compiler.training.configuration import Best, Watched

FORMAT = 1


def manifest(
    net: TypedNet, state: Sequence[Variable], accumulators: Mapping[str, Sequence[Accumulator]], written: Iterable[str]
) -> dict[str, Any]:
    """The description that hosts read."""
    config = net.train
    assert config is not None
    fitted = {v for a in net.fitted for v in a.variables.values()}
    stop, keep, plateau = config.stop, config.keep, config.plateau
    return {
        "format": FORMAT,
        "producer": {"name": "netc", "version": version()},
        "spec": {
            "name": net.name,
            "sha256": hashlib.sha256(net.source.text.encode()).hexdigest(),
            "text": net.source.text,
            "resolved": net.resolved,
        },
        "graphs": {g: f"{g}.onnx" for g in written},
        "inputs": [_input_row(net, i) for i in net.inputs],
        "state": [_state_row(r, fitted) for r in state],
        "loss": {"accumulate": _accumulate(accumulators.get("loss", ()))},
        "metrics": [{"name": m.name, "mode": m.mode, "accumulate": _accumulate(accumulators[m.name])} for m in net.metrics],
        "outputs": [
            {"name": n, "dtype": t.type.dtype.numpy, "shape": _shape(t.type)} for n, t in net.outputs.items()
        ],
        "train": {
            "batch": config.batch,
            "epochs": config.epochs,
            "steps": config.steps,
            "seed": config.seed,
            "shuffle": config.shuffle,
            "stop": stop and {**_score(stop.score), "patience": stop.patience, "delta": float(stop.delta)},
            "keep": _score(keep.score) if isinstance(keep, Best) else keep and "last",
            "plateau": plateau and {
                **_score(plateau.score), "patience": plateau.patience, "delta": float(plateau.delta),
                "factor": float(plateau.factor), "floor": float(plateau.floor),
            },
            "optimizer": config.text["optimizer"],
            "settings": dict(config.text),
        },
        "data": None
        if net.data is None
        else {"source": dict(net.data.source), "split": net.data.split, "missing": net.data.missing, "folder": net.data.folder},
    }  # fmt: skip


def _score(of: Watched) -> dict[str, str]:
    return {"split": of.split, "score": of.name, "mode": of.mode}


def _accumulate(found: Sequence[Accumulator]) -> list[dict[str, str]]:
    return [{"name": n, "how": how} for n, how, _ in found]


def _input_row(net: TypedNet, i: Input) -> dict[str, Any]:
    row: dict[str, Any] = {"name": i.name, "dtype": i.type.dtype.numpy, "shape": _shape(i.type), "role": i.role}
    classes = classes_of(net, i)
    return row if classes is None else {**row, "classes": classes}


def classes_of(net: TypedNet, i: Input) -> int | None:
    """How many classes an integer input selects from, the fewest of all its uses, so that data can be checked first."""
    found = []
    for apply in net.applies:
        slots = [s for s in apply.operation.slots if s.is_tensor]
        for slot, x in zip(slots, apply.inputs):
            if slot.kind == "index" and i.type.dtype.is_integer and _source(x) is i:
                axis = apply.settings.get("axis", -1)
                size = apply.settings.get(
                    "classes", apply.inputs[0].type.shape[axis] if apply.inputs[0] is not x else None
                )
                if isinstance(size, int):
                    found.append(size)
    return min(found, default=None)


def _source(tensor: Tensor) -> object:
    """What whole numbers come from, through what only moves or converts them."""
    while isinstance(tensor.origin, Apply) and len(tensor.origin.inputs) == 1:
        if tensor.origin.operation.group not in ("shape", "cast") or not tensor.type.dtype.is_integer:
            break
        tensor = tensor.origin.inputs[0]
    return tensor.origin


def _state_row(v: Variable, fitted: Set[Variable]) -> dict[str, Any]:
    row = {
        "name": v.name, "dtype": v.type.dtype.numpy, "shape": _shape(v.type), "role": v.role, "changes": v.trained,
        "trainable": v.role == "parameter" and v.trained,
    }  # fmt: skip
    if v in fitted:
        row["fitted"] = True
    return row if v.owner is None else {**row, "of": v.owner.name}


def _shape(t: TensorType) -> list[int | str]:
    return [d if isinstance(d, int) else str(d) for d in t.shape]

"""The weights that a run leaves, and how another run begins with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from netc.runtime.checkpoint import load_latest
from netc.runtime.data.learned import Learned
from netc.runtime.data.naming import short
from netc.runtime.errors import InputError
from netc.runtime.run_folder import LEARNED
from netc.runtime.trainer import Trainer

Say = Callable[[str], None]
KINDS = ("best", "last")


def weights_of(run: Path, kind: str = "best") -> Path:
    """The file of a run's best weights, which are its last ones where it keeps no others, or of its last ones."""
    if kind not in KINDS:
        raise InputError(f"there are no weights `{kind}`", "choose `best` or `last`")
    path = run / "weights" / f"{kind}.safetensors"
    return path if path.exists() else run / "weights" / "last.safetensors"


def read_weights(path: Path, say: Say) -> dict[str, np.ndarray]:
    """Tensors by name, from the previous file where this one is damaged, of which `say` hears. Raises InputError."""
    tensors, _, said = load_latest(path)
    if said:
        say(f"warning: {said}")
    return tensors


def trained_on(path: Path) -> str | None:
    """The hash of the data that the weights of a file were trained on, where they say it. Raises InputError."""
    _, notes, _ = load_latest(path)
    found: str | None = notes.get("data")
    return found


def begin_with(trainer: Trainer, source: Path, say: Say) -> None:
    """Puts the weights of a run, or of a .safetensors file, in the place of first values, by name.

    Of a parameter with a running average that is what the run evaluated. What the source does not have keeps its first
    value, and `say` hears of it. Raises InputError for another shape, and where no name is in both.
    """
    tensors = read_weights(source if source.suffix == ".safetensors" else weights_of(source), say)
    evaluated = {n: tensors.get(f"{n}/average", t) for n, t in tensors.items()}
    wanted = [n for n, r in trainer.rows.items() if r["role"] in ("parameter", "buffer")]
    found = {n: evaluated[n] for n in wanted if n in evaluated}
    if not any(trainer.rows[n]["role"] == "parameter" for n in found):
        raise InputError(
            f"`{source}` has no parameter of this net", f"it has {_few(evaluated)}, the net has {_few(wanted)}"
        )
    for name, value in found.items():
        row = trainer.rows[name]
        if list(value.shape) != row["shape"]:
            raise InputError(
                f"`{name}` has shape {list(value.shape)} in `{source}`, and {row['shape']} in this net",
                "give its line another name, and it begins with first values of its own",
            )
    averages = {n: found[r["of"]] for n, r in trainer.rows.items() if r["role"] == "average" and r["of"] in found}
    trainer.load_parameters({**found, **averages})
    if (source / LEARNED).is_file():
        _tell_other_texts(Learned.read(source / LEARNED), trainer.learned, source, say)
    new = [n for n in wanted if n not in found]
    if new:
        say(
            f"{_few(new)} of this net {'is' if len(new) == 1 else 'are'} not in `{source}` and begin{'s' * (len(new) == 1)} anew"
        )


def _tell_other_texts(then: Learned, now: Learned, source: Path, say: Say) -> None:
    """Warns of texts that have other numbers than those that the weights were trained with."""
    for name in then.texts.keys() & now.texts.keys():
        before, after = then.texts[name], now.texts[name]
        other = next((k for k, t in enumerate(after) if before[k : k + 1] != [t]), None)
        if other is not None:
            was = f"`{short(before[other])}`" if other < len(before) else "none"
            say(
                f"warning: the texts of `{name}` have other numbers than in `{source}`: {other} is `{short(after[other])}` now, "
                f"and was {was}"
            )


def _few(names: Mapping[str, object] | list[str]) -> str:
    shown = [f"`{n}`" for n in list(names)[:4]]
    return ", ".join(shown) + (f" and {len(names) - 4} more" if len(names) > 4 else "")

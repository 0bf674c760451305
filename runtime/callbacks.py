"""Functions of the caller's that a run calls, and the check that they can be called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from netc.runtime.errors import InputError
from netc.runtime.trainer import Trainer

OnStep = Callable[[Trainer, Mapping[str, float]], object]
OnEpoch = Callable[[Trainer, int, Mapping[str, float]], object]


# functions of which a call alone does nothing
WAITING = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)


def refuse_uncallable(function: Any, name: str, *arguments: str) -> None:
    """Refuses what cannot be called with as many arguments, or does nothing when it is called, before anything runs. None is
    no function, and right."""
    if function is None:
        return
    given = ", ".join(arguments)
    if any(kind(function) for kind in WAITING):
        raise InputError(
            f"`{name}` is called and not waited for, so that nothing in this function would be done",
            f"write `def {name}({given}): ...`, without `async` and `yield`",
        )
    try:
        inspect.signature(function).bind(*arguments)
    except ValueError:
        return  # some functions that are not written in Python do not say what they take
    except TypeError:
        raise InputError(f"`{name}` must be a function of ({given})", f"write `def {name}({given}): ...`") from None

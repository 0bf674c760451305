"""The words of the language: functions, layers, losses, metrics and initialisers. Importing this registers them all."""

from netc.compiler.library import (  # noqa: F401
    activations,
    arithmetic,
    dense,
    derivative,
    dimension,
    dropout,
    indexing,
    initializers,
    losses,
    metrics,
    reductions,
    regularizers,
    shaping,
)
from netc.compiler.language.words import LIBRARY

__all__ = ["LIBRARY"]

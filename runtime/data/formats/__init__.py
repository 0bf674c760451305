"""Data formats: one file each; importing this registers every file. The compiler reads their words and settings here.

A format is a class registered by `@data_format`: its docstring is its row in the reference, its fields are settings of
`source = name(...)` beside the files, `read` gives the arrays. What a file declares is checked before memory is taken.
"""

import importlib
import pkgutil

from netc.runtime.data.format import FORMATS

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["FORMATS"]

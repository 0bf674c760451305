"""The words of the language: functions, layers, losses, metrics and initialisers. Importing this registers every file."""

import importlib
import pkgutil

from netc.compiler.language.words import LIBRARY

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["LIBRARY"]

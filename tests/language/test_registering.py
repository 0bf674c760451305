"""A file of words registers by being there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import netc

ROOT = Path(__file__).parents[2]
ROOMS = {
    "compiler/library": ("netc.compiler.library", "operations"),
    "compiler/training/optimizers": ("netc.compiler.training.optimizers", "optimizer"),
    "runtime/data/formats": ("netc.runtime.data.formats", "source"),
}


@pytest.mark.parametrize("folder", ROOMS)
def test_every_file_of_a_room_is_imported(folder: str) -> None:
    netc.check("digits")
    for path in (ROOT / folder).glob("*.py"):
        module = ROOMS[folder][0] + ("" if path.stem == "__init__" else f".{path.stem}")
        assert module in sys.modules


NEW = {
    "compiler/library": '''
from netc.compiler.graph.types import TensorType
from netc.compiler.language.slots import Tensor
from netc.compiler.language.words import function


@function("activation")
class Unheard:
    """of"""

    def type(self, x: Tensor) -> TensorType:
        return x
''',
    "compiler/training/optimizers": '''
from netc.compiler.language.words import constructor
from netc.compiler.training.optimizers.base import Optimizer


@constructor("optimizer")
class Unheard(Optimizer):
    """of"""
''',
    "runtime/data/formats": '''
from netc.runtime.data.format import data_format


@data_format(".unheard")
class Unheard:
    """of"""
''',
}


@pytest.mark.parametrize("folder", ROOMS)
def test_a_new_file_needs_no_line_elsewhere(folder: str, tmp_path: Path) -> None:
    """The folder is extended by another one, which holds the new file, before anything is imported from it."""
    (tmp_path / "unheard.py").write_text(NEW[folder])
    _, group = ROOMS[folder]
    code = f"""
import pkgutil
here = pkgutil.iter_modules
pkgutil.iter_modules = lambda path=None, prefix="": (
    path.append({str(tmp_path)!r}) if path is not None and {folder!r} in str(path[0]) else None, here(path, prefix))[1]
import netc.compiler.check
from netc.compiler.language.words import LIBRARY
known = LIBRARY.operations if {group!r} == "operations" else LIBRARY.constructors[{group!r}]
print("unheard" in known, "relu" in LIBRARY.operations)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "True"], done.stderr

"""What these tests register is forgotten after each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import netc.compiler.check  # noqa: F401  (registers every word before what is registered is remembered)
from netc.compiler.autodiff import registry
from netc.compiler.library import LIBRARY
from netc.runtime.data.format import FORMATS


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What these tests register is gone after each."""
    monkeypatch.setattr(LIBRARY, "operations", dict(LIBRARY.operations))
    monkeypatch.setattr(LIBRARY, "constructors", {g: dict(w) for g, w in LIBRARY.constructors.items()})
    rules = {n: list(e) for n, e in registry._TABLE.items()}
    formats = dict(FORMATS)
    yield
    registry._TABLE.clear()
    registry._TABLE.update(rules)
    FORMATS.clear()
    FORMATS.update(formats)

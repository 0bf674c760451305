"""What a user means by SPEC, where it is none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

import netc
from netc import NetError

SPEC = "net n {\n  input x: f32[N, 2]\n  loss = mean(x -> Dense(1))\n}"
NONE: list[tuple[Any, str, str]] = [  # (SPEC, message, help)
    (None, "a spec is a path, a name of the zoo or a text, this is NoneType", "name a .net file"),
    (5, "this is int", "name a .net file"),
    (SPEC.encode(), "this is bytes", "name a .net file"),
    (io.StringIO(SPEC), "this is StringIO", "name a .net file"),
    (netc.compile(SPEC), "this is Program", "name a .net file"),
    ("flowers", "there is no file `flowers`", "did you mean `Flowers.net`?"),
    (Path("sub/deep"), "there is no file `sub/deep`", "did you mean `sub/deep.net`?"),
    ("FLOWERS.NET", "there is no file `FLOWERS.NET`", "did you mean `Flowers.net`?"),
    ("digit", "there is no file `digit`", "did you mean `digits`?"),
    ("nowhere/x", "there is no file `nowhere/x`", "the zoo has"),
]


@pytest.mark.parametrize(("spec", "message", "help"), NONE, ids=[str(n[0])[:20] for n in NONE])
def test_what_is_no_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any, message: str, help: str) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("Flowers.net", "sub/deep.net"):
        (tmp_path / name).write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    for call in (netc.check, netc.compile):
        with pytest.raises(NetError) as e:
            call(spec)
        assert message in e.value.diagnostics[0].message
        assert help in e.value.diagnostics[0].help

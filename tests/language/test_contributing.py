"""Every example of CONTRIBUTING.md is a whole file, and what it adds to the language works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc.compiler.autodiff import registry
from netc.compiler.check.data_block import register_formats
from netc.compiler.language.words import LIBRARY
from tests.numbers.host import Host

PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"\n## (An? [^\n]+)\n(?:(?!\n## ).)*?```python\n(.*?)```", PAGE, re.DOTALL))
SPEC = """net n {{
  input x: f32[N, 3]
  target r: f32[N, 3]
  y = {body}
  loss = {loss}
  output y
}}
{data}train {{ optimizer = {optimizer}; batch = 4; steps = 5 }}
"""
PLAIN = {"body": "x -> Dense(3)", "loss": "mean((y - r)^2)", "optimizer": "sgd(rate = 0.05)", "data": ""}
USED: dict[str, dict[str, str]] = {
    "A gradient": {"body": "x -> Dense(3) -> tanh"},
    "A function, a loss or a metric": {"body": "x -> Dense(3) -> squareplus(b = 2)", "loss": "log_cosh(y, r)"},
    "A layer": {"body": "x -> RunningScale(momentum = 0.2) -> Dense(3)"},
    "An optimizer or a schedule": {"optimizer": "lion(rate = 0.01)"},
    "A data format": {"data": 'data { source = raw(("x.f32", "r.f32"), skip = 4) }\n'},
}


def test_every_example_is_used() -> None:
    assert set(EXAMPLES) == set(USED)


@pytest.mark.parametrize("heading", USED)
def test_an_example_is_a_whole_file_and_works(heading: str, tmp_path: Path) -> None:
    if heading == "A gradient":
        registry._TABLE.pop("Tanh")
    words = len(LIBRARY.operations)
    exec(compile(EXAMPLES[heading], heading, "exec", dont_inherit=True), {"__name__": "example"})
    register_formats()
    text = SPEC.format(**{**PLAIN, **USED[heading]})
    g = np.random.default_rng(1)
    batch: dict[str, Any] = {n: g.normal(size=(8, 3)).astype(np.float32) for n in ("x", "r")}
    if heading == "A data format":
        for name, array in batch.items():
            (tmp_path / f"{name}.f32").write_bytes(b"head" + array.astype("<f4").tobytes())
        (tmp_path / "n.net").write_text(text)
        assert netc.run(tmp_path / "n.net", folder=None, plots=False).trainer.steps == 5
        return
    host = Host(netc.compile(text))
    losses = [float(host.step(batch)["loss"]) for _ in range(60)]
    assert losses[-1] < losses[0]
    assert np.isfinite(host.graph("infer", batch)["y"]).all()
    if heading == "A layer":
        assert not np.allclose(host.state["y.running_scale_1.size"], 1)
    if heading.startswith("A function"):
        assert len(LIBRARY.operations) == words + 2

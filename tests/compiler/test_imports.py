"""Specs that use the blocks and the net of another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc

BLOCKS = """net encoder(width = 7) {
  input x: f32[N, 4]
  target t: i64[N]
  block Unit(v, c) {
    h = v -> Dense(c) -> relu
    return v + (h -> Dense(4))
  }
  h = x -> Unit(width)
  y = h -> Dense(3)
  loss = softmax_cross_entropy(y, t)
  metric accuracy = accuracy(y, t)
  output features = h
  output logits = y
}
"""
MAIN = """import "blocks.net" as b
net main {
  input x: f32[N, 4]
  target t: i64[N]
  enc = b(width = 5)
  f = enc(x).features
  g = enc(x * 2).logits
  y = f -> b.Unit(3) -> Dense(3)
  loss = softmax_cross_entropy(y + g, t)
  output y
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "blocks.net").write_text(BLOCKS)
    (tmp_path / "main.net").write_text(MAIN)
    return tmp_path


def test_an_imported_net_is_a_layer_and_its_blocks_can_be_used(folder: Path) -> None:
    trainer = netc.Trainer(netc.compile(folder / "main.net"), device="cpu")
    weights = [n for n in trainer.parameters if n.endswith("weight")]
    assert weights == [
        "enc.h.h.weight", "enc.h.return.weight", "enc.y.weight", "y.unit_1.h.weight", "y.unit_1.return.weight",
        "y.dense_1.weight",
    ]  # fmt: skip
    assert trainer.parameters["enc.h.h.weight"].shape == (4, 5)
    batch = {"x": np.ones((6, 4), np.float32), "t": np.zeros(6, np.int64)}
    first = trainer.step(batch)["loss"]
    assert all(trainer.step(batch)["loss"] < first for _ in range(3))


def test_each_call_of_an_imported_net_makes_parameters_and_one_that_is_bound_shares_them(folder: Path) -> None:
    for line, owners in (("", ["f", "g"]), ("\n  b2 = b", ["b2"])):
        name = "b2" if line else "b"
        lines = f"net m {{\n  input x: f32[N, 4]{line}\n  f = {name}(x).logits\n  g = {name}(x).logits\n  loss = mean(f + g)\n}}"
        (folder / "calls.net").write_text('import "blocks.net" as b\n' + lines)
        names = [p.name for p in netc.check(folder / "calls.net").parameters]
        assert [n for n in names if n.endswith("y.weight")] == [f"{o}.y.weight" for o in owners]


WRONG = [
    ("c = b(x) + 1", "is the outputs of `blocks`, of which one must be chosen"),
    ("c = b(x).featurs", "did you mean `features`?"),
    ("c = x -> b.Unot(3)", "did you mean `Unit`?"),
    ("c = b(x, widht = 4)", "did you mean `width`?"),
    ("c = b(x[:, 0]).logits", "the imported net's `x` is"),
]


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_a_wrong_use_of_an_import_is_refused(folder: Path, line: str, message: str) -> None:
    (folder / "wrong.net").write_text(MAIN.replace("  output y", f"  {line}\n  output y"))
    with pytest.raises(netc.NetError) as e:
        netc.compile(folder / "wrong.net")
    assert message in e.value.render()


def test_an_error_inside_the_imported_file_names_that_file(folder: Path) -> None:
    (folder / "blocks.net").write_text(BLOCKS.replace("Dense(c)", "Dens(c)"))
    with pytest.raises(netc.NetError) as e:
        netc.compile(folder / "main.net")
    assert "blocks.net:5:14" in e.value.render()

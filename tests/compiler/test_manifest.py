"""The manifest of a spec that has something of everything, written out."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import netc
from netc import NetError

SPEC = """net whole(width = 4) {
  input  x: f32[N, 6]
  input  k: i32[N]
  target t: i64[N]
  param table: f32[9, 6] = normal
  h = (x + gather(table, k)) -> Dense(width) -> BatchNorm
  y = h -> Dense(3)
  loss = softmax_cross_entropy(y, t)
  metric accuracy = accuracy(y, t)
  metric spread (min) = max(abs(y))
  output p = softmax(y)
  output first = y[:, 0]
}
data {
  source = npz("d.npz", x = "rows")
  split = random(train = 0.5, val = 0.25, test = 0.25, seed = 3)
  missing = mean
}
train {
  optimizer = sgd(rate = 0.1, momentum = 0.5)
  batch = 8
  epochs = 4
  seed = 5
  shuffle = false
  average = ema(0.5)
  stop = early(val.accuracy, patience = 2, delta = 1/4)
  keep = best(test.loss)
  plateau = reduce(train.loss, factor = 1/8, patience = 6, delta = 0.5, floor = 1/16)
  rule "table" { freeze }
}
"""


def rows(role: str, changes: bool, trainable: bool, shapes: dict[str, list[int]], of: str = "") -> list[dict[str, Any]]:
    """Rows of the state; `of` is what stands behind the owner's name."""
    made = []
    for name, shape in shapes.items():
        row = {
            "name": name,
            "dtype": "float32",
            "shape": shape,
            "role": role,
            "changes": changes,
            "trainable": trainable,
        }
        made.append({**row, "of": name.removesuffix(of)} if of else row)
    return made


WEIGHTS = {
    "h.dense_1.weight": [6, 4], "h.dense_1.bias": [4], "h.batch_norm_1.scale": [4], "h.batch_norm_1.bias": [4],
    "y.weight": [4, 3], "y.bias": [3],
}  # fmt: skip


def test_the_manifest_of_everything(tmp_path: Path) -> None:
    (tmp_path / "whole.net").write_text(SPEC)
    found = netc.compile(tmp_path / "whole.net").manifest
    assert found["format"] == 1
    assert found["producer"] == {"name": "netc", "version": version("netc")}
    spec = found["spec"]
    assert (spec["name"], spec["text"], spec["sha256"]) == ("whole", SPEC, hashlib.sha256(SPEC.encode()).hexdigest())
    assert netc.check(spec["resolved"]).resolved == spec["resolved"]
    assert found["graphs"] == {g: f"{g}.onnx" for g in ("init", "step", "eval", "infer", "score")}
    assert found["inputs"] == [
        {"name": "x", "dtype": "float32", "shape": ["N", 6], "role": "input"},
        {"name": "k", "dtype": "int32", "shape": ["N"], "role": "input", "classes": 9},
        {"name": "t", "dtype": "int64", "shape": ["N"], "role": "target", "classes": 3},
    ]
    kept = {r["name"]: r for r in found["state"]}
    expected = [
        *rows("parameter", False, False, {"table": [9, 6]}),
        *rows("parameter", True, True, WEIGHTS),
        *rows("optimizer", True, False, {f"{n}/velocity": s for n, s in WEIGHTS.items()}, "/velocity"),
        *rows("average", True, False, {f"{n}/average": s for n, s in WEIGHTS.items()}, "/average"),
    ]
    for row in expected:
        assert kept.pop(row["name"]) == row
    buffers = [r for r in kept.values() if r["role"] == "buffer"]
    assert [(r["name"], r["shape"], r["changes"], r["trainable"]) for r in buffers] == [
        ("h.batch_norm_1.mean", [4], True, False), ("h.batch_norm_1.variance", [4], True, False)
    ]  # fmt: skip
    rest = [r for r in kept.values() if r["role"] != "buffer"]
    assert [(r["name"], r["dtype"], r["shape"], r["role"], r["changes"]) for r in rest] == [
        ("step", "int32", [], "counter", True), ("rate_scale", "float32", [], "control", False)
    ]  # fmt: skip
    metrics = {m["name"]: (m["mode"], [a["how"] for a in m["accumulate"]]) for m in found["metrics"]}
    assert list(metrics) == ["accuracy", "spread"]
    assert (metrics["accuracy"][0], metrics["spread"][0]) == ("max", "min")
    assert all(a["name"].startswith(f"{m['name']}/") for m in found["metrics"] for a in m["accumulate"])
    assert found["outputs"] == [
        {"name": "p", "dtype": "float32", "shape": ["N", 3]}, {"name": "first", "dtype": "float32", "shape": ["N"]}
    ]  # fmt: skip
    settings = found["train"].pop("settings")
    optimizer = "sgd(rate = 0.1, weight_decay = 0, momentum = 0.5, nesterov = false)"
    assert found["train"] == {
        "batch": 8, "epochs": 4, "steps": None, "seed": 5, "shuffle": False,
        "stop": {"split": "val", "score": "accuracy", "mode": "max", "patience": 2, "delta": 0.25},
        "keep": {"split": "test", "score": "loss", "mode": "min"},
        "plateau": {"split": "train", "score": "loss", "mode": "min", "patience": 6, "delta": 0.5, "factor": 0.125,
                    "floor": 0.0625},
        "optimizer": optimizer,
    }  # fmt: skip
    assert (settings["optimizer"], settings["batch"], settings["shuffle"]) == (optimizer, "8", "false")
    assert found["data"] == {
        "source": {"kind": "npz", "path": "d.npz", "limit_gb": 8.0, "columns": {"x": "rows"}},
        "split": {"kind": "random", "train": 0.5, "val": 0.25, "test": 0.25, "seed": 3},
        "missing": {"kind": "mean"},
        "folder": str(tmp_path),
    }


def test_what_is_left_out_has_its_default() -> None:
    found = netc.compile("net n {\n  input x: f32[B, 2]\n  loss = mean(x -> Dense(1))\n}").manifest
    assert (found["data"], found["metrics"], found["outputs"]) == (None, [], [])
    train = {n: found["train"][n] for n in ("batch", "epochs", "steps", "seed", "shuffle", "stop", "keep", "plateau")}
    assert train == {
        "batch": 32, "epochs": 10, "steps": None, "seed": 0, "shuffle": True, "stop": None, "keep": None, "plateau": None
    }  # fmt: skip
    assert found["inputs"] == [{"name": "x", "dtype": "float32", "shape": ["B", 2], "role": "input"}]


def test_a_program_says_what_it_is_and_has_no_other_graphs() -> None:
    program = netc.compile("net n {\n  input x: f32[N, 2]\n  a = Dense(3)\n  loss = mean(x -> Dense(1))\n}")
    assert repr(program) == "Program('n', 3 parameters, from <text>)"
    assert program.step is program.graph("step")
    (warning,) = program.warnings
    assert "the layer `a` is never used" in warning
    with pytest.raises(NetError, match="there is no graph `steps`") as e:
        program.graph("steps")
    assert e.value.diagnostics[0].help == "did you mean `step`?"


def test_a_program_that_cannot_be_saved_as_asked_leaves_nothing(tmp_path: Path) -> None:
    program = netc.compile("net n {\n  input x: f32[N, 2]\n  loss = mean(x -> Dense(1))\n}")
    calls: list[tuple[Callable[[], Any], str]] = [
        (lambda: program.save(tmp_path / "p", ["gard"]), "there is no graph `gard`"),
        (lambda: program.save(None), "the folder of a program is a path, this is NoneType"),  # type: ignore[arg-type]
        (lambda: pickle.dumps(program), "a program is neither pickled nor copied"),
    ]
    for call, message in calls:
        with pytest.raises(NetError, match=message):
            call()
    assert not list(tmp_path.iterdir())
    program.save(tmp_path / "p", "grad")
    assert (tmp_path / "p" / "grad.onnx").is_file()

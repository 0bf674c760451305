"""The loop: learning, stopping, resuming to the bit, and what happens when things go wrong."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

import netc
from netc import InputError, RunError
from netc.runtime.checkpoint import load_latest, load_tensors, save_tensors
from netc.runtime.progress import Reporter
from netc.runtime.run_folder import RunFolder

STATE = Path("state") / "last.safetensors"


def run(spec: str, *changes: str, **options: Any) -> Any:
    return netc.run(spec, list(changes), device="cpu", plots=False, **options)


def test_digits_reach_their_accuracy_and_the_export_scores_the_same(tmp_path: Path) -> None:
    result = run("digits", folder=tmp_path)
    assert result.scores["test.accuracy"] >= 0.965
    from netc.runtime.data.sources import load

    test = load(result.trainer.manifest).splits["test"]
    session = ort.InferenceSession(result.folder / "export" / "model.onnx", providers=["CPUExecutionProvider"])
    (p,) = session.run(None, {"image": test["image"]})
    assert (p.argmax(1) == test["digit"]).mean() == pytest.approx(result.scores["test.accuracy"])
    for name in ("spec.net", "resolved.net", "env.json", "metrics.csv", "program/step.onnx", "weights/best.safetensors",
                 "weights/last.safetensors", "state/last.safetensors"):  # fmt: skip
        assert (result.folder / name).is_file(), name
    assert list(result.folder.glob("events.out.tfevents*"))
    assert (tmp_path / "digits" / "latest").resolve() == result.folder.resolve()
    resolved = netc.compile(result.folder / "resolved.net")
    assert resolved.manifest["train"] == result.trainer.manifest["train"]
    rows = list(csv.DictReader((result.folder / "metrics.csv").open()))
    assert len(rows) == len(result.history)
    assert int(result.confusion["accuracy"].sum()) == 270


def test_the_same_seed_gives_the_same_bits_and_another_other_bits(tmp_path: Path) -> None:
    first, second, third = (run("digits", "epochs=1", f"seed={s}", folder=None) for s in (1, 1, 2))
    for name, value in first.trainer.state.items():
        np.testing.assert_array_equal(value, second.trainer.state[name])
    assert np.abs(first.trainer.state["logits.weight"] - third.trainer.state["logits.weight"]).max() > 0.01


def test_a_resumed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    changes = ["stop=early(val.loss, patience = 50)", "average=ema(0.9)", "rate=cosine(1e-3, steps = 200)"]
    whole = run("digits", "epochs=4", *changes, folder=tmp_path / "a")
    half = run("digits", "epochs=2", *changes, folder=tmp_path / "b")
    with pytest.raises(InputError, match="the spec has changed") as e:
        run("digits", "epochs=4", "keep=0.5", *changes, folder=tmp_path / "b", resume=half.folder)
    assert "-net digits(hidden = 64, keep = 0.8) {" in e.value.message
    assert "+net digits(hidden = 64, keep = 0.5) {" in e.value.message
    resumed = run("digits", "epochs=4", *changes, folder=tmp_path / "b", resume=half.folder)
    a, _ = load_tensors(whole.folder / STATE)
    b, _ = load_tensors(resumed.folder / STATE)
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)
    losses = [r["val.loss"] for r in whole.history]
    assert losses == pytest.approx([r["val.loss"] for r in resumed.history], rel=1e-6)


class Stop(Reporter):
    """Interrupts the loop in a given step, as Ctrl-C would."""

    def __init__(self, at: int):
        self.at = at

    def step(self, epoch: int, step: int, loss: float) -> None:
        if step == self.at:
            raise KeyboardInterrupt


def test_a_run_interrupted_inside_an_epoch_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = run("digits", "epochs=2", folder=tmp_path / "a")
    cut = run("digits", "epochs=2", folder=tmp_path / "b", reporter=Stop(57))
    assert cut.reason == "interrupted"
    assert cut.trainer.steps == 57
    resumed = run("digits", "epochs=2", folder=tmp_path / "b", resume=cut.folder)
    a, _ = load_tensors(whole.folder / STATE)
    b, _ = load_tensors(resumed.folder / STATE)
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)
    assert resumed.history[-1]["train.loss"] == pytest.approx(whole.history[-1]["train.loss"], rel=1e-9)


def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    result = run("digits", "epochs=40", "rate=0.02", "stop=early(val.loss, patience = 2)", folder=tmp_path)
    assert result.reason == "early"
    losses = [row["val.loss"] for row in result.history]
    assert result.best_epoch == 1 + int(np.argmin(losses))
    assert len(losses) == result.best_epoch + 2
    assert result.scores["val.loss"] == pytest.approx(min(losses), rel=1e-6)


def test_reduce_on_plateau_lowers_every_rate() -> None:
    result = run("digits", "epochs=12", "rate=0.1", "plateau=reduce(val.loss, factor = 0.1, patience = 1)", folder=None)
    assert float(result.trainer.state["rate_scale"]) < 1


def test_watching_changes_no_bit_of_the_training(tmp_path: Path) -> None:
    plain = run("digits", "epochs=2", folder=tmp_path / "a")
    watched = run("digits", "epochs=2", folder=tmp_path / "b", watch=True)
    for name, value in plain.trainer.state.items():
        np.testing.assert_array_equal(value, watched.trainer.state[name])


def test_watch_shows_vanishing_gradients_and_dying_units() -> None:
    g = np.random.default_rng(0)
    batch = {"image": g.uniform(0, 16, (64, 64)).astype(np.float32), "digit": g.integers(0, 10, 64)}

    def ratio(activation: str) -> float:
        trainer = netc.Trainer(netc.compile("vanishing", {"activation": activation}), device="cpu")
        seen = trainer.watch(batch)
        return seen["gradient_norm/layer_7.h.weight"] / seen["gradient_norm/layer_0.h.weight"]

    assert ratio("sigmoid") > 100 * ratio("relu")

    def dead(rate: float) -> float:
        trainer = netc.Trainer(netc.compile("dying", {"rate": rate, "clip_norm": 5}), device="cpu")
        for _ in range(30):
            trainer.step(batch)
        return max(v for n, v in trainer.watch(batch).items() if n.startswith("dead_units/"))

    assert dead(1.5) > 0.5 > dead(0.01)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_cause(tmp_path: Path) -> None:
    text = """net bad {
  input x: f32[N, 2]
  y = x -> Dense(3)
  z = log(y - 100)
  loss = mean(z)
}
train { batch = 4 }
"""
    with pytest.raises(RunError) as e:
        netc.run(text, data={"x": np.ones((8, 2), np.float32)}, device="cpu", folder=tmp_path)
    assert "step 1" in e.value.message
    assert "`Log` of <text>:4 is the first to give NaN values" in e.value.message
    tensors, _ = load_tensors(tmp_path / "bad" / "1" / STATE)
    assert all(np.isfinite(t).all() for t in tensors.values())


def test_parameters_that_are_not_finite_never_replace_the_last_good_checkpoint(tmp_path: Path) -> None:
    text = "net n {\n  input x: f32[N, 2]\n  y = x -> Dense(1)\n  loss = mean(1e10 * y)\n}\ntrain { optimizer = sgd(rate = 1e30) }"
    with pytest.raises(RunError, match=r"`y\.weight` was not finite before the step") as e:
        run(text, folder=tmp_path, data={"x": np.ones((64, 2), np.float32)})
    assert "the last good checkpoint is kept" in e.value.help
    tensors, _ = load_tensors(tmp_path / "n" / "1" / STATE)
    assert all(np.isfinite(t).all() for t in tensors.values())


def test_a_run_without_a_data_block_needs_data() -> None:
    with pytest.raises(InputError, match="no data block"):
        run("siamese", folder=None)
    g = np.random.default_rng(0)
    a, b = g.normal(size=(2, 40, 784)).astype(np.float32)
    result = run("siamese", "epochs=3", folder=None, data={"a": a, "b": b, "same_class": g.integers(0, 2, 40)})
    assert np.isfinite(result.scores["train.loss"])


def test_a_watched_split_must_have_rows() -> None:
    text = "net n {\n  input x: f32[N, 2]\n  loss = mean(x -> Dense(1))\n}\ntrain { stop = early(val.loss) }"
    with pytest.raises(InputError, match="has no val rows"):
        run(text, folder=None, data={"x": np.zeros((4, 2), np.float32)})


def test_damaged_checkpoints_are_noticed_and_the_previous_one_is_used(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save_tensors(path, {"w": np.zeros(100, np.float32), "s": np.array(1, np.int32)}, {"n": 1})
    save_tensors(path, {"w": np.ones(100, np.float32), "s": np.array(2, np.int32)}, {"n": 2})
    good = path.read_bytes()
    for at in (0, 5, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(InputError, match="damaged"):
            load_tensors(path)
        tensors, notes, said = load_latest(path)
        assert notes == {"n": 1}
        assert not tensors["w"].any()
        assert "previous checkpoint is used" in said
    path.write_bytes(good[:50])
    assert load_latest(path)[1] == {"n": 1}
    path.write_bytes(good)
    tensors, notes = load_tensors(path)
    assert tensors["s"].shape == ()
    assert notes == {"n": 2}


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    a = netc.Trainer(netc.compile("digits"), device="cpu")
    a.save(tmp_path / "a.safetensors")
    b = netc.Trainer(netc.compile("digits", {"hidden": 32}), device="cpu")
    with pytest.raises(InputError, match="belongs to another model"):
        b.load(tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="belongs to another model"):
        netc.Trainer(netc.compile("softmax"), device="cpu").load(tmp_path / "a.safetensors")


def test_a_program_of_another_format_is_refused_by_name(tmp_path: Path) -> None:
    folder = netc.compile("softmax").save(tmp_path / "p")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(InputError, match="program format 99, made by netc"):
        netc.Trainer(folder)


MOST = 2**31 - 2  # steps


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_last_step_that_the_counter_holds_is_a_step_and_the_next_is_refused(optimizer: str) -> None:
    text = f"""net n {{
  input x: f32[N, 2]
  y = x -> Dense(4) -> dropout(0.5) -> Dense(1)
  loss = mean(y^2)
}}
train {{ optimizer = {optimizer}(rate = cosine(0.01)); epochs = 3 }}"""
    batch = {"x": np.ones((8, 2), np.float32)}
    trainer = netc.Trainer(netc.compile(text), device="cpu")
    trainer.step(batch)
    trainer.load_state({**trainer.state, "step": np.array(MOST - 1, np.int32)})
    assert np.isfinite(trainer.step(batch)["loss"])
    assert trainer.steps == trainer.state["step"] == MOST
    for _ in range(2):
        with pytest.raises(
            RunError, match="2,147,483,646 steps are done; the program's counter, of 32 bits, holds no more"
        ):
            trainer.step(batch)
    assert trainer.state["step"] == MOST
    assert all(np.isfinite(v).all() for v in trainer.state.values())
    trainer.undo()
    assert trainer.steps == trainer.state["step"] == MOST - 1


@pytest.mark.parametrize("step", [-1, MOST + 1])
def test_a_count_of_steps_that_no_training_has_is_refused(step: int) -> None:
    trainer = netc.Trainer(netc.compile("softmax"), device="cpu")
    value = {"step": np.array(step, np.int32)}
    for load in (trainer.load_parameters, lambda v: trainer.load_state({**trainer.state, **v})):
        with pytest.raises(InputError, match=f"it must lie in 0..{MOST}, not {step}"):
            load(value)
    assert trainer.steps == trainer.state["step"] == 0
    trainer.load_parameters({"step": 7})
    assert trainer.steps == trainer.state["step"] == 7


@pytest.mark.parametrize("seed", [-(2**31), -1, 0, 2**31 - 1])
def test_seeds_at_the_limits_are_seeds(seed: int) -> None:
    result = run("digits", "epochs=1", f"seed={seed}", folder=None)
    other = netc.Trainer(netc.compile("digits"), device="cpu", seed=seed + 1 if seed < 0 else seed - 1)
    first = netc.Trainer(result.trainer.program, device="cpu")
    assert np.isfinite(result.scores["val.loss"])
    assert first.seed == seed
    assert np.abs(first.parameters["logits.weight"] - other.parameters["logits.weight"]).max() > 0.01


def test_the_table_of_scores_has_the_rate_and_the_seconds(tmp_path: Path) -> None:
    """The rate of the last step of each epoch; on a plateau, of the epoch that is scored and not the one to come."""
    changes = ["rate=step(0.1, every = 60)", "plateau=reduce(val.loss, factor = 0.5, patience = 1, delta = 100)"]
    first = run("digits", "epochs=2", *changes, folder=tmp_path)
    again = run("digits", "epochs=4", *changes, resume=first.folder)
    rows = list(csv.DictReader((first.folder / "metrics.csv").open()))
    assert list(rows[0])[-2:] == ["rate", "seconds"]
    assert [row["step"] for row in rows] == ["40", "80", "120", "160"]
    assert [float(row["rate"]) for row in rows] == pytest.approx([0.1, 0.01, 0.005, 0.00025])
    assert rows[0]["rate"] == "0.1", "the number that was written, not what float32 makes of it"
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    assert seconds[2] > seconds[1] > 0
    assert [row["seconds"] for row in again.history] == seconds
    assert again.seconds > seconds[3]


def test_what_is_watched_is_a_table_that_goes_on(tmp_path: Path) -> None:
    cut = run("digits", "epochs=2", folder=tmp_path, watch=True, reporter=Stop(57))
    resumed = run("digits", "epochs=2", resume=cut.folder, watch=True)
    whole = run("digits", "epochs=2", folder=tmp_path, watch=True)
    found, expected = (list(csv.DictReader((r.folder / "watch.csv").open())) for r in (resumed, whole))
    assert [row["step"] for row in found] == [str(s) for s in range(0, 80, 10)]
    assert list(found[0])[:3] == ["step", "gradient_norm", "gradient_norm/h.dense_1.weight"]
    assert found == expected


def test_parameters_can_be_read_and_replaced() -> None:
    trainer = netc.Trainer(netc.compile("softmax"), device="cpu")
    trainer.load_parameters({"logits.weight": np.full((64, 10), 0.5)})
    assert trainer.parameters["logits.weight"].min() == 0.5
    with pytest.raises(InputError, match="no parameter `logit`"):
        trainer.load_parameters({"logit": np.zeros(3)})
    with pytest.raises(InputError, match="has shape"):
        trainer.load_parameters({"logits.bias": np.zeros(3)})
    with pytest.raises(InputError, match="the data has no `digit`"):
        trainer.step({"image": np.zeros((2, 64), np.float32)})


def test_a_step_after_new_parameters_starts_from_them() -> None:
    trainer = netc.Trainer(netc.compile("softmax"), device="cpu")
    batch = {"image": np.ones((4, 64), np.float32), "digit": np.arange(4)}
    trainer.step(batch)
    trainer.load_parameters({"logits.weight": np.zeros((64, 10)), "logits.bias": np.zeros(10)})
    assert trainer.step(batch)["loss"] == pytest.approx(np.log(10), rel=1e-6)
    assert trainer.steps == 2


INTERRUPTED = """
import sys
from netc.command_line import main
sys.argv = ["netc", "run", "digits", "epochs=100000", "patience=100000", "--no-plots", "--out", sys.argv[1]]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_training_and_leaves_a_usable_run(tmp_path: Path, number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    path = tmp_path / "digits" / "1"
    for _ in range(300):
        time.sleep(0.1)
        if (path / "metrics.csv").exists():
            break
    time.sleep(0.3)
    os.kill(process.pid, number)
    out, err = process.communicate(
        timeout=60
    )  # of the 100,000 epochs a busy machine does not reach the end in that time
    assert process.returncode == 130, err
    assert "--resume" in out
    tensors, notes = load_tensors(path / STATE)
    assert tensors["step"] > 0
    assert notes["progress"]["epoch"] >= 1
    assert not list(path.rglob(".*.safetensors*"))


def test_killed_at_any_time_the_checkpoint_is_whole(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    path = tmp_path / "digits" / "1"
    for _ in range(300):
        time.sleep(0.1)
        if (path / "weights" / "best.safetensors").exists():
            break
    time.sleep(0.217)
    process.kill()
    process.wait()
    tensors, _, _ = load_latest(path / STATE)
    trainer = netc.Trainer(path / "program", device="cpu")
    trainer.load_state(tensors)
    RunFolder(path).open().close()  # the lock of a dead process is free

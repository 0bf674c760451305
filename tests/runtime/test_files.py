"""What lies on disk: programs, checkpoints, run folders, exported models; damaged, missing, of another format, or in the way."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from safetensors.numpy import save_file

import netc
from netc import InputError, RunError
from netc.runtime.checkpoint import FORMAT, digest, load_latest, load_tensors, save_tensors
from netc.runtime.export import deployable
from netc.runtime.files import ProgramFolder, write_atomically
from netc.runtime.run_folder import RunFolder

W = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}


# --- programs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "holds no manifest.json, so it is no program"),
        ("{", "manifest.json` cannot be read"),
        ('{"format": 2, "producer": {"name": "netc", "version": "9"}}',
            "has program format 2, made by netc 9; this version runs format 1"),
        ("{}", "has program format None, made by None None"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_program(tmp_path: Path, manifest: str | None, message: str) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(InputError) as e:
        ProgramFolder(tmp_path)
    assert message in e.value.message


def test_a_graph_that_was_not_written(tmp_path: Path) -> None:
    folder = ProgramFolder(netc.compile("linear").save(tmp_path))
    assert onnx.load_model_from_string(folder.model_bytes("step")).graph.node
    (tmp_path / "eval.onnx").unlink()
    for name in ("grad", "eval"):
        with pytest.raises(InputError, match=f"has no {name}.onnx") as e:
            folder.model_bytes(name)
        assert e.value.help == f"compile it with `--with {name}`"


# --- single files -----------------------------------------------------------------------------------------------------


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new" / "a.txt", b"one")
    write_atomically(tmp_path / "new" / "a.txt", b"two")
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"two"
    assert (tmp_path / "new" / "a.txt").stat().st_mode & 0o777 == 0o644
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "folder", tmp_path / "new" / "a.txt" / "b.txt"):
        with pytest.raises(RunError, match="cannot be written"):
            write_atomically(place, b"three")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.txt", "folder", "new"], "nothing is left behind"


def test_a_checkpoint_is_compared_with_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    foreign = [({}, ""), ({"netc": "1"}, ""), ({"sha256": digest(W)}, ""), ({"notes": '{"n": 3}'}, "")]
    damaged = [
        ({"netc": "2"}, "has checkpoint format 2; this version reads 1"),
        ({"sha256": "0" * 64}, "its contents do not match its checksum"),
        ({"sha256": digest({"v": W["w"]})}, "do not match"),
        ({"sha256": digest({"w": W["w"].T})}, "do not match"),
        ({"sha256": digest({"w": W["w"].view(np.int32)})}, "do not match"),
        ({"sha256": digest({"w": W["w"] + 1})}, "do not match"),
    ]
    for metadata, message in (*foreign, *damaged):
        save_file(W, path, metadata or None)
        if message:
            with pytest.raises(InputError) as e:
                load_tensors(path)
            assert message in e.value.message
        else:
            tensors, notes = load_tensors(path)
            np.testing.assert_array_equal(tensors["w"], W["w"])
            assert notes == ({"n": 3} if "notes" in metadata else {})
    assert FORMAT == "1"


def test_without_a_previous_checkpoint_the_damage_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        load_latest(tmp_path / "none")
    (tmp_path / "c").write_bytes(b"damaged")
    with pytest.raises(InputError, match="is damaged"):
        load_latest(tmp_path / "c")
    save_tensors(tmp_path / "c", W, {})
    save_tensors(tmp_path / "c", {"w": W["w"].T}, {"n": 1})
    tensors, notes, said = load_latest(tmp_path / "c")
    np.testing.assert_array_equal(tensors["w"], W["w"].T)
    assert (notes, said) == ({"n": 1}, "")
    assert (tmp_path / "c.previous").read_bytes() == b"damaged" or load_tensors(tmp_path / "c.previous")[1] == {}


def test_a_trainer_writes_its_notes_and_reads_them(tmp_path: Path) -> None:
    one, two = (netc.Trainer(netc.compile("linear"), device="cpu", seed=s) for s in (4, 5))
    one.save(tmp_path / "a", {"n": 1})
    assert two.load(tmp_path / "a") == {"seed": 4, "n": 1}
    for name, value in one.state.items():
        np.testing.assert_array_equal(two.state[name], value)


# --- run folders ------------------------------------------------------------------------------------------------------


def test_runs_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    for taken in ("2", "10", "seven"):
        (tmp_path / "n" / taken).mkdir()
    first, second = RunFolder.create(tmp_path, "n"), RunFolder.create(tmp_path, "n")
    assert (first.path.name, second.path.name) == ("11", "12")
    assert (tmp_path / "n" / "latest").resolve() == second.path
    assert not list((tmp_path / "n").glob(".latest*"))
    assert RunFolder.create(tmp_path, "other").path.name == "1"


def test_a_number_that_another_process_took_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for taken in ("1", "2"):
        (tmp_path / "n" / taken).mkdir(parents=True)
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(()))
    assert RunFolder.create(tmp_path, "n").path.name == "3"


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="no run folder can be made under"):
        RunFolder.create(tmp_path / "file", "n")
    with pytest.raises(RunError, match="cannot be written"):
        RunFolder(tmp_path / "none").open()
    folder = RunFolder.create(tmp_path, "n")
    (folder.path / "metrics.csv").mkdir()
    with pytest.raises(RunError, match="cannot be written"):
        folder.log(1, 2, {})


def test_metrics_are_a_table_that_later_runs_go_on_with(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "n")
    assert folder.history() == []
    folder.log(1, 5, {"train.loss": 1 / 3, "val.loss": 2.0})
    folder.log(2, 10, {"train.loss": 1e-12, "val.loss": 123456789.5})
    folder.close()
    folder.close()
    assert not (folder.path / ".lock").exists()
    again = RunFolder(folder.path).open()
    again.log(3, 15, {"train.loss": 0.25, "val.loss": 0.5})
    again.close()
    assert (folder.path / "metrics.csv").read_text().splitlines() == [
        "epoch,step,train.loss,val.loss", "1,5,0.333333333,2", "2,10,1e-12,123456790", "3,15,0.25,0.5",
    ]  # fmt: skip
    assert again.history()[2] == {"epoch": 3, "step": 15, "train.loss": 0.25, "val.loss": 0.5}
    assert len(list(folder.path.glob("events.out.tfevents*"))) >= 1


def test_events_hold_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    class Writer:
        def __init__(self, folder: str, flush_secs: int):
            told.append(folder)

        def add_scalar(self, name: str, value: float, step: int) -> None:
            told.append((name, value, step))

        def close(self) -> None:
            told.append("closed")

    monkeypatch.setattr("tensorboardX.SummaryWriter", Writer)
    folder = RunFolder.create(tmp_path, "n")
    folder.log(1, 5, {"train.loss": 0.5, "val.loss": 2.0})
    folder.scalars(7, {"watch/a": 3.0})
    folder.close()
    assert told == [str(folder.path), ("train.loss", 0.5, 5), ("val.loss", 2.0, 5), ("watch/a", 3.0, 7), "closed"]


def test_a_table_that_holds_nothing_gets_its_head(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "n")
    (folder.path / "metrics.csv").write_text("")
    folder.log(1, 5, {"train.loss": 0.5})
    assert folder.history() == [{"epoch": 1, "step": 5, "train.loss": 0.5}]


def test_what_decides_the_last_bits_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder.create(tmp_path, "n")
    monkeypatch.setattr("sys.argv", ["netc", "run", "digits"])
    folder.write_environment("cpu")
    found = json.loads((folder.path / "env.json").read_text())
    assert sorted(found) == ["command", "cores", "device", "machine", "numpy", "onnxruntime", "platform", "python"]
    assert (found["device"], found["numpy"], found["cores"]) == ("cpu", np.__version__, os.cpu_count())
    assert found["command"] == ["run", "digits"]


# --- exported models --------------------------------------------------------------------------------------------------


def trainer(**changes: Any) -> Any:
    """A trainer with some of its parts replaced."""
    made = netc.Trainer(netc.compile("linear"), device="cpu")
    kept = {"program": made.program, "manifest": made.manifest, "state": made.state, "learned": made.learned}
    return SimpleNamespace(**{**kept, "refuse_unfitted": lambda: None, **changes})


def test_a_model_that_no_file_can_hold_is_refused() -> None:
    name = next(n for n in trainer().state if n.endswith("weight"))
    wide = np.broadcast_to(np.float32(0), (2**29 - 2**18 + 1,))  # a number more than 2 GiB - 1 MiB; it takes no memory
    with pytest.raises(RunError, match="larger than 2 GiB"):
        deployable(trainer(state={name: wide}))


def test_an_operator_of_training_is_never_exported() -> None:
    model = onnx.load_model_from_string(netc.compile("linear").model_bytes("infer"))
    model.graph.node.append(onnx.helper.make_node("Dropout", [model.graph.input[0].name], ["d"]))
    program = SimpleNamespace(model_bytes=lambda name: model.SerializeToString())
    with pytest.raises(RunError, match="holds the training operator `Dropout`"):
        deployable(trainer(program=program))


def test_the_exported_model_says_what_it_was_made_of_and_nothing_more() -> None:
    made = trainer()
    model = deployable(made)
    assert {p.key: p.value for p in model.metadata_props} == {
        "netc.spec": "linear", "netc.spec.sha256": made.manifest["spec"]["sha256"]
    }  # fmt: skip
    assert not any(n.metadata_props for n in model.graph.node)
    assert {i.name for i in model.graph.input} == {i["name"] for i in made.manifest["inputs"] if i["role"] == "input"}

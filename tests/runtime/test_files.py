"""What lies on disk: programs, checkpoints, exported models; damaged, missing, of another format, or in the way."""

from __future__ import annotations

import copy
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
from netc.runtime.files import ProgramFolder, make_folder, write_atomically
from netc.runtime.manifest import FIELDS

W = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}


# --- programs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "holds no manifest.json, so it is no program"),
        ("{", "manifest.json` cannot be read"),
        ('{"format": 2, "producer": {"name": "netc", "version": "9"}}',
            "has program format 2, made by netc 9; this version runs format 1"),
        ("{}", "has program format None, made by nobody it names"),
        ("[]", "manifest.json` is damaged: it is no record of a program"),
        ("[" * 100_000, "manifest.json` cannot be read"),
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
        assert e.value.help == ("compile the spec with `--with grad`" if name == "grad" else "compile the spec again")


def test_a_manifest_that_lacks_something_is_damaged(tmp_path: Path) -> None:
    """Each part and each field in turn: left out, or of another kind."""
    whole = json.loads((netc.compile("digits").save(tmp_path) / "manifest.json").read_text())
    path = tmp_path / "manifest.json"

    def refused(**changes: Any) -> str:
        path.write_text(json.dumps({**whole, **changes}))
        with pytest.raises(InputError) as e:
            ProgramFolder(tmp_path)
        assert e.value.help == "compile the spec again"
        return e.value.message.removeprefix(f"`{path}` is damaged: it has ")

    for part, fields in FIELDS.items():
        assert refused(**{part: None}) == f"no `{part}`"
        for name in fields:
            for spoil in (lambda row, name=name: row.pop(name), lambda row, name=name: row.update({name: 1.5})):
                changed = copy.deepcopy(whole[part])
                spoil(changed[-1] if isinstance(changed, list) else changed)
                assert refused(**{part: changed}) == f"no `{name}` in `{part}`"
    assert refused(inputs=[3]) == "no `name` in `inputs`"
    for file in ("../step.onnx", "", 3, "/etc/passwd"):
        assert refused(graphs={**whole["graphs"], "step": file}) == "no file name for `step` in `graphs`"
    path.write_text(json.dumps(whole))
    assert ProgramFolder(tmp_path).manifest == whole


# --- single files -----------------------------------------------------------------------------------------------------


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new" / "a.txt", b"one")
    write_atomically(tmp_path / "new" / "a.txt", b"two")
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"two"
    (tmp_path / "folder").mkdir()
    for place, said in (
        (tmp_path / "folder", f"`{tmp_path / 'folder'}` cannot be written: it is a folder"),
        (tmp_path / "new" / "a.txt" / "b.txt", f"`{tmp_path / 'new' / 'a.txt'}` is a file, where a folder is needed"),
        (
            tmp_path / "new" / "a.txt" / "c" / "b.txt",
            f"`{tmp_path / 'new' / 'a.txt'}` is a file, where a folder is needed",
        ),
    ):
        with pytest.raises(RunError) as e:
            write_atomically(place, b"three")
        assert e.value.message == said
    with pytest.raises(RunError, match="is a file, where a folder is needed"):
        make_folder(tmp_path / "new" / "a.txt")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.txt", "folder", "new"], "nothing is left behind"


def test_the_rights_of_a_file_are_its_owners_choice(tmp_path: Path) -> None:
    """New ones follow the umask, old ones stay as they are."""
    path = tmp_path / "a.txt"
    before = os.umask(0o077)
    try:
        write_atomically(path, b"one")
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o755)
        write_atomically(path, b"two")
        assert path.stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(before)


def test_a_checkpoint_is_compared_with_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    foreign = [({}, ""), ({"netc": "1"}, ""), ({"sha256": digest(W)}, ""), ({"notes": '{"n": 3}'}, "")]
    damaged = [
        ({"netc": "2"}, "has checkpoint format 2; this version reads 1"),
        ({"notes": "{3"}, "is damaged: its notes are no record"),
        ({"notes": "[3]"}, "is damaged: its notes are no record"),
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

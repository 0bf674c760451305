"""The command line as a person types it: exit codes, what is printed, what is left behind."""

from __future__ import annotations

import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from netc import models, running
from netc.display import Display
from netc.runtime.checkpoint import load_tensors
from netc.runtime.errors import InputError
from netc.started import Started


def netc(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netc.command_line", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which digits has been trained for two epochs."""
    folder = tmp_path_factory.mktemp("home")
    done = netc("run", "digits", "epochs=2", "hidden=32", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def imported(*arguments: str, cwd: Path) -> set[str]:
    """Every module that a command imports, as Python itself reports them."""
    command = [sys.executable, "-X", "importtime", "-m", "netc.command_line", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True, timeout=120)
    return {line.split("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


RUNNING = {"onnxruntime", "matplotlib", "tensorboardX", "safetensors", "PIL", "torch"}
GRAPHS = {*RUNNING, "onnx", "onnx_ir", "netc.runtime.trainer"}
EVERYTHING = {*GRAPHS, "numpy", "lark", "netc.compiler", "netc.grammar", "netc.runtime"}
DIGITS = str(models.path("digits"))
LIGHT = [  # (command, what it must not import, the most modules: about a third above what it imports)
    (["--help"], EVERYTHING, 200),
    (["run", "--help"], EVERYTHING, 350),
    (["check", DIGITS], {*GRAPHS, "netc.compiler.autodiff"}, 600),
    (["compile", DIGITS, "-o", "p"], RUNNING, 1500),
]


@pytest.mark.parametrize(("arguments", "heavy", "most"), LIGHT, ids=["help", "help of run", "check", "compile"])
def test_a_command_imports_only_what_it_needs(tmp_path: Path, arguments: list[str], heavy: set[str], most: int) -> None:
    """This is why it answers at once; `make bench` measures how long it takes."""
    found = imported(*arguments, cwd=tmp_path)
    assert "typer" in found
    assert not found & heavy
    assert len(found) < most


def test_run_tells_the_best_score_the_folder_and_what_comes_next(home: Path) -> None:
    done = netc("run", "digits", "epochs=2", cwd=home)
    assert done.returncode == 0
    assert done.stdout.startswith("digits: 8,970 parameters, 1,258 train, 269 val, 270 test rows, on cpu\n")
    assert "best val.loss" in done.stdout
    assert "run   runs/digits/" in done.stdout
    assert "next  netc eval runs/digits/" in done.stdout
    assert "\x1b" not in done.stdout, "plain lines where there is no terminal"
    plots = {p.name for p in (home / "runs/digits/latest/plots").iterdir()}
    assert plots == {"loss.png", "accuracy.png", "confusion_accuracy.png"}


def test_eval_predict_and_export_use_the_run(home: Path) -> None:
    done = netc("eval", "runs/digits/1", cwd=home)
    assert "test: 270 rows" in done.stdout
    data = models.path("digits").parent / "data/digits.csv.gz"  # type: ignore[union-attr]
    assert "1,797 rows" in netc("eval", "runs/digits/1", "--data", str(data), cwd=home).stdout
    done = netc("predict", "runs/digits/1", str(data), "-o", "p.npz", cwd=home)
    assert done.returncode == 0, done.stderr
    assert np.load(home / "p.npz")["probability"].shape == (1797, 10)
    assert netc("predict", "runs/digits/1", str(data), "-o", "p.csv", cwd=home).returncode == 0
    rows = list(csv.DictReader((home / "p.csv").open()))
    assert len(rows) == 1797
    assert sum(float(v) for v in rows[0].values()) == pytest.approx(1, abs=1e-5)
    assert netc("export", "runs/digits/1", "-o", "m.onnx", cwd=home).returncode == 0
    model = onnx.load(home / "m.onnx")
    assert [i.name for i in model.graph.input] == ["image"]
    again = netc("export", "runs/digits/1", "-o", "m.onnx", cwd=home)
    assert again.returncode == 2
    assert "`m.onnx` exists" in again.stderr
    assert netc("export", "runs/digits/1", "-o", "m.onnx", "--overwrite", cwd=home).returncode == 0


def test_a_run_goes_on_without_being_told_its_spec_its_data_or_its_changes(home: Path) -> None:
    rows = (models.path("digits").parent / "data/digits.csv.gz").read_bytes()  # type: ignore[union-attr]
    (home / "my digits.csv.gz").write_bytes(rows)
    spec = Path(str(models.path("digits"))).read_text().split("data {")[0]
    (home / "own.net").write_text(spec + 'data { source = csv("none.csv", image = "p0".."p63", digit = "label") }')
    done = netc("run", "own.net", "hidden=8", "epochs=1", "--data", "my digits.csv.gz", "--out", "my runs", cwd=home)
    assert done.returncode == 0, done.stderr
    following = shlex.split(done.stdout.splitlines()[-1].removeprefix("next"))
    assert following == ["netc", "eval", "my runs/own/1"]
    (home / "own.net").unlink()
    assert "1,797 rows" in netc(*following[1:], "--split", "train", cwd=home).stdout
    done = netc("run", "epochs=2", "--resume", "my runs/own/1", cwd=home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("digits: 682 parameters, 1,797 train rows")
    history = list(csv.DictReader((home / "my runs/own/1/metrics.csv").open()))
    assert [row["epoch"] for row in history] == ["1", "2"]
    assert netc("run", "hidden=9", "--resume", "my runs/own/1", cwd=home).returncode == 2


def test_a_run_begins_with_the_weights_of_another(home: Path) -> None:
    run = ["run", "digits", "hidden=32", "epochs=0", "-q"]
    done = netc(*run, "--weights", "runs/digits/1", "--out", "next", cwd=home)
    assert done.returncode == 0, done.stderr
    a, b = (
        load_tensors(home / f)[0]
        for f in ("runs/digits/1/weights/best.safetensors", "next/digits/1/weights/last.safetensors")
    )
    assert a.keys() == b.keys()
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name])
    other = netc("run", "digits", "hidden=16", "--weights", "runs/digits/1", cwd=home)
    assert other.returncode == 2
    assert "`h.dense_1.weight` has shape [64, 32] in `runs/digits/1`, and [64, 16] in this net" in other.stderr
    for changes, said in WEIGHTS:
        wrong = netc(*run, *changes, cwd=home)
        assert wrong.returncode == 2
        assert said in wrong.stderr


WEIGHTS = [
    (["--weights", "runs/digits"], "`runs/digits` is no run folder"),
    (["--weights", "w.safetensors"], "there is no file `w.safetensors`"),
    (["--weights", "runs/digits/1", "--resume", "runs/digits/1"], "a resumed run has weights already"),
]


def test_the_last_weights_are_scored_too(tmp_path: Path) -> None:
    """The rate is so large that the second epoch is worse than the first."""
    run = ["run", "digits", "epochs=3", "rate=step(0.01, every = 40, factor = 60)", "-q"]
    assert netc(*run, cwd=tmp_path).returncode == 0
    best, last = (netc("eval", "runs/digits/1", "--weights", w, cwd=tmp_path).stdout for w in ("best", "last"))
    loss = [float(text.splitlines()[1].split()[1]) for text in (best, last)]
    assert loss[0] < loss[1]
    assert netc("eval", "runs/digits/1", cwd=tmp_path).stdout == best
    wrong = netc("eval", "runs/digits/1", "--weights", "first", cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr) == (
        2, "error: there are no weights `first`\n  = help: choose `best` or `last`\n"
    )  # fmt: skip


def test_a_folder_that_does_not_say_how_it_was_started_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r/program").mkdir(parents=True)
    (tmp_path / "r/state").mkdir()
    for file in ("r/resolved.net", "r/state/last.safetensors"):
        (tmp_path / file).write_text("")
    assert "`r/run.json` is missing or damaged" in netc("run", "--resume", "r", cwd=tmp_path).stderr


STARTED = {"spec": "n.net", "folder": ".", "changes": [], "data": None}
WRONG_STARTS = [
    ("spec", 1),
    ("folder", None),
    ("changes", None),
    ("changes", [1]),
    ("changes", "epochs=1"),
    ("data", []),
    ("more", 1),
]


@pytest.mark.parametrize(("field", "value"), WRONG_STARTS)
def test_a_start_that_is_damaged(tmp_path: Path, field: str, value: object) -> None:
    (tmp_path / "program").mkdir()
    (tmp_path / "run.json").write_text(json.dumps(STARTED))
    assert Started.of(tmp_path) == Started("n.net", ".", [], None)
    (tmp_path / "run.json").write_text(json.dumps({**STARTED, field: value}))
    with pytest.raises(InputError, match="is missing or damaged"):
        Started.of(tmp_path)


def test_notices_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Display().notice("`c` is text: 0 a\x1b[31mred\u202e,\n1 b")
    assert capsys.readouterr().err == "`c` is text: 0 a\\u{1b}[31mred\\u{202e},\n1 b\n"


def test_init_copies_a_spec_with_its_data_or_writes_a_starter(tmp_path: Path) -> None:
    assert netc("init", "digits", cwd=tmp_path).returncode == 0
    assert (tmp_path / "data/digits.csv.gz").is_file()
    assert "8,970 parameters" in netc("check", "digits.net", cwd=tmp_path).stdout
    assert netc("init", "mine", cwd=tmp_path).returncode == 0
    done = netc("run", "mine.net", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split("accuracy")[-1].split()[0]) > 0.9
    assert netc("fmt", "--check", "mine.net", "digits.net", cwd=tmp_path).returncode == 0
    assert netc("init", "mine", cwd=tmp_path).returncode == 2
    assert netc("init", "../evil", cwd=tmp_path).returncode == 2


def test_fmt_rewrites_and_checks(tmp_path: Path) -> None:
    (tmp_path / "a.net").write_text("net a{input x:f32[N,2]\nloss=mean(x->Dense(1)) }")
    assert netc("fmt", "--check", "a.net", cwd=tmp_path).returncode == 1
    assert netc("fmt", "a.net", cwd=tmp_path).returncode == 0
    assert (tmp_path / "a.net").read_text() == "net a {\n  input  x: f32[N, 2]\n  loss = mean(x -> Dense(1))\n}\n"


def test_compile_show_and_plan(tmp_path: Path) -> None:
    done = netc("compile", "softmax", "--with", "grad", "--verify", "-o", "p", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p/grad.onnx").is_file()
    assert "flowchart TD" in netc("show", "softmax", cwd=tmp_path).stdout
    assert netc("show", "softmax", "--as", "dot", cwd=tmp_path).stdout.startswith("digraph")
    for stage, words in (
        ("ast", "Bind"),
        ("typed", "softmax_cross_entropy"),
        ("forward", "MatMul"),
        ("grad", "grad/logits"),
        ("step", ".next"),
    ):
        assert words in netc("compile", "softmax", "--emit", stage, cwd=tmp_path).stdout, stage
    assert "FLOPs" in netc("plan", "softmax", "--batch", "7", cwd=tmp_path).stdout
    assert "onnxruntime" in netc("doctor", cwd=tmp_path).stdout


UNUSABLE = [  # a command, its exit code, and what it says
    (["plan", "softmax", "--batch", "0"], 2, "`batch` must be at least 1, not 0"),
    (["plan", "softmax", "--batch", "-1"], 2, "`batch` must be at least 1, not -1"),
    (["plan", "softmax", "--batch", str(10**30)], 2, "`batch` must fit a 32-bit integer"),
    (["check", "softmax", "train.epochs=10^12"], 2, "`epochs` must fit a 32-bit integer"),
    (["check", "softmax", "steps=2^31"], 2, "`steps` must fit a 32-bit integer"),
    (["compile", "softmax", "-o", "file"], 1, "error: `file` cannot be used: File exists"),
    (["compile", "softmax", "-o", "file/p"], 1, "cannot be used: Not a directory"),
    (["compile", "softmax", "-o", "a" * 300], 1, "cannot be used: File name too long"),
    (["check", "a" * 300 + ".net"], 2, "cannot be read: File name too long"),
]


@pytest.mark.parametrize(("command", "code", "message"), UNUSABLE)
def test_numbers_and_places_that_cannot_be_used(tmp_path: Path, command: list[str], code: int, message: str) -> None:
    (tmp_path / "file").write_text("")
    done = netc(*command, cwd=tmp_path)
    assert (done.returncode, message in done.stderr, "bug" in done.stderr) == (code, True, False), done.stderr


def test_more_steps_than_the_counter_holds_are_refused(tmp_path: Path) -> None:
    done = netc("run", "softmax", "epochs=2147483647", cwd=tmp_path)
    assert (done.returncode, "steps that a counter of 32 bits holds" in done.stderr) == (2, True), done.stderr


def test_grad_differentiates_an_exported_model(home: Path) -> None:
    assert netc("export", "runs/digits/1", "-o", "g.onnx", "--overwrite", cwd=home).returncode == 0
    done = netc("grad", "g.onnx", "-o", "d.onnx", cwd=home)
    assert done.stdout == "d.onnx: grad/probability -> grad/image\n", done.stderr
    model = onnx.load(home / "d.onnx")
    assert [i.name for i in model.graph.input] == ["image", "grad/probability"]
    assert netc("grad", "nosuch.onnx", cwd=home).returncode == 2


def test_weights_that_no_protobuf_file_can_hold_go_to_a_file_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = np.arange(2400, dtype=np.float32).reshape(48, 50)
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["": 18]>
        g (float[N, 48] x) => (float[N, 50] y) <float[48, 50] w = {0}> { y = MatMul(x, w) }""")
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights, "w"))
    onnx.save(model, tmp_path / "m.onnx")
    monkeypatch.setattr(running, "MAX_PROTOBUF", 1000)
    running.grad_command(tmp_path / "m.onnx", tmp_path / "d.onnx", None, None, False, False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d.onnx", "d.onnx.data", "m.onnx"]
    session = ort.InferenceSession(tmp_path / "d.onnx", providers=["CPUExecutionProvider"])
    dy = np.eye(50, dtype=np.float32)
    feeds = {"x": np.zeros((50, 48), np.float32), "grad/y": dy}
    np.testing.assert_array_equal(session.run(["grad/x"], feeds)[0], weights.T)


WRONG = [
    (["run", "nosuch"], "there is no file `nosuch`"),
    (["run", "digit"], "did you mean `digits`"),
    (["check", "digits", "hiden=3"], "did you mean `hidden`"),
    (["check", "digits", "hidden=0"], "at least 1"),
    (["run", "digits", "--device", "tpu"], "there is no device `tpu`"),
    (["run", "digits", "--data", "nosuch.csv"], "there is no data file"),
    (["run", "siamese"], "has no data block"),
    (["eval", "runs/none"], "is no run folder"),
    (["compile", "digits", "--emit", "tokens"], "there is no stage"),
    (["compile", "digits", "--with", "grads"], "there is no graph"),
    (["frobnicate"], "No such command"),
    (["my net.net"], "a spec is trained by `netc run 'my net.net'`"),
    (["run"], "there is no spec to run"),
    (["run", "digits", "--epochs", "3"], "hyperparameters are written without dashes: `epochs=value`"),
    (["run", "digits", "--threads", "x"], "`netc run --help` shows how it is written"),
    (["run", "digits", "--device"], "Option '--device' requires an argument"),
    (["eval"], "`netc eval --help` shows how it is written"),
    (["frobnicate"], "`netc --help` lists the commands"),
    (["eval", "runs/none", "--data", "d.csv", "--split", "val"], "give one of them"),
    (["run", "digits", "epochs", "=", "3"], "write `name=value`, without blanks"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=lambda a: " ".join(a) if isinstance(a, list) else "")
def test_wrong_input_exits_with_2_and_one_message(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = netc(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_a_folder_that_cannot_be_written_is_a_failed_run(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file in the way")
    done = netc("run", "digits", "epochs=1", cwd=tmp_path)
    assert done.returncode == 1
    assert "no run folder can be made" in done.stderr


@pytest.mark.parametrize("command", ["show digits --as step", "--help", "check digits"])
def test_a_closed_pipe_is_no_traceback(tmp_path: Path, command: str) -> None:
    line = f"{sys.executable} -m netc.command_line {command} | true"
    done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_a_range_means_the_columns_of_the_training_in_a_file_of_another_order(tmp_path: Path) -> None:
    (tmp_path / "n.net").write_text("""net n {
  input x: f32[N, 3]
  target t: f32[N, 1]
  y = x -> Dense(1)
  loss = mean_squared_error(y, t)
  output y
}
data { source = csv("d.csv", x = "a".."c", t = "t") }
train { epochs = 1 }
""")
    (tmp_path / "d.csv").write_text("a,b,c,t\n1,2,3,0\n3,1,2,1\n")
    (tmp_path / "e.csv").write_text("c,t,b,a\n3,0,2,1\n2,1,1,3\n")
    assert netc("run", "n.net", cwd=tmp_path).returncode == 0
    shown = []
    for file in ("d.csv", "e.csv"):
        done = netc("predict", "runs/n/1", file, "-o", "p.csv", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        shown.append(
            ((tmp_path / "p.csv").read_text(), netc("eval", "runs/n/1", "--data", file, cwd=tmp_path).stdout[5:])
        )
    assert shown[0] == shown[1]

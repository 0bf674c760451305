"""What a shell can do to a command: closed streams, narrow encodings, names that need quotes, a signal at any time."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from netc.streams import open_streams

NETC = f"{shlex.quote(sys.executable)} -m netc.command_line"
SPEC = """net n {
  input x: f32[N, 2]
  y = x -> Dense(1)
  loss = mean(y^2)
  output y
}
data { source = csv("d.csv", x = ("a", "b")) }
train { epochs = 1 }
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "n.net").write_text(SPEC)
    (tmp_path / "bad.net").write_text("net")
    (tmp_path / "d.csv").write_text("a,b\n1,2\n3,4\n")
    return tmp_path


def shell(line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line.replace("netc", NETC, 1)], cwd=cwd, env={**os.environ, **environment}, capture_output=True,
        text=True, check=False, timeout=120,
    )  # fmt: skip


CLOSED = [  # (command, its exit code, what is said on the streams that are open)
    ("netc check n.net >&-", 0, ""),
    ("netc check n.net 2>&-", 0, "n: 3 parameters"),
    ("netc check n.net <&- >&- 2>&-", 0, ""),
    ("netc check bad.net 2>&-", 2, ""),
    ("netc check bad.net >&-", 2, "error[syntax]"),
    ("netc run n.net --no-plots >&- 2>&-", 0, ""),
    ("netc --help >&-", 0, ""),
]


@pytest.mark.parametrize(("line", "code", "said"), CLOSED)
def test_closed_streams(home: Path, line: str, code: int, said: str) -> None:
    done = shell(line, home)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert said in done.stdout + done.stderr
    if "run" in line:
        assert (home / "runs" / "n" / "1" / ".lock").read_bytes() == b"", "no file of ours became an output"


def test_streams_that_are_open_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.stdout, sys.stderr, len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    open_streams()
    assert before[:2] == (sys.stdout, sys.stderr)
    if before[2]:
        assert len(os.listdir("/proc/self/fd")) == before[2]


def test_an_encoding_that_lacks_a_letter(home: Path) -> None:
    (home / "n.net").rename(home / "ünï.net")
    done = shell("netc run ünï.net --no-plots", home, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "run   runs/\\xfcn\\xef/1\n" in done.stdout


@pytest.mark.parametrize("name", ["with space", "it's", "$HOME;"])
def test_the_next_command_can_be_pasted(home: Path, name: str) -> None:
    (home / "n.net").rename(home / f"{name}.net")
    done = shell(f"netc run {shlex.quote(name + '.net')} --no-plots", home)
    (following,) = [line.removeprefix("next  ") for line in done.stdout.splitlines() if line.startswith("next")]
    again = shell(following, home)
    assert again.returncode == 0, again.stderr
    assert "loss" in again.stdout


def test_a_spec_without_a_name(home: Path) -> None:
    done = shell("netc check ''", home)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error[no-such-file]: the name of the spec is empty")


def test_what_is_there_already_is_left_and_named(home: Path) -> None:
    (home / "data").mkdir()
    (home / "data" / "digits.csv.gz").write_text("mine")
    done = shell("netc init digits", home)
    assert done.stdout == "digits.net: copied from the zoo\nleft as it is: data/digits.csv.gz\n"
    assert (home / "data" / "digits.csv.gz").read_text() == "mine"


@pytest.mark.parametrize("module", ["typer", "netc.inspecting", "netc.compiler.front"])
def test_ctrl_c_while_modules_are_imported_is_no_traceback(home: Path, module: str) -> None:
    """The signal comes when a module is looked for: before the command line, and inside of it."""
    (home / "interrupted.py").write_text(f"""
import signal, sys

class Finder:
    def find_spec(self, name, *rest):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Finder())
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["netc", "check", "n.net"]
from netc.entry import main
main()
""")
    done = subprocess.run([sys.executable, "interrupted.py"], cwd=home, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


REFUSED = [  # (what lies there, the command, its exit code, the first line of what it says)
    ("", "netc predict runs/n/1 d.csv -o d.csv", 2, "error: `d.csv` is what is read here, and would be lost"),
    ("", "netc predict runs/n/1 d.csv -o ./d.csv", 2, "error: `d.csv` is what is read here, and would be lost"),
    ("", "netc grad runs/n/1/export/model.onnx -o runs/n/latest/export/model.onnx", 2,
        "error: `runs/n/latest/export/model.onnx` is what is read here, and would be lost"),
    ("mkdir a.csv", "netc predict runs/n/1 d.csv -o a.csv", 1, "error: `a.csv` cannot be written: it is a folder"),
    ("", "netc predict runs/n/1 d.csv -o d.csv/a.csv", 1, "error: `d.csv` is a file, where a folder is needed"),
    ("", "netc predict runs/n/7 d.csv -o a.txt", 2, "error: `a.txt` is of no known format"),
    ("", "netc export runs/n/1 -o .", 2, "error: `.` is a folder"),
    ("", "netc grad .", 2, "error: `.` is no file of a model"),
    ("", "netc grad runs/n/1/export/model.onnx -o ''", 1, "error: `.` cannot be written: it is a folder"),
    ("rm runs/n/1/program/init.onnx", "netc eval runs/n/1", 2,
        "error: the program in `runs/n/1/program` has no init.onnx"),
    ("echo > runs/n/1/program/eval.onnx", "netc eval runs/n/1", 1, "error: ONNX Runtime refuses `eval.onnx`: "),
    ("echo '[]' > runs/n/1/program/manifest.json", "netc eval runs/n/1", 2,
        "error: `runs/n/1/program/manifest.json` is damaged: it is no record of a program"),
    ("rm -r runs/n/1/program", "netc eval runs/n/1", 2, "error: the run `runs/n/1` lacks `program/manifest.json`"),
    ("", "netc run n.net --changed", 2, "error: `changed` is said of a run that is resumed"),
    ("", "netc eval runs/n/7", 2, "error: `runs/n/7` is no run folder: there is nothing of that name"),
    ("", "netc run n.net --resume nothere", 2, "error: `nothere` is no run folder: there is nothing of that name"),
    ("", "netc run n.net --threads -1", 2, "error: `threads` must lie in 0..256, not -1"),
    ("", "MPLBACKEND=none netc run n.net", 0, "warning: plots cannot be drawn: Key backend: 'none' is not a valid value"),
    ("", "mkdir gone; cd gone; rmdir ../gone; netc check softmax", 1,
        "error: the folder you are in is gone: No such file or directory"),
    ("", "netc check n.net > /dev/full", 1, "error: output cannot be written: No space left on device"),
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of the spec."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "n.net").write_text(SPEC)
    (folder / "d.csv").write_text("a,b\n1,2\n3,4\n")
    assert shell("netc run n.net --no-plots", folder).returncode == 0
    return folder


@pytest.mark.parametrize(("before", "line", "code", "said"), REFUSED, ids=[line for _, line, _, _ in REFUSED])
def test_what_is_refused(trained: Path, tmp_path: Path, before: str, line: str, code: int, said: str) -> None:
    home = tmp_path / "home"
    shutil.copytree(trained, home, symlinks=True)
    subprocess.run(["bash", "-c", before], cwd=home, check=True)
    done = shell(line, home)
    assert (done.returncode, done.stderr.splitlines()[0][: len(said)]) == (code, said)
    assert "Traceback" not in done.stderr
    assert (home / "d.csv").read_text() == "a,b\n1,2\n3,4\n"


def test_formatting_changes_all_files_or_none_and_keeps_links_and_rights(home: Path) -> None:
    ugly = "net a{input x:f32[N,2]\nloss=mean(x->Dense(1)) }"
    (home / "real.net").write_text(ugly)
    (home / "real.net").chmod(0o755)
    (home / "link.net").symlink_to("real.net")
    done = shell("netc fmt real.net bad.net", home)
    assert (done.returncode, (home / "real.net").read_text()) == (2, ugly)
    done = shell("netc fmt link.net", home)
    assert (done.returncode, done.stdout) == (0, "link.net: reformatted\n")
    assert (home / "link.net").is_symlink()
    assert (home / "real.net").read_text().startswith("net a {\n")
    assert (home / "real.net").stat().st_mode & 0o777 == 0o755


def test_compile_names_what_it_wrote_and_nothing_else(home: Path) -> None:
    done = shell("netc compile n.net -o . --with rate", home)
    names = "eval.onnx, infer.onnx, init.onnx, manifest.json, rate.onnx, score.onnx, step.onnx"
    assert (done.returncode, done.stdout) == (0, f".: {names}\n")


def test_a_table_has_no_place_for_what_has_no_rows(home: Path) -> None:
    """Also where a weight has as many rows as the data by chance."""
    (home / "n.net").write_text(SPEC.replace("y = x -> Dense(1)", "d = Dense(1)\n  y = x -> d\n  output w = d.weight"))
    assert shell("netc run n.net --no-plots", home).returncode == 0
    done = shell("netc predict runs/n/1 d.csv -o p.csv", home)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: `w` has shape [2, 1], no row for each row")
    assert shell("netc predict runs/n/1 d.csv -o p.npz", home).stdout == "p.npz: w [2, 1], y [2, 1]\n"


def test_scores_on_data_that_has_changed_are_told_so(home: Path) -> None:
    """Rows that are drawn anew may be rows that were trained on."""
    spec = SPEC.replace('("a", "b"))', '("a", "b")); split = random(train = 0.5, val = 0.5)')
    (home / "n.net").write_text(spec)
    assert shell("netc run n.net --no-plots", home).returncode == 0
    for weights in ("best", "last"):
        assert shell(f"netc eval runs/n/1 --weights {weights}", home).stderr == ""
    with (home / "d.csv").open("a") as f:
        f.write("5,6\n7,8\n")
    done = shell("netc eval runs/n/1", home)
    assert done.stderr.startswith("warning: the data has changed since the run")
    assert done.stdout.startswith("val: 2 rows\n")
    done = shell("netc eval runs/n/1 --data d.csv", home)
    assert (done.stderr, done.stdout.splitlines()[0]) == ("", "d.csv: 4 rows")
    (home / "one.csv").write_text("a,b\n1,2\n")
    assert shell("netc eval runs/n/1 --data one.csv", home).stdout.startswith("one.csv: 1 row\n")

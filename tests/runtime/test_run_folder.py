"""Run folders: their numbers, their link, their lock, their tables; and what happens when the ground moves under them."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc import InputError, RunError
from netc.runs import existing_run
from netc.runtime.checkpoint import load_tensors, save_tensors
from netc.runtime.events import Events
from netc.runtime.journal import Journal
from netc.runtime.progress import Reporter
from netc.runtime.run_folder import RunFolder

SPEC = """net n {
  input x: f32[N, 2]
  y = x -> Dense(1)
  loss = mean(y^2)
  output y
}
train { optimizer = sgd(rate = 0.01); batch = 4; epochs = 4 }"""
DATA = {"x": np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)}
STATE = Path("state") / "last.safetensors"


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


# --- numbers and the link ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "following"),
    [
        ([], "1"),
        (["2", "10", "seven"], "11"),
        (["²", "-1", "007", "٣", "1.5", " 4", "0"], "1"),
        (["²", "3", "007"], "4"),
        (["9" * 200], "1"),
    ],
)
def test_runs_are_numbered_whatever_else_lies_there(tmp_path: Path, there: list[str], following: str) -> None:
    for name in there:
        (tmp_path / "n" / name).mkdir(parents=True)
    first, second = RunFolder.create(tmp_path, "n"), RunFolder.create(tmp_path, "n")
    assert (first.path.name, second.path.name) == (following, str(int(following) + 1))
    assert (tmp_path / "n" / "latest").resolve() == second.path
    assert first.notices == second.notices == []
    assert not list((tmp_path / "n").glob(".latest*"))


def test_a_number_that_another_process_took_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for taken in ("1", "2"):
        (tmp_path / "n" / taken).mkdir(parents=True)
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(()))
    assert RunFolder.create(tmp_path, "n").path.name == "3"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_called_latest_and_is_no_link_is_left_alone(tmp_path: Path, kind: str) -> None:
    latest = tmp_path / "n" / "latest"
    if kind == "folder":
        (latest / "mine").mkdir(parents=True)
    else:
        latest.parent.mkdir()
        latest.write_text("mine")
    made = RunFolder.create(tmp_path, "n")
    assert made.notices == [f"`{latest}` is no link, so it is left alone and does not lead to this run"]
    assert (latest / "mine").is_dir() if kind == "folder" else latest.read_text() == "mine"
    assert sorted(p.name for p in latest.parent.iterdir()) == ["1", "latest"]


def test_a_link_that_leads_nowhere_is_replaced(tmp_path: Path) -> None:
    latest = tmp_path / "n" / "latest"
    latest.parent.mkdir()
    latest.symlink_to("17")
    made = RunFolder.create(tmp_path, "n")
    assert (latest.resolve(), made.notices) == (made.path, [])


def test_a_file_system_without_symbolic_links_keeps_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "symlink", failing(errno.EPERM))
    said: list[str] = []
    reporter = Reporter()
    reporter.notice = said.append  # type: ignore[method-assign]
    result = netc.run(SPEC, data=DATA, device="cpu", folder=tmp_path, plots=False, reporter=reporter)
    assert result.folder == tmp_path / "n" / "1"
    assert said == [f"`{tmp_path / 'n' / 'latest'}` cannot be made to lead to this run: Operation not permitted"]
    assert sorted(p.name for p in (tmp_path / "n").iterdir()) == ["1"]


def test_a_run_that_is_named_by_its_link_stays_that_run(tmp_path: Path) -> None:
    """Also when the link leads to another one while it goes on."""
    first = RunFolder.create(tmp_path, "n")
    first.close()
    again = RunFolder(tmp_path / "n" / "latest").open()
    RunFolder.create(tmp_path, "n")
    again.log(1, 5, {})
    assert again.path == first.path


@pytest.mark.parametrize(("runs", "place"), [("file", "file"), ("file/deeper", "file"), (".", "n")])
def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path, runs: str, place: str) -> None:
    (tmp_path / place).write_text("")
    with pytest.raises(RunError) as e:
        RunFolder.create(tmp_path / runs, "n")
    assert (
        e.value.message == f"no run folder can be made under `{tmp_path / runs / 'n'}`: `{tmp_path / place}` is a file"
    )
    assert e.value.help == "choose another `--out`"


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "mkdir", failing(errno.EROFS))
    with pytest.raises(RunError, match=r"no run folder can be made under `.*`: Read-only file system") as e:
        RunFolder.create(tmp_path / "runs", "n")
    assert (e.value.exit_code, e.value.help) == (1, "choose another `--out`")


# --- the lock ---------------------------------------------------------------------------------------------------------

RACER = """
import os, sys, time
from pathlib import Path
from netc.runtime.lock import Lock

folder, ready, taken, both = Path(sys.argv[1]), sys.stdin.read(1), 0, 0
while taken < 150:
    try:
        lock = Lock(folder / ".lock")
    except BlockingIOError:
        continue
    taken += 1
    try:  # a file that exists while somebody believes to hold the lock
        os.close(os.open(folder / "held", os.O_CREAT | os.O_EXCL))
        os.sched_yield()
        os.unlink(folder / "held")
    except OSError:
        both += 1
    if taken % 10 == 0 and len(sys.argv) > 2:
        (folder / ".lock").unlink()  # as somebody may who wants to be helpful
    lock.release()
print(taken, both)
"""


@pytest.mark.parametrize("removing", [False, True])
def test_a_lock_has_one_holder_however_many_want_it(tmp_path: Path, removing: bool) -> None:
    command = [sys.executable, "-c", RACER, str(tmp_path), *(["remove"] if removing else [])]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("g")
        racer.stdin.flush()
    assert [racer.communicate(timeout=60)[0].split() for racer in racers] == [["150", "0"]] * 3


def test_two_processes_cannot_share_a_run_folder(tmp_path: Path) -> None:
    first = RunFolder.create(tmp_path, "x")
    with pytest.raises(InputError, match="another process is using") as e:
        RunFolder(first.path).open()
    assert (e.value.exit_code, e.value.help) == (2, "wait for it, or start a new run")
    first.close()
    first.close()
    RunFolder(first.path).open().close()


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    with pytest.raises(RunError, match=r"\.lock` cannot be locked: No locks available"):
        RunFolder(tmp_path).open()
    monkeypatch.undo()
    with pytest.raises(RunError, match=r"\.lock` cannot be locked: No such file or directory"):
        RunFolder(tmp_path / "none").open()


# --- a folder that goes away ------------------------------------------------------------------------------------------


class Meddling(Reporter):
    """Does something to the run folder in a step of a training, as another program would."""

    def __init__(self, at: int, what: Callable[[], Any]):
        self.at, self.what = at, what

    def step(self, epoch: int, step: int, loss: float) -> None:
        if step == self.at:
            self.what()


def replaced(run: Path, elsewhere: Path) -> None:
    run.rename(elsewhere)
    shutil.copytree(elsewhere, run)


GONE: dict[str, Callable[[Path, Path], Any]] = {
    "moved": lambda run, elsewhere: run.rename(elsewhere),
    "moved with its parent": lambda run, elsewhere: run.parent.rename(elsewhere),
    "deleted": lambda run, elsewhere: shutil.rmtree(run),
    "replaced by a copy": replaced,
    "in the place of a file": lambda run, elsewhere: (shutil.rmtree(run), run.write_text("")),
    "without its lock": lambda run, elsewhere: (run / ".lock").unlink(),
}


@pytest.mark.parametrize("watch", [False, True])
@pytest.mark.parametrize("what", GONE)
def test_a_run_whose_folder_is_gone_stops_and_makes_nothing_anew(tmp_path: Path, what: str, watch: bool) -> None:
    run, elsewhere = tmp_path / "runs" / "n" / "1", tmp_path / "elsewhere"
    before: list[Path] = []

    def meddle() -> None:
        GONE[what](run, elsewhere)
        before.extend(sorted(tmp_path.rglob("*")))

    with pytest.raises(RunError) as e:  # three steps to an epoch
        netc.run(SPEC, data=DATA, device="cpu", folder=tmp_path / "runs", reporter=Meddling(5, meddle), watch=watch)
    assert f"`{run}` was moved or deleted while the training was writing to it" in e.value.message
    assert "what was trained since its last checkpoint, of step 3, is lost" in e.value.message
    assert "`--resume` goes on from that checkpoint" in e.value.help
    assert e.value.exit_code == 1
    assert sorted(tmp_path.rglob("*")) == before
    if what == "moved":
        result = netc.run(SPEC, data=DATA, device="cpu", resume=elsewhere, plots=False)
        assert [row["step"] for row in result.history] == [3, 6, 9, 12]


# --- tables -----------------------------------------------------------------------------------------------------------


def test_metrics_are_a_table_that_later_runs_go_on_with(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "n")
    assert folder.rewind(0) == ([], [])
    folder.log(1, 5, {"train.loss": 1 / 3, "val.loss": 2.0})
    folder.log(2, 10, {"train.loss": 1e-12, "val.loss": 123456789.5})
    folder.log(3, 15, {"train.loss": 7, "val.loss": 7})
    for step in (0, 5, 10):
        folder.watch(step, {"a,b": step / 3})
    folder.close()
    again = RunFolder(folder.path).open()
    history, watched = again.rewind(10)  # the checkpoint was not written any more that counts the third row
    assert [row["train.loss"] for row in history] == [0.333333333, 1e-12]
    assert [row["step"] for row in watched] == [0, 5]
    again.log(2**31 - 2, 2**31 - 2, {"train.loss": 0.25, "val.loss": float("nan")})
    again.close()
    assert (folder.path / "metrics.csv").read_text().splitlines() == [
        "epoch,step,train.loss,val.loss", "1,5,0.333333333,2", "2,10,1e-12,123456790", "2147483646,2147483646,0.25,nan",
    ]  # fmt: skip
    assert (folder.path / "watch.csv").read_text().splitlines() == ['step,"a,b"', "0,0", "5,1.66666667"]


def test_a_table_takes_new_names_and_leaves_cells_empty(tmp_path: Path) -> None:
    table = Journal(tmp_path / "t.csv")
    table.add({"step": 1, "a": 2.0})
    table.add({"step": 2, "b": 3.0})
    table.add({"b": 4.0, "step": 3})
    assert table.path.read_text() == "step,a,b\n1,2,\n2,,3\n3,,4\n"
    assert Journal(table.path).rows() == [{"step": 1, "a": 2}, {"step": 2, "b": 3}, {"step": 3, "b": 4}]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", []),
        ("step,a\n", []),
        ("step,a\r\n1,2\r\n", [{"step": 1, "a": 2}]),
        ("step,a\n1,2\n2,3", [{"step": 1, "a": 2}]),  # cut off: it may have been 3.5
        ("step,a\n1,2\n2", [{"step": 1, "a": 2}]),
    ],
)
def test_a_table_that_was_cut_off_goes_on_behind_its_last_whole_line(
    tmp_path: Path, text: str, rows: list[dict[str, float]]
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    table = Journal(path)
    assert table.keep(lambda row: True) == rows
    table.add({"step": 9, "a": 9.0})
    assert Journal(path).rows() == [*rows, {"step": 9, "a": 9}]


@pytest.mark.parametrize("line", ["x,2", "1,2,3", "1"])
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "t.csv").write_text(f"step,a\n1,2\n{line}\n2,2\n")
    with pytest.raises(InputError, match=r"t.csv`, line 3 is no row of numbers under the 2 names of its head"):
        Journal(tmp_path / "t.csv").rows()


def test_a_table_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(RunError, match=r"t\.csv` cannot be read: Is a directory"):
        Journal(tmp_path / "t.csv").add({"a": 1})
    (tmp_path / "u.csv").write_bytes(b"\xff\n")
    with pytest.raises(RunError, match=r"u\.csv` cannot be read"):
        Journal(tmp_path / "u.csv").rows()


def events(folder: Path) -> list[tuple[int, str, float]]:
    """(step, name, value) of every event in the one file of a folder."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.glob("events.out.tfevents*")
    content, found = path.read_bytes(), []
    while content:
        (size,) = struct.unpack("Q", content[:8])
        event = Event.FromString(content[12 : 12 + size])
        found += [(event.step, v.tag, v.simple_value) for v in event.summary.value]
        content = content[16 + size :]
    return found


def test_events_hold_the_same_numbers_at_once(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "n")
    folder.log(1, 5, {"train.loss": 0.5, "val.loss": 2.0})
    folder.watch(7, {"a": 3.0})
    assert events(folder.path) == [(5, "train.loss", 0.5), (5, "val.loss", 2.0), (7, "watch/a", 3.0)]


@pytest.mark.parametrize("name", ["s3:", "gs:"])
def test_events_go_to_the_folder_whatever_its_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    made = Events(Path(name))
    made.add(1, {"a": 1.0})
    made.close()
    assert events(tmp_path / name) == [(1, "a", 1.0)]


def test_what_decides_the_last_bits_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder.create(tmp_path, "n")
    monkeypatch.setattr("sys.argv", ["netc", "run", "digits"])
    folder.write_environment("cpu")
    found = json.loads((folder.path / "env.json").read_text())
    assert sorted(found) == ["command", "cores", "device", "machine", "numpy", "onnxruntime", "platform", "python"]
    assert (found["device"], found["numpy"], found["cores"]) == ("cpu", np.__version__, os.cpu_count())
    assert found["command"] == ["run", "digits"]


# --- checkpoints on hostile ground ------------------------------------------------------------------------------------

W = {"w": np.arange(6, dtype=np.float32)}


def test_a_file_system_without_hard_links_keeps_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    for n in range(3):
        save_tensors(tmp_path / "c", W, {"n": n})
    assert load_tensors(tmp_path / "c")[1] == {"n": 2}
    assert load_tensors(tmp_path / "c.previous")[1] == {"n": 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c", "c.previous"]


@pytest.mark.parametrize("place", ["fsync", "replace"])
def test_on_a_full_disk_what_was_there_stays_whole(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c"
    save_tensors(path, W, {"n": 0})
    save_tensors(path, W, {"n": 1})
    monkeypatch.setattr(os, place, failing(errno.ENOSPC))
    with pytest.raises(RunError) as e:
        save_tensors(path, W, {"n": 2})
    assert e.value.message == f"`{path}` cannot be written: No space left on device"
    assert e.value.help == f"what was there before is whole: `{path}`"
    assert load_tensors(path)[1] == {"n": 1}
    assert load_tensors(tmp_path / "c.previous")[1] == {"n": 0}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c", "c.previous"]


def test_a_damaged_checkpoint_does_not_take_the_place_of_a_whole_one_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c"
    save_tensors(path, W, {"n": 0})
    save_tensors(path, W, {"n": 1})
    path.write_bytes(b"damaged")
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(RunError):
        save_tensors(path, W, {"n": 2})
    assert load_tensors(tmp_path / "c.previous")[1] == {"n": 0}


def test_a_resolved_spec_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    result = netc.run(SPEC, data=DATA, device="cpu", folder=tmp_path, plots=False)
    assert result.folder is not None
    resolved = result.folder / "resolved.net"
    resolved.write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"resolved.net` is damaged: 'utf-8' codec can't decode") as e:
        netc.run(SPEC, data=DATA, device="cpu", resume=result.folder)
    assert e.value.help == "resume with `--changed` to go on without it"
    assert resolved.read_bytes() == b"\xff"
    assert netc.run(SPEC, data=DATA, device="cpu", resume=result.folder, changed=True, plots=False).reason == "done"


# --- which run is meant -----------------------------------------------------------------------------------------------


def test_a_run_that_is_not_there_is_said_so_and_those_that_are_are_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def refused(name: str, **how: bool) -> tuple[str, str]:
        with pytest.raises(InputError) as e:
            existing_run(name, **how)
        assert e.value.exit_code == 2
        return e.value.message, e.value.help

    nothing = "is no run folder: there is nothing of that name"
    assert refused("no") == (f"`no` {nothing}", "there are no runs in `runs`; `netc run SPEC` makes one")
    for _ in range(2):
        netc.run(SPEC, data=DATA, device="cpu", folder="runs", plots=False)
    os.utime("runs/n/1/resolved.net", (0, 0))
    assert refused("no") == (f"`no` {nothing}", "the newest run is `runs/n/2`")
    assert refused("runs/m/1", to_resume=True) == (f"`runs/m/1` {nothing}", "did you mean `runs/n/1` or `runs/n/2`?")
    for inside in (".", "runs", "runs/n"):
        assert refused(inside) == (f"`{inside}` is no run folder", "the newest run in it is `runs/n/2`")
    assert refused("runs/n/2/resolved.net")[0] == "`runs/n/2/resolved.net` is a file, not the folder of a run"
    assert refused("a" * 300)[0].startswith(f"`{'a' * 300}` ")
    assert existing_run("runs/n/latest") == Path("runs/n/latest")
    Path("runs/n/2", f"{STATE}.previous").unlink()
    for part in (STATE, Path("resolved.net")):
        (Path("runs/n/2") / part).rename("aside")
        said = (f"the run `runs/n/2` lacks `{part}`, so it cannot be resumed", "start a new run")
        assert refused("runs/n/2", to_resume=True) == said
        Path("aside").rename(Path("runs/n/2") / part)
    assert existing_run("runs/n/2", to_resume=True) == Path("runs/n/2")
    assert not list(tmp_path.glob("**/no")), "nothing is made of the wrong name"

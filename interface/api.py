"""The Python face: compile, check, run, export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netc.specs import TEXT, find

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from netc.compiler.net import TypedNet
    from netc.compiler.program import Program
    from netc.grammar.source import Source
    from netc.runtime.callbacks import OnEpoch, OnStep
    from netc.runtime.progress import Reporter
    from netc.runtime.run_folder import RunFolder
    from netc.runtime.trainer import Trainer
    from netc.started import Started

Overrides = Mapping[str, Any] | Iterable[str]


def check(spec: str | Path, overrides: Overrides = ()) -> TypedNet:
    """Checks a spec without lowering it: the typed net, with its warnings. Raises NetError with every error."""
    from netc.compiler.front import typed
    from netc.compiler.graph.types import BASE_OPSET

    source, folder = find(spec)
    net = typed(source, overrides, folder)
    if net.opset > BASE_OPSET:  # which fewer kernels know
        from netc.compiler.program import Program

        Program(net).refuse_missing_kernels()
    return net


def compile(spec: str | Path, overrides: Overrides = (), *, verify: bool = False) -> Program:
    """Compiles a spec (a path, a name of the zoo, or its text) into a training program.

    `overrides` are `{"net.hidden": 128}` or `["net.hidden=128"]`. With `verify` the graphs are checked after each stage.
    Raises NetError with every error of the spec.
    """
    from netc.compiler.pipeline import Look
    from netc.compiler.program import compile as compile_source

    source, folder = find(spec)
    return compile_source(source, overrides, folder, Look(verify))


@dataclass
class Result:
    """What a run gives: `scores` of the kept weights by `split.name`; `history`, the scores of each epoch; `best`, the score
    `best_score` of the kept weights, which are those of `best_epoch` (None where those of the last step are kept); why it
    ended (`reason`: done, early, stopped, interrupted); the run's `folder`; the `trainer` with the kept weights; and
    the `confusion` matrix of each metric that has one, true classes in rows.
    """

    scores: dict[str, float]
    history: list[dict[str, float]]
    best: float | None
    best_epoch: int
    best_score: str
    reason: str
    seconds: float
    folder: Path | None
    trainer: Trainer
    confusion: dict[str, np.ndarray]


def run(
    spec: str | Path | None = None,
    overrides: Overrides = (),
    *,
    data: Any = None,
    device: str = "auto",
    folder: str | Path | None = "runs",
    resume: str | Path | None = None,
    changed: bool = False,
    weights: str | Path | None = None,
    watch: bool = False,
    plots: bool = True,
    tf32: bool = False,
    threads: int = 0,
    reporter: Reporter | None = None,
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
) -> Result:
    """Compiles a spec, trains it, evaluates the kept weights and exports the model.

    `data` replaces the spec's data block: arrays by name, `{"image": array, "label": array}`; the same for each split,
    `{"train": {...}, "test": {...}}`; a file; or, in the place of arrays, an iterable of batches, which are arrays by name
    or tuples of arrays in the order of the spec's declarations, and are read before training begins. `folder` is where
    runs are kept; None keeps nothing. `resume` is a run's folder to go on with, which needs no spec. `weights`, a run's folder or a
    .safetensors file, has the values that parameters begin with. `watch` records gradient norms, update ratios and
    dead units. `on_step(trainer, scores)` is called after each step, `on_epoch(trainer, epoch, scores)` after each epoch;
    raising StopIteration in one ends the training.
    Raises NetError (the spec), InputError (data, device), RunError (the run failed).
    """
    from netc.compiler.program import compile as compile_source
    from netc.runs import existing_run
    from netc.runtime.callbacks import refuse_uncallable
    from netc.runtime.data.arrays import kind_of
    from netc.runtime.data.learned import Learned
    from netc.runtime.data.sources import load
    from netc.runtime.errors import InputError, RunError
    from netc.runtime.files import ProgramFolder, path_of
    from netc.runtime.loop import Loop
    from netc.runtime.progress import Reporter as Silent
    from netc.runtime.run_folder import LEARNED, RunFolder
    from netc.runtime.trainer import Trainer
    from netc.runtime.weights import begin_with
    from netc.started import Started

    if resume is not None and weights is not None:
        raise InputError("a resumed run has weights already", "give either `resume` or `weights`")
    if changed and resume is None:
        raise InputError("`changed` is said of a run that is resumed", "name it: `resume = RUN`")
    refuse_uncallable(on_step, "on_step", "trainer", "scores")
    refuse_uncallable(on_epoch, "on_epoch", "trainer", "epoch", "scores")
    if not isinstance(reporter, Silent | None):
        raise InputError(f"`reporter` is a Reporter, this is {kind_of(reporter)}", "`on_epoch` takes a function")
    for name, path in (("spec", spec), ("resume", resume), ("weights", weights)):
        if not isinstance(path, str | Path | None):
            raise InputError(f"`{name}` is a path, this is {kind_of(path)}")
    if folder is not None:
        folder = path_of(folder, "`folder`")
    resume = existing_run(resume, to_resume=True) if resume is not None else None
    started, source, data = Started.asked(spec, overrides, data, resume)
    program = compile_source(source, started.changes, Path(started.folder))
    reporter = reporter or Silent()
    for warning in program.warnings:
        reporter.notice(warning)
    before = Learned.read(resume / LEARNED) if resume is not None else None
    found = load(program.manifest, data=data, learned=before)
    for notice in found.notices:
        reporter.notice(notice)
    trainer = Trainer(program, device, tf32=tf32, threads=threads)
    trainer.learned = found.learned
    if weights is not None:
        begins = Path(weights) if Path(weights).suffix == ".safetensors" else existing_run(weights)
        begin_with(trainer, begins, reporter.notice)
    home = None
    if resume is not None:
        home = RunFolder(resume).open()
    elif folder is not None:
        home = RunFolder.create(folder, _run_name(source, program))
    try:
        if home is not None:
            for notice in home.notices:
                reporter.notice(notice)
            if resume is not None and not changed:
                _refuse_changed(home.path / "resolved.net", program.net.resolved)
            _furnish(home, program, started, trainer)
            trainer.program = ProgramFolder(home.path / "program", program)
        loop = Loop(trainer, found, home, reporter, watch, on_step, on_epoch)
        reporter.header(_header(program, found, trainer))
        if resume is not None and home is not None:
            loop.resume(home.path / "state" / "last.safetensors", changed)
        outcome = loop.run()
        if home is not None:
            if program.net.outputs:
                export(trainer, home.file("export", "model.onnx"), overwrite=True)
            if plots and outcome.reason != "interrupted":
                try:
                    _plots(outcome, loop, home.file("plots"))
                except RunError as e:  # the run is complete without them
                    reporter.notice(e.render().replace("error", "warning", 1))
    finally:
        if home is not None:
            home.close()
    return Result(
        outcome.scores, outcome.history, outcome.best, outcome.best_epoch, outcome.best_score, outcome.reason,
        outcome.seconds, home.path if home else None, trainer, outcome.confusion,
    )  # fmt: skip


def _furnish(home: RunFolder, program: Program, started: Started, trainer: Trainer) -> None:
    """Writes what a run has before its first step. Raises RunError."""
    from netc.runtime.run_folder import LEARNED

    started.write(home)
    home.write_text("spec.net", program.net.source.text)
    home.write_text("resolved.net", program.net.resolved)
    home.write_text(LEARNED, trainer.learned.text())
    home.write_environment(str(trainer.device))
    program.save(home.file("program"), ["rate"])


def _header(program: Program, data: Any, trainer: Trainer) -> str:
    """What is about to be trained, on what, and every setting in force."""
    from netc.inspecting import parameter_count, train_settings

    count = parameter_count(program.net)
    rows = ", ".join(f"{data.rows(split):,} {split}" for split in data.splits)
    return f"{program.net.name}: {count:,} parameters, {rows} rows, on {trainer.device}\n{train_settings(program.net)}"


def _refuse_changed(before: Path, now: str) -> None:
    """Raises InputError with the difference when a resumed run would go on with another spec; its length may differ."""
    import difflib

    from netc.runtime.errors import InputError

    def lines(text: str) -> list[str]:
        return [
            line for line in text.splitlines() if not line.split()[:1] or line.split()[0] not in ("epochs", "steps")
        ]

    try:
        then = before.read_text(encoding="utf-8")
    except (OSError, ValueError) as e:
        raise InputError(f"`{before}` is damaged: {e}", "resume with `--changed` to go on without it") from None
    difference = difflib.unified_diff(lines(then), lines(now), "then", "now", lineterm="", n=0)
    shown = "\n".join(difference)
    if shown:
        raise InputError(
            f"the spec has changed since the run:\n{shown}", "resume with `--changed` to go on all the same"
        )


def _run_name(source: Source, program: Program) -> str:
    """The folder of a spec's runs: its file's name, or that of its net."""
    return program.net.name if source.name == TEXT else Path(source.name).stem


def _plots(outcome: Any, loop: Any, folder: Path) -> None:
    from netc.runtime.plots import plot_confusion, plot_scores, plot_watch

    rising = [m["name"] for m in loop.trainer.manifest["metrics"] if m["mode"] == "max"]
    if outcome.history:
        plot_scores(outcome.history, folder, outcome.best_epoch, rising)
    for name, matrix in outcome.confusion.items():
        plot_confusion(name, matrix, folder, outcome.confusion_split)
    if loop.records:
        plot_watch(loop.records, folder)


def export(trainer: Trainer, path: str | Path, *, overwrite: bool = False) -> onnx.ModelProto:
    """Writes infer.onnx with the trained values baked in: inputs in, outputs out. Raises InputError, RunError."""
    from netc.runtime.data.arrays import kind_of
    from netc.runtime.errors import InputError
    from netc.runtime.export import deployable
    from netc.runtime.files import path_of, write_atomically
    from netc.runtime.trainer import Trainer

    if not isinstance(trainer, Trainer):
        raise InputError(f"a model is exported from a trainer, this is {kind_of(trainer)}", "give `result.trainer`")
    model = deployable(trainer)
    path = path_of(path, "the file of a model")
    if path.is_dir():
        raise InputError(f"`{path}` is a folder", "name the .onnx file to write")
    if path.exists() and not overwrite:
        raise InputError(f"`{path}` exists", "choose another name, or say `--overwrite` (in Python, `overwrite=True`)")
    write_atomically(path, model.SerializeToString())
    return model

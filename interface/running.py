"""`netc run`, `compile`, `eval`, `predict`, `export` and `show`, behind the command line."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from netc.grammar.diagnostics import did_you_mean
from netc.runtime.errors import InputError, RunError

if TYPE_CHECKING:
    import onnx

MAX_PROTOBUF = 2**31 - 2**24  # bytes of weights; a message may have 2 GiB, the graph included


def run_command(
    spec: str | None, changes: list[str], *, device: str, data: str | None, out: Path, quiet: bool, **options: Any
) -> None:
    """Trains and tells: the best score, the run's folder, the next command."""
    from netc.api import run
    from netc.display import Display
    from netc.tables import wrapped

    display = Display(quiet)
    try:
        result = run(spec, changes, device=device, data=data, folder=out, reporter=display, **options)
    finally:
        display.stop()
    say = display.console.print
    print()
    if result.reason == "interrupted":
        say(f"interrupted after step {result.trainer.steps}; the run can go on:", markup=False)
        say(f"  netc run --resume {quote(str(result.folder))}", markup=False)
        raise SystemExit(130)
    if result.reason == "early":
        stop = result.trainer.manifest["train"]["stop"]
        say(f"stopped early: {stop['split']}.{stop['score']} did not improve any more", markup=False)
    if result.best is not None:
        say(f"best {result.best_score} {result.best:.4f} in epoch {result.best_epoch}", markup=False)
    for split in ("train", "val", "test"):
        found = [f"{n.split('.', 1)[1]} {v:.4f}" for n, v in result.scores.items() if n.startswith(f"{split}.")]
        if found:
            line = wrapped(f"{split.ljust(5)} {', '.join(found)}", display.width)
            say(line, markup=False, style="bold" if split == "test" else None)
    say(f"trained {result.trainer.steps:,} steps in {result.seconds:.1f} s on {result.trainer.device}", markup=False)
    say(f"run   {result.folder}", markup=False)
    assert result.folder is not None
    model = result.folder / "export" / "model.onnx"
    if model.exists():
        say(f"model {model}", markup=False)
    say(f"next  netc eval {quote(str(result.folder))}", markup=False)


def compile_command(
    spec: str, changes: list[str], out: Path | None, also: list[str], emit: str | None, print_after: str, verify: bool
) -> None:
    from netc.compiler.pipeline import ON_REQUEST, STAGES, Look
    from netc.compiler.program import compile as compile_source
    from netc.specs import find

    if emit is not None:
        print(_emitted(spec, emit, changes))
        return
    for name in also:
        if name not in ON_REQUEST:
            there = ", ".join(f"`{graph}`" for graph in ON_REQUEST)
            raise InputError(f"there is no graph `{name}` to write", f"on request there are {there}")
    graph_stages = [s.name for s in STAGES if s.graphs]
    if print_after and print_after not in graph_stages:
        raise InputError(
            f"no graph has a stage `{print_after}`",
            did_you_mean(print_after, graph_stages, f"the stages are {', '.join(graph_stages)}"),
        )
    source, folder = find(spec)
    program = compile_source(source, changes, folder, Look(verify, print_after))
    target = out or Path(f"{Path(spec).stem}.program")
    program.save(target, also)
    for warning in program.warnings:
        print(warning)
    written = [f"{name}.onnx" for name in (*program.graphs, *also)]
    print(f"{target}: {', '.join(sorted([*written, 'manifest.json']))}")


def _emitted(spec: str, what: str, changes: list[str]) -> str:
    from netc.compiler.pipeline import EMITTED, emitted
    from netc.specs import find

    if what not in EMITTED:
        raise InputError(
            f"there is no stage or graph `{what}`", did_you_mean(what, EMITTED, f"there are {', '.join(EMITTED)}")
        )
    source, folder = find(spec)
    return emitted(source, what, changes, folder)


def show_command(spec: str, changes: list[str], form: str) -> None:
    from netc.api import check
    from netc.inspecting import graph_text

    if form in ("mermaid", "dot"):
        print(graph_text(check(spec, changes), form))
    else:
        print(_emitted(spec, form, changes))


def trainer_of(source: str, device: str, weights: str = "best") -> Any:
    """A trainer with the weights of a run."""
    from netc.runs import existing_run
    from netc.runtime.data.learned import Learned
    from netc.runtime.run_folder import LEARNED
    from netc.runtime.trainer import Trainer
    from netc.runtime.weights import read_weights, weights_of

    run = existing_run(source)
    path = weights_of(run, weights)
    trainer = Trainer(run / "program", device)
    trainer.load_parameters(read_weights(path, print))
    trainer.learned = Learned.read(run / LEARNED)
    return trainer


def eval_command(source: str, split: str | None, data: str | None, weights: str, device: str) -> None:
    from netc.runs import existing_run
    from netc.runtime.data.naming import counted
    from netc.runtime.data.sources import load
    from netc.runtime.weights import trained_on, weights_of
    from netc.started import Started

    if split is not None and data is not None:
        raise InputError("`--data` names a file, of which all rows are scored, and `--split` a part of the run's own data",
                         "give one of them")  # fmt: skip
    trainer = trainer_of(source, device, weights)
    manifest = trainer.manifest
    if data is not None:  # all rows of that file
        manifest = {**manifest, "data": {**(manifest["data"] or {}), "split": None}}
        found = load(manifest, data=data, learned=trainer.learned)
        split = "train"
    else:
        found = load(manifest, data=Started.of(Path(source)).data_file(), learned=trainer.learned)
        have = [s for s in ("train", "val", "test") if found.rows(s)]
        if split not in (None, "test", *have):
            raise InputError(f"the data has no split `{split}`", f"it has {', '.join(have)}")
        split = split if split in have else have[-1]
        if trained_on(weights_of(existing_run(source), weights)) not in (None, found.sha256()):
            print(
                "warning: the data has changed since the run, so rows that it was trained on may be scored here",
                file=sys.stderr,
            )
    scores = trainer.evaluator().evaluate(found.splits[split])
    print(f"{data or split}: {counted(found.rows(split), 'row')}")
    for name, value in scores.items():
        print(f"  {name} {value:.6g}")


def predict_command(source: str, data: str, out: Path, weights: str, device: str) -> None:
    from netc.outputs import refuse_unknown, write_outputs
    from netc.runtime.data.sources import inputs_only
    from netc.runtime.prediction import of_rows

    _refuse_same(data, out)
    refuse_unknown(out)
    trainer = trainer_of(source, device, weights)
    manifest = trainer.manifest
    outputs = trainer.predict(inputs_only(manifest, data, trainer.learned))
    write_outputs(outputs, out, [o["name"] for o in manifest["outputs"] if not of_rows(o, manifest["inputs"])])
    shown = ", ".join(f"{n} {list(v.shape)}" for n, v in outputs.items())
    print(f"{out}: {shown}")


def export_command(source: str, out: Path, weights: str, overwrite: bool) -> None:
    from netc.api import export

    model = export(trainer_of(source, "cpu", weights), out, overwrite=overwrite)
    ends = f"{', '.join(i.name for i in model.graph.input)} -> {', '.join(o.name for o in model.graph.output)}"
    print(f"{out}: {ends}")


def grad_command(
    model: Path, out: Path, wrt: list[str] | None, of: list[str] | None, forward: bool, external_data: bool
) -> None:
    from netc.compiler.autodiff.model import grad, jvp

    if not model.is_file():
        raise InputError(f"`{model}` is no file of a model" if model.exists() else f"there is no file `{model}`")
    _refuse_same(model, out)
    found = (jvp if forward else grad)(model, wrt or None, of or None, external_data=external_data)
    save_model(found, out)
    key = "netc.tangent" if forward else "netc.grad"
    mark = next(p.value for p in found.metadata_props if p.key == key)
    given = [i.name for i in found.graph.input if i.name.startswith(mark)]
    added = [o.name for o in found.graph.output if o.name.startswith(mark)]
    print(f"{out}: {', '.join(given)} -> {', '.join(added) or 'nothing: no gradient reaches any input'}")


def _refuse_same(read: str | Path, out: Path) -> None:
    """Raises InputError where a command would write over what it reads."""
    try:
        same = os.path.samefile(read, out)
    except OSError:  # one of them is not there
        return
    if same:
        raise InputError(f"`{out}` is what is read here, and would be lost", "choose another name for the output")


def save_model(model: onnx.ModelProto, out: Path) -> None:
    """Writes a model; of one too large for a protobuf file the weights go to `<out>.data` beside it. Raises RunError."""
    import onnx

    from netc.runtime.files import write_atomically

    if sum(len(t.raw_data) for t in model.graph.initializer) < MAX_PROTOBUF:
        write_atomically(out, model.SerializeToString())
        return
    data = f"{out.name}.data"
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".netc-") as folder:
            onnx.save(model, Path(folder) / out.name, save_as_external_data=True, location=data)
            for name in (data, out.name):
                os.chmod(Path(folder) / name, 0o644)
                os.replace(Path(folder) / name, out.parent / name)
    except OSError as e:
        raise RunError(f"`{out}` cannot be written: {e.strerror or e}") from None

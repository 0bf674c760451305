"""The command line. Everything heavy is imported by the command that needs it, so that `netc --help` answers at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from netc.failures import CHANGES, color, explain
from netc.streams import open_streams

app = typer.Typer(
    name="netc", no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Compile network specs (.net) into ONNX training programs, train them, and export the model.",
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip

INTERRUPTED = 130  # exit code

Spec = Annotated[str, typer.Argument(help="A .net file, or a name of the zoo such as `digits`.")]
Changes = Annotated[list[str] | None, typer.Argument(metavar=CHANGES, help="Hyperparameters, by name.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:<number>.")]
WeightsOption = Annotated[str, typer.Option(help="best, which `keep` of the spec chose, or last.")]
DataOption = Annotated[str | None, typer.Option("--data", help="A data file in place of the spec's.")]


@app.command()
def run(
    spec: Annotated[str | None, typer.Argument(help="A .net file, or a name of the zoo; not needed to resume.")] = None,
    changes: Changes = None,
    device: DeviceOption = "auto",
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="The folder that runs are kept in.")] = Path("runs"),
    resume: Annotated[Path | None, typer.Option(help="A run's folder to go on with.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="A run's folder, or a .safetensors file, with the weights to begin with.")
    ] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Resume although the spec or the data changed.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Record gradient norms, update ratios and dead units.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the ending only.")] = False,
    plots: Annotated[bool, typer.Option(help="Draw plots.")] = True,
    tf32: Annotated[
        bool, typer.Option("--tf32", help="Let CUDA round float32 products (faster, 10-bit mantissa).")
    ] = False,
    threads: Annotated[int, typer.Option(help="Threads of one operator; 0 lets the runtime choose.")] = 0,
) -> None:
    """Compile a spec, train it, evaluate it, and leave a deployable model."""
    from netc.running import run_command

    changes = changes or []
    if resume is not None and spec is not None and "=" in spec and not Path(spec).exists():  # the first change
        changes, spec = [spec, *changes], None
    run_command(
        spec, changes, device=device, data=data, out=out, resume=resume, changed=changed, weights=weights,
        watch=watch, quiet=quiet, plots=plots, tf32=tf32, threads=threads,
    )  # fmt: skip


@app.command()
def check(spec: Spec, changes: Changes = None) -> None:
    """Print the layer table of a spec, or every error in it."""
    from netc.api import check as check_spec
    from netc.inspecting import check_table
    from netc.tables import terminal_width

    net = check_spec(spec, changes or [])
    print(check_table(net, terminal_width()))
    for warning in net.warnings:
        print(f"\n{warning.render(color(sys.stderr))}", file=sys.stderr)


@app.command(name="compile")
def compile_(
    spec: Spec,
    changes: Changes = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The folder to write the program to.")] = None,
    with_: Annotated[list[str] | None, typer.Option("--with", help="Also write grad, apply, watch or rate.")] = None,
    emit: Annotated[
        str | None,
        typer.Option(help="Print a stage (parse, check, forward, gradient, ...) or a graph (step, ...)."),
    ] = None,
    print_after: Annotated[
        str, typer.Option(help="Print each graph after this stage: forward, gradient, clip, update, ...")
    ] = "",
    verify: Annotated[bool, typer.Option("--verify", help="Check the graphs after every stage.")] = False,
) -> None:
    """Write the training program of a spec: init, step, eval, infer, score and a manifest."""
    from netc.running import compile_command

    compile_command(spec, changes or [], out, with_ or [], emit, print_after, verify)


@app.command(name="eval")
def eval_(
    source: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, such as runs/digits/latest.")],
    split: Annotated[str | None, typer.Option(help="train, val or test; test where there is one.")] = None,
    data: DataOption = None,
    weights: WeightsOption = "best",
    device: DeviceOption = "auto",
) -> None:
    """Score the weights of a run on a split of its data, or on other data."""
    from netc.running import eval_command

    eval_command(source, split, data, weights, device)


@app.command()
def predict(
    source: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder.")],
    data: Annotated[str, typer.Argument(help="A data file with the net's inputs.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Where to write the outputs (.npz or .csv).")] = Path(
        "predictions.npz"
    ),
    weights: WeightsOption = "best",
    device: DeviceOption = "auto",
) -> None:
    """Write the outputs of a run's model for every row of a file."""
    from netc.running import predict_command

    predict_command(source, data, out, weights, device)


@app.command()
def export(
    source: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .onnx file to write.")] = Path("model.onnx"),
    weights: WeightsOption = "best",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> None:
    """Write the trained model of a run as one ONNX file."""
    from netc.running import export_command

    export_command(source, out, weights, overwrite)


@app.command()
def grad(
    model: Annotated[Path, typer.Argument(help="An ONNX model, opset 7 or newer.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .onnx file to write.")] = Path("grad.onnx"),
    wrt: Annotated[
        list[str] | None, typer.Option(help="An input or initializer; all floating-point inputs by default.")
    ] = None,
    of: Annotated[list[str] | None, typer.Option(help="An output; all floating-point outputs by default.")] = None,
    forward: Annotated[
        bool, typer.Option("--forward", help="Tangents instead: tangent/<input> to tangent/<output>.")
    ] = False,
    external_data: Annotated[
        bool, typer.Option("--external-data", help="Read weights from other files of the model's folder.")
    ] = False,
) -> None:
    """Differentiate an ONNX model: grad/<output> goes in, grad/<input> comes out."""
    from netc.running import grad_command

    grad_command(model, out, wrt, of, forward, external_data)


@app.command()
def fmt(
    specs: Annotated[list[Path], typer.Argument(help=".net files.")],
    check: Annotated[bool, typer.Option("--check", help="Only say which files would change; exit 1 if any.")] = False,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print instead of writing.")] = False,
) -> None:
    """Format specs in place."""
    from netc.starting import format_command

    format_command(specs, check, stdout)


@app.command()
def plan(
    spec: Spec,
    changes: Changes = None,
    batch: Annotated[int | None, typer.Option(help="The batch size to plan for.")] = None,
) -> None:
    """Parameters, operations and memory of a training step."""
    from netc.api import check as check_spec
    from netc.inspecting import plan_text
    from netc.tables import terminal_width

    asked = [] if batch is None else [f"train.batch={batch}"]
    net = check_spec(spec, [*(changes or []), *asked])
    assert net.train is not None
    print(plan_text(net, net.train.batch, terminal_width()))


@app.command()
def show(
    spec: Spec,
    changes: Changes = None,
    form: Annotated[
        str, typer.Option("--as", help="mermaid or dot; or a stage or graph, as `netc compile --emit` has them.")
    ] = "mermaid",
) -> None:
    """Print the graph of a spec, or a stage of its compilation."""
    from netc.running import show_command

    show_command(spec, changes or [], form)


@app.command()
def init(
    name: Annotated[str, typer.Argument(help="A name for a new spec, or a name of the zoo to copy.")] = "net",
) -> None:
    """Write a commented starter spec, or copy one of the zoo with its data."""
    from netc.starting import init_command

    init_command(name)


@app.command()
def doctor() -> None:
    """Versions, the device, and the install line that fits this machine."""
    from netc.starting import doctor_command

    doctor_command()


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib import metadata

        print(f"netc {metadata.version('netc')}")
        raise typer.Exit


def main() -> None:
    """Runs the command line: exit 0 done, 1 the run failed, 2 the input was wrong, 130 interrupted."""
    arguments = sys.argv[1:] or ["--help"]
    open_streams()
    try:
        code = _guarded(lambda: app(arguments, standalone_mode=False, prog_name="netc"))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has gone, as `| head` does; nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def _guarded(work: Callable[[], Any]) -> int:
    try:
        code = int(work() or 0)
        if code == INTERRUPTED:  # what typer makes of Ctrl-C; a run that was interrupted has told more, and exits
            print("interrupted", file=sys.stderr)
        return code
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except SystemExit as e:
        return int(e.code or 0)
    except Exception as e:
        return explain(e)


if __name__ == "__main__":
    main()

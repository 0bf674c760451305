"""Tree -> typed net: names resolved, blocks expanded, every dtype and shape known, every error reported."""

from __future__ import annotations

from pathlib import Path

from netc.compiler.check import doubts, gradients, indices, whole_net
from netc.compiler.check.budget import Budget
from netc.compiler.check.data_block import data_block
from netc.compiler.check.declarations import new_name
from netc.compiler.check.expressions import evaluate
from netc.compiler.check.frame import Frame
from netc.compiler.check.imports import Loader
from netc.compiler.check.recorder import Recorder
from netc.compiler.check.settings import SettingsBlock
from netc.compiler.check.statements import execute, read_uncalled
from netc.compiler.check.train_block import train_block
from netc.compiler.check.unread import unread_values
from netc.compiler.check.values import UNKNOWN
from netc.compiler.net import TypedNet
from netc.grammar import ast
from netc.grammar.diagnostics import Diagnostic, NetError, diagnostic, error
from netc.grammar.parser import collector_paused
from netc.grammar.source import Source


def check(
    spec: ast.Spec, source: Source, problems: list[Diagnostic] | None = None, folder: Path | None = None
) -> TypedNet:
    """The typed net of a spec. Raises NetError with `problems` (of the parser) and everything wrong with its meaning."""
    with collector_paused():
        return _check(spec, source, list(problems or []), folder or Path(source.name).parent)


def _check(spec: ast.Spec, source: Source, problems: list[Diagnostic], folder: Path) -> TypedNet:
    problems += _parts(spec, source, whole=not problems)
    if not spec.nets:
        raise NetError(problems)
    node = spec.nets[0]
    net = TypedNet(node.name.id if node.name else Path(source.name).stem, source)
    budget = Budget()
    recorder = Recorder(net, Loader(folder, source.name, budget), budget)
    frame = Frame(recorder)
    recorder.parsed = parsed = not problems
    train, data = (SettingsBlock(net, frame, parsed) for _ in range(2))
    try:
        _body(frame, spec, node)
        if parsed and not recorder.problems:
            recorder.assign_names()
            recorder.problems += [*whole_net.patterns(net, budget), *gradients.derivatives(net), *whole_net.fitted(net)]
            recorder.problems += indices.outside(net)
        train.whole = data.whole = parsed and not recorder.problems
        net.train = train_block(train, spec.trains[0] if spec.trains else None)
        net.data = data_block(data, spec.datas[0] if spec.datas else None, folder)
        if train.whole:
            at = node.name.span if node.name else node.span
            lines = [s.value for s in node.body if isinstance(s, ast.Bind) and "loss" in [n.id for n in s.names]]
            written = " ".join(lines[-1].span.text.split()) if lines else "y"
            whole_net.loss(net, frame.environment.find("loss"), written, frame.environment.names, at)
    except NetError as e:
        recorder.report(e)
    problems += recorder.problems + train.problems + data.problems
    if problems:
        raise NetError(sorted(problems, key=lambda d: d.labels[0].span.start if d.labels else -1))
    net.warnings += [
        *recorder.unused_layers(),
        *unread_values(spec, frame.environment, net.warnings),
        *doubts.warnings(net),
    ]
    return net


def _parts(spec: ast.Spec, source: Source, whole: bool) -> list[Diagnostic]:
    """A spec has one net, and at most one block of each other kind; of one that did not parse, the net may be missing."""
    found = []
    if not spec.nets and whole:
        found.append(
            diagnostic(
                "no-net",
                f"`{source.name}` holds no net",
                help="a spec begins `net name { ... }`; `netc init` writes one",
            )
        )
    several = 'keep one of them in this file; `import "other.net" as other` brings the net of another file'
    for parts, word, help in (
        (spec.nets, "net", several), (spec.datas, "data", "put all settings into one"),
        (spec.trains, "train", "put all settings into one"),
    ):  # fmt: skip
        if len(parts) > 1 and whole:
            found.append(
                diagnostic("duplicate-part", f"a spec has one `{word}` block", parts[1].span, parts[0].span, help=help)
            )
    return found


def _body(frame: Frame, spec: ast.Spec, node: ast.Net) -> None:
    """Imports, the net's arguments, its statements."""
    for imported in spec.imports:
        execute(frame, [imported])
    for parameter in node.parameters:
        try:
            if parameter.default is None:
                message = f"the net's argument `{parameter.name.id}` needs a default"
                raise error("missing-argument", message, parameter.span, help=f"write `{parameter.name.id} = 64`")
            new_name(frame, parameter.name, evaluate(frame, parameter.default))
        except NetError as e:
            frame.recorder.report(e)
            frame.environment.bind(parameter.name.id, UNKNOWN, parameter.span)
    execute(frame, node.body)
    read_uncalled(frame)

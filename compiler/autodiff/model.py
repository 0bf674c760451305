"""`netc.grad` and `netc.jvp`: the derivative of an ONNX model, as an ONNX model."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import onnx
import onnx_ir as ir

from netc.compiler.autodiff.engine import NoGradientError, backpropagate
from netc.compiler.graph.bodies import operands
from netc.compiler.graph.inference import IR_VERSIONS, UnknownError
from netc.compiler.graph.passes import finish
from netc.compiler.graph.types import FLOATS
from netc.compiler.importer.read import read
from netc.compiler.importer.replay import Values, rebuilt
from netc.compiler.importer.source import checked_proto
from netc.compiler.importer.training import Training
from netc.grammar.diagnostics import NetError, did_you_mean, error
from netc.grammar.parser import collector_paused

Model: TypeAlias = onnx.ModelProto | str | Path


@collector_paused()
def grad(
    model: Model,
    wrt: Sequence[str] | None = None,
    of: Sequence[str] | None = None,
    *,
    prefix: str | None = None,
    external_data: bool = False,
) -> onnx.ModelProto:
    """The reverse-mode derivative of a model, in standard ONNX.

    `wrt` names graph inputs or initializers (default: every floating-point graph input), `of` floating-point outputs
    (default: all). The result has the model's inputs and `grad/<output>` (a cotangent of the output's shape and dtype) for
    each differentiated output; its outputs are the model's and `grad/<input>` for each input that a gradient reaches.
    Symbolic dimensions are kept. Differentiating a gradient again takes the prefix `grad2/`, and so on; the prefix is
    recorded as `netc.grad` in the metadata. `external_data` allows weights in other files of the model's folder.
    Raises NetError with the operator, its node and its path when one on the way has no gradient rule.
    """
    task = _Task(model, wrt, of, "grad", prefix, external_data)
    with task:
        cotangents = {y: task.op.input(f"{task.mark}{n}", task.op.type_of(y)) for n, y in task.targets.items()}
        found = backpropagate(task.op, cotangents, list(task.sources.values()))
    for (name, x), g in zip(task.sources.items(), found):
        if g is not None:
            task.output(name, g, x)
    return task.finished()


@collector_paused()
def jvp(
    model: Model,
    wrt: Sequence[str] | None = None,
    of: Sequence[str] | None = None,
    *,
    prefix: str | None = None,
    external_data: bool = False,
) -> onnx.ModelProto:
    """The forward-mode derivative of a model, in standard ONNX: `tangent/<input>` in, `tangent/<output>` out.

    Arguments and errors are those of `grad`. The product of the Jacobian with a tangent v is the derivative, with respect
    to u, of the reverse mode's u -> J'u contracted with v: linear in u, so that u itself disappears (J. Townsend, "A new
    trick for calculating Jacobian vector products", 2017). One table of rules serves both modes.
    """
    task = _Task(model, wrt, of, "tangent", prefix, external_data)
    op = task.op
    with task:
        cotangents = {y: op.input(None, op.type_of(y)) for y in task.targets.values()}
        pulled = backpropagate(op, cotangents, list(task.sources.values()))
        tangents = {n: op.input(f"{task.mark}{n}", op.type_of(x)) for n, x in task.sources.items()}
        seeds: dict[ir.Value, ir.Value] = {}
        for name, g in zip(task.sources, pulled):
            if g is not None:  # inputs that enter alike, as in a sum, have one cotangent
                seeds[g] = op.Add(seeds[g], tangents[name]) if g in seeds else tangents[name]
        found = backpropagate(op, seeds, list(cotangents.values()))
        for y, u in cotangents.items():  # whatever still reads u does not depend on what it is
            op.graph.inputs.remove(u)
            if u.uses():
                ir.convenience.replace_all_uses_with(u, op.zeros_like(y))
        op.graph.sort()
    for (name, y), t in zip(task.targets.items(), found):
        if t is not None:
            task.output(name, t, y)
    return task.finished()


class _Task:
    """A model rebuilt, with the values to differentiate; as a context it turns what cannot be done into a NetError."""

    def __init__(
        self, model: Model, wrt: Sequence[str] | None, of: Sequence[str] | None, mark: str, prefix: str | None,
        external_data: bool,
    ):  # fmt: skip
        wrt, of = _listed(wrt, "wrt"), _listed(of, "of")
        if not isinstance(prefix, str | None):
            raise error("argument", f"`prefix` is a text, this is {prefix!r}")
        source = read(model, external_data)
        self.key = f"netc.{mark}"
        given = source.inputs
        results = [v.name for v in source.proto.graph.output]
        self.mark = prefix or free_prefix([*given, *results], mark)
        try:
            self.op, self.values = rebuilt(source, wrt or (), Training(source.proto.graph, backpropagate))
        except UnknownError as e:
            raise error("invalid-model", str(e)) from None
        known: Values = {n: self.values[n] for n in (*given, *source.initializers)}
        outputs = dict(zip(results, self.op.graph.outputs))
        self.sources = _chosen(wrt, known, given, "input or initializer")
        self.targets = _chosen(of, outputs, results, "output")
        self.proto = source.proto
        both = next((n for n in self.targets if n in self.sources), None)
        if both is not None:
            raise error(
                "no-gradient", f"`{both}` is an input and an output, so `{self.mark}{both}` would be two things",
                help="leave it out of `wrt` or `of`",
            )  # fmt: skip

    def __enter__(self) -> _Task:
        return self

    def __exit__(self, kind: object, e: BaseException | None, trace: object) -> None:
        if isinstance(e, NoGradientError):
            raise refusal(e, self.targets) from None
        if isinstance(e, UnknownError):
            raise error("no-gradient", str(e), help="declare the shape of the model's outputs") from None

    def output(self, name: str, value: ir.Value, like: ir.Value) -> None:
        """Publishes a derivative, which has the type of what it belongs to."""
        self.op.output(f"{self.mark}{name}", value)
        if self.op.has_type(like):
            self.op.stamp(self.op.graph.outputs[-1], self.op.type_of(like))

    def finished(self) -> onnx.ModelProto:
        """The model, named, without what nothing needs, and checked."""
        metadata = {p.key: p.value for p in self.proto.metadata_props} | {self.key: self.mark}
        oldest = IR_VERSIONS.get(self.op.opset, max(IR_VERSIONS.values()))
        loaded = ir.Model(
            self.op.graph, ir_version=max(oldest, min(self.proto.ir_version, max(IR_VERSIONS.values()))),
            producer_name="netc", metadata_props=metadata,
        )  # fmt: skip
        finish(loaded)
        try:
            return checked_proto(loaded, self.op.types)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as e:
            reason = str(e).strip().splitlines()[-1]
            raise error(
                "no-gradient", f"the derivative needs an operator that does not take the model's dtypes: {reason}",
                help="convert the model to float32 first",
            ) from None  # fmt: skip


def free_prefix(names: Iterable[str], mark: str = "grad") -> str:
    """`grad/`, or `grad2/`, ... where a model is a gradient already."""
    taken = {int(m[1] or 1) for n in names if (m := re.match(rf"{mark}(\d*)/", n))}
    number = max(taken, default=0) + 1
    return f"{mark}/" if number == 1 else f"{mark}{number}/"


def _listed(names: Any, argument: str) -> list[str] | None:
    """Names as a list; a text is one name. Raises NetError."""
    if names is None:
        return None
    if isinstance(names, str):
        return [names]
    given = list(names) if isinstance(names, Iterable) else [names]
    found = [n for n in given if isinstance(n, str)]
    if len(found) < len(given):
        raise error(
            "argument", f"`{argument}` is a list of names, this is {names!r:.40}", help=f'write `{argument}=["x"]`'
        )
    return found


def _chosen(names: Sequence[str] | None, known: Values, default: Sequence[str], what: str) -> Values:
    """The floating-point values of these names. Raises NetError."""
    if names is None:
        return {n: known[n] for n in default if _is_float(known[n])}
    for name in names:
        if name not in known:
            raise error("undefined-name", f"the model has no {what} `{name}`", help=did_you_mean(name, known))
        if not _is_float(known[name]):
            raise error("no-gradient", f"`{name}` is no floating-point tensor, so nothing is differentiated there")
    return {n: known[n] for n in names}


def _is_float(value: ir.Value) -> bool:
    return isinstance(value.type, ir.TensorType) and value.dtype is not None and int(value.dtype) in FLOATS


def refusal(e: NoGradientError, targets: Values) -> NetError:
    """The operator without a rule, its node, and the path from an output to it."""
    node = e.node
    own = node.name and not node.name.startswith(f"node_{node.op_type}_")  # that is what a nameless node is called here
    name = f" (node `{node.name}`)" if own else ""
    message = f"the operator `{node.op_type}`{name} cannot be differentiated, {e.reason}"
    came_from: dict[ir.Node, ir.Node | None] = {p: None for y in targets.values() if (p := y.producer()) is not None}
    waiting = deque(came_from)
    while waiting:
        at = waiting.popleft()
        if at is node:
            break
        for x in operands(at):
            producer = x.producer() if x is not None else None
            if producer is not None and producer not in came_from:
                came_from[producer] = at
                waiting.append(producer)
    path: list[ir.Node] = []
    step: ir.Node | None = node if node in came_from else None
    while step is not None:
        path.append(step)
        step = came_from[step]
    shown = [f"`{n.outputs[0].name or n.op_type}` = {n.op_type}" for n in reversed(path)]
    if len(shown) > 8:
        shown = [*shown[:4], f"... {len(shown) - 7} more ...", *shown[-3:]]
    return error("no-gradient", f"{message}: {' <- '.join(shown)}" if shown else message)

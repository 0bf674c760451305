"""The training program: five graphs and a manifest (docs/contract.md), two more for data-parallel hosts, one to watch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import onnx
import onnx_ir as ir

from netc.compiler import version
from netc.compiler.accumulate import Accumulation
from netc.compiler.autodiff import NoGradientError, backpropagate
from netc.compiler.configuration import TrainConfig
from netc.compiler.emit import BASE_OPSET, FLOAT, IR_VERSION, Emitter
from netc.compiler.library.onnx_operators import OnnxOperation
from netc.compiler.lower import Forward
from netc.compiler.passes import optimize
from netc.compiler.random import Random
from netc.compiler.state import StateRow, evaluated_name, state_rows
from netc.compiler.typed import Input, Parameter, TypedNet
from netc.compiler.types import I32, TensorType
from netc.compiler.update import Update, global_norm
from netc.grammar.diagnostics import error
from netc.grammar.parser import collector_paused

FORMAT = 1
GRAPHS = ("init", "step", "eval", "infer", "score")
ON_REQUEST = ("grad", "apply", "watch")
WORDS_AT_ONCE = 1 << 22  # 16 MB for each buffer of the hash
SCALAR_I32 = TensorType(I32, ())


class Builder:
    """Builds the graphs of one typed net."""

    def __init__(self, net: TypedNet):
        assert net.train is not None
        assert net.loss is not None
        self.net = net
        self.loss = net.loss
        self.config: TrainConfig = net.train
        self.state = state_rows(net, self.config)
        self.accumulators: dict[str, list[tuple[str, str]]] = {}
        asked = [a.operation.opset for a in net.applies if isinstance(a.operation, OnnxOperation)]
        self.opset = max([BASE_OPSET, *asked])

    # --- parts --------------------------------------------------------------------------------------------------------

    def emitter(self, name: str, training: bool) -> Emitter:
        return Emitter(name, self.opset, training)

    def batch(self, op: Emitter, roles: Iterable[str] = ("input", "target")) -> dict[str, ir.Value]:
        return {i.name: op.input(i.name, i.type) for i in self.net.inputs if i.role in roles}

    def state_inputs(self, op: Emitter, rows: Iterable[StateRow]) -> dict[str, ir.Value]:
        return {r.name: op.input(r.name, r.type) for r in rows}

    def bind_parameters(self, op: Emitter, state: dict[str, ir.Value]) -> None:
        op.parameters = {p.name: state[p.name] for p in self.net.parameters}

    def forward(self, op: Emitter, batch: dict[str, ir.Value]) -> Forward:
        """The training forward pass: loss and metrics emitted."""
        forward = Forward(self.net, op, batch)
        forward.emit([self.loss, *(m.value for m in self.net.metrics)])
        return forward

    def gradients(self, op: Emitter, forward: Forward) -> dict[Parameter, ir.Value]:
        """The derived backward pass: the loss with respect to every trained parameter."""
        loss = forward.value(self.loss)
        trained = self.net.trained
        one = op.constant(1.0, self.loss.type.dtype)
        try:
            found = backpropagate(op, {loss: one}, [op.parameters[p.name] for p in trained])
        except NoGradientError as e:
            raise error("no-gradient", str(e), self.loss.span) from None
        gradients = {}
        for parameter, g in zip(trained, found):
            gradients[parameter] = op.zeros_like(op.parameters[parameter.name]) if g is None else g
        return gradients

    def publish_scores(self, op: Emitter, forward: Forward) -> None:
        op.output("loss", forward.value(self.loss))
        for metric in self.net.metrics:
            op.output(metric.name, forward.value(metric.value))

    # --- graphs -------------------------------------------------------------------------------------------------------

    def init(self) -> Emitter:
        """seed -> the first value of every state tensor."""
        op = self.emitter("init", False)
        op.random = Random(op, op.input("seed", SCALAR_I32))
        first: dict[str, ir.Value] = {}
        bits = self.random_words(op)
        for row in self.state:
            dtype = row.type.dtype.onnx
            static = tuple(d for d in row.type.shape if isinstance(d, int))
            if row.role == "parameter":
                assert row.parameter is not None
                value = row.parameter.initializer.emit(op, static, dtype, bits.get(row.parameter))
            elif row.role == "average":
                assert row.parameter is not None
                value = op.Identity(first[row.parameter.name])
            else:
                assert row.first is not None
                value = op.fill(row.first, static, dtype) if static else op.constant(row.first, dtype)
            first[row.name] = value
            op.output(row.name, value)
        return op

    def random_words(self, op: Emitter) -> dict[Parameter, ir.Value]:
        """The random words of every parameter that takes some, drawn in groups that bound the memory of init."""
        found: dict[Parameter, ir.Value] = {}
        group: list[tuple[Parameter, int]] = []
        total = 0

        def draw() -> None:
            if group:
                drawn = op.random.bits([(count, p.site) for p, count in group])
                found.update(zip((p for p, _ in group), drawn))
                group.clear()

        for p in self.net.parameters:
            count = p.initializer.words(tuple(d for d in p.type.shape if isinstance(d, int)))
            if count:
                group.append((p, count))
            total += count
            if total > WORDS_AT_ONCE:
                draw()
                total = 0
        draw()
        return found

    def step(self) -> Emitter:
        """batch, seed, row, state -> loss, metrics, every `.next`."""
        op = self.emitter("step", True)
        batch = self.batch(op)
        seed, row = op.input("seed", SCALAR_I32), op.input("row", SCALAR_I32)
        state = self.state_inputs(op, self.state)
        self.bind_parameters(op, state)
        op.random = Random(op, seed, state["step"], row)
        forward = self.forward(op, batch)
        following = Update(op, self.config, state).emit(self.gradients(op, forward))
        self.publish_scores(op, forward)
        for r in self.state:
            if r.changes:
                op.output(f"{r.name}.next", following[r.name])
        return op

    def grad(self) -> Emitter:
        """batch, seed, step, row, parameters -> loss, metrics, `grad/<parameter>`."""
        op = self.emitter("grad", True)
        batch = self.batch(op)
        seed, step, row = (op.input(n, SCALAR_I32) for n in ("seed", "step", "row"))
        state = self.state_inputs(op, [r for r in self.state if r.role in ("parameter", "buffer")])
        self.bind_parameters(op, state)
        op.random = Random(op, seed, step, row)
        forward = self.forward(op, batch)
        gradients = self.gradients(op, forward)
        self.publish_scores(op, forward)
        for parameter, g in gradients.items():
            op.output(f"grad/{parameter.name}", g)
        return op

    def apply(self) -> Emitter:
        """`grad/<parameter>`, state -> every `.next` of the step."""
        op = self.emitter("apply", True)
        gradients = {p: op.input(f"grad/{p.name}", p.type) for p in self.net.trained}
        rows = [r for r in self.state if r.role != "parameter" or r.changes]
        following = Update(op, self.config, self.state_inputs(op, rows)).emit(gradients)
        for r in self.state:
            if r.changes:
                op.output(f"{r.name}.next", following[r.name])
        return op

    def watch(self) -> Emitter:
        """As the step, with diagnostics for outputs: gradient norms, update ratios, the share of dead units."""
        op = self.emitter("watch", True)
        batch = self.batch(op)
        seed, row = op.input("seed", SCALAR_I32), op.input("row", SCALAR_I32)
        state = self.state_inputs(op, self.state)
        self.bind_parameters(op, state)
        op.random = Random(op, seed, state["step"], row)
        forward = self.forward(op, batch)
        gradients = self.gradients(op, forward)
        following = Update(op, self.config, state).emit(gradients)
        op.output("watch/gradient_norm", global_norm(op, list(gradients.values())))
        for p, g in gradients.items():
            op.output(f"watch/gradient_norm/{p.name}", global_norm(op, [g]))
        for p in gradients:
            change = global_norm(op, [op.Sub(following[p.name], state[p.name])])
            size = op.Max(global_norm(op, [state[p.name]]), op.constant(1e-12, FLOAT))
            op.output(f"watch/update_ratio/{p.name}", op.Div(change, size))
        for path, share in self.dead_units(op, forward):
            op.output(f"watch/dead_units/{path}", share)
        return op

    def dead_units(self, op: Emitter, forward: Forward) -> Iterable[tuple[str, ir.Value]]:
        """For each ReLU, the share of its features that are zero for every row of the batch."""
        seen: dict[str, int] = {}
        for apply in self.net.applies:
            if apply.operation.name != "relu" or (apply, 0) not in forward.values:
                continue
            y = forward.values[apply, 0]
            rank = len(op.shape(y))
            if rank < 2:
                continue
            count = seen[apply.path] = seen.get(apply.path, 0) + 1
            highest = op.reduce("ReduceMax", y, list(range(rank - 1)), False)
            dead = op.cast(op.Equal(highest, op.constant(0.0, y.dtype)), FLOAT)
            yield f"{apply.path}.relu_{count}", op.reduce("ReduceMean", dead, None, False)

    def evaluated(self, op: Emitter) -> dict[str, ir.Value]:
        """Declares the state that evaluation reads, and binds the parameters to it."""
        rows = {r.name: r for r in self.state}
        names = {p.name: evaluated_name(p, self.config) for p in self.net.parameters}
        inputs = {n: op.input(n, rows[n].type) for n in (r.name for r in self.state) if n in names.values()}
        op.parameters = {p: inputs[n] for p, n in names.items()}
        return inputs

    def eval_and_score(self) -> tuple[Emitter, Emitter]:
        """batch, parameters -> loss, metrics, accumulators, outputs; accumulators -> exact metrics."""
        op, score = self.emitter("eval", False), self.emitter("score", False)
        batch = self.batch(op)
        self.evaluated(op)
        forward = self.forward(op, batch)
        forward.emit(self.net.outputs.values())
        cutting = Accumulation(self.net, forward, score)
        found = []
        for metric in self.net.metrics:
            accumulators, value = cutting.cut(metric)
            self.accumulators[metric.name] = [(n, how) for n, how, _ in accumulators]
            found += accumulators
            score.output(metric.name, value)
        self.publish_scores(op, forward)
        for name, _, value in found:
            op.output(name, value)
        for name, tensor in self.net.outputs.items():
            op.output(name, forward.value(tensor))
        return op, score

    def infer(self) -> Emitter:
        """inputs, parameters -> outputs."""
        op = self.emitter("infer", False)
        batch = self.batch(op, ("input",))
        state = self.evaluated(op)
        forward = Forward(self.net, op, batch)
        forward.emit(self.net.outputs.values())
        for name, tensor in self.net.outputs.items():
            op.output(name, forward.value(tensor))
        unread = [v for v in state.values() if not v.uses()]
        for v in unread:
            op.graph.inputs.remove(v)
        return op

    # --- manifest -----------------------------------------------------------------------------------------------------

    def manifest(self, written: Iterable[str]) -> dict[str, Any]:
        """The description that hosts read; `eval_and_score` must have been built."""
        net, config = self.net, self.config
        stop, plateau = config.stop, config.plateau
        return {
            "format": FORMAT,
            "producer": {"name": "netc", "version": version()},
            "spec": {
                "name": net.name,
                "sha256": hashlib.sha256(net.source.text.encode()).hexdigest(),
                "text": net.source.text,
                "resolved": net.resolved,
            },
            "graphs": {g: f"{g}.onnx" for g in written},
            "inputs": [self.input_row(i) for i in net.inputs],
            "state": [self.state_row(r) for r in self.state],
            "metrics": [
                {
                    "name": m.name,
                    "mode": m.mode,
                    "accumulate": [{"name": n, "how": how} for n, how in self.accumulators[m.name]],
                }
                for m in net.metrics
            ],
            "outputs": [
                {"name": n, "dtype": t.type.dtype.numpy, "shape": _shape(t.type)} for n, t in net.outputs.items()
            ],
            "train": {
                "batch": config.batch,
                "epochs": config.epochs,
                "steps": config.steps,
                "seed": config.seed,
                "shuffle": config.shuffle,
                "stop": None
                if stop is None
                else {
                    "split": stop.score.split, "score": stop.score.name, "mode": stop.score.mode,
                    "patience": stop.patience, "delta": float(stop.delta),
                },
                "plateau": None
                if plateau is None
                else {
                    "split": plateau.score.split, "score": plateau.score.name, "mode": plateau.score.mode,
                    "patience": plateau.patience, "delta": float(plateau.delta), "factor": float(plateau.factor),
                    "floor": float(plateau.floor),
                },
                "optimizer": config.text["optimizer"],
                "settings": dict(config.text),
            },
            "data": None
            if net.data is None
            else {"source": dict(net.data.source), "split": net.data.split, "folder": net.data.folder},
        }  # fmt: skip

    def input_row(self, i: Input) -> dict[str, Any]:
        row: dict[str, Any] = {"name": i.name, "dtype": i.type.dtype.numpy, "shape": _shape(i.type), "role": i.role}
        classes = self.classes_of(i)
        return row if classes is None else {**row, "classes": classes}

    def classes_of(self, i: Input) -> int | None:
        """How many classes an integer input selects from, so that data can be checked before it is fed."""
        for apply in self.net.applies:
            slots = [s for s in apply.operation.slots if s.is_tensor]
            for slot, x in zip(slots, apply.inputs):
                if slot.kind == "Index" and x.origin is i and i.type.dtype.is_integer:
                    axis = apply.settings.get("axis", 0)
                    size = apply.settings.get(
                        "classes", apply.inputs[0].type.shape[axis] if apply.inputs[0] is not x else None
                    )
                    if isinstance(size, int):
                        return size
        return None

    def state_row(self, r: StateRow) -> dict[str, Any]:
        row = {
            "name": r.name, "dtype": r.type.dtype.numpy, "shape": _shape(r.type), "role": r.role, "changes": r.changes,
            "trainable": r.role == "parameter" and r.changes,
        }  # fmt: skip
        if r.role in ("optimizer", "average") and r.parameter is not None:
            row["of"] = r.parameter.name
        return row


def _shape(t: TensorType) -> list[int | str]:
    return [d if isinstance(d, int) else str(d) for d in t.shape]


@dataclass
class Program:
    """A compiled spec. Graphs are built and checked when first asked for; `warnings` is what `check` had to say."""

    net: TypedNet
    builder: Builder = field(init=False)
    verify: bool = False
    printed: str = ""
    _graphs: dict[str, onnx.ModelProto] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.builder = Builder(self.net)

    @property
    def warnings(self) -> list[str]:
        return [d.render() for d in self.net.warnings]

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest of a program with the five graphs that every program has."""
        self._eval_and_score()
        return self.builder.manifest(GRAPHS)

    def graph(self, name: str) -> onnx.ModelProto:
        """One of init, step, eval, infer, score, grad, apply, watch, as a checked ModelProto."""
        if name not in (*GRAPHS, *ON_REQUEST):
            raise KeyError(f"there is no graph `{name}`")
        with collector_paused():
            if name in ("eval", "score"):
                self._eval_and_score()
            if name not in self._graphs:
                self._graphs[name] = self._finish(getattr(self.builder, name)())
        return self._graphs[name]

    def model_bytes(self, name: str) -> bytes:
        """One of the graphs, serialized, as the runtime asks for it."""
        content: bytes = self.graph(name).SerializeToString()
        return content

    init = property(lambda self: self.graph("init"))
    step = property(lambda self: self.graph("step"))
    eval = property(lambda self: self.graph("eval"))
    infer = property(lambda self: self.graph("infer"))
    score = property(lambda self: self.graph("score"))
    grad = property(lambda self: self.graph("grad"))
    apply = property(lambda self: self.graph("apply"))
    watch = property(lambda self: self.graph("watch"))

    def _eval_and_score(self) -> None:
        if "eval" not in self._graphs:
            evaluation, score = self.builder.eval_and_score()
            self._graphs["eval"], self._graphs["score"] = self._finish(evaluation), self._finish(score)

    def _finish(self, op: Emitter) -> onnx.ModelProto:
        model = ir.Model(op.graph, ir_version=_ir_version(op.opset), producer_name="netc", producer_version=version())
        optimize(model, self.verify, self.printed)
        proto = ir.to_proto(model)
        assert isinstance(proto, onnx.ModelProto)
        onnx.checker.check_model(proto, full_check=True)
        return proto

    def save(self, folder: str | Path, also: Iterable[str] = ()) -> Path:
        """Writes the program to a folder: the five graphs, those named in `also`, and manifest.json."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = [*GRAPHS, *also]
        self._eval_and_score()
        manifest = self.builder.manifest(written)
        text = json.dumps(manifest, indent=1)
        for name in written:
            proto = onnx.ModelProto()
            proto.CopyFrom(self.graph(name))
            onnx.helper.set_model_props(proto, {"netc.manifest": text})
            (folder / f"{name}.onnx").write_bytes(proto.SerializeToString())
        (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
        return folder

    def __repr__(self) -> str:
        return f"Program({self.net.name!r}, {len(self.net.parameters)} parameters, from {PurePath(self.net.source.name).name})"


def _ir_version(opset: int) -> int:
    """IR 8 unless a higher opset needs more (the table of ONNX releases)."""
    table = {19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 12, 26: 13}
    return table.get(opset, IR_VERSION)

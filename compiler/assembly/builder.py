"""The graphs of a program: forward, derived backward and update put together, each with its inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from netc.compiler.assembly.accumulation import Accumulation
from netc.compiler.autodiff import NoGradientError, backpropagate
from netc.compiler.training.configuration import TrainConfig
from netc.compiler.graph.emitter import BASE_OPSET, Emitter
from netc.compiler.importer.layer import ImportedModel
from netc.compiler.language.onnx_operators import OnnxOperation
from netc.compiler.assembly.forward import Forward
from netc.compiler.graph.random import Random
from netc.compiler.training.state import StateRow, evaluated_name, state_rows
from netc.compiler.net import Parameter, TypedNet
from netc.compiler.graph.types import FLOAT, I32, TensorType
from netc.compiler.training.update import Update, global_norm
from netc.grammar.diagnostics import error

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
        asked = [a.operation.opset for a in net.applies if isinstance(a.operation, OnnxOperation | ImportedModel)]
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
        forward, _, _, following = self.whole_step(op)
        self.publish_scores(op, forward)
        for r in self.state:
            if r.changes:
                op.output(f"{r.name}.next", following[r.name])
        return op

    def whole_step(
        self, op: Emitter
    ) -> tuple[Forward, dict[str, ir.Value], dict[Parameter, ir.Value], dict[str, ir.Value]]:
        """Everything of a step but its outputs: the forward pass, the state, the gradients, the next state."""
        batch = self.batch(op)
        seed, row = op.input("seed", SCALAR_I32), op.input("row", SCALAR_I32)
        state = self.state_inputs(op, self.state)
        self.bind_parameters(op, state)
        op.random = Random(op, seed, state["step"], row)
        forward = self.forward(op, batch)
        gradients = self.gradients(op, forward)
        return forward, state, gradients, Update(op, self.config, state).emit(gradients)

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
        forward, state, gradients, following = self.whole_step(op)
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
        if not self.net.metrics:
            loadable(score, "metrics")
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
        if not self.net.outputs:
            loadable(op, "outputs")
        unread = [v for v in state.values() if not v.uses()]
        for v in unread:
            op.graph.inputs.remove(v)
        return op


def loadable(op: Emitter, name: str) -> None:
    """Gives a graph that would be empty one output, 0: ONNX Runtime does not load a graph without any value."""
    op.output(name, op.constant(0.0, FLOAT))

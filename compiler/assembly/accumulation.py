"""Metrics that are exact over unequal batches: what each batch adds, and the score of everything added.

A metric's expression is cut where it reduces over the batch. A reduction of values that belong to single rows becomes
accumulators (a mean: the sum and the count); what is computed from reductions goes to score.onnx. Where a reduction
cannot be split (rows compared with a mean over all rows), the rows themselves are concatenated.
"""

from __future__ import annotations

from netc.compiler.assembly.forward import Forward, constant, emitted, line_of
from netc.compiler.graph.dimensions import Shape, Symbolic, symbol
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.language.lowering import Context
from netc.compiler.net import Apply, Constant, PublishedMetric, Size, Tensor, TypedNet
from netc.grammar.diagnostics import error

Accumulator = tuple[str, str, Value]  # name, "sum" or "concat", value in the evaluation graph


class Accumulation:
    """Cuts the metrics of one net: `evaluation` emits into eval.onnx, `score` into score.onnx."""

    def __init__(self, net: TypedNet, evaluation: Forward, score: Emitter):
        self.net, self.evaluation, self.score = net, evaluation, score
        self.found: list[Accumulator] = []
        self.metric: PublishedMetric | None = None
        self.scored: dict[tuple[object, int], Value] = {}

    def cut(self, metric: PublishedMetric) -> tuple[list[Accumulator], Value]:
        """The accumulators of a metric, and its value in the score graph."""
        self.found, self.metric, self.scored = [], metric, {}
        with self.evaluation.op.at(line_of(metric.span), metric.name), self.score.at(line_of(metric.span), metric.name):
            value = self.value(metric.value)
        return self.found, value

    def value(self, tensor: Tensor) -> Value:
        """A tensor of the metric's expression in the score graph."""
        key = (tensor.origin, tensor.index)
        if key not in self.scored:
            self.scored[key] = self._value(tensor)
        return self.scored[key]

    def _value(self, tensor: Tensor) -> Value:
        if isinstance(tensor.origin, Constant):
            return constant(self.score, tensor.origin, tensor)
        if isinstance(tensor.origin, Size):
            return self.size(tensor, tensor.origin)
        if self.by_row(tensor):
            return self.concatenated(tensor)
        apply = tensor.origin
        assert isinstance(apply, Apply)
        if self.splits(apply):
            return self.accumulated(apply)
        variables = {part: self.same(self.evaluation.held[v], v.shape) for part, v in apply.variables.items()}
        inputs = [self.value(x) for x in apply.inputs]
        lowered = emitted(self.score, apply, inputs, variables, Context(training=False))
        for i, y in enumerate(lowered.outputs):
            self.scored[apply, i] = y
        return lowered.outputs[tensor.index]

    # --- what kind of tensor it is ------------------------------------------------------------------------------------

    def has_batch(self, tensor: Tensor) -> bool:
        return any(isinstance(d, Symbolic) and self.net.batch in d.symbols for d in tensor.type.shape)

    def mixes(self, apply: Apply) -> bool:
        """Whether an operation brings different rows together."""
        if any(self.has_batch(x) for x in apply.inputs) and not all(self.has_batch(y) for y in apply.outputs):
            return True
        axis = apply.settings.get("axis")
        return any(
            self.has_batch(x) and isinstance(axis, int) and x.type.rank and axis % x.type.rank == 0
            for x in apply.inputs
        )

    def by_row(self, tensor: Tensor) -> bool:
        """Whether no two rows of the batch have met on the way to this tensor."""
        stack, seen = [tensor], set()
        while stack:
            origin = stack.pop().origin
            if isinstance(origin, Size):
                return False
            if isinstance(origin, Apply) and origin not in seen:
                seen.add(origin)
                if self.mixes(origin):
                    return False
                stack += origin.inputs
        return True

    def splits(self, apply: Apply) -> bool:
        """Whether the operation is a reduction over rows that knows how to accumulate."""
        return apply.operation.accumulates and self.mixes(apply) and all(self.by_row(x) for x in apply.inputs)

    # --- what a batch adds --------------------------------------------------------------------------------------------

    def accumulated(self, apply: Apply) -> Value:
        inputs = [self.evaluation.of(x) for x in apply.inputs]
        parts = apply.operation.accumulate(self.evaluation.op, inputs, apply.settings)
        there = {part: self.add(part, how, value) for part, (how, value) in parts.items()}
        return apply.operation.score(self.score, there, apply.settings)

    def concatenated(self, tensor: Tensor) -> Value:
        """All rows, one batch after the other; a value that has no rows is the same in every batch, so one is taken."""
        value = self.evaluation.of(tensor)
        if self.has_batch(tensor):
            first = tensor.type.shape[0]
            if first != symbol(self.net.batch):
                assert self.metric is not None
                raise error(
                    "metric-accumulation", f"`{self.metric.name}` cannot be accumulated: the batch of `{tensor.type}` is not "
                    "its first axis", tensor.span, help="keep the batch first until the metric reduces it",
                )  # fmt: skip
            return self.add("rows", "concat", value)
        return self.same(value, tensor.type.shape)

    def same(self, value: Value, shape: Shape) -> Value:
        """What is the same in every batch, such as a parameter: the first one."""
        op = self.evaluation.op
        there = self.add("value", "concat", op.Unsqueeze(value, op.vector([0])))
        one = self.score.Slice(there, self.score.vector([0]), self.score.vector([1]))
        return self.score.reshape(one, shape)

    def size(self, tensor: Tensor, leaf: Size) -> Value:
        """A symbolic dimension as a number: the batch's is added up, another is the same in every batch."""
        if leaf.dim == symbol(self.net.batch):
            return self.add("rows", "sum", self.evaluation.of(tensor))
        op = self.evaluation.op
        there = self.add("value", "concat", op.Unsqueeze(self.evaluation.of(tensor), op.vector([0])))
        return self.score.reduce("ReduceMax", there, 0, False)

    def add(self, part: str, how: str, value: Value) -> Value:
        """Records an accumulator and returns it as an input of the score graph."""
        assert self.metric is not None
        taken = {name for name, _, _ in self.found}
        name = base = f"{self.metric.name}/{part}"
        count = 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        self.found.append((name, how, value))
        t = self.evaluation.op.type_of(value)
        rows = f"{name}.rows" if how == "concat" else ""
        return self.score.input(name, t.with_shape((symbol(rows), *t.shape[1:])) if rows else t)


def accumulate(
    evaluation: Forward, score: Emitter, net: TypedNet
) -> tuple[dict[str, list[Accumulator]], dict[str, Value]]:
    """The accumulators of each metric in the evaluation graph, and its value in the score graph."""
    cutting = Accumulation(net, evaluation, score)
    cut = {m.name: cutting.cut(m) for m in net.metrics}
    return {n: found for n, (found, _) in cut.items()}, {n: value for n, (_, value) in cut.items()}

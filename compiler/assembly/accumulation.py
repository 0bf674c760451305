"""Metrics that are exact over unequal batches: what each batch adds, and the score of everything added.

A metric's expression is cut where rows meet. What is a sum over rows is added up; a reduction that knows how becomes its
accumulators (a mean: the sum and the count); what is computed from those goes to score.onnx. Where rows meet otherwise
(a running sum, rows compared with a mean over all rows), the rows themselves are concatenated, and the rest is computed
from all of them. How rows flow is read off the nodes of eval.onnx (graph/rows), whatever words made them.
"""

from __future__ import annotations

from collections.abc import Iterable

from netc.compiler.assembly.forward import Forward, constant, emitted, line_of
from netc.compiler.graph.dimensions import Symbolic, symbol
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.rows import RowFlow, Spread
from netc.compiler.language.lowering import Context
from netc.compiler.language.variables import Variable
from netc.compiler.net import Apply, Constant, Input, PublishedMetric, Size, Tensor, TypedNet

Accumulator = tuple[str, str, Value]  # name, "sum" or "concat", value in the evaluation graph


class Accumulation:
    """Cuts the metrics of one net: `evaluation` emits into eval.onnx, `score` into score.onnx."""

    def __init__(self, net: TypedNet, evaluation: Forward, score: Emitter):
        self.net, self.evaluation, self.score = net, evaluation, score
        symbols = {s for i in net.inputs for d in i.type.shape if isinstance(d, Symbolic) for s in d.symbols}
        self.flow = RowFlow(evaluation.op, net.batch, symbols)
        self.found: list[Accumulator] = []
        self.metric: PublishedMetric | None = None
        self.scored: dict[tuple[object, int], Value] = {}

    def cut(self, metric: PublishedMetric) -> tuple[list[Accumulator], Value]:
        """The accumulators of a metric, and its value in the score graph."""
        self.found, self.metric, self.scored = [], metric, {}
        with self.evaluation.op.at(line_of(metric.span), metric.name), self.score.at(line_of(metric.span), metric.name):
            behind = self.behind(metric.value)
            for apply in self.net.applies:
                if apply in behind:
                    self.compute(apply)
            return self.found, self.value(metric.value)

    def behind(self, root: Tensor) -> set[Apply]:
        """The operations that can only be computed from all rows."""
        found: set[Apply] = set()
        stack = [root]
        while stack:
            apply = stack.pop().origin
            if isinstance(apply, Apply) and apply not in found and not self.by_batch(apply):
                found.add(apply)
                stack += apply.inputs
                if apply.operation.derives:  # its first tensor must be computed where the derivative is
                    found |= self.between(*apply.inputs)
                    stack += [x for a in found for x in a.inputs]
        return found

    def between(self, y: Tensor, x: Tensor) -> set[Apply]:
        """The operations by which y is computed from x."""
        reaching: set[object] = {x.origin}
        for apply in self.net.applies:
            if any(t.origin in reaching for t in apply.inputs):
                reaching.add(apply)
        found: set[Apply] = set()
        stack = [y.origin]
        while stack:
            origin = stack.pop()
            if isinstance(origin, Apply) and origin in reaching and origin is not x.origin and origin not in found:
                found.add(origin)
                stack += [t.origin for t in origin.inputs]
        return found

    def by_batch(self, apply: Apply) -> bool:
        """Whether each batch can give its part: rows that have not met, sums over them, or a reduction that knows how."""
        self.evaluation.emit([*apply.outputs])
        return all(self.spread(y) is not Spread.MIXED for y in apply.outputs) or bool(self.parts(apply))

    def is_of_means(self, root: Tensor) -> bool:
        """Whether a tensor is computed from means, and from reductions that know how, so that its size is that of one batch."""
        behind = self.behind(root)
        edge = [x for a in behind for x in a.inputs if x.origin not in behind] if behind else [root]
        return all(
            self.spread(x) in (Spread.MEAN, Spread.SAME) or (isinstance(x.origin, Apply) and bool(self.parts(x.origin)))
            for x in edge
        )

    def parts(self, apply: Apply) -> dict[str, tuple[str, Value]]:
        """What a batch adds to a reduction that knows how to accumulate; nothing where its sums would not add up."""
        if not apply.operation.accumulates or not all(
            isinstance(self.spread(x), int) or self.spread(x) is Spread.SAME for x in apply.inputs
        ):
            return {}
        inputs = [self.evaluation.value(x) for x in apply.inputs]
        parts = apply.operation.accumulate(self.evaluation.op, inputs, apply.settings)
        sums = [value for how, value in parts.values() if how == "sum"]
        return parts if all(self.flow.of(v) is Spread.TOTAL for v in sums) else {}

    def spread(self, tensor: Tensor) -> int | Spread:
        """How a tensor depends on the rows of the batch."""
        return self.flow.of(self.evaluation.of(tensor))

    # --- in the score graph -------------------------------------------------------------------------------------------

    def compute(self, apply: Apply) -> None:
        """One operation on all rows."""
        variables = {part: self.variable(v) for part, v in apply.variables.items()}
        inputs = [self.value(x) for x in apply.inputs]
        for name in sorted(_symbols([*(d for y in apply.outputs for d in y.type.shape), *apply.settings.values()])):
            self.size(name)
        lowered = emitted(self.score, apply, inputs, variables, Context(training=False))
        for i, (y, output) in enumerate(zip(lowered.outputs, apply.outputs)):
            if self.score.type_of(y) != output.type:
                self.score.stamp(y, output.type)
            self.scored[apply, i] = y

    def size(self, name: str) -> None:
        """Tells the score graph a symbolic dimension that none of its inputs has: the batch is all rows there."""
        if self.score.has_size(name):
            return
        here = self.evaluation.op.dimension(symbol(name))
        self.score.shared(
            ("size", name), lambda: self.add("size", "sum", here) if name == self.net.batch else self.same(here)
        )

    def value(self, tensor: Tensor) -> Value:
        """A tensor of the metric's expression: computed there, or put together from what the batches gave."""
        key = (tensor.origin, tensor.index)
        if key not in self.scored:
            self.scored[key] = self.gathered(tensor)
        return self.scored[key]

    def gathered(self, tensor: Tensor) -> Value:
        """A tensor from what the batches gave."""
        match tensor.origin:
            case Constant() as literal:
                return constant(self.score, literal, tensor)
            case Variable() as variable:
                return self.variable(variable)
            case Size() | Input() | Apply():
                found = self.spread(tensor)
        value = self.evaluation.of(tensor)
        if isinstance(tensor.origin, Apply) and (parts := self.parts(tensor.origin)):
            there = {part: self.add(part, how, what) for part, (how, what) in parts.items()}
            return tensor.origin.operation.score(self.score, there, tensor.origin.settings)
        if isinstance(found, int):
            return self.rows(value, found)
        if found is Spread.SAME:
            return self.same(value)
        if found is Spread.TOTAL:
            return self.add("sum", "sum", value)
        assert found is Spread.MEAN, "what is mixed is computed"
        count = self.evaluation.op.cast(self.evaluation.op.dimension(symbol(self.net.batch)), tensor.type.dtype)
        total = self.add("sum", "sum", self.evaluation.op.Mul(value, count))
        return self.score.Div(total, self.add("count", "sum", count))

    def rows(self, value: Value, axis: int) -> Value:
        """All rows, one batch after the other; they are joined along the first axis."""
        op, rank = self.evaluation.op, len(self.evaluation.op.shape(value))
        order = [axis, *(i for i in range(rank) if i != axis)]
        first = value if axis == 0 else op.Transpose(value, perm=order)
        there = self.add("rows", "concat", first, op.shape(first))
        return there if axis == 0 else self.score.Transpose(there, perm=[order.index(i) for i in range(rank)])

    def variable(self, variable: Variable) -> Value:
        """The value of a variable, the same in every batch."""
        key = (variable, 0)
        if key not in self.scored:
            self.scored[key] = self.same(self.evaluation.held[variable])
        return self.scored[key]

    def same(self, value: Value) -> Value:
        """What is the same in every batch, such as a parameter: the first one."""
        op = self.evaluation.op
        known = op.known(value)
        if known is not None:
            return self.score.tensor(known)
        there = self.add("value", "concat", op.Unsqueeze(value, op.vector([0])))
        one = self.score.Slice(there, self.score.vector([0]), self.score.vector([1]))
        return self.score.reshape(one, op.shape(value))

    def add(self, part: str, how: str, value: Value, joined: tuple[int | Symbolic, ...] | None = None) -> Value:
        """Records an accumulator and returns it as an input of the score graph, of shape `joined` where that is known."""
        assert self.metric is not None
        taken = {name for name, _, _ in self.found}
        name = base = f"{self.metric.name}/{part}"
        count = 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        self.found.append((name, how, value))
        t = self.evaluation.op.type_of(value)
        if how == "concat":
            t = t.with_shape(joined or (symbol(f"{name}.batches"), *t.shape[1:]))
        return self.score.input(name, t)


def _symbols(values: Iterable[object]) -> set[str]:
    """The symbolic dimensions among values, and in their tuples."""
    found: set[str] = set()
    for v in values:
        found |= v.symbols if isinstance(v, Symbolic) else _symbols(v) if isinstance(v, tuple) else set()
    return found


def accumulate(
    evaluation: Forward, score: Emitter, net: TypedNet
) -> tuple[dict[str, list[Accumulator]], dict[str, Value]]:
    """The accumulators of each metric in the evaluation graph, and its value in the score graph.

    The loss has some too where it is computed from means in another way than by adding them, such as a square root. One that
    has a sum over the batch, or compares its rows with one another, means the batch, and is weighted by rows.
    """
    cutting = Accumulation(net, evaluation, score)
    scores = list(net.metrics)
    loss = net.loss
    assert loss is not None
    if cutting.spread(loss) not in (Spread.MEAN, Spread.SAME) and cutting.is_of_means(loss):
        scores.insert(0, PublishedMetric("loss", "min", loss, loss.span))
    cut = {m.name: cutting.cut(m) for m in scores}
    return {n: found for n, (found, _) in cut.items()}, {n: value for n, (_, value) in cut.items()}

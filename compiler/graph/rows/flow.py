"""How rows flow through a graph, by a rule for each operator; an operator without a rule mixes all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import onnx_ir as ir

from netc.compiler.graph.bodies import operands
from netc.compiler.graph.dimensions import Dim, Symbolic, bind, product, quotient, symbol
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.folding import is_random
from netc.compiler.graph.inference import UnknownError


class Spread(Enum):
    """Of a value without an axis of rows."""

    SAME = "the same in every batch"
    TOTAL = "a sum over rows, so that those of several batches add up to that of all rows"
    MEAN = "a mean over rows, so that those of several batches, weighted by their rows, are that of all rows"
    MIXED = "anything else that depends on several rows"


Flow = int | Spread  # an axis whose i-th entry, or i-th of equal blocks of entries, depends on row i of the batch alone
SAME, TOTAL, MEAN, MIXED = Spread.SAME, Spread.TOTAL, Spread.MEAN, Spread.MIXED


@dataclass(frozen=True)
class FlowNode:
    """A node as its rule sees it: what flows into it, and what is known of shapes and constants."""

    op: Emitter
    node: ir.Node
    flows: Sequence[Flow]  # of the inputs, SAME where one is left out
    batch: str

    def attribute(self, name: str, default: int) -> int:
        found = self.node.attributes.get(name)
        return default if found is None else int(found.value)

    def integers(self, position: int) -> list[int] | None:
        """The whole numbers of a constant input; None where it is left out. Raises UnknownError where they are computed."""
        given = self.node.inputs[position] if position < len(self.node.inputs) else None
        return None if given is None else self.op.integers(given)

    def shape(self, position: int = 0) -> tuple[Dim, ...]:
        """The dimensions of an input. Raises UnknownError."""
        given = self.node.inputs[position]
        assert given is not None
        return self.op.shape(given)

    def rank(self, position: int = 0) -> int:
        return len(self.shape(position))

    @property
    def results(self) -> tuple[Dim, ...]:
        """The dimensions of the first output. Raises UnknownError."""
        return self.op.shape(self.node.outputs[0])

    def alone(self) -> bool:
        """Whether every operand but the first is the same in every batch."""
        return all(f is SAME for f in self.flows[1:])


Rule = Callable[[FlowNode], Flow | Sequence[Flow]]  # one flow for all outputs, or one for each
R = TypeVar("R", bound=Rule)
RULES: dict[str, Rule] = {}


def rows(*operators: str) -> Callable[[R], R]:
    """Registers the rule of some operators. It is asked where not every operand is SAME, and none is MIXED."""

    def register(rule: R) -> R:
        for operator in operators:
            assert operator not in RULES, f"`{operator}` has two rules"
            RULES[operator] = rule
        return rule

    return register


class RowFlow:
    """The flow of every value of a graph, worked out when it is asked for. `batch` is the symbol of the batch dimension;
    `symbols` are the other symbolic dimensions of the inputs, the same in every batch."""

    def __init__(self, op: Emitter, batch: str, symbols: set[str]):
        self.op, self.batch, self.symbols = op, batch, symbols
        self._known: dict[Value, Flow] = {}

    def of(self, value: Value) -> Flow:
        """How a value depends on the rows of the batch."""
        stack = [value]
        while stack:
            current = stack[-1]
            node = current.producer()
            waiting = [] if node is None else [x for x in operands(node) if x is not None and x not in self._known]
            if current in self._known or not waiting:
                stack.pop()
                self._settle(current)
            else:
                stack += waiting
        return self._known[value]

    def _settle(self, value: Value) -> None:
        node = value.producer()
        if value in self._known:
            return
        if node is None:
            known = self.op.known_type(value)
            fed = known is not None and known.rank and known.shape[0] == symbol(self.batch)
            self._known[value] = 0 if fed else SAME
            return
        found = self._flow(node)
        flows = [found] * len(node.outputs) if isinstance(found, int | Spread) else list(found)
        for output, flow in zip(node.outputs, flows, strict=True):
            self._known[output] = flow if self._fits(output, flow) else MIXED

    def _flow(self, node: ir.Node) -> Flow | Sequence[Flow]:
        if is_random(node.op_type) and node.op_type not in RULES:
            return MIXED
        if node.op_type in ("Shape", "Size"):
            return self._sizes(node)
        flows = [SAME if x is None else self._known[x] for x in operands(node)]
        if node.op_type in SHAPED:  # what says the shape of the result is no part of its elements
            flows = flows[:1] if node.op_type != "ConstantOfShape" else []
        if MIXED in flows:
            return MIXED
        asked = FlowNode(self.op, node, flows, self.batch)
        if all(f is SAME for f in flows):
            return self._spread_out(asked)
        rule = RULES.get(node.op_type)
        try:
            return MIXED if rule is None else rule(asked)
        except UnknownError:
            return MIXED

    def _sizes(self, node: ir.Node) -> Flow:
        """Shape and Size: a dimension that is a multiple of the batch adds up."""
        given = node.inputs[0]
        assert given is not None
        t = self.op.known_type(given)
        if t is None:
            return MIXED
        start, end = (node.attributes.get(n) for n in ("start", "end"))
        dims = t.shape[slice(start.value if start else None, end.value if end else None)]
        if node.op_type == "Size":
            dims = (product(t.shape),)
        if not any(self._counts_rows(d) for d in dims):
            return SAME if all(self._is_known(d) for d in dims) else MIXED
        return TOTAL if len(dims) == 1 and self._share(dims[0]) is not None else MIXED

    def _spread_out(self, asked: FlowNode) -> Flow | Sequence[Flow]:
        """Equal operands in every batch give equal results, repeated for each row where the shape says so."""
        found: list[Flow] = []
        for output in asked.node.outputs:
            t = self.op.known_type(output)
            axes = [] if t is None else [i for i, d in enumerate(t.shape) if self._counts_rows(d)]
            repeats = asked.node.op_type in ("Expand", "ConstantOfShape")
            found.append(SAME if not axes else axes[0] if repeats else MIXED)
        return found

    def _fits(self, value: Value, flow: Flow) -> bool:
        """Whether the shape agrees: one axis is a multiple of the batch where there are rows, else none is."""
        t = self.op.known_type(value)
        if t is None:
            return not isinstance(flow, int)
        axes = [i for i, d in enumerate(t.shape) if self._counts_rows(d) or not self._is_known(d)]
        if not isinstance(flow, int):
            return not axes or flow is MIXED
        return axes == [flow] and self._share(t.shape[flow]) is not None

    def _counts_rows(self, dim: Dim) -> bool:
        return isinstance(dim, Symbolic) and self.batch in dim.symbols

    def _is_known(self, dim: Dim) -> bool:
        return isinstance(dim, int) or dim.symbols <= {self.batch, *self.symbols}

    def _share(self, dim: Dim) -> Dim | None:
        """The entries of each row, where a dimension is a multiple of the batch."""
        found = quotient(dim, symbol(self.batch))
        return found if found is not None and bind(found, self.batch, 1) == found else None


SHAPED = {"Reshape", "Expand", "ConstantOfShape"}

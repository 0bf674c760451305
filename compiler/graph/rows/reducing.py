"""Rows through operators that bring the elements of some axes together."""

from __future__ import annotations

from collections.abc import Callable

from netc.compiler.graph.rows.flow import MEAN, MIXED, SAME, TOTAL, Flow, FlowNode, rows


def _left(axis: int, gone: list[int], keep: bool) -> int:
    """The place of an axis after others have gone."""
    return axis if keep else axis - sum(g < axis for g in gone)


SUMS = {"ReduceSum", "ReduceSumSquare", "ReduceL1"}


@rows("ReduceSum", "ReduceSumSquare", "ReduceL1", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2",
      "ReduceLogSum", "ReduceLogSumExp")  # fmt: skip
def reduced(node: FlowNode) -> Flow:
    """Within each row, or over rows: then a sum is a total."""
    operator, flow = node.node.op_type, node.flows[0]
    given = node.integers(1)
    gone = list(range(node.rank())) if not given else [a % node.rank() for a in given]
    if not given and node.attribute("noop_with_empty_axes", 0):
        return flow
    if not isinstance(flow, int):
        return flow if operator in ("ReduceSum", "ReduceMean") else MIXED
    if flow in gone:
        return MEAN if operator == "ReduceMean" else TOTAL if operator in SUMS else MIXED
    return _left(flow, gone, node.attribute("keepdims", 1) == 1)


@rows("ArgMax", "ArgMin")
def position(node: FlowNode) -> Flow:
    flow, axis = node.flows[0], node.attribute("axis", 0) % node.rank()
    if not isinstance(flow, int) or flow == axis:
        return MIXED
    return _left(flow, [axis], node.attribute("keepdims", 1) == 1)


def _along(default: int) -> Callable[[FlowNode], Flow]:
    """The rule of operators that mix what lies on one axis, an attribute."""

    def rule(node: FlowNode) -> Flow:
        flow = node.flows[0]
        return flow if isinstance(flow, int) and node.alone() and flow != _axis(node, default) else MIXED

    return rule


def _axis(node: FlowNode, default: int) -> int:
    return node.attribute("axis", default) % node.rank()


rows("Softmax", "LogSoftmax", "Hardmax", "LpNormalization", "TopK")(_along(-1))


@rows("CumSum", "CumProd")
def running(node: FlowNode) -> Flow:
    axes = node.integers(1) or [0]
    flow = node.flows[0]
    if not isinstance(flow, int):
        return flow if node.node.op_type == "CumSum" else MIXED
    return MIXED if flow == axes[0] % node.rank() else flow


@rows("LayerNormalization", "RMSNormalization")
def normalised(node: FlowNode) -> list[Flow]:
    """Over the axes from `axis` on; mean and deviation are further outputs."""
    flow = node.flows[0]
    inside = isinstance(flow, int) and node.alone() and flow < _axis(node, -1)
    return [flow if inside else MIXED] * len(node.node.outputs)


@rows("Trilu", "Det")
def matrices(node: FlowNode) -> Flow:
    flow = node.flows[0]
    return flow if isinstance(flow, int) and flow < node.rank() - 2 else MIXED


@rows("MatMul")
def product(node: FlowNode) -> Flow:
    """Rows of either operand; a product over rows, as in x^T y, is a total."""
    left, right = node.flows
    if not isinstance(left, int) and not isinstance(right, int):
        return MIXED if SAME not in (left, right) else right if left is SAME else left
    if {left, right} & {TOTAL, MEAN}:
        return MIXED
    a, b = node.rank(0), node.rank(1)
    contracted = (a - 1, max(b - 2, 0))  # of each operand, the axis that is summed over
    if left == contracted[0] or right == contracted[1]:
        return TOTAL if (left, right) == contracted else MIXED
    rank, met = len(node.results), set()
    if isinstance(left, int):
        met.add(left + rank - a + (b == 1))
    if isinstance(right, int):
        met.add(right + rank - b + (a == 1 and right < b - 1))
    return met.pop() if len(met) == 1 else MIXED


@rows("Gemm")
def affine(node: FlowNode) -> Flow:
    """alpha A' B' + beta C"""
    left, right = node.flows[:2]
    added = node.flows[2] if len(node.flows) > 2 else None
    if {left, right} & {TOTAL, MEAN}:
        found = right if left is SAME else left if right is SAME else MIXED
        fitting = added in (None, found) or (found is MEAN and added is SAME)
        return found if not isinstance(found, int) and fitting else MIXED
    row = 1 if node.attribute("transA", 0) else 0
    column = 0 if node.attribute("transB", 0) else 1
    if left == 1 - row or right == 1 - column:
        return TOTAL if (left, right) == (1 - row, 1 - column) and added is None else MIXED
    met = {0 if left == row else None, 1 if right == column else None} - {None}
    if isinstance(added, int):
        met.add(added + 2 - node.rank(2))
    at = met.pop() if len(met) == 1 else None
    return MIXED if at is None or added in (TOTAL, MEAN) else at


@rows("Einsum")
def einsum(node: FlowNode) -> Flow:
    """By its letters: that of rows is the same in every operand, and kept, or summed over."""
    equation = str(node.node.attributes["equation"].value).replace(" ", "")
    if "." in equation:
        return MIXED
    terms, _, result = equation.partition("->")
    operands = terms.split(",")
    if "->" not in equation:
        result = "".join(sorted(c for c in {*terms} - {","} if terms.count(c) == 1))
    several = [f for f in node.flows if f is not SAME]
    if TOTAL in several or MEAN in several:
        return several[0] if len(several) == 1 else MIXED
    letters = {operand[f] for operand, f in zip(operands, node.flows) if isinstance(f, int)}
    if len(letters) != 1:
        return MIXED
    letter = letters.pop()
    if any(operand.count(letter) > isinstance(f, int) for operand, f in zip(operands, node.flows)):
        return MIXED
    return result.index(letter) if letter in result else TOTAL

"""Rows through operators that move elements, or compute each from those in its place."""

from __future__ import annotations

from collections.abc import Sequence

from netc.compiler.graph.dimensions import Dim, product, quotient, symbol
from netc.compiler.graph.rows.flow import MEAN, MIXED, SAME, TOTAL, Flow, FlowNode, Spread, rows

_OF_ONE = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Celu", "Clip", "Cos", "Cosh",
    "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "IsInf", "IsNaN", "LeakyRelu", "Log", "Mish", "Not",
    "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish",
    "Tan", "Tanh", "ThresholdedRelu",
)  # fmt: skip
_OF_SEVERAL = (
    "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
    "Max", "Min", "Mod", "Or", "PRelu", "Pow", "Where", "Xor",
)  # fmt: skip


@rows(*_OF_ONE, *_OF_SEVERAL)
def elementwise(node: FlowNode) -> Flow:
    """Every element of those in its place: the axes of rows of all operands must meet."""
    if TOTAL in node.flows or MEAN in node.flows:
        return MIXED
    rank = len(node.results)
    met = {f + rank - node.rank(i) for i, f in enumerate(node.flows) if isinstance(f, int)}
    return met.pop() if len(met) == 1 else MIXED


@rows("Add", "Sub", "Sum", "Mean", "Neg")
def linear(node: FlowNode) -> Flow:
    """Sums of totals are totals; sums of means and of what is the same in every batch are means."""
    if all(f is TOTAL for f in node.flows):
        return TOTAL
    return MEAN if {*node.flows} <= {MEAN, SAME} else elementwise(node)


@rows("Mul")
def multiplied(node: FlowNode) -> Flow:
    """A total, or a mean, times what is the same in every batch is one."""
    left, right = node.flows
    if SAME in (left, right):
        other = right if left is SAME else left
        if isinstance(other, Spread):
            return other
    return elementwise(node)


@rows("Div")
def divided(node: FlowNode) -> Flow:
    above, below = node.flows
    return above if isinstance(above, Spread) and below is SAME else elementwise(node)


@rows("Identity", "CastLike", "Cast")
def kept(node: FlowNode) -> Flow:
    """The first operand as it is; a total stays one where no fraction is cut off."""
    (given, *_), (made, *_) = node.node.inputs, node.node.outputs
    assert given is not None
    before, after = node.op.type_of(given).dtype, node.op.type_of(made).dtype
    exact = after.is_float or (before.is_integer and after.is_integer)
    return node.flows[0] if exact or isinstance(node.flows[0], int) else MIXED


@rows("Dropout")
def not_dropped(node: FlowNode) -> Flow:
    """As it is where it is not told to train; with its mask, drawn for the whole batch, where it is."""
    return node.flows[0] if len(node.flows) < 3 and len(node.node.outputs) == 1 else MIXED


@rows("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshaped(node: FlowNode) -> Flow:
    """The same elements in the same order: rows lie on the axis that has as many elements before it."""
    flow = node.flows[0]
    if not isinstance(flow, int):
        return flow
    before, after = node.shape(), node.results
    return next((i for i, d in enumerate(after) if _holds_rows(before, flow, after, i, d, node.batch)), MIXED)


def _holds_rows(before: Sequence[Dim], axis: int, after: Sequence[Dim], i: int, dim: Dim, batch: str) -> bool:
    return product(after[:i]) == product(before[:axis]) and quotient(dim, symbol(batch)) is not None


@rows("Transpose")
def transposed(node: FlowNode) -> Flow:
    flow = node.flows[0]
    given = node.node.attributes.get("perm")
    order = list(reversed(range(node.rank()))) if given is None else list(given.value)
    return order.index(flow) if isinstance(flow, int) else flow


@rows("Expand")
def expanded(node: FlowNode) -> Flow:
    flow = node.flows[0]
    return flow + len(node.results) - node.rank() if isinstance(flow, int) else flow


@rows("Concat")
def joined(node: FlowNode) -> Flow:
    """Along another axis than that of rows, which is the same one in every operand."""
    flow = node.flows[0]
    if any(f != flow for f in node.flows):
        return MIXED
    return MIXED if flow == node.attribute("axis", 0) % node.rank() else flow


@rows("Split")
def pieces(node: FlowNode) -> Flow:
    flow = node.flows[0]
    return MIXED if flow == node.attribute("axis", 0) % node.rank() or not node.alone() else flow


@rows("Slice")
def cut(node: FlowNode) -> Flow:
    """Entries of every row; entries of the axis of rows are some rows of the batch."""
    axes = node.integers(3)
    if axes is None:
        axes = list(range(len(node.integers(1) or ())))
    touched = node.flows[0] in [a % node.rank() for a in axes]
    return MIXED if touched or not node.alone() else node.flows[0]


@rows("Pad")
def padded(node: FlowNode) -> Flow:
    flow, pads = node.flows[0], node.integers(1)
    if not isinstance(flow, int) or pads is None:
        return MIXED
    given = node.integers(3)
    axes = list(range(node.rank())) if given is None else [a % node.rank() for a in given]
    begins, ends = pads[: len(axes)], pads[len(axes) :]
    return flow if all(a != flow or b == e == 0 for a, b, e in zip(axes, begins, ends)) else MIXED


@rows("Tile")
def tiled(node: FlowNode) -> Flow:
    flow, repeats = node.flows[0], node.integers(1)
    if not isinstance(flow, int) or repeats is None:
        return MIXED if repeats is None else flow
    return flow if repeats[flow] == 1 else MIXED


@rows("DepthToSpace", "SpaceToDepth", "Resize", "GridSample", "LRN", "Conv", "ConvTranspose", "ConvInteger",
      "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "InstanceNormalization",
      "GroupNormalization", "BatchNormalization", "Col2Im")  # fmt: skip
def images(node: FlowNode) -> list[Flow]:
    """Operators of [N, C, ...] that take each image by itself. (Of MaxPool's positions the first one counts.)"""
    fed = node.flows[0] == 0 and (node.alone() or (node.node.op_type == "GridSample" and node.flows[1] == 0))
    if node.attribute("training_mode", 0) or node.results[0] != node.shape()[0]:
        fed = False
    return [0 if fed else MIXED] + [MIXED] * (len(node.node.outputs) - 1)

"""Rows through operators that select by position, and through recurrent ones."""

from __future__ import annotations

from netc.compiler.graph.rows.flow import MEAN, MIXED, SAME, TOTAL, Flow, FlowNode, rows


@rows("Gather")
def gathered(node: FlowNode) -> Flow:
    """Entries of every row, or entries that every row names; rows named by rows are mixed."""
    data, indices = node.flows
    axis = node.attribute("axis", 0) % node.rank()
    if data is SAME and isinstance(indices, int):
        return axis + indices
    if indices is not SAME or data == axis:
        return MIXED
    if not isinstance(data, int):
        return data
    return data if data < axis else data - 1 + node.rank(1)


@rows("GatherElements")
def gathered_elements(node: FlowNode) -> Flow:
    data, indices = node.flows
    axis = node.attribute("axis", 0) % node.rank()
    if data in (TOTAL, MEAN) or data == axis or not isinstance(indices, int):
        return MIXED
    return indices if data == indices or (data is SAME and indices == axis) else MIXED


@rows("GatherND")
def gathered_slices(node: FlowNode) -> Flow:
    data, indices = node.flows
    shared = node.attribute("batch_dims", 0)
    if isinstance(indices, int) and indices < node.rank(1) - 1:
        if data == indices and indices < shared:
            return indices
        if data is SAME and indices >= shared:
            return indices
    return MIXED


@rows("OneHot")
def one_hot(node: FlowNode) -> Flow:
    """A new axis of classes beside those of the indices."""
    flow = node.flows[0]
    if not isinstance(flow, int) or not node.alone():
        return MIXED
    axis = node.attribute("axis", -1) % (node.rank() + 1)
    return flow + (axis <= flow)


@rows("RNN", "GRU", "LSTM")
def recurrent(node: FlowNode) -> list[Flow]:
    """Sequences [time, N, in], or [N, time, in] with layout 1; states have N behind their direction."""
    by_batch = node.attribute("layout", 0)
    x, states = (0, 0) if by_batch else (1, 1)
    lengths = 4
    fed = node.flows[0] == x
    for i, flow in enumerate(node.flows[1:], 1):
        given = 0 if i == lengths else states if i in (5, 6) else None
        fed = fed and (flow is SAME or flow == given)
    first = 0 if by_batch else 2  # Y is [time, directions, N, hidden]
    outputs = [first, *[states] * (len(node.node.outputs) - 1)]
    return [o if fed else MIXED for o in outputs]

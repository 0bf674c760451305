"""What a graph costs, counted by hand."""

from __future__ import annotations

import pytest
from onnx import parser

from netc.compiler.graph.cost import Cost, graph_cost

COSTS = {  # one node on x [N, 3, 4], N = 5: its output, flops, bytes
    "y = Transpose <perm = [0, 2, 1]> (x)": ("N, 4, 3", 0, 240),
    "y = Identity (x)": ("N, 3, 4", 0, 240),
    "y = Relu (x)": ("N, 3, 4", 60, 240),
    "y = MatMul (x, w)": ("N, 3, 2", 2 * 5 * 3 * 4 * 2, 120),
    "y = Conv (x, k)": ("N, 6, 3", 2 * 5 * 6 * 3 * 3 * 2, 360),
    "y = ConvTranspose (x, d)": ("N, 2, 5", 2 * 5 * 3 * 4 * 2 * 2, 200),
    "y = ReduceSum <keepdims = 0> (x)": ("", 60, 4),
    "y = ArgMax <axis = 1, keepdims = 0> (x)": ("N, 4", 60, 80),
    "y = Softmax (x)": ("N, 3, 4", 60, 240),
}


@pytest.mark.parametrize("node", COSTS)
def test_the_cost_of_a_node(node: str) -> None:
    shape, flops, size = COSTS[node]
    model = parser.parse_model(f"""<ir_version: 8, opset_import: ["": 17]>
        g (float[N, 3, 4] x, float[4, 2] w, float[6, 3, 2] k, float[3, 2, 2] d) => (float[{shape}] y) {{ {node} }}""")
    assert graph_cost(model, {"N": 5}) == Cost(1, flops, size)


def test_a_transposed_factor_and_what_is_unknown() -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]>
        g (float[4, N] a, float[4, M] b) => (float[N, M] y) { y = Gemm <transA = 1> (a, b) }""")
    assert graph_cost(model, {"N": 3, "M": 7}).flops == 2 * 3 * 7 * 4
    assert graph_cost(model, {"N": 3}).flops == 2 * 3 * 4  # a size that is not given counts as one

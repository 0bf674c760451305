"""Random graphs: elementwise arithmetic, reductions, products, moved elements and nested control flow, in any order."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = tuple[int, ...]
Step = Callable[["Graph", str, Shape], None]
DOUBLE = TensorProto.DOUBLE


class Graph:
    """Nodes, and the values that they give with their shapes; `depth` counts the bodies around."""

    def __init__(self, draw: random.Random, values: dict[str, Shape], prefix: str = "", depth: int = 0):
        self.draw = draw
        self.values = dict(values)
        self.prefix = prefix
        self.depth = depth
        self.nodes: list[onnx.NodeProto] = []
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"{self.prefix}v{self.count}"

    def hidden(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """A node whose result no step picks."""
        name = self.name()
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def add(
        self, operator: str, inputs: Sequence[str], shape: Sequence[int], outputs: int = 1, **attributes: Any
    ) -> str:
        names = [self.name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        self.values[names[0]] = tuple(shape)
        return names[0]

    def constant(self, content: Any) -> str:
        return self.hidden("Constant", [], value=numpy_helper.from_array(np.array(content)))

    def number(self, value: float) -> str:
        return self.constant(np.float64(value))

    def pick(self, fits: Callable[[Shape], bool] = lambda _: True) -> str:
        """One of the last values whose shape fits."""
        return self.draw.choice([n for n, s in self.values.items() if fits(s)][-8:])

    def grow(self, count: int) -> None:
        for _ in range(count):
            x = self.pick()
            shape = self.values[x]
            self.draw.choice(STEPS if shape else SCALAR_STEPS)(self, x, shape)
            if sum(map(np.prod, self.values.values())) > 4000:
                return

    def body(self, given: dict[str, Shape]) -> Graph:
        """A graph inside this one that sees its values and what it is given."""
        made = Graph(self.draw, {**self.values, **given}, f"{self.name()}b", self.depth + 1)
        made.grow(self.draw.randint(1, 3))
        return made

    def last(self, outer: dict[str, Shape], shape: Shape, otherwise: str) -> str:
        """The last value of a shape that was made here."""
        return next((n for n, s in reversed(self.values.items()) if n not in outer and s == shape), otherwise)


# --- steps ------------------------------------------------------------------------------------------------------------

# without Softsign, whose numbers the evaluator does not return as arrays
UNARY = [
    "Abs", "Atan", "Cos", "Elu", "HardSwish", "LeakyRelu", "Mish", "Neg", "Relu", "Sigmoid", "Sin", "Softplus", "Tanh",
]  # fmt: skip
REDUCTIONS = ["Sum", "Mean", "Max", "Min", "L1", "L2", "LogSumExp", "SumSquare", "Prod"]


def unary(g: Graph, x: str, shape: Shape) -> None:
    g.add(g.draw.choice(UNARY), [x], shape)


def binary(g: Graph, x: str, shape: Shape) -> None:
    y = g.pick(lambda s: len(s) <= len(shape) and all(a in (b, 1) for a, b in zip(s[::-1], shape[::-1])))
    operator = g.draw.choice(["Add", "Mul", "Sub", "Max", "Min", "Mean", "Sum", "Div", "Pow"])
    if operator == "Div":
        y = g.hidden("Add", [g.hidden("Mul", [y, y]), g.number(1.3)])
    if operator == "Pow":
        x = g.hidden("Add", [g.hidden("Mul", [x, x]), g.number(0.7)])
    fixed = operator in ("Div", "Pow", "Mean")  # of Mean, the evaluator wants the largest first
    g.add(operator, [x, y] if fixed else g.draw.sample([x, y], 2), shape)


def where(g: Graph, x: str, shape: Shape) -> None:
    y = g.pick(lambda s: s == shape)
    g.add("Where", [g.hidden("Greater", [x, g.draw.choice([y, g.number(0.1)])]), x, y], shape)


def clip(g: Graph, x: str, shape: Shape) -> None:
    g.add("Clip", [x, g.number(-0.6), g.number(0.8)], shape)


def reduction(g: Graph, x: str, shape: Shape) -> None:
    axes = sorted(g.draw.sample(range(len(shape)), g.draw.randint(1, len(shape))))
    keep = g.draw.randrange(2)
    left = [1 if i in axes else d for i, d in enumerate(shape) if keep or i not in axes]
    given = g.constant([a - g.draw.choice([0, len(shape)]) for a in axes])
    g.add(f"Reduce{g.draw.choice(REDUCTIONS)}", [x, given], left, keepdims=keep)


def softmax(g: Graph, x: str, shape: Shape) -> None:
    g.add(g.draw.choice(["Softmax", "LogSoftmax"]), [x], shape, axis=g.draw.randrange(-len(shape), len(shape)))


def running_sum(g: Graph, x: str, shape: Shape) -> None:
    axis = g.constant(g.draw.randrange(len(shape)))
    g.add("CumSum", [x, axis], shape, exclusive=g.draw.randrange(2), reverse=g.draw.randrange(2))


def normalization(g: Graph, x: str, shape: Shape) -> None:
    scale, bias = (g.constant(np.full(shape[-1], v)) for v in (1.2, 0.4))
    g.add("LayerNormalization", [x, scale, bias], shape, axis=-1, epsilon=0.1)


def product(g: Graph, x: str, shape: Shape) -> None:
    fits = [n for n, s in g.values.items() if len(s) == 2 and s[0] == shape[-1]]
    if fits:
        y = g.draw.choice(fits)
        g.add("MatMul", [x, y], [*shape[:-1], g.values[y][1]])


def transposed_product(g: Graph, x: str, shape: Shape) -> None:
    if len(shape) == 2:
        y = g.pick(lambda s: len(s) == 2 and s[0] == shape[0])
        g.add("Gemm", [x, y], [shape[1], g.values[y][1]], transA=1, alpha=0.7)


def transpose(g: Graph, x: str, shape: Shape) -> None:
    order = g.draw.sample(range(len(shape)), len(shape))
    g.add("Transpose", [x], [shape[i] for i in order], perm=order)


def flat(g: Graph, x: str, shape: Shape) -> None:
    g.add("Reshape", [x, g.constant([-1, 1])], [int(np.prod(shape)), 1])


def unsqueeze(g: Graph, x: str, shape: Shape) -> None:
    at = g.draw.randint(0, len(shape))
    g.add("Unsqueeze", [x, g.constant([at])], [*shape[:at], 1, *shape[at:]])


def squeeze(g: Graph, x: str, shape: Shape) -> None:
    if 1 in shape:
        at = shape.index(1)
        g.add("Squeeze", [x, g.constant([at])], [*shape[:at], *shape[at + 1 :]])


def gather(g: Graph, x: str, shape: Shape) -> None:
    axis = g.draw.randrange(len(shape))
    at = [g.draw.randrange(-shape[axis], shape[axis]) for _ in range(g.draw.randint(1, 4))]
    g.add("Gather", [x, g.constant(at)], [*shape[:axis], len(at), *shape[axis + 1 :]], axis=axis)


def gather_elements(g: Graph, x: str, shape: Shape) -> None:
    axis = g.draw.randrange(len(shape))
    at = np.random.default_rng(g.count).integers(0, shape[axis], size=shape)
    g.add("GatherElements", [x, g.constant(at)], shape, axis=axis)


def scatter_elements(g: Graph, x: str, shape: Shape) -> None:
    axis, y = g.draw.randrange(len(shape)), g.pick(lambda s: s == shape)
    at = np.random.default_rng(g.count).integers(0, shape[axis], size=shape)
    how = g.draw.choice(["add", "mul", "max", "min"])
    g.add("ScatterElements", [x, g.constant(at), y], shape, axis=axis, reduction=how)


def cut(g: Graph, x: str, shape: Shape) -> None:
    axis, step = g.draw.randrange(len(shape)), g.draw.choice([1, 2, -1, -2])
    size = shape[axis]
    begin, end = (g.draw.randrange(size), size) if step > 0 else (size - 1, -size - 1)
    count = len(range(size)[begin : end if step > 0 else None : step])
    given = [g.constant([i]) for i in (begin, end, axis, step)]
    g.add("Slice", [x, *given], [*shape[:axis], count, *shape[axis + 1 :]])


def split(g: Graph, x: str, shape: Shape) -> None:
    axis = g.draw.randrange(len(shape))
    if shape[axis] > 1:
        first = g.draw.randint(1, shape[axis] - 1)
        sizes = g.constant([first, shape[axis] - first])
        g.add("Split", [x, sizes], [*shape[:axis], first, *shape[axis + 1 :]], outputs=2, axis=axis)


def concat(g: Graph, x: str, shape: Shape) -> None:
    axis = g.draw.randrange(len(shape))
    y = g.pick(lambda s: len(s) == len(shape) and all(i == axis or a == b for i, (a, b) in enumerate(zip(s, shape))))
    g.add("Concat", [x, y], [*shape[:axis], shape[axis] + g.values[y][axis], *shape[axis + 1 :]], axis=axis)


def tile(g: Graph, x: str, shape: Shape) -> None:
    times = [g.draw.randint(1, 2) for _ in shape]
    g.add("Tile", [x, g.constant(times)], [a * b for a, b in zip(shape, times)])


def pad(g: Graph, x: str, shape: Shape) -> None:
    mode = g.draw.choice(["constant", "reflect", "edge", "wrap"])
    before, behind = ([g.draw.randint(0, min(2, d - 1)) for d in shape] for _ in range(2))
    if mode == "constant" and shape[0] > 2:
        before[0] = -1
    sizes = [d + a + b for d, a, b in zip(shape, before, behind)]
    g.add("Pad", [x, g.constant([*before, *behind])], sizes, mode=mode)


def top_k(g: Graph, x: str, shape: Shape) -> None:
    axis = g.draw.randrange(len(shape))
    k = g.draw.randint(1, shape[axis])
    sizes = [*shape[:axis], k, *shape[axis + 1 :]]
    g.add("TopK", [x, g.constant([k])], sizes, outputs=2, axis=axis, largest=g.draw.randrange(2))


def contraction(g: Graph, x: str, shape: Shape) -> None:
    g.add("Einsum", [x], shape[:-1], equation="...i->...")


def branches(g: Graph, x: str, shape: Shape) -> None:
    if g.depth < 2:
        on = g.hidden("Greater", [g.hidden("ReduceSum", [x], keepdims=0), g.number(0.05)])
        bodies = []
        for _ in range(2):
            inner = g.body({})
            y = inner.hidden("Mul", [inner.last(g.values, shape, x), inner.number(0.5)])
            bodies.append(_closed(inner, [], [y]))
        g.add("If", [on], shape, then_branch=bodies[0], else_branch=bodies[1])


def loop(g: Graph, x: str, shape: Shape) -> None:
    if g.depth < 2:
        number, going, state = (f"{g.name()}{n}" for n in ("number", "going", "state"))
        inner = g.body({state: shape})
        y = inner.hidden("Tanh", [inner.hidden("Add", [state, inner.last({**g.values, state: shape}, shape, x)])])
        on, total = inner.hidden("Identity", [going]), inner.hidden("ReduceSum", [y], keepdims=0)
        body = _closed(inner, [number, going, state], [on, y, total])
        for value, kind in ((body.input[0], TensorProto.INT64), (body.input[1], TensorProto.BOOL)):
            value.CopyFrom(helper.make_tensor_value_info(value.name, kind, []))
        body.output[0].type.tensor_type.elem_type = TensorProto.BOOL
        g.add("Loop", [g.constant(g.draw.randint(1, 3)), g.constant(True), x], shape, outputs=2, body=body)


def scan(g: Graph, x: str, shape: Shape) -> None:
    if g.depth < 2 and len(shape) > 1:
        row, (state, part) = shape[1:], (f"{g.name()}{n}" for n in ("state", "part"))
        inner = g.body({state: row, part: row})
        factor = inner.last({**g.values, state: row, part: row}, row, state)
        y = inner.hidden("Sin", [inner.hidden("Add", [state, inner.hidden("Mul", [part, factor])])])
        body = _closed(inner, [state, part], [y, inner.hidden("Identity", [y])])
        first = g.hidden("ReduceMean", [x, g.constant([0])], keepdims=0)
        g.add("Scan", [first, x], row, outputs=2, body=body, num_scan_inputs=1)


def _closed(g: Graph, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.GraphProto:
    given, made = (
        [onnx.ValueInfoProto(name=n, type=onnx.TypeProto(tensor_type=onnx.TypeProto.Tensor(elem_type=DOUBLE))) for n in names]
        for names in (inputs, outputs)
    )  # fmt: skip
    return helper.make_graph(g.nodes, "body", given, made)


SCALAR_STEPS: list[Step] = [unary, binary, where, clip, unsqueeze]
STEPS: list[Step] = [
    *[unary, binary] * 3, where, clip, reduction, softmax, running_sum, normalization, product, transposed_product, transpose,
    flat, unsqueeze, squeeze, gather, gather_elements, scatter_elements, cut, split, concat, tile, pad, top_k,
    contraction, branches, loop, scan,
]  # fmt: skip


def random_model(seed: int) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """A model of one to a dozen nodes, in half of the cases with a symbolic first dimension, and its inputs."""
    draw = random.Random(seed)
    rows = draw.choice([2, 3])
    shapes = draw.choice([[(rows, 4), (rows, 4), (4,), (4, 3)], [(rows, 2, 3), (rows, 2, 3), (3,), (1, 3)]])
    inputs = {f"x{i}": s for i, s in enumerate(shapes)}
    graph = Graph(draw, inputs)
    while len(graph.values) == len(inputs):
        graph.grow(draw.randint(3, 12))
    made = [n for n in graph.values if n not in inputs]
    outputs = dict.fromkeys([made[-1], draw.choice(made)])
    symbolic = draw.random() < 0.5
    given = [
        helper.make_tensor_value_info(n, DOUBLE, ["N", *s[1:]] if symbolic and n in ("x0", "x1") else s)
        for n, s in inputs.items()
    ]
    results = [helper.make_tensor_value_info(n, DOUBLE, [None] * len(graph.values[n])) for n in outputs]
    model = helper.make_model(
        helper.make_graph(graph.nodes, f"random_{seed}", given, results),
        opset_imports=[helper.make_opsetid("", 19)], ir_version=9,
    )  # fmt: skip
    g = np.random.default_rng(seed)
    return model, {n: g.normal(size=s) for n, s in inputs.items()}

"""The operators of ai.onnx.preview.training written out: optimizers as arithmetic, Gradient by differentiating."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx
import onnx_ir as ir

from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.importer.replay import Replay, Values
from netc.grammar.diagnostics import error

Differentiate = Callable[[Emitter, Mapping[ir.Value, ir.Value], Sequence[ir.Value]], Sequence[ir.Value | None]]


class Training:
    """Writes out a node; `graph` is the one that it stands in, for Gradient, whose attributes name values there."""

    def __init__(self, graph: onnx.GraphProto, differentiate: Differentiate):
        self.graph = graph
        self.differentiate = differentiate

    def __call__(
        self, op: Emitter, node: onnx.NodeProto, inputs: Sequence[Any], attributes: Mapping[str, Any], values: Values
    ) -> Sequence[ir.Value]:
        if node.op_type == "Gradient":
            return self.gradient(op, list(inputs), attributes, values)
        rate, step, *rest = inputs
        kind, states = _OPTIMIZERS[node.op_type]
        count = len(rest) // (2 + states)
        columns = [[rest[k * count + i] for k in range(2 + states)] for i in range(count)]
        rows = [kind(op, attributes, rate, step, *column) for column in columns]
        return [row[k] for k in range(1 + states) for row in rows]

    def gradient(
        self, op: Emitter, inputs: list[ir.Value], attributes: Mapping[str, Any], values: Values
    ) -> list[ir.Value]:
        """dy/dxs at the given inputs, which take the place of the values named in xs and zs."""
        xs, zs = list(attributes["xs"]), list(attributes.get("zs", []))
        if attributes["y"] not in values or any(n not in values for n in (*xs, *zs)):
            raise error("invalid-model", "a Gradient node names a value that is not computed before it")
        inner: Values = dict(values)
        inner.update(zip((*xs, *zs), inputs))
        moved = set(xs) | set(zs)
        for node in self.graph.node:  # what y is computed from, computed again from the given inputs
            if node.op_type == "Gradient":
                break
            if any(n in moved for n in node.input) and not any(n in xs or n in zs for n in node.output):
                Replay().nodes(op, [node], inner)
                moved.update(node.output)
        y = inner[attributes["y"]]
        found = self.differentiate(op, {y: op.Expand(op.constant(1.0, y.dtype), op.sizes(y))}, list(inputs[: len(xs)]))
        return [op.zeros_like(x) if g is None else g for x, g in zip(inputs, found)]


def _adagrad(op: Emitter, a: Mapping[str, Any], rate: Value, step: Value, x: Value, g: Value, h: Value) -> list[Value]:
    """g' = norm x + g, h' = h + g'^2, x' = x - rate / (1 + step decay) g' / (sqrt h' + epsilon)"""
    rate = op.Div(rate, op.Add(op.Mul(op.cast(step, x.dtype), a.get("decay_factor", 0.0)), 1.0))
    g = op.Add(op.Mul(x, a.get("norm_coefficient", 0.0)), g)
    h = op.Add(h, op.Mul(g, g))
    return [op.Sub(x, op.Div(op.Mul(rate, g), op.Add(op.Sqrt(h), a.get("epsilon", 1e-6)))), h]


def _adam(
    op: Emitter, a: Mapping[str, Any], rate: Value, step: Value, x: Value, g: Value, v: Value, h: Value
) -> list[Value]:
    """g' = norm x + g, v' = alpha v + (1 - alpha) g', h' = beta h + (1 - beta) g'^2,
    x' = (1 - norm_post) (x - rate' v' / (sqrt h' + epsilon)), rate' = rate sqrt(1 - beta^t) / (1 - alpha^t), t > 0"""
    alpha, beta = a.get("alpha", 0.9), a.get("beta", 0.999)
    one = op.constant(1.0, x.dtype)
    t = op.cast(step, x.dtype)
    g = op.Add(op.Mul(x, a.get("norm_coefficient", 0.0)), g)
    v = op.Add(op.Mul(v, alpha), op.Mul(g, 1 - alpha))
    h = op.Add(op.Mul(h, beta), op.Mul(op.Mul(g, g), 1 - beta))
    later = op.Greater(t, 0.0)
    t = op.Where(later, t, one)  # so that no 0 / 0 arises where the correction is not used
    rises = [op.Sub(one, op.Pow(op.constant(b, x.dtype), t)) for b in (alpha, beta)]
    corrected = op.Div(op.Mul(rate, op.Sqrt(rises[1])), rises[0])
    rate = op.Where(later, corrected, rate)
    new = op.Sub(x, op.Div(op.Mul(rate, v), op.Add(op.Sqrt(h), a.get("epsilon", 1e-6))))
    return [op.Mul(new, 1 - a.get("norm_coefficient_post", 0.0)), v, h]


def _momentum(op: Emitter, a: Mapping[str, Any], rate: Value, step: Value, x: Value, g: Value, v: Value) -> list[Value]:
    """g' = norm x + g, v' = alpha v + beta' g' (beta' = beta, 1 in the first step), x' = x - rate v', or with Nesterov
    x' = x - rate (g' + alpha v')"""
    alpha = a["alpha"]
    g = op.Add(op.Mul(x, a["norm_coefficient"]), g)
    beta = op.Where(op.Greater(step, op.constant(0, 7)), op.constant(a["beta"], x.dtype), op.constant(1.0, x.dtype))
    v = op.Add(op.Mul(v, alpha), op.Mul(g, beta))
    way = op.Add(g, op.Mul(v, alpha)) if a["mode"] == "nesterov" else v
    return [op.Sub(x, op.Mul(rate, way)), v]


_OPTIMIZERS: dict[str, tuple[Callable[..., list[Value]], int]] = {
    "Adagrad": (_adagrad, 1), "Adam": (_adam, 2), "Momentum": (_momentum, 1)
}  # fmt: skip

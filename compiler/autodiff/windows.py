"""Windows that slide over space: kernel, strides, dilations and pads of a convolution or a pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from netc.compiler.autodiff.registry import GraphNode, Outputs, attribute
from netc.compiler.graph.dimensions import Dim, add, multiply
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.inference import UnknownError
from netc.compiler.graph.types import INT64


class Moves(TypedDict):
    strides: list[int]
    dilations: list[int]


@dataclass(frozen=True)
class Windows:
    """One entry for each spatial axis; `begin` and `end` are the pads."""

    kernel: tuple[Dim, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]

    @property
    def reach(self) -> tuple[Dim, ...]:
        """How much of an axis a window spans."""
        return tuple(add(multiply(add(k, -1), d), 1) for k, d in zip(self.kernel, self.dilations))

    @property
    def moves(self) -> Moves:
        """Strides and dilations as attributes."""
        return {"strides": list(self.strides), "dilations": list(self.dilations)}

    def left_over(self, axis: int, size: Dim, count: Dim) -> int | None:
        """Elements of a padded axis behind the last of `count` windows (below 0: the last one reaches beyond)."""
        reach = self.reach[axis]
        if isinstance(size, int) and isinstance(count, int) and isinstance(reach, int):
            span = self.strides[axis] * (count - 1) + reach
            return size + self.begin[axis] + self.end[axis] - span
        return None


def windows(op: Emitter, node: GraphNode, x: Value, kernel: Sequence[Dim]) -> Windows:
    """The windows of Conv or a pooling over x. Raises UnknownError where pads depend on sizes that are not known."""
    kernel = attribute(node, "kernel_shape") or kernel
    sizes = tuple(kernel)
    n = len(sizes)
    strides = tuple(attribute(node, "strides") or [1] * n)
    dilations = tuple(attribute(node, "dilations") or [1] * n)
    auto = attribute(node, "auto_pad", "NOTSET")
    pads = list(attribute(node, "pads") or [0] * (2 * n))
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        first, last = [], []
        for size, k, s, d in zip(op.shape(x)[2:], sizes, strides, dilations):
            if not isinstance(k, int):
                raise UnknownError("the size of its kernel is not known; give `pads` instead of `auto_pad`")
            total = _same(size, d * (k - 1) + 1, s)
            before = total // 2 if auto == "SAME_UPPER" else total - total // 2
            first.append(before)
            last.append(total - before)
        pads = first + last
    elif auto == "VALID":
        pads = [0] * (2 * n)
    return Windows(sizes, strides, dilations, tuple(pads[:n]), tuple(pads[n:]))


def run_time_pads(op: Emitter, node: GraphNode) -> Value | None:
    """The pads of the whole image, as Pad reads them, where `auto_pad` depends on sizes that only show at run time."""
    x, auto = node.inputs[0], attribute(node, "auto_pad", "NOTSET")
    sizes = op.shape(x)[2:]
    strides = attribute(node, "strides") or [1] * len(sizes)
    if auto not in ("SAME_UPPER", "SAME_LOWER") or all(s == 1 or isinstance(d, int) for s, d in zip(strides, sizes)):
        return None
    kernel, one = attribute(node, "kernel_shape"), op.constant(1, INT64)
    reach = op.vector(kernel) if kernel else op.Shape(node.inputs[1], start=2)
    reach = op.Add(op.Mul(op.Sub(reach, one), op.vector(attribute(node, "dilations") or [1] * len(sizes))), one)
    space, step = op.Shape(x, start=2), op.vector(strides)
    last = op.Div(op.Sub(space, one), step)  # ceil(size / stride) windows, the last one starting there
    total = op.Max(op.Sub(op.Add(op.Mul(last, step), reach), space), op.constant(0, INT64))
    less = op.Div(total, op.constant(2, INT64))
    more = op.Sub(total, less)
    before, behind = (less, more) if auto == "SAME_UPPER" else (more, less)
    whole = op.vector([0, 0])
    return op.Concat(whole, before, whole, behind, axis=0)


def padded(op: Emitter, node: GraphNode) -> Outputs | None:
    """The outputs of Conv or MaxPool on an image that is padded before, where that must wait for the run."""
    pads = run_time_pads(op, node)
    if pads is None:
        return None
    x, *others = node.inputs
    fill = op.constant(-math.inf if node.op_type == "MaxPool" else 0.0, x.dtype)
    kept = {n: a.value for n, a in node.attributes.items() if n not in ("auto_pad", "pads")}
    t = op.type_of(x)
    wide = op.Pad(x, pads, fill, type=t.with_shape((*t.shape[:2], *(op.lost() for _ in t.shape[2:]))))
    made = op.node(
        node.op_type, [wide, *others],
        {n: list(v) if isinstance(v, tuple) else v for n, v in kept.items()}, len(node.outputs),
    )  # fmt: skip
    return [made] if len(node.outputs) == 1 else [made[0], None]  # the places in MaxPool's image are other ones


def _same(size: Dim, reach: int, stride: int) -> int:
    """The pads that make ceil(size / stride) windows fit."""
    if stride == 1:
        return reach - 1
    if not isinstance(size, int):
        raise UnknownError("its pads depend on a size that is not known; give `pads` instead of `auto_pad`")
    return max((-(-size // stride) - 1) * stride + reach - size, 0)

"""ONNX's reference evaluator, with its faults mended."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.reference.ops import op_grid_sample, op_loop, op_resize

Arrays = Mapping[str, Any]


class Erf(OpRun):
    """onnx's own computes in float32."""

    def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
        return (np.vectorize(math.erf, otypes=[x.dtype])(x),)


class Gelu(OpRun):
    """onnx's own goes through the same Erf."""

    def _run(self, x: np.ndarray, approximate: str | None = None) -> tuple[np.ndarray]:
        if approximate == "tanh":
            return (0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),)
        return (0.5 * x * (1 + np.vectorize(math.erf, otypes=[x.dtype])(x / math.sqrt(2))),)


class GlobalLpPool(OpRun):
    """onnx has none."""

    def _run(self, x: np.ndarray, p: int = 2) -> tuple[np.ndarray]:
        return ((np.abs(x) ** p).sum(tuple(range(2, x.ndim)), keepdims=True) ** (1 / p),)


class Pad(OpRun):
    """onnx's own has no negative pads."""

    def _run(self, data, pads, constant_value=None, axes=None, mode=None):  # type: ignore[no-untyped-def]
        axes = range(data.ndim) if axes is None else [int(a) % data.ndim for a in axes]
        pairs = [(0, 0)] * data.ndim
        for i, a in enumerate(axes):
            pairs[a] = int(pads[i]), int(pads[i + len(axes)])
        cut = data[tuple(slice(max(0, -b), d - max(0, -e)) for (b, e), d in zip(pairs, data.shape))]
        more = [(max(0, b), max(0, e)) for b, e in pairs]
        kind = (mode or b"constant").decode() if isinstance(mode, bytes) else mode or "constant"
        if kind == "constant":
            value = 0 if constant_value is None else np.asarray(constant_value).item()
            return (np.pad(cut, more, constant_values=value).astype(data.dtype),)
        return (np.pad(cut, more, mode=kind),)


class ConvTranspose(OpRun):
    """onnx's own fails with groups: scatter every input through the kernel."""

    def _run(  # type: ignore[no-untyped-def]
        self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None, output_padding=None,
        output_shape=None, pads=None, strides=None,
    ):  # fmt: skip
        n, kernel = x.ndim - 2, w.shape[2:]
        group, strides = group or 1, strides or [1] * n
        dilations, extra = dilations or [1] * n, output_padding or [0] * n
        pads = pads or [0] * (2 * n)
        full = [
            s * (d - 1) + e + (k - 1) * r + 1 for s, d, e, k, r in zip(strides, x.shape[2:], extra, kernel, dilations)
        ]
        if output_shape is not None or auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            same = [min(f, d * s) for f, d, s in zip(full, x.shape[2:], strides)]
            wanted = output_shape if output_shape is not None else same
            total = [f - o for f, o in zip(full, wanted[-n:])]
            first = [t // 2 if auto_pad == "SAME_UPPER" else t - t // 2 for t in total]
            pads = [*first, *(t - f for t, f in zip(total, first))]
        rows, channels = w.shape[1] * group, x.shape[1] // group
        y = np.zeros((x.shape[0], rows, *full), dtype=x.dtype)
        for g in range(group):
            xs, ws = x[:, g * channels : (g + 1) * channels], w[g * channels : (g + 1) * channels]
            for at in np.ndindex(*kernel):
                part = np.tensordot(xs, ws[(slice(None), slice(None), *at)], axes=(1, 0))
                place = tuple(slice(a * r, a * r + s * d, s) for a, r, s, d in zip(at, dilations, strides, x.shape[2:]))
                y[(slice(None), slice(g * w.shape[1], (g + 1) * w.shape[1]), *place)] += np.moveaxis(part, -1, 1)
        cut = tuple(slice(max(p, 0), f - max(q, 0)) for p, q, f in zip(pads[:n], pads[n:], full))
        y = y[(slice(None), slice(None), *cut)]
        y = np.pad(y, [(0, 0), (0, 0), *((max(-p, 0), max(-q, 0)) for p, q in zip(pads[:n], pads[n:]))])
        return (y if b is None else y + b.reshape(1, -1, *[1] * n),)


class LpNormalization(OpRun):
    """onnx's own lacks the absolute value for p = 1."""

    def _run(self, x, axis=None, p=None):  # type: ignore[no-untyped-def]
        norm = np.linalg.norm(x, ord=p, axis=axis, keepdims=True)
        return (np.divide(x, norm, out=np.zeros_like(x), where=norm != 0),)


class MaxPool(OpRun):
    """onnx's own has wrong indices at stride 1, and wrong shapes with ceil_mode and pads: go through every window."""

    def _run(  # type: ignore[no-untyped-def]
        self, x, auto_pad=None, ceil_mode=None, dilations=None, kernel_shape=None, pads=None, storage_order=None,
        strides=None,
    ):  # fmt: skip
        n = len(kernel_shape)
        strides, dilations = strides or [1] * n, dilations or [1] * n
        pads = list(pads or [0] * (2 * n))
        reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel_shape)]
        sizes = x.shape[2:]
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            total = [max((-(-d // s) - 1) * s + r - d, 0) for d, s, r in zip(sizes, strides, reach)]
            first = [t // 2 if auto_pad == "SAME_UPPER" else t - t // 2 for t in total]
            pads = [*first, *(t - f for t, f in zip(total, first))]
        counts = []
        for i in range(n):
            room = sizes[i] + pads[i] + pads[n + i] - reach[i]
            count = (-(-room // strides[i]) if ceil_mode else room // strides[i]) + 1
            if ceil_mode and (count - 1) * strides[i] >= sizes[i] + pads[i]:
                count -= 1  # a window may not start in the padding behind the image
            counts.append(count)
        spans = [(c - 1) * s + r for c, s, r in zip(counts, strides, reach)]
        margins = [(p, max(0, w - d - p)) for p, w, d in zip(pads[:n], spans, sizes)]
        wide = np.pad(x, [(0, 0), (0, 0), *margins], constant_values=-np.inf)
        numbers = np.arange(int(np.prod(sizes))).reshape(sizes, order="F" if storage_order else "C")
        places = np.pad(numbers, margins)
        y, at = (
            np.full((*x.shape[:2], *counts), -np.inf, dtype=x.dtype),
            np.zeros((*x.shape[:2], *counts), dtype=np.int64),
        )
        base = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *[1] * n) * int(np.prod(sizes))
        for tap in np.ndindex(*kernel_shape):  # of equals the first tap wins
            cut = tuple(slice(t * d, t * d + (c - 1) * s + 1, s) for t, d, c, s in zip(tap, dilations, counts, strides))
            value = wide[(slice(None), slice(None), *cut)]
            better = value > y
            y, at = np.where(better, value, y), np.where(better, base + places[cut], at)
        return (y, at) if len(self.onnx_node.output) > 1 else (y,)


class GatherElements(OpRun):
    """onnx's own has no negative axis, and no axis with more than 64 elements."""

    def _run(self, data, indices, axis=None):  # type: ignore[no-untyped-def]
        places = list(np.indices(indices.shape))
        places[axis or 0] = indices
        return (data[tuple(places)],)


class GridSample(op_grid_sample.GridSample):
    """onnx's own does not know the names that modes had in opset 16."""

    def _run(self, x, grid, mode=None, padding_mode=None, align_corners=None):  # type: ignore[no-untyped-def]
        mode = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
        return super()._run(x, grid, mode, padding_mode, align_corners)


class LRN(OpRun):
    """onnx's own normalises as many channels as there are images."""

    def _run(self, x, alpha=None, beta=None, bias=None, size=None):  # type: ignore[no-untyped-def]
        before = (size - 1) // 2
        squares = np.pad(np.square(x), [(0, 0), (before, size - 1 - before), *[(0, 0)] * (x.ndim - 2)])
        near = sum(squares[:, i : i + x.shape[1]] for i in range(size))
        return ((x / (bias + alpha / size * near) ** beta).astype(x.dtype),)


MENDED: list[type[OpRun]] = [
    Erf, Gelu, GlobalLpPool, Pad, ConvTranspose, LpNormalization, LRN, MaxPool, GatherElements, GridSample
]  # fmt: skip


def _resized_to_whole_sizes(data, scale_factor, output_width_int, x, get_coeffs, **options):  # type: ignore[no-untyped-def]
    """onnx's own aligns corners to a size with a fraction; the operator's sizes are whole."""
    if options.get("coordinate_transformation_mode") == "align_corners":
        scale_factor = output_width_int / len(data)
    return _ALONG_ONE_AXIS(data, scale_factor, output_width_int, x, get_coeffs, **options)


_ALONG_ONE_AXIS = op_resize._interpolate_1d_with_x
op_resize._interpolate_1d_with_x = _resized_to_whole_sizes
# onnx's own lays what a Loop gives in each iteration side by side along the first axis that it has
op_loop.np = SimpleNamespace(array=np.array, empty=np.empty, vstack=np.stack)


def evaluate(model: onnx.ModelProto, inputs: Arrays, operators: Sequence[type[OpRun]] = ()) -> dict[str, np.ndarray]:
    """The outputs of a model by name; `operators` are other implementations."""
    chosen = {kind.__name__: kind for kind in (*MENDED, *operators)}
    session = ReferenceEvaluator(model, new_ops=list(chosen.values()))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return dict(zip([o.name for o in model.graph.output], session.run(None, dict(inputs))))

"""RNN, GRU and LSTM in NumPy, from the formulas of ONNX's specification, with every option."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

DEFAULTS: dict[str, dict[str, float]] = {  # of alpha and beta, as the specification has them
    "Affine": {"alpha": 1.0, "beta": 0.0}, "LeakyRelu": {"alpha": 0.01}, "ThresholdedRelu": {"alpha": 1.0},
    "ScaledTanh": {"alpha": 1.0, "beta": 1.0}, "HardSigmoid": {"alpha": 0.2, "beta": 0.5}, "Elu": {"alpha": 1.0},
}  # fmt: skip
FUNCTIONS: dict[str, Callable[[Any, float, float], Any]] = {
    "Relu": lambda x, a, b: np.maximum(x, 0),
    "Tanh": lambda x, a, b: np.tanh(x),
    "Sigmoid": lambda x, a, b: 1 / (1 + np.exp(-x)),
    "Affine": lambda x, a, b: a * x + b,
    "LeakyRelu": lambda x, a, b: np.where(x >= 0, x, a * x),
    "ThresholdedRelu": lambda x, a, b: np.where(x > a, x, 0),
    "ScaledTanh": lambda x, a, b: a * np.tanh(b * x),
    "HardSigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "Elu": lambda x, a, b: np.where(x >= 0, x, a * (np.exp(x) - 1)),
    "Softsign": lambda x, a, b: x / (1 + np.abs(x)),
    "Softplus": lambda x, a, b: np.log1p(np.exp(x)),
}


class Recurrent(OpRun):
    """What the three have in common; `cell` takes a step's input and the states, and gives the new states, h first."""

    gates = 0
    usual: tuple[str, ...] = ()

    def cell(self, x, states, w, r, b, p, f, k, late, forget):
        """`k` clips what goes into a gate."""
        raise NotImplementedError

    def _run(  # type: ignore[no-untyped-def]
        self, x, w, r, b=None, lengths=None, h0=None, c0=None, p=None, activation_alpha=None, activation_beta=None,
        activations=None, clip=None, direction=None, hidden_size=None, input_forget=None, layout=None,
        linear_before_reset=None,
    ):  # fmt: skip
        turn = (lambda v: None if v is None else np.swapaxes(v, 0, 1)) if layout else (lambda v: v)
        x, h0, c0 = turn(x), turn(h0), turn(c0)
        (steps, rows, _), directions, size = x.shape, len(w), r.shape[2]
        lengths = np.full(rows, steps) if lengths is None else lengths
        alphas, betas = list(activation_alpha or []), list(activation_beta or [])
        functions = []
        for name in activations or self.usual * directions:
            known = DEFAULTS.get(name, {})
            alpha = (alphas.pop(0) if alphas else known["alpha"]) if "alpha" in known else 0.0
            beta = (betas.pop(0) if betas else known["beta"]) if "beta" in known else 0.0
            functions.append(partial(FUNCTIONS[name], a=alpha, b=beta))
        bound = np.inf if clip is None else clip
        ys = np.zeros((steps, directions, rows, size), dtype=x.dtype)
        count = 2 if isinstance(self, LSTM) else 1
        last = [np.zeros((directions, rows, size), dtype=x.dtype) for _ in range(count)]
        each = len(self.usual)
        for d in range(directions):
            backwards = direction == "reverse" or d == 1
            for row in range(rows):
                states = [np.zeros(size) if s is None else s[d, row] for s in (h0, c0)[:count]]
                times = range(int(lengths[row]))
                for t in reversed(times) if backwards else times:
                    states = self.cell(
                        x[t, row], states, w[d], r[d], np.zeros(2 * self.gates * size) if b is None else b[d],
                        np.zeros(3 * size) if p is None else p[d], functions[d * each : (d + 1) * each],
                        lambda v: np.clip(v, -bound, bound), linear_before_reset, input_forget,
                    )  # fmt: skip
                    ys[t, d, row] = states[0]
                for kept, s in zip(last, states):
                    kept[d, row] = s
        y = np.transpose(ys, (2, 0, 1, 3)) if layout else ys
        return (y, *(turn(v) for v in last))[: len(self.onnx_node.output)]


class RNN(Recurrent):
    gates, usual = 1, ("Tanh",)

    def cell(self, x, states, w, r, b, p, f, k, late, forget):
        n = len(states[0])
        return [f[0](k(w @ x + r @ states[0] + b[:n] + b[n:]))]


class GRU(Recurrent):
    gates, usual = 3, ("Sigmoid", "Tanh")

    def cell(self, x, states, w, r, b, p, f, k, late, forget):
        (h,) = states
        wz, wr, wc = np.split(w, 3)
        rz, rr, rc = np.split(r, 3)
        bz, br, bc, sz, sr, sc = np.split(b, 6)
        z, reset = f[0](k(wz @ x + rz @ h + bz + sz)), f[0](k(wr @ x + rr @ h + br + sr))
        own = reset * (rc @ h + sc) if late else rc @ (reset * h) + sc
        return [(1 - z) * f[1](k(wc @ x + own + bc)) + z * h]


class LSTM(Recurrent):
    gates, usual = 4, ("Sigmoid", "Tanh", "Tanh")

    def cell(self, x, states, w, r, b, p, f, k, late, forget):
        h, c = states
        pi, po, pf = np.split(p, 3)
        i, o, forgotten, new = np.split(w @ x + r @ h + sum(np.split(b, 2)), 4)
        i = f[0](k(i + pi * c))
        kept = 1 - i if forget else f[0](k(forgotten + pf * c))
        c = kept * c + i * f[1](k(new))
        return [f[0](k(o + po * c)) * f[2](c), c]

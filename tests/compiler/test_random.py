"""Randomness in the graph: uniform, independent, a function of (seed, step, site, row), the same bits everywhere."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest

import netc
from netc.compiler.graph.dimensions import symbol
from netc.compiler.graph.emitter import Emitter
from netc.compiler.graph.random import Random
from netc.compiler.graph.types import F32, I32, TensorType

ROWS, COLUMNS = 128, 1024
STRICT = 4.5  # standard deviations; one false alarm in 150,000


def scalar(value: int) -> np.ndarray:
    return np.array(value, dtype=np.int32)


@cache
def mask_model(keep: float, site: int = 12345) -> bytes:
    op = Emitter("mask")
    x = op.input("x", TensorType(F32, (symbol("N"), COLUMNS)))
    seed, step, row = (op.input(n, TensorType(I32, ())) for n in ("seed", "step", "row"))
    op.output("mask", Random(op, seed, step, row).keep_mask(x, keep, site))
    model = ir.to_proto(ir.Model(op.graph, ir_version=8))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def session(model: bytes, threads: int = 1, level: Any = ort.GraphOptimizationLevel.ORT_ENABLE_ALL) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = level
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def masks(keep: float, seeds: range, steps: range, site: int = 12345) -> np.ndarray:
    run = session(mask_model(keep, site))
    x = np.zeros((ROWS, COLUMNS), np.float32)
    drawn = [
        run.run(None, {"x": x, "seed": scalar(s), "step": scalar(t), "row": scalar(0)})[0] for s in seeds for t in steps
    ]
    return np.stack(drawn) > 0


def deviations(found: float, expected: float, variance: float, count: int) -> float:
    return abs(found - expected) / math.sqrt(variance / count)


@pytest.mark.parametrize("keep", [0.1, 0.3, 0.5, 0.8, 0.9])
def test_masks_keep_the_right_share_in_rows_columns_and_all(keep: float) -> None:
    kept = masks(keep, range(3), range(10))
    variance = keep * (1 - keep)
    assert deviations(kept.mean(), keep, variance, kept.size) < STRICT
    for axis, count in ((1, ROWS), (2, COLUMNS)):
        spread = kept.mean(axis=axis).var() * count / variance  # 1 for independent draws
        assert spread == pytest.approx(1, abs=STRICT * math.sqrt(2 / kept.mean(axis=axis).size))


def test_neighbours_and_squares_are_independent() -> None:
    keep = 0.5
    kept = masks(keep, range(4), range(10))
    for lag in ((0, 1), (1, 0), (1, 1), (0, 7), (5, 0), (0, 512)):
        a = kept[:, : ROWS - lag[0], : COLUMNS - lag[1]]
        b = kept[:, lag[0] :, lag[1] :]
        assert deviations((a ^ b).mean(), 0.5, 0.25, a.size) < STRICT, lag
    square = kept[:, 1:, 1:] ^ kept[:, :-1, 1:] ^ kept[:, 1:, :-1] ^ kept[:, :-1, :-1]
    assert deviations(square.mean(), 0.5, 0.25, square.size) < STRICT


def test_steps_seeds_and_sites_are_independent() -> None:
    first = masks(0.5, range(1), range(12))
    for other in (
        masks(0.5, range(1, 2), range(12)),
        masks(0.5, range(1), range(12), site=12346),
        np.roll(first, 1, axis=0),
    ):
        assert deviations((first ^ other).mean(), 0.5, 0.25, first.size) < STRICT


def test_bits_do_not_depend_on_threads_or_optimization() -> None:
    x = np.zeros((ROWS, COLUMNS), np.float32)
    feeds = {"x": x, "seed": scalar(-3), "step": scalar(7), "row": scalar(1000)}
    levels = (ort.GraphOptimizationLevel.ORT_DISABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    drawn = [session(mask_model(0.7), t, level).run(None, feeds)[0] for t in (1, 2, 4) for level in levels]
    assert all(np.array_equal(drawn[0], d) for d in drawn[1:])


def test_splitting_a_batch_changes_no_mask() -> None:
    run = session(mask_model(0.7))
    x = np.zeros((ROWS, COLUMNS), np.float32)
    feeds = {"seed": scalar(5), "step": scalar(9)}
    (whole,) = run.run(None, {"x": x, "row": scalar(0), **feeds})
    parts = [run.run(None, {"x": x[a:b], "row": scalar(a), **feeds})[0] for a, b in ((0, 1), (1, 50), (50, ROWS))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


INITIALISERS = [
    ("zeros", 0.0, 0.0),
    ("ones", 1.0, 0.0),
    ("0.25", 0.25, 0.0),
    ("normal(std = 0.02, mean = 0.5)", 0.5, 0.02),
    ("uniform(low = -1, high = 3)", 1.0, 4 / math.sqrt(12)),
    ("glorot_uniform", 0.0, math.sqrt(2 / (300 + 200))),
    ("glorot_normal", 0.0, math.sqrt(2 / (300 + 200))),
    ("he_normal", 0.0, math.sqrt(2 / 300)),
    ("he_uniform", 0.0, math.sqrt(2 / 300)),
    ("lecun_normal", 0.0, math.sqrt(1 / 300)),
]


def first_values(initialiser: str, shape: str = "300, 200", seed: int = 3) -> np.ndarray:
    text = f"net n {{\n  input x: f32[N, 300]\n  param w: f32[{shape}] = {initialiser}\n  loss = mean(x) * sum(w)\n}}"
    return netc.Trainer(netc.compile(text), device="cpu", seed=seed).parameters["w"]


@pytest.mark.parametrize(("initialiser", "mean", "deviation"), INITIALISERS)
def test_first_values_have_the_right_moments(initialiser: str, mean: float, deviation: float) -> None:
    w = first_values(initialiser).astype(np.float64)
    assert w.mean() == pytest.approx(mean, abs=5 * deviation / math.sqrt(w.size) + 1e-7)
    assert w.std() == pytest.approx(deviation, rel=0.02, abs=1e-7)


def test_normal_values_are_normal() -> None:
    w = first_values("normal(std = 1)", "1000, 301").astype(np.float64).ravel()
    ordered = np.sort(w)
    exact = np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in ordered[::301]])
    drawn = np.arange(0, w.size, 301) / w.size
    assert np.abs(exact - drawn).max() < 1.95 / math.sqrt(w.size)  # Kolmogorov-Smirnov at 0.1 %
    assert abs((w**4).mean() - 3) < 5 * math.sqrt(96 / w.size)
    lags = [abs((w[:-k] * w[k:]).mean()) for k in (1, 2, w.size // 2)]
    assert max(lags) < STRICT / math.sqrt(w.size / 2)


@pytest.mark.parametrize("shape", [(40, 40), (60, 20), (20, 60), (1, 8)])
def test_orthogonal_matrices_are_orthogonal(shape: tuple[int, int]) -> None:
    w = first_values("orthogonal(gain = 2)", ", ".join(map(str, shape))).astype(np.float64) / 2
    gram = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=2e-5)  # Newton-Schulz in float32 stops at 1e-6 a step


def test_another_line_does_not_move_a_parameter() -> None:
    one = "net n {\n  input x: f32[N, 4]\n  y = x -> Dense(3)\n  loss = mean(y)\n}"
    two = one.replace("  y =", "  z = x -> Dense(5)\n  y =").replace("mean(y)", "mean(y) + mean(z)")
    a, b = (netc.Trainer(netc.compile(t), device="cpu").parameters["y.weight"] for t in (one, two))
    np.testing.assert_array_equal(a, b)
    other = netc.Trainer(netc.compile(one), device="cpu", seed=1).parameters["y.weight"]
    assert np.abs(a - other).max() > 0.1


def test_small_seeds_give_unrelated_first_values() -> None:
    drawn = np.stack([first_values("normal(std = 1)", "200, 20", seed).ravel() for seed in range(8)])
    correlations = np.corrcoef(drawn) - np.eye(8)
    assert np.abs(correlations).max() < STRICT / math.sqrt(drawn.shape[1])

"""Derivatives of random graphs against central differences: both modes, and the gradient of the gradient."""

from __future__ import annotations

import os

import numpy as np
import pytest

import netc
from tests.autodiff.evaluator import evaluate
from tests.autodiff.random_graphs import random_model
from tests.autodiff.reference import Unstable, compare, compare_forward

PARTS = 8
EACH = int(os.environ.get("NETC_RANDOM_GRAPHS", "160")) // PARTS


@pytest.mark.parametrize("part", range(PARTS))
def test_random_graphs_have_the_derivatives_of_differences(part: int) -> None:
    wrong, compared = {}, 0
    for seed in range(part * 1_000_000, part * 1_000_000 + EACH):
        model, inputs = random_model(seed)
        values = evaluate(model, inputs)
        if not all(np.isfinite(v).all() and np.abs(v).max(initial=0) < 1e4 for v in values.values()):
            continue
        gradient = netc.grad(model)
        g = np.random.default_rng(seed)
        cotangents = {f"grad/{n}": g.normal(size=v.shape) for n, v in values.items()}
        more = {n: u for n, u in cotangents.items() if n in [i.name for i in gradient.graph.input]}
        try:
            bad = compare(model, gradient, inputs, list(inputs))
            bad += compare_forward(model, netc.jvp(model), inputs)
            bad += compare(gradient, netc.grad(gradient), {**inputs, **more}, [*inputs, *more], mark="grad2/")
        except Unstable:
            continue
        compared += 1
        if bad:
            wrong[seed] = bad
    assert not wrong
    assert compared > 0.7 * EACH

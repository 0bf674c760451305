"""Whatever `check` accepts builds all graphs, loads, trains, evaluates and is exported; its metrics are exact.

`make properties` tries thousands; here are a few. A spec that fails is shown with as few lines as fail in that way.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import onnxruntime as ort
import pytest

import netc
from netc.runtime.export import deployable
from tests.properties.specs import shrunk, spec

FIRST, COUNT = (int(n) for n in os.environ.get("NETC_SPECS", "0:20").split(":"))
SEEDS = range(FIRST, FIRST + COUNT)
ROWS = 50


def batch(program: netc.Program, rows: int) -> dict[str, np.ndarray]:
    """Rows for every input, classes within their range."""
    g = np.random.default_rng(7)
    found = {}
    for row in program.manifest["inputs"]:
        shape = (rows, *row["shape"][1:])
        whole = g.integers(0, row.get("classes", 1), shape)
        found[row["name"]] = (whole if row["dtype"] == "int64" else g.normal(size=shape)).astype(row["dtype"])
    return found


def trains(text: str) -> None:
    """Every graph is built and loaded, three steps are made, and what is exported gives what the trainer gives."""
    program = netc.compile(text)
    trainer = netc.Trainer(program, device="cpu")
    trainer.fit_statistics(batch(program, 9), batch=5)
    for rows in (5, 5, 3):
        trainer.step(batch(program, rows))
    for graph in ("grad", "apply", "watch", "rate"):
        program.graph(graph)
    data = batch(program, 7)
    trainer.evaluate(data, batch=4)
    run = ort.InferenceSession(deployable(trainer).SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = {i.name: data[i.name] for i in run.get_inputs()}
    (answer,) = run.run(["answer"], inputs)
    np.testing.assert_allclose(answer, trainer.predict(inputs)["answer"], rtol=1e-5, atol=1e-6)


def scores_exactly(text: str) -> None:
    """Every metric is the same whatever the batch."""
    program = netc.compile(text)
    trainer = netc.Trainer(program, device="cpu")
    data = batch(program, ROWS)
    trainer.fit_statistics(
        batch(program, 9)
    )  # of other rows: the mean of those that are scored would be 0 but for rounding
    whole = trainer.evaluate(data, batch=ROWS)
    wide = {m.name for m in program.net.metrics if m.value.type.dtype.name == "f64"}
    for size in (1, 7, 13, 49):
        parts = trainer.evaluate(data, batch=size)
        for metric in program.manifest["metrics"]:
            name = metric["name"]
            # sums in another order, of values up to 1e4 times as large as the result; what is made of numbers alone is f32
            rel = 1e-6 if name in wide else 1e-4
            assert parts[name] == pytest.approx(whole[name], rel=rel, abs=1e-9, nan_ok=True), (
                f"{name}, batches of {size}"
            )


def holds(law: Callable[[str], None], text: str) -> None:
    """Runs a law on a spec; what breaks it is shown in its shortest form."""
    try:
        law(text)
    except Exception as e:
        kind = type(e)

        def fails(shorter: str) -> bool:
            try:
                netc.check(shorter)
                law(shorter)
            except Exception as other:
                return type(other) is kind and not (kind is netc.NetError and _refused(shorter))
            return False

        raise AssertionError(f"{kind.__name__}: {e}\n\n{shrunk(text, fails)}") from e


def _refused(text: str) -> bool:
    try:
        netc.check(text)
    except netc.NetError:
        return True
    return False


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16"])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_checks_trains_and_is_exported(seed: int, dtype: str) -> None:
    holds(trains, spec(seed, dtype))


@pytest.mark.parametrize("seed", SEEDS)
def test_metrics_are_exact_whatever_the_batch(seed: int) -> None:
    holds(scores_exactly, spec(seed, "f64", metrics=5))

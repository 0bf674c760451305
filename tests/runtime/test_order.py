"""The order of the rows: every epoch another permutation, each row once, a function of the seed alone."""

from __future__ import annotations

import numpy as np
import pytest

import netc
from netc.runtime.loop import Loop
from tests.runtime.scripted import Scripted, data, run

EPOCHS = 6


def epochs(rows: int, batch: int, settings: str = "", seed: int = 0) -> list[list[list[int]]]:
    """The rows of every batch of every epoch."""
    trainer = Scripted(f"  epochs = {EPOCHS}; batch = {batch}\n  {settings}", [1.0] * EPOCHS, seed)
    Loop(trainer, data(rows)).run()  # type: ignore[arg-type]
    count = -(-rows // batch)
    return [trainer.taken[i * count : (i + 1) * count] for i in range(EPOCHS)]


def flat(epoch: list[list[int]]) -> list[int]:
    return [row for batch in epoch for row in batch]


SIZES = [(40, 8, [8, 8, 8, 8, 8]), (41, 8, [8, 8, 8, 8, 8, 1]), (39, 16, [16, 16, 7]), (30, 64, [30]), (7, 1, [1] * 7)]


@pytest.mark.parametrize(("rows", "batch", "sizes"), SIZES, ids=[f"{r} rows by {b}" for r, b, _ in SIZES])
def test_each_row_once_in_each_epoch(rows: int, batch: int, sizes: list[int]) -> None:
    """The last batch may be smaller."""
    for epoch in epochs(rows, batch):
        assert [len(taken) for taken in epoch] == sizes
        assert sorted(flat(epoch)) == list(range(rows))


def test_every_epoch_has_an_order_of_its_own() -> None:
    orders = [flat(e) for e in epochs(40, 8)]
    for i, one in enumerate(orders):
        assert one != list(range(40))
        for other in orders[:i]:
            # two random orders of 40 rows agree in one place on average
            assert sum(a == b for a, b in zip(one, other)) < 8


def test_the_seed_decides_the_order() -> None:
    first, again, other = (epochs(40, 8, seed=s) for s in (5, 5, 6))
    assert first == again
    assert all(a != b for a, b in zip(first, other))
    everything = {tuple(flat(e)) for e in (*first, *other)}
    assert len(everything) == 2 * EPOCHS, "no epoch of one seed is an epoch of the next"


def test_every_place_gets_every_row_alike() -> None:
    """Over 400 orders of 10 rows each row is in each place 40 times, and 5 deviations are 30."""
    loop = Loop(Scripted("  batch = 4"), data(10))  # type: ignore[arg-type]
    orders = np.array([loop.order(e) for e in range(400)])
    counts = np.array([np.bincount(orders[:, place], minlength=10) for place in range(10)])
    assert counts.min() > 10
    assert counts.max() < 70


def test_without_shuffling_the_rows_come_as_they_are() -> None:
    for epoch in epochs(11, 4, "shuffle = false"):
        assert epoch == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


def test_scores_of_an_epoch_are_weighted_by_rows() -> None:
    """Batches of 4, 4 and 3 rows; the loss of a batch is the mean of its row numbers here."""
    _, outcome = run("  epochs = 2; batch = 4", [1, 1], rows=11)
    assert [row["train.loss"] for row in outcome.history] == pytest.approx([5, 5])


def test_the_rows_of_a_real_run_arrive_in_that_order() -> None:
    """The weight follows the rows: w' = (w + x) / 2 remembers the last ones best, so that each order has its own end."""
    text = """net n {
  input x: f32[N]
  param w: f32[1] = zeros
  loss = mean((w - x)^2) / 2
}
train { optimizer = sgd(rate = 0.5); batch = 1; epochs = 2; seed = 9 }"""
    rows = np.linspace(-1, 2, 10, dtype=np.float32)
    result = netc.run(text, data={"x": rows}, device="cpu", folder=None, plots=False)
    loop = Loop(Scripted("  batch = 1", seed=9), data(10))  # type: ignore[arg-type]
    w, ends = 0.0, []
    for epoch in range(2):
        for row in loop.order(epoch):
            w = (w + float(rows[row])) / 2
        ends.append(w)
    assert result.trainer.state["w"][0] == pytest.approx(ends[result.best_epoch - 1], rel=1e-5)

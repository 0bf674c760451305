"""What the loop decides from the scores of each epoch: when it stops, which weights it keeps, when it lowers the rates."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from tests.runtime.scripted import Score, run

NAN = float("nan")
# (settings, the scores of the epochs, epochs done, best epoch, how it ended)
STOPS: list[tuple[str, Sequence[float], int, int, str]] = [
    ("stop = early(val.loss, patience = 1)", [5, 4, 4, 3, 2, 1], 3, 2, "early"),  # equal is no improvement
    ("stop = early(val.loss, patience = 2)", [5, 4, 4.5, 3, 3.5, 3.2, 1, 1], 6, 4, "early"),  # waiting begins anew
    ("stop = early(val.loss, patience = 3)", [5, 4, 4.5, 4.4, 4.3, 1], 5, 2, "early"),  # not against the epoch before
    ("stop = early(val.loss, patience = 3)", [1, 2, 2, 2, 0], 4, 1, "early"),
    ("stop = early(val.loss)", [1, 2, 2, 2, 2, 2, 0, 0], 6, 1, "early"),  # patience is 5
    ("stop = early(val.loss, patience = 2)", [5, 4, 3, 2, 1, 0], 6, 6, "done"),
    ("stop = early(val.loss, patience = 1)", [5, 4, 3, 2, 1, 9], 6, 5, "early"),  # in the last epoch
    ("stop = early(val.up, patience = 2)", [1, 2, 3, 2.9, 3, 9], 5, 3, "early"),
    ("stop = early(val.up, patience = 1)", [1, 2, 3, 4, 3.9, 9], 5, 4, "early"),
    ("stop = early(val.down, patience = 1)", [1, 2, 3, 4], 2, 1, "early"),
    # 0.5 is not more than 0.5
    ("stop = early(val.loss, patience = 2, delta = 0.5)", [5, 4.25, 3.75, 3.75, 1, 1], 4, 3, "early"),
    # against the best of all
    ("stop = early(val.loss, patience = 2, delta = 0.5)", [5, 4.75, 4.25, 4, 3.9, 1], 5, 5, "early"),
    ("stop = early(val.up, patience = 2, delta = 0.5)", [1, 1.5, 1.75, 2.25, 2.2, 9], 5, 4, "early"),
    ("stop = early(val.up, patience = 1, delta = 0.5)", [-3, -2, -1.5, 9], 3, 3, "early"),
]


@pytest.mark.parametrize(("settings", "script", "epochs", "best", "reason"), STOPS, ids=str)
def test_when_it_stops_and_which_weights_are_kept(
    settings: str, script: Sequence[float], epochs: int, best: int, reason: str
) -> None:
    trainer, outcome = run(f"  epochs = {len(script)}\n  {settings}", script)
    assert (outcome.reason, outcome.epochs, outcome.best_epoch) == (reason, epochs, best)
    assert outcome.best == script[best - 1]
    assert trainer.weight == best, "the weights of the best epoch are put back"
    assert [row["val.loss"] for row in outcome.history] == list(script[:epochs])


# (settings, (loss, up) of each epoch, the epoch whose weights are kept, by which score)
KEPT: list[tuple[str, Sequence[Score], int, str]] = [
    ("", [(3, 1), (2, 0), (2.5, 9)], 2, "val.loss"),  # not a metric
    ("plateau = reduce(val.up, patience = 1)", [(3, 1), (2, 0), (2.5, 9)], 2, "val.loss"),
    ("stop = early(val.up, patience = 9)", [(3, 1), (2, 0), (2.5, 9)], 3, "val.up"),
    ("stop = early(val.up, patience = 9); keep = best(val.loss)", [(3, 1), (2, 0), (2.5, 9)], 2, "val.loss"),
    ("keep = best(val.up)", [(3, 1), (2, 0), (2.5, 0.5)], 1, "val.up"),
    ("keep = best(val.down)", [(3, 1), (2, 0), (2.5, 0.5)], 2, "val.down"),
    ("keep = best(val.up)", [(3, 5), (2, 5), (1, 4), (2.5, 5)], 2, "val.up"),  # ties: the lowest loss
    ("keep = best(val.up)", [(2, 5), (2, 5)], 1, "val.up"),  # and then the first
    ("keep = best(val.loss)", [NAN, 3, NAN, 4], 2, "val.loss"),  # what is no number is never the best
    ("keep = best(val.up)", [(3, 5), (NAN, 5), (2, 5)], 3, "val.up"),
    ("keep = last", [(3, 1), (2, 0), (2.5, 9)], 0, ""),
    ("keep = last; stop = early(val.up, patience = 1)", [(3, 1), (2, 0), (2.5, 9)], 0, ""),
    ("keep = none", [(3, 1), (2, 0), (2.5, 9)], 2, "val.loss"),
    ("", [NAN, NAN], 0, "val.loss"),
]


@pytest.mark.parametrize(("settings", "script", "best", "score"), KEPT, ids=str)
def test_which_weights_are_kept(settings: str, script: Sequence[Score], best: int, score: str) -> None:
    trainer, outcome = run(f"  epochs = {len(script)}\n  {settings}", script)
    assert (outcome.best_epoch, outcome.best_score) == (best, score)
    assert trainer.weight == (best or outcome.epochs)
    assert (outcome.best is None) == (best == 0)


def test_a_score_of_the_training_rows_does_not_decide_where_there_are_others() -> None:
    """Training rows and validation rows are scored in turn."""
    _, outcome = run("  epochs = 2\n  stop = early(train.loss, patience = 9)", [5, 2, 4, 3])
    assert (outcome.best_epoch, outcome.best_score, outcome.best) == (1, "val.loss", 2)


@pytest.mark.parametrize(
    ("settings", "best", "score"),
    [
        ("", 0, ""),
        ("keep = best(train.loss)", 2, "train.loss"),
        ("stop = early(train.up, patience = 9)", 1, "train.up"),
    ],
)
def test_without_other_rows_a_score_of_the_training_rows_may_decide(settings: str, best: int, score: str) -> None:
    _, outcome = run(f"  epochs = 3\n  {settings}", [(3, 9), (2, 0), (2.5, 1)], val=0)
    assert (outcome.best_epoch, outcome.best_score) == (best, score)


def test_steps_end_the_run_inside_an_epoch() -> None:
    trainer, outcome = run("  batch = 2; steps = 7", [3, 2, 1])  # three batches of five rows
    assert (outcome.reason, outcome.epochs, outcome.steps) == ("done", 3, 7)
    assert trainer.evaluated[:3] == [3, 6, 7]
    assert outcome.history[-1]["step"] == 7


# (settings, the scores, the factor of all rates in each epoch, the first included)
PLATEAUS: list[tuple[str, Sequence[float], list[float]]] = [
    ("reduce(val.loss, factor = 0.5, patience = 1)", [5, 4, 4, 3], [1, 1, 1, 0.5]),
    ("reduce(val.loss, factor = 0.5, patience = 2)", [5, 4, 4, 4, 4, 4, 4], [1, 1, 1, 1, 0.5, 0.5, 0.25]),
    ("reduce(val.loss, factor = 0.25, patience = 2)", [5, 6, 4, 4.5, 4.2, 4], [1, 1, 1, 1, 1, 0.25]),
    ("reduce(val.loss)", [1, 2, 2, 2, 2, 2, 2, 2], [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]),  # factor 0.5, patience 3
    ("reduce(val.loss, factor = 0.5, patience = 1, floor = 0.3)", [1, 2, 2, 2, 2], [1, 1, 0.5, 0.3, 0.3]),
    ("reduce(val.loss, factor = 0.5, patience = 1, delta = 0.5)", [5, 4.5, 4.25, 3.9, 3], [1, 1, 0.5, 0.5, 0.25]),
    ("reduce(val.up, factor = 0.5, patience = 1)", [1, 2, 3, 2.5, 4], [1, 1, 1, 1, 0.5]),
    ("reduce(val.up, factor = 0.5, patience = 1, delta = 0.5)", [1, 1.5, 2.25, 3], [1, 1, 0.5, 0.5]),
]


@pytest.mark.parametrize(("plateau", "script", "factors"), PLATEAUS, ids=str)
def test_when_it_lowers_the_rates(plateau: str, script: Sequence[float], factors: list[float]) -> None:
    trainer, _ = run(f"  epochs = {len(script)}\n  plateau = {plateau}", script)
    found, scale = [], 1.0
    for epoch in range(len(script)):
        for done, name, value in trainer.controls:
            if name == "rate_scale" and done == epoch:
                scale = value
        found.append(scale)
    assert found == pytest.approx(factors, rel=1e-12)


def test_stop_and_plateau_wait_apart_from_each_other() -> None:
    """Each has its own delta and its own patience."""
    settings = (
        "  epochs = 9\n  stop = early(val.loss, patience = 4)\n  plateau = reduce(val.down, patience = 2, delta = 1)"
    )
    trainer, outcome = run(settings, [5, 4.5, 4.2, 4.1, 4.15, 4.2, 4.3, 4.4, 1])
    assert (outcome.epochs, outcome.best_epoch) == (8, 4)
    assert [(k, v) for k, n, v in trainer.controls if n == "rate_scale"] == [(3, 0.5), (5, 0.25), (7, 0.125)]


def test_a_run_that_takes_no_time_took_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)
    _, outcome = run("  epochs = 2", [2, 1])
    assert outcome.seconds == 0
    assert [row["seconds"] for row in outcome.history] == [0, 0]

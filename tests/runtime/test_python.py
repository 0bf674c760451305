"""What a run takes from Python besides arrays: batches of any iterable, and functions that are called on the way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

import netc
from netc import InputError
from netc.runtime import trainer as trainers
from netc.runtime.checkpoint import load_tensors
from netc.runtime.data.sources import load

SPEC = """net n {
  input x: f32[N, 2]
  target t: f32[N]
  y = (x -> Dense(1))[:, 0]
  loss = mean_squared_error(y, t)
  metric worst (min) = max(abs(y - t))
}
train { batch = 4; epochs = 3; optimizer = sgd(rate = 0.1) }"""
X, T = np.arange(20, dtype=np.float32).reshape(10, 2) / 10, np.arange(10, dtype=np.float32)
MANIFEST = netc.compile(SPEC).manifest


class Loader:
    """Begins anew each time, as the loaders of other libraries do."""

    def __iter__(self) -> Iterator[Any]:
        return iter([(X[:3], T[:3]), (X[3:9], T[3:9]), (X[9:], T[9:])])


def by_name() -> Iterator[dict[str, Any]]:
    for k in (0, 5):
        yield {"t": T[k : k + 5].tolist(), "x": X[k : k + 5]}


BATCHES = [Loader, by_name, lambda: list(by_name()), lambda: list(Loader()), lambda: {"train": Loader()}]


@pytest.mark.parametrize("make", BATCHES)
def test_batches_are_read_to_their_end(make: Any) -> None:
    found = load(MANIFEST, data=make()).splits["train"]
    np.testing.assert_array_equal(found["x"], X)
    np.testing.assert_array_equal(found["t"], T)


def test_splits_may_come_in_different_ways() -> None:
    found = load(MANIFEST, data={"train": Loader(), "val": {"x": X[:2], "t": T[:2]}, "test": by_name()})
    assert {s: found.rows(s) for s in found.splits} == {"train": 10, "val": 2, "test": 10}


REFUSED: list[tuple[Any, str]] = [
    (iter([]), "there are no batches"),
    ({"train": Loader(), "val": iter([])}, "there are no batches of the val split"),
    (iter([(X,)]), "batch 0 has 1 arrays, the net 2 inputs and targets"),
    (iter([X]), "batch 0 is an array of float32"),
    ({"train": iter([{"x": X, "t": T}, 3])}, "batch 1 of the train split is an int"),
    (iter([{"x": X, "t": T}, {"x": X}]), "batch 1 has other names than the first"),
    (iter([(X, T), (X[:, :1], T)]), r"`x` of batch 1 has shape \[10, 1\], unlike the first"),
    (iter([(X, 3)]), "`t` of batch 0 is a single value, and a batch holds rows"),
    (iter([(X, T[:4])]), "`x` has 10 rows, `t` has 4"),
    (iter([{"x": X, "q": T}]), "the net has no input or target `q`"),
    ({"train": Loader(), "rows": Loader()}, "there is no split `rows`"),
]


@pytest.mark.parametrize(("data", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_batches_that_do_not_fit(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(MANIFEST, data=data)


def run(**options: Any) -> netc.Result:
    return netc.run(SPEC, data={"x": X, "t": T}, device="cpu", folder=None, **options)


def test_functions_are_called_after_each_step_and_epoch() -> None:
    steps: list[tuple[int, float]] = []
    epochs: list[tuple[int, int, Mapping[str, float]]] = []
    result = run(
        on_step=lambda trainer, scores: steps.append((trainer.steps, scores["loss"])),
        on_epoch=lambda trainer, epoch, scores: epochs.append((epoch, trainer.steps, scores)),
    )
    assert [k for k, _ in steps] == list(range(1, 10))
    assert [(e, k) for e, k, _ in epochs] == [(1, 3), (2, 6), (3, 9)]
    first = sum(loss * rows for (_, loss), rows in zip(steps, (4, 4, 2))) / 10
    assert epochs[0][2]["train.loss"] == pytest.approx(first, rel=1e-6)
    assert result.reason == "done"
    assert result.trainer.steps == run().trainer.steps


@pytest.mark.parametrize("change", [netc.Trainer.undo, netc.Trainer.reset])
def test_a_function_may_not_take_steps_back(change: Any) -> None:
    """The run would never come to its end."""
    with pytest.raises(InputError, match="`on_step` took back steps of the run"):
        run(on_step=lambda trainer, scores: change(trainer) if trainer.steps == 2 else None)


def test_a_function_may_end_the_training() -> None:
    def after_two(trainer: netc.Trainer, epoch: int, scores: Mapping[str, float]) -> None:
        if epoch == 2:
            raise StopIteration

    def at_once(trainer: netc.Trainer, scores: Mapping[str, float]) -> None:
        raise StopIteration

    result = run(on_epoch=after_two)
    assert (result.reason, result.trainer.steps, len(result.history)) == ("stopped", 6, 2)
    assert "train.loss" in result.scores
    result = run(on_step=at_once)
    assert (result.reason, result.trainer.steps, result.history) == ("stopped", 1, [])


def test_a_function_may_change_the_rates() -> None:
    def stand_still(trainer: netc.Trainer, epoch: int, scores: Mapping[str, float]) -> None:
        trainer.set_control("rate_scale", 0)

    one, three = run(overrides=["epochs=1"]), run(on_epoch=stand_still)
    assert three.trainer.control("rate_scale") == 0
    np.testing.assert_array_equal(one.trainer.parameters["y.weight"], three.trainer.parameters["y.weight"])


@pytest.mark.parametrize("name", ["rate_scale", "weights"])
def test_what_a_function_changes_is_saved(tmp_path: Any, name: str) -> None:
    """What the run exports, and where it goes on, is what the function left."""

    def change(trainer: netc.Trainer, epoch: int, scores: Mapping[str, float]) -> None:
        if epoch == 2 and name == "weights":
            trainer.load_parameters({"y.weight": np.full((2, 1), 7)})
        elif epoch == 2:
            trainer.set_control("rate_scale", 0)

    options: dict[str, Any] = {"data": {"x": X, "t": T}, "device": "cpu", "plots": False}
    half = netc.run(SPEC, ["epochs=2"], folder=tmp_path / "a", on_epoch=change, **options)
    assert half.folder is not None
    state, _ = load_tensors(half.folder / "state/last.safetensors")
    np.testing.assert_array_equal(state["y.weight"], half.trainer.parameters["y.weight"])
    resumed = netc.run(None, ["epochs=3"], resume=half.folder, **options)
    whole = netc.run(SPEC, ["epochs=3"], folder=None, on_epoch=change, **options)
    np.testing.assert_array_equal(resumed.trainer.parameters["y.weight"], whole.trainer.parameters["y.weight"])


def test_what_a_function_raises_comes_out(tmp_path: Any) -> None:
    def wrong(trainer: netc.Trainer, scores: Mapping[str, float]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        netc.run(SPEC, data={"x": X, "t": T}, device="cpu", folder=tmp_path, on_step=wrong)
    assert (tmp_path / "n/1/state/last.safetensors").is_file()


def test_the_first_four_batch_sizes_have_a_step_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    real = trainers.session

    def session(model: bytes, device: Any, sizes: Any = None, **options: Any) -> Any:
        made.append(sizes)
        return real(model, device, sizes, **options)

    trainer = netc.Trainer(netc.compile(SPEC), "cpu")
    monkeypatch.setattr(trainers, "session", session)
    for size in (1, 2, 3, 4, 5, 6, 5):
        trainer.step({"x": X[:size], "t": T[:size]})
    assert made == [{"N": 1}, {"N": 2}, {"N": 3}, {"N": 4}, None]


def test_a_function_may_ask_for_gradients_and_diagnostics(tmp_path: Any) -> None:
    """Also where the run keeps a folder, whose program has no graphs for them."""
    asked: list[set[str]] = []

    def on_epoch(trainer: netc.Trainer, epoch: int, scores: Mapping[str, float]) -> None:
        asked.append(set(trainer.gradients({"x": X, "t": T})))

    result = netc.run(SPEC, data={"x": X, "t": T}, folder=tmp_path, device="cpu", plots=False, on_epoch=on_epoch)
    assert asked == [{"y.weight", "y.bias"}] * 3
    assert result.trainer.watch({"x": X, "t": T})
    shutil.rmtree(tmp_path)
    assert set(result.trainer.gradients({"x": X, "t": T})) == {"y.weight", "y.bias"}
    assert result.trainer.rate() == 0.1


def test_an_output_without_rows_is_one_value_of_all_rows() -> None:
    """As the deployed model gives it, however many rows are predicted at once."""
    spec = """net n {
      input x: f32[N, 2]
      d = Dense(3)
      y = x -> d
      loss = mean(y^2)
      output total = sum(x)
      output weight = d.weight
      output first = x[0]
      output y
    }"""
    trainer = netc.Trainer(netc.compile(spec), device="cpu", seed=1)
    found = trainer.predict({"x": X}, batch=4)
    assert {n: v.shape for n, v in found.items()} == {"total": (), "weight": (2, 3), "first": (2,), "y": (10, 3)}
    np.testing.assert_allclose(found["total"], X.sum(), rtol=1e-6)
    np.testing.assert_array_equal(found["weight"], trainer.parameters["d.weight"])
    np.testing.assert_array_equal(found["first"], X[0])
    np.testing.assert_allclose(found["y"], X @ trainer.parameters["d.weight"], rtol=1e-5)

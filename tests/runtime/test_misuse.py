"""What Python hands to a trainer or a run in place of data: each mistake gets a sentence of ours, never another library's."""

from __future__ import annotations

import asyncio
import copy
import pickle
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc import InputError, Trainer

SPEC = """net n {
  input x: f32[N, 2]
  target t: i64[N]
  y = x -> Dense(3)
  loss = softmax_cross_entropy(y, t)
  output y
}"""
PROGRAM = netc.compile(SPEC)
X, T = np.zeros((4, 2), np.float32), np.array([0, 1, 2, 0])
GOOD = {"x": X, "t": T}
GIVE = "give {'x': array, 't': array}"


class Empty:
    def __array__(self, *arguments: Any, **options: Any) -> np.ndarray:
        raise ValueError("nothing is in it")


class Device:
    """An array elsewhere, which cannot be read from here."""

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise RuntimeError("tensor is on cuda:0")


BATCHES: list[tuple[Any, str, str]] = [  # (batch, message, help)
    ((X, T), "data is a mapping of arrays by name, this is a tuple", GIVE),
    ([X, T], "data is a mapping of arrays by name, this is a list", GIVE),
    (None, "data is a mapping of arrays by name, this is None", GIVE),
    (X, "data is a mapping of arrays by name, this is an array of float32", GIVE),
    ({}, "the data has no `x`", "it holds nothing"),
    ({"x": X}, "the data has no `t`", "its arrays are `x`"),
    ({"x": X, "T": T}, "the net has no input or target `T`", "did you mean `t`? Its inputs and targets are `x`, `t`"),
    ({**GOOD, "weights": T}, "the net has no input or target `weights`", "its inputs and targets are `x`, `t`"),
    ({0: X, 1: T}, "the net has no input or target `0`", "its inputs and targets are `x`, `t`"),
    ({"x": X[:0], "t": T[:0]}, "`x` has no rows", ""),
    ({"x": [], "t": []}, "`x` has shape [0]; `x` needs [N, 2]", ""),
    ({"x": X, "t": T[:3]}, "`x` has 4 rows, `t` has 3", ""),
    ({"x": [[1, 2], [3]], "t": [0, 1]}, "`x` is ragged: its rows have different lengths", "one length"),
    ({"x": ((1, 2), (3,)), "t": [0, 1]}, "`x` is ragged", "one length"),
    ({"x": np.array([[1, None]], object), "t": [0]}, "`x` holds Python objects: it is an array of object", "NumPy array"),
    ({"x": [[1, None]], "t": [0]}, "`x` holds Python objects, or whole numbers beyond 64 bits: it is a list", ""),
    ({"x": X, "t": [2**70] * 4}, "`t` holds Python objects, or whole numbers beyond 64 bits", ""),
    ({"x": None, "t": T}, "`x` holds Python objects: it is None", "give a NumPy array of numbers"),
    ({"x": iter(X), "t": T}, "`x` holds Python objects: it is an ", ""),
    ({"x": {1, 2}, "t": T}, "`x` holds Python objects: it is a set", ""),
    ({"x": {}, "t": T}, "`x` holds Python objects: it is a dict", ""),
    ({"x": Device(), "t": T}, "`x` cannot be made an array: it is a Device", "give a NumPy array"),
    ({"x": Empty(), "t": T}, "`x` cannot be made an array: it is an Empty", "give a NumPy array"),
    ({"x": "x.npy", "t": T}, "`x` holds text; numbers are needed", ""),
    ({"x": X, "t": ["a", "b", "c", "a"]}, "`t` holds text; numbers are needed", "`t = numpy.unique(labels"),
    ({"x": X, "t": b"0120"}, "`t` holds text", ""),
    ({"x": X * 1j, "t": T}, "`x` holds complex numbers; numbers are needed", "`x.real` and `x.imag` are numbers"),
    ({"x": X.astype(str), "t": T}, "`x` holds text; numbers are needed", "`x.astype('float32')`"),
    ({"x": X, "t": np.array(["2020-01-01"] * 4, "M8[D]")}, "`t` holds dates", ""),
    ({"x": np.zeros(4, [("a", "f4"), ("b", "f4")]), "t": T}, "`x` holds records", ""),
    ({"x": np.ma.array(X, mask=X == 0), "t": T}, "`x` has masked elements", "fill them first"),
    ({"x": 1.0, "t": 0}, "`x` has shape []; `x` needs [N, 2]", ""),
    ({"x": X[0], "t": T[:1]}, "`x` has shape [2]; `x` needs [N, 2]", "`reshape(-1, 2)` gives it that shape"),
    ({"x": X.T, "t": T}, "`x` has shape [2, 4]; `x` needs [N, 2]", "its axes stand in another order: `transpose(1, 0)`"),
    ({"x": np.zeros((4, 3)), "t": T}, "`x` has shape [4, 3]; `x` needs [N, 2]", ""),
    ({"x": X, "t": T[:, None]}, "`t` has shape [4, 1]; `t` needs [N]", "`reshape(-1)` gives it that shape"),
    ({"x": X, "t": np.eye(4, 3)}, "`t` has shape [4, 3]; `t` needs [N]", "`argmax(axis=-1)`"),
    ({"x": [[0, np.nan]], "t": [0]}, "`x[0, 1]` is nan; `x` must be finite", "leave the row out"),
    ({"x": X + np.inf, "t": T}, "`x[0, 0]` is inf", ""),
    ({"x": X.astype(float) + 1e60, "t": T}, "`x[0, 0]` is 1e+60; `x` must fit float32", "scale the data first"),
    ({"x": X, "t": [0, 1, 2, 3]}, "`t[3]` is 3; `t` must lie in 0..2, as there are 3 classes", "correct the label"),
    ({"x": X, "t": [1, 1, 2, 3]}, "`t[3]` is 3", "the labels seem to count from 1: subtract 1"),
    ({"x": X, "t": [0, 1, -1, 0]}, "`t[2]` is -1; `t` must lie in 0..2", ""),
    ({"x": X, "t": [0, 1, 0.5, 0]}, "`t[2]` is 0.5; `t` must be a whole number", "classes are numbered 0, 1, 2"),
    ({"x": X, "t": np.full(4, 2.0**63)}, "`t[0]` is 9.223372036854776e+18; `t` must fit int64", ""),
]  # fmt: skip
METHODS = ("step", "gradients", "watch", "evaluate")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("batch", "message", "help"), BATCHES, ids=range(len(BATCHES)))
def test_a_batch_that_does_not_fit(batch: Any, message: str, help: str) -> None:
    trainer = Trainer(PROGRAM, "cpu")
    before = trainer.state
    for method in METHODS:
        with pytest.raises(InputError) as e:
            getattr(trainer, method)(batch)
        assert type(e.value) is InputError
        assert message in e.value.message
        assert help in e.value.help
    assert all((before[n] == v).all() for n, v in trainer.state.items())


CALLS: list[tuple[Callable[[Trainer], Any], str]] = [
    (lambda t: t.predict({"x": X[:0]}), "`x` has no rows"),
    (lambda t: t.predict([X]), "data is a mapping of arrays by name, this is a list"),
    (lambda t: t.predict({"X": X}), "the net has no input or target `X`"),
    (lambda t: t.predict({"t": T}), "the data has no `x`"),
    (lambda t: t.predict({"x": X}, batch=0), "`batch` must lie in 1..2147483647, not 0"),
    (lambda t: t.predict({"x": X}, batch=1.5), "`batch` is a whole number, this is 1.5"),  # type: ignore[arg-type]
    (lambda t: t.evaluate(GOOD, batch=-1), "`batch` must lie in 1..2147483647, not -1"),
    (lambda t: t.evaluate(GOOD, batch="8"), "`batch` is a whole number, this is '8'"),  # type: ignore[arg-type]
    (lambda t: t.step(GOOD, row=-1), "`row` must lie in 0..2147483647, not -1"),
    (lambda t: t.step(GOOD, row=2**40), "`row` must lie in 0..2147483647, not 1099511627776"),
    (lambda t: Trainer(PROGRAM, "cpu", seed=2**40), "`seed` must lie in -2147483648..2147483647, not 1099511627776"),
    (lambda t: Trainer(PROGRAM, "cpu", seed="a"), "`seed` is a whole number, this is 'a'"),  # type: ignore[arg-type]
    (lambda t: Trainer(PROGRAM, "cpu", seed=True), "`seed` is a whole number, this is True"),
    (lambda t: t.load_parameters([X]), "parameters are a mapping of arrays by name, not list"),  # type: ignore[arg-type]
    (lambda t: t.load_parameters({"y.weight": "a"}), "`y.weight` is float32, the given value <U1"),
    (lambda t: t.load_parameters({"y.weight": [[1], [1, 2]]}), "`y.weight` is ragged"),
    (lambda t: t.load_parameters({"y.weight": np.zeros((2, 3)) * 1j}), "the given value complex128"),
    (lambda t: t.load_parameters({"z": X}), "the program has no parameter `z`"),
    (lambda t: t.set_control("rate_scale", "a"), "`rate_scale` is a finite number from 0 on, this is 'a'"),  # type: ignore[arg-type]
    (lambda t: t.set_control("rate_scale", -1), "`rate_scale` is a finite number from 0 on, this is -1"),
    (lambda t: t.set_control("rate_scale", np.nan), "`rate_scale` is a finite number from 0 on, this is nan"),
    (lambda t: t.set_control("rate_scale", [1]), "`rate_scale` is a finite number from 0 on, this is [1]"),  # type: ignore[arg-type]
    (lambda t: t.set_control("y.weight", 1), "there is no control `y.weight`"),
    (lambda t: t.load_state([X]), "a state is a mapping of arrays by name, not list"),  # type: ignore[arg-type]
    (lambda t: t.set_control("rate_scal", 1), "there is no control `rate_scal`"),
    (lambda t: t.set_control("y.weight", 1), "there is no control `y.weight`"),
    (lambda t: t.save("/"), "`/` cannot be written"),
    (lambda t: t.save(None), "the file of a state is a path, this is None"),  # type: ignore[arg-type]
    (lambda t: t.save(b"a"), "the file of a state is a path, this is a bytes"),  # type: ignore[arg-type]
    (lambda t: t.save(""), "the file of a state is empty"),
    (lambda t: t.save("a\0b"), "the file of a state is no name that a file can have"),
    (lambda t: t.load(None), "the file of a state is a path, this is None"),  # type: ignore[arg-type]
    (lambda t: t.save("s", [1]), "notes are a mapping, this is a list"),  # type: ignore[arg-type]
    (lambda t: t.save("s", {"a": X}), "notes are kept as JSON, which these are not"),
    (lambda t: t.undo(), "there is no step to undo"),
    (lambda t: (t.step(GOOD), t.undo(), t.undo()), "there is no step to undo"),
    (lambda t: (t.step(GOOD), t.load_parameters({"y.bias": [0, 0, 0]}), t.undo()), "there is no step to undo"),
    (lambda t: t.load_parameters({"step": 1.5}), "`step` is int32, which does not hold 1.5"),
    (lambda t: t.load_parameters({"step": 2**40}), "`step` is int32, which does not hold 1099511627776"),
    (lambda t: t.load_parameters({"step": -1}), "`step` counts the steps done"),
    (lambda t: t.load_parameters({"y.bias": [0, 1e300, 0]}), "`y.bias` is float32, which does not hold 1e+300"),
    (lambda t: t.set_control("rate_scale", 1e300), "`rate_scale` is float32, which does not hold 1e+300"),
    (lambda t: t.set_control("rate_scale", None), "`rate_scale` is a finite number from 0 on, this is None"),  # type: ignore[arg-type]
    (lambda t: t.control(["rate_scale"]), "there is no control `['rate_scale']`"),  # type: ignore[arg-type]
    (lambda t: t.control("total_steps"), "the program has no control `total_steps`"),
    (lambda t: t.resident(None), "data is a mapping of arrays by name, this is None"),  # type: ignore[arg-type]
    (lambda t: t.resident({"x": X, "t": T + 9}), "`t[0]` is 9"),
    (lambda t: t.step_rows(GOOD, np.arange(2)), "rows are taken of data made resident, this is a dict"),  # type: ignore[arg-type]
    (lambda t: t.step_rows(t.resident(GOOD), T == 0), "`rows` is a vector of int64 numbers"),
    (lambda t: t.step_rows(t.resident(GOOD), T[:0]), "`rows` is a vector of int64 numbers"),
    (lambda t: t.step_rows(t.resident(GOOD), [0, 1]), "`rows` is a vector of int64 numbers"),  # type: ignore[arg-type]
    (lambda t: t.step_rows(t.resident(GOOD), np.array([0, 4])), "`rows` must lie in 0..3, as there are 4"),
    (lambda t: t.step_rows(t.resident(GOOD), np.array([0, -1])), "`rows` must lie in 0..3, as there are 4"),
    (pickle.dumps, "a trainer is neither pickled nor copied"),
    (copy.deepcopy, "a trainer is neither pickled nor copied"),
    (lambda t: Trainer(PROGRAM, None), "there is no device `None`"),  # type: ignore[arg-type]
    (lambda t: Trainer(PROGRAM, "cpu", threads="2"), "`threads` is a whole number, this is '2'"),  # type: ignore[arg-type]
    (lambda t: Trainer(PROGRAM, "cpu", threads=1.5), "`threads` is a whole number, this is 1.5"),  # type: ignore[arg-type]
    (lambda t: Trainer(netc.Program, "cpu"), "a trainer takes a program, this is a type"),  # type: ignore[arg-type]
    (lambda t: netc.export(t, None), "the file of a model is a path, this is None"),  # type: ignore[arg-type]
    (lambda t: netc.export(t, "."), "`.` is a folder"),
    (lambda t: netc.export(PROGRAM, "m.onnx"), "a model is exported from a trainer, this is a Program"),  # type: ignore[arg-type]
    (lambda t: Trainer(None), "a trainer takes a program, this is None"),  # type: ignore[arg-type]
    (lambda t: Trainer(SPEC), "a trainer takes a program, or its folder; this is the text of a spec"),
    (lambda t: t.load_state({n: v.astype(float).tolist() for n, v in t.state.items()}), "belongs to another model"),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("call", "message"), CALLS, ids=range(len(CALLS)))
def test_a_call_that_does_not_fit(call: Callable[[Trainer], Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        call(Trainer(PROGRAM, "cpu"))


RUNS: list[tuple[Any, str]] = [
    ((X, T), "data is a mapping of arrays by name, this is a tuple"),
    (5, "data is a mapping of arrays by name, this is an int"),
    (X, "data is a mapping of arrays by name, this is an array of float32"),
    (lambda: [GOOD], "data is a mapping of arrays by name, this is a function"),
    ({"train": Device(), "val": Device()}, "the train split is a mapping of arrays by name, this is a Device"),
    ({"train": lambda: [GOOD]}, "the train split is a mapping of arrays by name, this is a function"),
    ({}, "the data has no `x`"),
    ({"train": GOOD, "validation": GOOD}, "there is no split `validation`"),
    ({"train": GOOD, "val": X}, "the val split is a mapping of arrays by name, this is an array of float32"),
    ({"train": (X, T), "val": GOOD}, "the train split is a mapping of arrays by name, this is a tuple"),
    ({"test": GOOD}, "the data has no training rows"),
    ({"train": GOOD, "val": {"x": [[1, np.inf]], "t": [0]}}, "`x[0, 1]` of the val split is inf; `x` must be finite"),
    ({"train": GOOD, "test": {"x": X[:0], "t": T[:0]}}, "`x` of the test split has no rows"),
    ("nosuch.npz", "there is no data file `nosuch.npz`"),
    (Path("/"), "`/` is of no known format"),
    ("a.parquet", "`a.parquet` is of no known format"),
    ("", "`` is of no known format"),
]


@pytest.mark.parametrize(("data", "message"), RUNS, ids=range(len(RUNS)))
def test_data_that_no_run_can_use(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        netc.run(SPEC, data=data, folder=None, device="cpu")


def generator(trainer: Trainer, epoch: int, scores: Any) -> Any:
    yield epoch


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"on_step": lambda trainer: None}, "`on_step` must be a function of (trainer, scores)"),
    ({"on_step": [print]}, "`on_step` must be a function of (trainer, scores)"),
    ({"on_epoch": lambda trainer, scores: None}, "`on_epoch` must be a function of (trainer, epoch, scores)"),
    (
        {"on_epoch": lambda trainer, epoch, scores, more: None},
        "`on_epoch` must be a function of (trainer, epoch, scores)",
    ),
    ({"changed": True}, "`changed` is said of a run that is resumed"),
    ({"reporter": print}, "`reporter` is a Reporter, this is a function"),
    ({"weights": {"y.weight": X}}, "`weights` is a path, this is a dict"),
    ({"on_step": asyncio.sleep}, "`on_step` is called and not waited for"),
    ({"on_epoch": generator}, "`on_epoch` is called and not waited for"),
    ({"folder": 5}, "`folder` is a path, this is an int"),
    ({"folder": ""}, "`folder` is empty"),
    ({"folder": "a\0b"}, "`folder` is no name that a file can have"),
    ({"device": None}, "there is no device `None`"),
    ({"threads": "a"}, "`threads` is a whole number, this is 'a'"),
    ({"spec": 5}, "`spec` is a path, this is an int"),
    ({"resume": "none"}, "`none` is no run folder"),
    ({"weights": "none"}, "`none` is no run folder"),
    ({"overrides": "epoch=1"}, "did you mean `epochs`"),
]


@pytest.mark.parametrize(("options", "message"), OPTIONS, ids=range(len(OPTIONS)))
def test_options_that_no_run_can_use(options: dict[str, Any], message: str) -> None:
    with pytest.raises((InputError, netc.NetError)) as e:
        netc.run(**{"spec": SPEC, "data": GOOD, "folder": None, "device": "cpu", **options})
    assert message in e.value.render()


def test_parameters_are_taken_all_or_none() -> None:
    trainer = Trainer(PROGRAM, "cpu")
    before = trainer.parameters
    for wrong in ({"z": X}, {"y.weight": X}, {"y.weight": np.full((2, 3), 1e300)}):
        with pytest.raises(InputError):
            trainer.load_parameters({"y.bias": np.ones(3), **wrong})
        assert all((before[n] == v).all() for n, v in trainer.parameters.items())


def test_two_threads_are_not_in_one_step() -> None:
    """The second comes while the first waits inside: without a refusal both would write one state."""
    trainer = Trainer(PROGRAM, "cpu")
    trainer.step(GOOD)
    (binding,) = trainer._bindings.values()
    refused: list[str] = []

    def second() -> None:
        for step in (lambda: trainer.step(GOOD), lambda: trainer.step_rows(trainer.resident(GOOD), np.arange(4))):
            with pytest.raises(InputError) as e:
                step()
            refused.append(e.value.message)

    def run(now: Any, interrupt: Any) -> dict[str, float]:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        return {"loss": 0.0}

    binding.run = run  # type: ignore[method-assign]
    trainer.step(GOOD)
    assert refused == ["the trainer is in a step of another thread"] * 2
    del binding.run
    trainer.step(GOOD)
    assert trainer.steps == 3


def test_what_is_no_mistake() -> None:
    trainer = Trainer(PROGRAM, "cpu", seed=np.int64(3))
    lists = {"x": X.tolist(), "t": T.tolist()}
    swapped = {"x": np.ma.array(X.astype(">f8")), "t": T.astype(">u2")[::-1][::-1]}
    expected = trainer.evaluate(GOOD)
    for batch in (lists, swapped, {"x": X[::1], "t": T.astype(float)}):
        assert trainer.evaluate(batch) == expected
    np.testing.assert_array_equal(trainer.predict(GOOD)["y"], trainer.predict({"x": X})["y"])


def test_a_runtime_that_fails_is_a_failed_run() -> None:
    """Rows that are in range and lead out of it: the runtime's own exception is never shown."""
    spec = """net n {
      input x: f32[N, 2]
      y = x -> Dense(2)
      z = y * gather([1, 2], i64(x[:, :1]))
      loss = mean(z)
      output z
    }"""
    trainer = Trainer(netc.compile(spec), "cpu")
    batch = {"x": np.full((2, 2), 7, np.float32)}
    for method in ("predict", "gradients", "watch", "evaluate", "step"):
        with pytest.raises(netc.RunError, match="failed: "):
            getattr(trainer, method)(batch)

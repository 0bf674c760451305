"""Rows gathered into a step's buffers: from the host, and by the graph that runs where the data is."""

from __future__ import annotations

import numpy as np
import pytest

import netc
from netc.runtime.device import Device, value_on
from netc.runtime.rows import DeviceRows, HostRows


def arrays() -> dict[str, np.ndarray]:
    g = np.random.default_rng(0)
    return {"image": g.normal(size=(40, 64)).astype(np.float32), "digit": g.integers(0, 10, 40)}


@pytest.mark.parametrize("kind", [HostRows, lambda a: DeviceRows(a, Device())], ids=["host", "device"])
@pytest.mark.parametrize("buffered", [True, False])
def test_rows_arrive_in_the_values_of_their_names(kind, buffered) -> None:  # type: ignore[no-untyped-def]
    data = arrays()
    rows = kind(data)
    values = {n: value_on(Device(), np.zeros((7, *a.shape[1:]), a.dtype)) for n, a in data.items()}
    buffers = {n: v.numpy() for n, v in values.items()} if buffered else {}
    for taken in (np.arange(7), np.array([39, 0, 0, 5, 38, 2, 11])):
        rows.gather(taken, buffers, values)
        for name, array in data.items():
            np.testing.assert_array_equal(values[name].numpy(), array[taken])


def test_a_step_on_rows_is_the_step_on_their_batch_to_the_bit() -> None:
    program = netc.compile("digits")
    one, two, three = (netc.Trainer(program, device="cpu") for _ in range(3))
    data = arrays()
    host, resident = one.resident(data), DeviceRows(data, two.device)
    for taken in (np.arange(16), np.arange(24, 40), np.arange(8)):
        expected = three.step({n: a[taken] for n, a in data.items()})
        assert one.step_rows(host, taken) == expected
        assert two.step_rows(resident, taken) == expected
    for name, value in three.state.items():
        np.testing.assert_array_equal(one.state[name], value)
        np.testing.assert_array_equal(two.state[name], value)


def test_the_parts_of_a_batch_draw_what_the_whole_batch_draws() -> None:
    spec = """net n {
      input x: f32[N, 5]
      y = x -> dropout(0.5)
      loss = mean((y -> Dense(1))^2)
      metric m (max) = sum(y)
    }
    train { optimizer = sgd(rate = 0.1) }"""
    program = netc.compile(spec)
    x = 2.0 ** np.arange(80, dtype=np.float32).reshape(16, 5).clip(0, 20)
    whole, first, second = (netc.Trainer(program, device="cpu") for _ in range(3))
    m = whole.step({"x": x})["m"]
    assert first.step({"x": x[:8]})["m"] + second.step({"x": x[8:]}, row=8)["m"] == m
    assert first.step({"x": x})["m"] == second.step({"x": x})["m"]  # the number of the row is of one step alone


def test_one_row_is_evaluated_and_none_is_refused() -> None:
    trainer = netc.Trainer(netc.compile("digits"), device="cpu")
    data = arrays()
    one = trainer.evaluate({n: a[:1] for n, a in data.items()})
    assert one["accuracy"] in (0, 1)
    with pytest.raises(netc.InputError, match="no rows"):
        trainer.evaluate({n: a[:0] for n, a in data.items()})

"""Predictions as files: the numbers that are read from them are those that were predicted."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from netc import InputError
from netc.outputs import refuse_unknown, write_outputs

OUTPUTS = {
    "f16": np.array([1 / 3, 6e-8], np.float16),
    "f32": np.array([[1 / 3, 1e-45], [np.nextafter(np.float32(1), np.float32(2)), -3.4e38]], np.float32),
    "f64": np.array([0.1 + 0.2, 1e10 + 0.123456]),
    "i64": np.array([2**63 - 1, -(2**53) - 1]),
    "u64": np.array([2**64 - 1, 0], np.uint64),
    "bool": np.array([True, False]),
    "table": np.arange(8, dtype=np.int8).reshape(2, 2, 2),
}


@pytest.mark.parametrize("name", ["p.csv", "p.CSV"])
def test_a_table_holds_every_number_exactly(tmp_path: Path, name: str) -> None:
    write_outputs(OUTPUTS, tmp_path / name)
    rows = list(csv.DictReader((tmp_path / name).open()))
    assert list(rows[0]) == [
        "f16", "f32_0", "f32_1", "f64", "i64", "u64", "bool", "table_0", "table_1", "table_2", "table_3"
    ]  # fmt: skip
    for k, row in enumerate(rows):
        for column, text in row.items():
            kind, _, part = column.partition("_")
            value = OUTPUTS[kind].reshape(2, -1)[k, int(part or 0)]
            assert type(value)(int(text) if value.dtype.kind in "iub" else text) == value, column


def test_an_archive_holds_every_array(tmp_path: Path) -> None:
    outputs = {**OUTPUTS, "weight": np.ones((3, 4)), "total": np.array(7.0)}
    write_outputs(outputs, tmp_path / "p.npz", ["weight", "total"])
    with np.load(tmp_path / "p.npz") as found:
        assert {n: (found[n].dtype, found[n].tolist()) for n in found} == {
            n: (v.dtype, v.tolist()) for n, v in outputs.items()
        }


@pytest.mark.parametrize("value", [np.array(7.0), np.ones((3, 4)), np.ones(2)])
def test_what_has_no_row_for_each_row_is_no_column(tmp_path: Path, value: np.ndarray) -> None:
    with pytest.raises(InputError) as e:
        write_outputs({"y": np.zeros(2), "w": value}, tmp_path / "p.csv", ["w"])
    assert e.value.message == f"`w` has shape {list(value.shape)}, no row for each row"
    assert ".npz" in e.value.help
    assert not list(tmp_path.iterdir())


def test_a_file_of_no_known_format() -> None:
    refuse_unknown(Path("a.NPZ"))
    with pytest.raises(InputError, match=r"`a\.txt` is of no known format"):
        refuse_unknown(Path("a.txt"))

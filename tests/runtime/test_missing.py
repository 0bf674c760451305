"""Values that are missing: refused, dropped, or filled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.runtime.tables import read, refusal

HOLES = "a,b,colour,kind\n1,2,red,cat\n,4,blue,dog\n5,,red,ant\n9,8,,dog\n7,NaN,red,cat\n"


def test_rows_that_miss_a_value_are_dropped(tmp_path: Path) -> None:
    found = read(tmp_path, HOLES + "3,3,red,ant\n", "missing = drop")
    assert found.splits["train"]["x"].tolist() == [[1, 2], [3, 3]]
    assert found.splits["train"]["colour"].tolist() == [0, 0]
    assert found.learned.texts == {"colour": ["red"], "t": ["ant", "cat"]}
    few = "a,b,colour,kind\n1,,red,cat\n2,,red,dog\n"
    assert refusal(tmp_path, few, "missing = drop") == (
        "error: each of 2 rows misses a value, so that `missing = drop` leaves none\n"
        "  = help: `x` (`d.csv`) misses most, in 2: leave it out, or write `missing = mean`"
    )
    late = few.replace("1,,red", "1,2,red")
    split = "missing = drop; split = ordered(train = 0.1, val = 0.9)"
    assert "of 2 rows those that miss a value are dropped" in refusal(tmp_path, late, split)


def test_the_mean_of_the_training_rows_fills_inputs(tmp_path: Path) -> None:
    table = HOLES.replace("9,8,,dog", "9,8,blue,dog") + "100,,red,cat\n"
    found = read(tmp_path, table, "missing = mean; split = ordered(train = 0.67, val = 0.33)")
    assert found.splits["train"]["x"].tolist() == [[1, 2], [5, 4], [5, pytest.approx(14 / 3)], [9, 8]]
    assert found.splits["val"]["x"].tolist() == [[7, pytest.approx(14 / 3)], [100, pytest.approx(14 / 3)]]
    assert found.learned.means["x"] == pytest.approx([5, 14 / 3])
    none = "a,b,colour,kind\n1,,red,cat\n2,,red,dog\n"
    assert "`d.csv`, column `b` is missing in all training rows" in refusal(tmp_path, none, "missing = mean")
    assert (
        "line 3, column `kind` is blank\n  = help: a mean stands in inputs of floating-point numbers alone"
        in refusal(tmp_path, table.replace("blue,dog\n5", "blue,\n5"), "missing = mean")
    )


@pytest.mark.parametrize("rule", ["mean", "0"])
def test_a_missing_text_of_an_input_gets_the_class_that_is_free(tmp_path: Path, rule: str) -> None:
    found = read(tmp_path, HOLES, f"missing = {rule}")
    assert found.splits["train"]["colour"].tolist() == [1, 0, 1, 2, 1]
    said = found.notices[2].replace(f"{tmp_path}/", "")
    assert said == "`colour` (`d.csv`) has no text, or one that no training row has, in 1 row; their number is 2"
    said = refusal(tmp_path, HOLES.replace("7,NaN,red", "7,1,grey"), f"missing = {rule}")
    assert said.endswith(
        "line 5, column `colour` is blank\n"
        "  = help: with a class more than there are texts, the last is for those that are missing"
    )


def test_a_number_fills_what_is_missing(tmp_path: Path) -> None:
    found = read(tmp_path, HOLES.replace("9,8,,dog", "9,8,blue,dog"), "missing = -1")
    assert found.splits["train"]["x"].tolist() == [[1, 2], [-1, 4], [5, -1], [9, 8], [7, -1]]
    numbers = HOLES.replace("red", "1").replace("blue", "0").replace("cat", "").replace("dog", "2").replace("ant", "1")
    found = read(tmp_path, numbers, "missing = 0")
    assert found.splits["train"]["t"].tolist() == [0, 2, 1, 2, 0]
    assert "line 2, column `kind` is 7; `t` must lie in 0..2" in refusal(
        tmp_path, numbers.replace(",,2", ",1,2"), "missing = 7"
    )


def test_arrays_with_nan_are_filled_too(tmp_path: Path) -> None:
    x = np.array([[1, np.nan], [3, 4], [np.nan, 6]], np.float32)
    arrays = {"x": x, "colour": np.array([0, 1, 2]), "t": np.array([0, 1, 2])}
    assert read(tmp_path, more="missing = mean", data=arrays).splits["train"]["x"].tolist() == [[1, 5], [3, 4], [2, 6]]
    assert np.isnan(x).sum() == 2, "the caller's array stays as it is"
    assert read(tmp_path, more="missing = drop", data=arrays).splits["train"]["colour"].tolist() == [1]

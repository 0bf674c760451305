"""What is said of data that does not fit, so that its reader knows what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netc.runtime.data.advice import of_cell, of_dtype, of_shape, of_width

X: dict[str, Any] = {"name": "x", "dtype": "float32", "shape": ["N", 3, 8, 4], "role": "input"}
ROW: dict[str, Any] = {"name": "x", "dtype": "float32", "shape": ["N", 6], "role": "input"}
T: dict[str, Any] = {"name": "t", "dtype": "int64", "shape": ["N"], "role": "target", "classes": 3}
HOT: dict[str, Any] = {"name": "t", "dtype": "float32", "shape": ["N", 3], "role": "target"}
SHAPES: list[tuple[tuple[int, ...], str, dict[str, Any], str]] = [
    ((5, 8, 4, 3), "f4", X, "its axes stand in another order: `transpose(0, 3, 1, 2)`"),
    ((3, 8, 4, 5), "f4", X, "its axes stand in another order: `transpose(3, 0, 1, 2)`"),
    ((5, 96), "f4", X, "`reshape(-1, 3, 8, 4)` gives it that shape"),
    ((5, 4, 24), "f4", X, "`reshape(-1, 3, 8, 4)` gives it that shape"),
    ((3, 8, 4), "f4", X, "`reshape(-1, 3, 8, 4)` gives it that shape"),
    ((5, 3, 8, 5), "f4", X, ""),
    ((6, 50), "f4", ROW, "its axes stand in another order: `transpose(1, 0)`"),
    ((50, 2, 3), "f4", ROW, "`reshape(-1, 6)` gives it that shape"),
    ((50,), "f4", ROW, ""),
    ((50, 3), "f4", T, "`argmax(axis=-1)` turns one-hot rows into the numbers of classes"),
    ((50, 1), "i8", T, "`reshape(-1)` gives it that shape"),
    ((50,), "i8", HOT, "where these are numbers of classes, declare `t: i64[N]`; `numpy.eye(3)[t]` makes one-hot rows"),
    ((50,), "f4", HOT, ""),
]


@pytest.mark.parametrize(("shape", "dtype", "row", "help"), SHAPES, ids=[f"{s[0]}-{s[1]}" for s in SHAPES])
def test_how_an_array_gets_its_shape(shape: tuple[int, ...], dtype: str, row: dict[str, Any], help: str) -> None:
    assert of_shape(shape, np.dtype(dtype), row) == help
    if help.startswith("its axes"):
        order = eval(help.partition("transpose")[2].rstrip("`"))
        assert list(np.zeros(shape).transpose(order).shape[1:]) == row["shape"][1:]


DTYPES: list[tuple[str, dict[str, Any], bool, str]] = [
    ("M8[D]", ROW, True, "subtract a first day"),
    ("m8[s]", ROW, True, "divide by a unit: `x / numpy.timedelta64(1, 'D')`"),
    ("c8", ROW, True, "`x.real` and `x.imag` are numbers"),
    ("O", ROW, True, "become an array of numbers by `x.astype('float32')`; texts are numbered"),
    ("U3", ROW, True, "become an array of numbers by `x.astype('float32')`; texts are numbered"),
    ("O", T, True, "`t = labels.astype(str)`; numbers become whole ones by `t.astype(int)`"),
    ("S3", T, True, "`t = labels.astype(str)`"),
    ("U3", T, False, "number the classes from 0"),
    ("V8", ROW, True, ""),
]


@pytest.mark.parametrize(("dtype", "row", "texts", "help"), DTYPES, ids=[f"{d[0]}-{d[1]['name']}" for d in DTYPES])
def test_how_an_array_becomes_numbers(dtype: str, row: dict[str, Any], texts: bool, help: str) -> None:
    said = of_dtype(np.dtype(dtype), row, texts)
    assert help in said
    assert bool(help) == bool(said)


CELLS = [  # (cell, a number of its column, help)
    ("yes", "", "write 1 for yes and 0 for no"),
    ("N", "", "write 1 for yes and 0 for no"),
    ("FALSE", "3", "write 1 for true and 0 for false"),
    ("1,5", "", "decimals are written with a point"),
    ("1.234,5", "", "decimals are written with a point"),
    ("\x1c5", "", "numbers are written like"),
    ("1_000", "", "decimals are written with a point, and digits are not grouped"),
    ("\u22121.5", "", "the character U+2212 in it is none that numbers are written with: write `-1.5`"),
    ("1.5\xa0", "", "the character U+00A0 in it is none that numbers are written with: write `1.5`"),
    ("\uff11\uff12", "", "the character U+FF11 in it is none that numbers are written with: write `12`"),
    ("2024-01-31", "", "a date is no number"),
    ("31/1/24", "", "a date is no number"),
    ("2024-01-31T08:00:00Z", "", "a date is no number"),
    ("5%", "", "a number stands without its unit: `5`"),
    ("$-5.25", "", "a number stands without its unit: `-5.25`"),
    ("7 km", "", "a number stands without its unit: `7`"),
    ("12b", "3", "other cells of the column are numbers, such as `3`"),
    ("red", "", "numbers are written like `1000`, `-0.5` or `1e-3`; texts are numbered where an input is declared"),
    ("0x10", "", "numbers are written like"),
]


@pytest.mark.parametrize(("cell", "number", "help"), CELLS, ids=[ascii(c[0]) for c in CELLS])
def test_what_to_do_about_a_cell(cell: str, number: str, help: str) -> None:
    assert of_cell(cell, number).startswith(help)


LINES = [  # (cells, delimiter, help)
    (["1", "2\n3"], ",", "a quotation mark"),
    (["1", "2", "3", ""], ",", "the line ends in a delimiter"),
    (["1;2;3"], ",", "the line seems to have another delimiter"),
    (["1", "2"], ",", "the line is cut off"),
    (["1", "", "2", "3"], " ", "several blanks are several delimiters"),
    (["1", "2", "3", "4"], " ", "a cell that has a delimiter in it stands in quotation marks"),
    (["1", "", "2", "3"], ",", "a cell that has a delimiter in it stands in quotation marks"),
]


@pytest.mark.parametrize(("cells", "delimiter", "help"), LINES, ids=range(len(LINES)))
def test_what_is_wrong_with_a_line(cells: list[str], delimiter: str, help: str) -> None:
    assert of_width(cells, 3, delimiter, [";", "|"]).startswith(help)

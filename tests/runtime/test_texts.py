"""Columns of texts and of categories: which numbers they get, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc
from netc import InputError
from netc.runtime.data.sources import inputs_only, load
from tests.runtime.tables import CSV, FIRST, SPEC, TABLE, read, refusal


def test_texts_are_numbered_in_order_of_the_alphabet(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.splits["train"]["colour"].tolist() == [2, 0, 2, 1]
    assert found.splits["train"]["t"].tolist() == [1, 2, 0, 2]
    assert found.splits["train"]["colour"].dtype == np.int64
    assert found.learned.texts == {"colour": ["blue", "green", "red"], "t": ["ant", "cat", "dog"]}
    assert found.notices == [
        "`colour` is text, numbered by the training rows: 0 blue, 1 green, 2 red",
        "`t` is text, numbered by the training rows: 0 ant, 1 cat, 2 dog",
    ]


def test_only_the_training_rows_teach_texts(tmp_path: Path) -> None:
    """A text that none of them has gets the last class of an input, if no text of theirs needs it."""
    table = TABLE.replace("1,2,red", "1,2,grey")
    assert refusal(tmp_path, table, FIRST) == (
        "error: `d.csv`, line 5, column `colour` is `green`, which no training row has\n"
        "  = help: the texts are `blue`, `grey`, `red`; with a class more than there are texts, the last is for all others"
    )
    found = read(tmp_path, TABLE, FIRST)
    assert (found.learned.texts["colour"], found.splits["val"]["colour"].tolist()) == (["blue", "red"], [2])
    said = found.notices[-1].replace(f"{tmp_path}/", "")
    assert said == "`colour` (`d.csv`) has texts that no training row has, in 1 row; their number is 2"
    said = refusal(tmp_path, TABLE.replace("green,dog", "red,eel"), FIRST)
    spare = CSV.replace("Dense(3)", "Dense(4)")
    (tmp_path / "d.csv").write_text(TABLE.replace("green,dog", "red,eel"))
    (tmp_path / "n.net").write_text(SPEC.format(source=spare, more=FIRST).replace("Dense(3)", "Dense(4)"))
    with pytest.raises(InputError, match="is `eel`, which no training row has"):  # a target has no class for others
        load(netc.compile(tmp_path / "n.net").manifest)
    assert said.endswith(
        "column `kind` is `eel`, which no training row has\n  = help: the texts are `ant`, `cat`, `dog`"
    )


REFUSED = [  # what is changed in the table, what is said
    (("green,dog,r", "green,eel,r\n9,9,red,fly,r"), "`t` (`d.csv`) has 5 different texts in the training rows, and the net 3 "
     "classes\n  = help: they are `ant`, `cat`, `dog`, `eel`, `fly`; give the net as many classes"),
    (("green", ""), "`d.csv`, line 5, column `colour` is blank\n  = help: leave the row out, as `missing ="),
    (("green", "NA"), "line 5, column `colour` is `NA`, which says that it is missing"),
    (("7,8", "7,eight"), "line 5, column `b` is `eight`, not a number\n  = help: numbers are written like"),
    (("7,8", "7,"), "line 5, column `b` is blank\n  = help: leave the row out, or put a number in its place, as `missing ="),
    (("7,8", "7,?"), "line 5, column `b` is `?`, which says that it is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), REFUSED, ids=range(len(REFUSED)))
def test_a_table_that_is_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    assert said in refusal(tmp_path, TABLE.replace(*change))


def test_words_that_mean_nothing_elsewhere_are_texts_in_a_column_of_texts(tmp_path: Path) -> None:
    found = read(tmp_path, TABLE.replace("green", "none"))
    assert found.learned.texts["colour"] == ["blue", "none", "red"]
    found = read(tmp_path, TABLE.replace("red", "-").replace("green", "blue"))
    assert found.learned.texts["colour"] == ["-", "blue"]
    found = read(tmp_path, TABLE.replace("1,2,red", "1,2,x9").replace("green", "12").replace("6,red", "6,blue"))
    assert found.learned.texts["colour"] == ["12", "blue", "x9"]


@pytest.mark.parametrize(("count", "ending"), [(12, "11 t11"), (13, "11 t11 and 1 more"), (14, "11 t11 and 2 more")])
def test_the_first_texts_are_told(tmp_path: Path, count: int, ending: str) -> None:
    table = "a,b,colour,kind\n" + "".join(f"1,2,t{k:02},cat\n" for k in range(count))
    (tmp_path / "d.csv").write_text(table)
    (tmp_path / "n.net").write_text(SPEC.format(source=CSV, more="").replace("colour, 3", "colour, 20"))
    assert load(netc.compile(tmp_path / "n.net").manifest).notices[0].endswith(ending)


NUMBERS_AND_TEXTS = [("2", "3+"), ("3+", "2")]


@pytest.mark.parametrize(("first", "second"), NUMBERS_AND_TEXTS)
def test_numbers_beside_texts_are_names_whatever_comes_first(tmp_path: Path, first: str, second: str) -> None:
    table = "a,b,colour,kind\n" + "".join(f"1,2,{c},cat\n" for c in (first, second, "10"))
    found = read(tmp_path, table)
    assert found.learned.texts["colour"] == ["10", "2", "3+"]
    spec = SPEC.format(source=CSV, more="").replace("one_hot(colour, 3)", "unsqueeze(f32(colour), 1)")
    (tmp_path / "n.net").write_text(spec)  # a number that is counted with
    with pytest.raises(InputError, match=r"column `colour` is `3\+`, not a number"):
        load(netc.compile(tmp_path / "n.net").manifest)
    assert found.splits["train"]["colour"].tolist() == [1 + (first == "3+"), 1 + (first == "2"), 0]
    labels = "a,b,colour,kind\n" + "".join(f"1,2,red,{c}\n" for c in (first, second))
    line = 2 if first == "3+" else 3
    assert refusal(tmp_path, labels) == (
        f"error: `d.csv`, line {line}, column `kind` is `3+`, not a number\n"
        "  = help: other cells of the column are numbers, such as `2`: correct the cell, or write texts in all of them"
    )
    numbers = "a,b,colour,kind\n1,2,01,0\n1,2,-,1\n1,2,2.0,none\n"
    assert "line 3, column `colour` is `-`, which says that it is missing" in refusal(tmp_path, numbers)
    found = read(tmp_path, numbers, "missing = 2")
    assert [found.splits["train"][n].tolist() for n in ("colour", "t")] == [[1, 2, 2], [0, 1, 2]]
    whole = "line 3, column `colour` is `-`, which says that it is missing\n  = help: a mean stands in inputs of floating-point"
    assert whole in refusal(tmp_path, numbers, "missing = mean")


def test_texts_from_python_and_from_archives(tmp_path: Path) -> None:
    colours = np.array(["red", "blue", "red", " green "])
    kinds = np.array(["cat", "dog", "ant", "dog"], dtype=object)
    arrays = {"x": np.ones((4, 2), np.float32), "colour": colours, "t": kinds}
    found = read(tmp_path, data=arrays)
    assert found.splits["train"]["colour"].tolist() == [2, 0, 2, 1]
    assert found.splits["train"]["t"].tolist() == [1, 2, 0, 2]
    np.savez(tmp_path / "d.npz", **{**arrays, "t": kinds.astype(str)})
    assert read(tmp_path, source='npz("d.npz")').splits["train"]["t"].tolist() == [1, 2, 0, 2]
    with pytest.raises(InputError, match=r"`colour\[1\]` is missing|is blank"):
        read(tmp_path, data={**arrays, "colour": np.array(["red", None, "red", "blue"], dtype=object)})


def test_numbers_in_one_file_and_texts_in_another(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("a,b,colour,kind\n1,2,0,cat\n")
    source = CSV.replace('"d.csv"', 'train = "d.csv", val = "e.csv"')
    assert "`colour` (`d.csv`) has texts where `colour` (`e.csv`) has numbers" in refusal(tmp_path, TABLE, "", source)
    together = CSV.replace('"d.csv"', '("d.csv", "e.csv")')
    assert "has texts where" in refusal(tmp_path, TABLE, "", together)


def test_digits_may_be_names(tmp_path: Path) -> None:
    codes = TABLE.replace("red", "90210").replace("blue", "07").replace("green", "7")
    source = CSV.replace('"colour"', 'category("colour")')
    found = read(tmp_path, codes, source=source)
    assert found.learned.texts["colour"] == ["07", "7", "90210"]
    assert found.splits["train"]["colour"].tolist() == [2, 0, 2, 1]
    said = refusal(tmp_path, codes)
    assert "is 90210; `colour` must lie in 0..2" in said
    assert said.endswith('; names in digits are read as `colour = category("column")`')
    again = inputs_only(netc.compile(tmp_path / "n.net").manifest, tmp_path / "d.csv", found.learned)
    assert again["colour"].tolist() == [2, 0, 2, 1]


CATEGORIES = [
    (CSV.replace('("a", "b")', 'category("a")'), "categories are whole numbers, one a row; `x` is `f32[N, 2]`"),
    ('npz("d.npz", colour = category("c"))', "`category` is said of columns of a table, and `npz` has none"),
    (CSV.replace('"colour"', "category(3)"), "`column` of `category` must be a string, this is the number 3"),
    (CSV.replace('"colour"', 'categry("colour")'), "there is no kind of column `categry`"),
]


@pytest.mark.parametrize(("source", "said"), CATEGORIES)
def test_a_category_that_cannot_be(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(netc.NetError) as e:
        read(tmp_path, source=source)
    assert said in e.value.diagnostics[0].message

"""Tables as people have them: texts, missing values, classes and groups to split by, several files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import netc
from netc import InputError
from netc.runtime.data.learned import Learned
from netc.runtime.data.sources import LoadedData, inputs_only, load
from netc.runtime.loop import Reporter

SPEC = """net n {{
  input  x: f32[N, 2]
  input  colour: i64[N]
  target t: i64[N]
  logits = concat(x, one_hot(colour, 3)) -> Dense(3)
  loss   = softmax_cross_entropy(logits, t)
  metric right = accuracy(logits, t)
  output logits
}}
data {{
  source = {source}
  {more}
}}
train {{ epochs = 1; batch = 2 }}
"""
CSV = 'csv("d.csv", x = ("a", "b"), colour = "colour", t = "kind")'
TABLE = """a,b,colour,kind,who
1,2,red,cat,p
3,4,blue,dog,p
5,6,red,ant,q
7,8,green,dog,r
"""
FIRST = "split = ordered(train = 0.75, val = 0.25)"


def read(folder: Path, table: str = TABLE, more: str = "", source: str = CSV, **options: Any) -> LoadedData:
    (folder / "d.csv").write_text(table)
    (folder / "n.net").write_text(SPEC.format(source=source, more=more))
    return load(netc.compile(folder / "n.net").manifest, **options)


def refusal(folder: Path, table: str, more: str = "", source: str = CSV, **options: Any) -> str:
    with pytest.raises(InputError) as e:
        read(folder, table, more, source, **options)
    return e.value.render().replace(f"{folder}/", "")


# --- texts ------------------------------------------------------------------------------------------------------------


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
    assert "is 90210; `colour` must lie in 0..2" in refusal(tmp_path, codes)
    again = inputs_only(netc.compile(tmp_path / "n.net").manifest, tmp_path / "d.csv", found.learned)
    assert again["colour"].tolist() == [2, 0, 2, 1]


CATEGORIES = [
    (CSV.replace('("a", "b")', 'category("a")'), "categories are whole numbers, one a row; `x` is `f32[N, 2]`"),
    ('npz("d.npz", colour = category("c"))', "`category` is said of columns of a table, and `npz` has none"),
    (CSV.replace('"colour"', "category(3)"), "`column` of `category` must be a string, this is the number 3"),
    (CSV.replace('"colour"', 'categry("colour")'), "there is no column `categry`"),
]


@pytest.mark.parametrize(("source", "said"), CATEGORIES)
def test_a_category_that_cannot_be(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(netc.NetError) as e:
        read(tmp_path, source=source)
    assert said in e.value.diagnostics[0].message


# --- missing values ---------------------------------------------------------------------------------------------------

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


# --- splits -----------------------------------------------------------------------------------------------------------


def counts(found: LoadedData, name: str = "t") -> dict[str, list[int]]:
    return {s: np.bincount(a[name], minlength=3).tolist() for s, a in found.splits.items()}


def test_a_stratified_split_gives_each_split_its_share_of_every_class(tmp_path: Path) -> None:
    kinds = np.repeat([0, 1, 2], [60, 30, 10])
    arrays = {"x": np.zeros((100, 2)), "colour": np.arange(100) % 3, "t": np.random.default_rng(0).permutation(kinds)}
    split = 'split = stratified("t", train = 0.7, val = 0.2, test = 0.1{})'
    found = read(tmp_path, more=split.format(""), data=arrays)
    assert counts(found) == {"train": [42, 21, 7], "val": [12, 6, 2], "test": [6, 3, 1]}
    again, other = (read(tmp_path, more=split.format(f", seed = {s}"), data=arrays) for s in (0, 1))
    assert found.sha256() == again.sha256() != other.sha256()
    assert counts(other) == counts(found)
    odd = {n: a[:37] for n, a in arrays.items()}
    found = read(tmp_path, more=split.format(""), data=odd)
    assert {s: found.rows(s) for s in found.splits} == {"train": 26, "val": 7, "test": 4}
    for part, shares in counts(found).items():
        wanted = np.bincount(odd["t"]) * {"train": 0.7, "val": 0.2, "test": 0.1}[part]
        assert np.all(np.abs(np.array(shares) - wanted) <= 1)
    texts = read(
        tmp_path, TABLE * 1 + "1,1,red,cat,p\n1,1,red,ant,p\n", 'split = stratified("kind", train = 0.5, val = 0.5)'
    )
    assert counts(texts) == {"train": [1, 1, 1], "val": [1, 1, 1]}


def test_a_grouped_split_keeps_groups_together(tmp_path: Path) -> None:
    rows = "".join(f"{k},0,red,cat,p{k % 20}\n" for k in range(200))
    split = 'split = grouped("who", train = 0.7, val = 0.15, test = 0.15{})'
    found = read(tmp_path, TABLE.split("\n")[0] + "\n" + rows, split.format(""))
    groups = [{int(v) % 20 for v in a["x"][:, 0]} for a in found.splits.values()]
    assert [len(g) for g in groups] == [14, 3, 3]
    assert sum(len(g) for g in groups) == len(set().union(*groups)) == 20
    other = read(tmp_path, TABLE.split("\n")[0] + "\n" + rows, split.format(", seed = 3"))
    assert other.sha256() != found.sha256()


GROUPED = [  # rows of each group, and those of train and val for any seed
    ((6, 4), {(6, 4), (4, 6)}),
    ((2, 2, 2), {(2, 4)}),  # the middle of the second is the border, and what begins there is val
    ((1, 8, 1), {(1, 9), (9, 1), (2, 8), (8, 2)}),
]


@pytest.mark.parametrize(("sizes", "counts"), GROUPED)
def test_a_group_goes_where_its_middle_falls(
    tmp_path: Path, sizes: tuple[int, ...], counts: set[tuple[int, int]]
) -> None:
    who = np.repeat(np.arange(len(sizes)), sizes)
    arrays = {"x": np.zeros((len(who), 2)), "colour": 0 * who, "t": 0 * who, "who": who}
    for seed in range(12):
        found = read(tmp_path, more=f'split = grouped("who", train = 0.5, val = 0.5, seed = {seed})', data=arrays)
        assert (found.rows("train"), found.rows("val")) in counts


def test_few_rows_are_stratified_by_two_classes(tmp_path: Path) -> None:
    arrays = {"x": np.zeros((3, 2)), "colour": [0, 0, 0], "t": [0, 1, 1]}
    found = read(tmp_path, more='split = stratified("t", train = 0.67, val = 0.33)', data=arrays)
    assert found.rows("train") == 2


SPLITS = [
    ('stratified("a", train = 0.5, val = 0.5)', "`a` has 4 different values in 4 rows, too many to stratify by"),
    ('grouped("whom", train = 0.5, val = 0.5)', "`d.csv` has no column `whom`\n  = help: did you mean `who`?"),
    ('grouped("x", train = 0.5, val = 0.5)', "`x` (`d.csv`) has shape [4, 2]; rows are split by one value each"),
    ('grouped("kind", train = 0.9, val = 0.05, test = 0.05)', "the val split has no rows"),
    ('stratified("n", train = 0.5, val = 0.5)', "`n` has 4 different values in 4 rows, too many to stratify by"),
    ('stratified("u", train = 0.5, val = 0.5)', "`u` has 4 different values in 4 rows, too many to stratify by"),
    ('grouped("one", train = 0.5, val = 0.5)', "in `one` there is 1 group, fewer than splits"),
]


@pytest.mark.parametrize(("split", "said"), SPLITS)
def test_a_split_that_cannot_be(tmp_path: Path, split: str, said: str) -> None:
    table = "".join(f"{r},{m}\n" for r, m in zip(TABLE.splitlines(), ("n,u,one", "1,k,0", "2,l,0", "3,m,0", "4,n,0")))
    assert said in refusal(tmp_path, table, f"split = {split}")


GROUPS = [  # what stands in the column, and which rows are one group
    (["7", "p8", "7", "9"], [(0, 2), (1,), (3,)]),
    (["9007199254740992", "9007199254740993"] * 2, [(0, 2), (1, 3)]),
    (["1", "1.0", "2", "02"], [(0, 1), (2, 3)]),
]


@pytest.mark.parametrize(("values", "groups"), GROUPS)
def test_any_word_can_name_a_group(tmp_path: Path, values: list[str], groups: list[tuple[int, ...]]) -> None:
    table = "a,b,colour,kind,who\n" + "".join(f"{k},0,red,cat,{v}\n" for k, v in enumerate(values))
    for seed in range(6):
        found = read(tmp_path, table, f'split = grouped("who", train = 0.5, val = 0.5, seed = {seed})')
        parts = [set(a["x"][:, 0].astype(int)) for a in found.splits.values()]
        assert all(any(p.issuperset(g) for p in parts) for g in groups)
        assert sum(map(len, parts)) == 4


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (np.arange(3), "`x` has 4 rows, `who` has 3"),
        (np.zeros((4, 1)), "`who` has shape [4, 1]; the program needs [N]"),
        (np.zeros(4, complex), "`who` holds complex numbers; numbers are needed"),
        (None, "the data has no `who` to split by"),
    ],
)
def test_an_array_that_does_not_divide_the_rows(tmp_path: Path, who: Any, said: str) -> None:
    arrays = {"x": np.ones((4, 2)), "colour": np.zeros(4, int), "t": np.zeros(4, int)}
    more = 'split = grouped("who", train = 0.5, val = 0.5)'
    data = arrays if who is None else {**arrays, "who": who}
    assert said in refusal(tmp_path, TABLE, more, data=data)


def test_rows_without_the_value_they_are_split_by(tmp_path: Path) -> None:
    said = refusal(tmp_path, TABLE.replace(",q", ","), 'split = grouped("who", train = 0.5, val = 0.5)')
    assert "`d.csv`, line 4, column `who` is blank; rows are split by it" in said
    assert "`missing = drop` leaves such rows out" in said
    more = 'missing = drop; split = grouped("who", train = 0.5, val = 0.5)'
    found = read(tmp_path, TABLE.replace("ant,q", "ant,"), more)
    assert sorted(np.concatenate([a["x"][:, 0] for a in found.splits.values()])) == [1, 3, 7]


# --- files ------------------------------------------------------------------------------------------------------------


def test_several_files_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "part_2.csv").write_text("kind,colour,b,a\neel,red,10,9\nant,blue,12,11\n")
    (tmp_path / "part_1.csv").write_text(TABLE)
    for files in ('("part_1.csv", "part_2.csv")', '"part_*.csv"'):
        source = CSV.replace('"d.csv"', files).replace("one_hot(colour, 3)", "one_hot(colour, 3)")
        (tmp_path / "n.net").write_text(SPEC.format(source=source, more="").replace("Dense(3)", "Dense(4)"))
        found = load(netc.compile(tmp_path / "n.net").manifest)
        assert found.splits["train"]["x"][:, 0].tolist() == [1, 3, 5, 7, 9, 11]
        assert found.splits["train"]["t"].tolist() == [1, 2, 0, 2, 3, 0]
        assert found.splits["train"]["colour"].tolist() == [2, 0, 2, 1, 2, 0]
    (tmp_path / "part_2.csv").write_text("kind,colour,b,a\neel,red,10,9\nant,blue,x,11\n")
    with pytest.raises(InputError, match=r"part_2.csv`, line 3, column `b` is `x`, not a number"):
        load(netc.compile(tmp_path / "n.net").manifest)
    (tmp_path / "part_2.csv").write_text("kind,colour,b,a\neel,red,10,9\nant,blue,inf,11\n")
    with pytest.raises(InputError, match=r"part_2.csv`, line 3, column `b` is inf"):
        load(netc.compile(tmp_path / "n.net").manifest)
    assert "no data file matches" in refusal(tmp_path, TABLE, "", CSV.replace("d.csv", "none_*.csv"))


JOINED = [  # the second of two files, and what is said of a row of it
    ("a,b,colour,kind\nx,2,red,cat\n", "`e.csv`, line 2, column `a` is `x`, not a number"),
    ("a,b,colour,kind\ninf,2,red,cat\n", "`e.csv`, line 2, column `a` is inf"),
    ("a,b,colour,kind\n1,2,,cat\n", "`e.csv`, line 2, column `colour` is blank"),
    (
        "a,b,colour,kind\n1,2,red,cat\n1,2,red,?\n",
        "`e.csv`, line 3, column `kind` is `?`, which says that it is missing",
    ),
]


@pytest.mark.parametrize(("second", "said"), JOINED)
def test_a_bad_row_is_named_in_its_own_file(tmp_path: Path, second: str, said: str) -> None:
    (tmp_path / "e.csv").write_text(second)
    assert said in refusal(tmp_path, TABLE, "", CSV.replace('"d.csv"', '("d.csv", "e.csv")'))


def test_a_range_is_the_same_columns_in_all_files_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("b,a,colour,kind\n1,2,red,cat\n")
    source = CSV.replace('"d.csv"', '("d.csv", "e.csv")').replace('("a", "b")', '"a".."b"')
    assert "`e.csv` has column `b` before `a`" in refusal(tmp_path, TABLE, "", source)
    (tmp_path / "e.csv").write_text("a,other,b,colour,kind\n1,2,3,red,cat\n")
    assert "`x` needs 2 columns of `e.csv`, 3 are named" in refusal(tmp_path, TABLE, "", source)
    wide = "a,c,d,b,colour,kind\n1,2,3,4,red,cat\n"
    (tmp_path / "e.csv").write_text(wide.replace("a,c", "a,x"))
    spec = source.replace('"a".."b"', '"a".."d"')
    (tmp_path / "d.csv").write_text(wide)
    (tmp_path / "n.net").write_text(SPEC.format(source=spec, more="").replace("x: f32[N, 2]", "x: f32[N, 3]"))
    with pytest.raises(InputError, match=r"is read from column `c` where .* has `x`"):
        load(netc.compile(tmp_path / "n.net").manifest)


def test_rows_of_archives_have_one_shape(tmp_path: Path) -> None:
    (tmp_path / "n.net").write_text(
        """net n {
  input x: f32[N, T]
  loss = mean(x)
  param w: f32[1] = 1
  output y = x * w
}
data { source = npz(("0.npz", "1.npz")) }""".replace("mean(x)", "mean(x * w)").replace(
            "  loss = mean(x * w)\n  param w: f32[1] = 1\n", "  param w: f32[1] = 1\n  loss = mean(x * w)\n"
        )
    )
    for k in (0, 1):
        np.savez(tmp_path / f"{k}.npz", x=np.ones((2, 3 + k)))
    with pytest.raises(InputError, match=r"a row of `x` .* has shape \[3\], of `x` .* \[4\]"):
        load(netc.compile(tmp_path / "n.net").manifest)


def test_names_of_files_and_folders_may_have_brackets(tmp_path: Path) -> None:
    folder = tmp_path / "a[1]"
    folder.mkdir()
    (folder / "e[2].csv").write_text(TABLE)
    assert read(folder, "a,b,colour,kind\n", "", CSV.replace("d.csv", "e[2].csv")).rows("train") == 4
    assert read(folder, "a,b,colour,kind\n", "", CSV.replace("d.csv", "e*.csv")).rows("train") == 4


TWICE = ['("d.csv", "e.csv", "d.csv")', '("d.csv", "*.csv")', 'train = "e.csv", val = ("d.csv", "d*.csv")']


@pytest.mark.parametrize("files", TWICE)
def test_a_file_that_is_named_twice(tmp_path: Path, files: str) -> None:
    (tmp_path / "e.csv").write_text(TABLE)
    assert "`d.csv` is named twice in one source" in refusal(tmp_path, TABLE, "", CSV.replace('"d.csv"', files))


def test_a_file_that_is_trained_on_and_scored_is_told(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(TABLE)
    said = [
        [
            n.replace(f"{tmp_path}/", "")
            for n in read(tmp_path, TABLE, "", CSV.replace('"d.csv"', f)).notices
            if "both" in n
        ]
        for f in (
            'train = "*.csv", test = "d.csv"',
            'train = "e.csv", val = "d.csv"',
            'train = "e.csv", val = "./e.csv"',
        )
    ]
    assert said == [
        ["warning: `d.csv` is both in train and in test, whose scores say little then"],
        [],
        ["warning: `e.csv` is both in train and in val, whose scores say little then"],
    ]


def test_archives_are_joined_too(tmp_path: Path) -> None:
    for k in (0, 1):
        np.savez(tmp_path / f"{k}.npz", x=np.full((2, 2), k), colour=[k, k], t=[k, k + 1])
    found = read(tmp_path, source='npz(("0.npz", "1.npz"))')
    assert found.splits["train"]["t"].tolist() == [0, 1, 1, 2]


def test_numbered_columns_stand_for_an_input_of_several_elements(tmp_path: Path) -> None:
    """A spec made for arrays takes a table by name, as `netc predict` writes one."""
    np.savez(tmp_path / "d.npz", x=np.ones((2, 2)), colour=[0, 1], t=[0, 1])
    (tmp_path / "other.csv").write_text("t,x_1,x_0,colour\n0,2,1,1\n2,4,3,0\n")
    found = read(tmp_path, source='npz("d.npz")', data=tmp_path / "other.csv")
    assert found.splits["train"]["x"].tolist() == [[1, 2], [3, 4]]


# --- through a run ----------------------------------------------------------------------------------------------------


def test_a_trainer_numbers_and_fills_what_python_gives_as_its_run_has(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(TABLE + ",4,red,cat,p\n")
    (tmp_path / "n.net").write_text(SPEC.format(source=CSV, more="missing = mean"))
    trainer = netc.run(tmp_path / "n.net", folder=None, device="cpu").trainer
    texts = {"x": [[np.nan, 2], [3, 4]], "colour": ["green", "red"], "t": ["dog", "cat"]}
    numbers = {"x": [[4, 2], [3, 4]], "colour": [1, 2], "t": [2, 1]}
    assert trainer.evaluate(texts) == trainer.evaluate(numbers)
    inputs = {n: texts[n] for n in ("x", "colour")}
    np.testing.assert_array_equal(trainer.predict(inputs)["logits"], trainer.predict(numbers)["logits"])
    with pytest.raises(InputError, match=r"`t\[1\]` is `eel`, which no training row has"):
        trainer.step({**texts, "t": ["dog", "eel"]})
    with pytest.raises(InputError, match="`colour` holds text; numbers are needed"):
        netc.Trainer(netc.compile(tmp_path / "n.net"), "cpu").step(texts)


GOOD: dict[str, Any] = {"columns": {"x": ["a", "b"]}, "texts": {"t": ["cat", "dog"]}, "means": {"x": [1.0, 2.0]}}
DAMAGED: list[Any] = [
    [], 1, None, "x", {}, {**GOOD, "more": 1}, {n: v for n, v in GOOD.items() if n != "means"},
    {**GOOD, "columns": []}, {**GOOD, "columns": {"x": 1}}, {**GOOD, "columns": {"x": [1]}}, {**GOOD, "texts": None},
    {**GOOD, "texts": {"t": "cat"}}, {**GOOD, "texts": {"t": [1]}}, {**GOOD, "texts": {"t": ["b", "a"]}},
    {**GOOD, "texts": {"t": ["a", "a"]}}, {**GOOD, "means": 1}, {**GOOD, "means": {"x": {}}}, {**GOOD, "means": {"x": "a"}},
    {**GOOD, "means": {"x": [[1], [2, 3]]}},
]  # fmt: skip


@pytest.mark.parametrize("record", DAMAGED, ids=range(len(DAMAGED)))
def test_what_a_run_has_learned_is_read_as_it_was_written(tmp_path: Path, record: Any) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(GOOD))
    assert asdict(Learned.read(path)) == GOOD
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="is missing or damaged"):
        Learned.read(path)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "", "\udcff"])
def test_a_record_that_is_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match="is missing or damaged"):
        Learned.read(tmp_path / "data.json")


def test_means_of_another_shape(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps({**GOOD, "texts": {}, "means": {"x": [1.0, 2.0, 3.0]}}))
    table = "a,b,colour,kind\n1,,1,0\n"
    said = refusal(tmp_path, table, "missing = mean", learned=Learned.read(tmp_path / "data.json"))
    assert "the run has learned a mean of `x` of another shape" in said


class Notices(Reporter):
    """What a run says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def notice(self, message: str) -> None:
        self.said.append(message)


OTHER_TEXTS = [  # the second run's colours in the place of red, and what is said of its weights
    ("red", ""),
    ("aqua", "warning: the texts of `colour` have other numbers than in `RUN`: 0 is `aqua` now, and was `blue`"),
    ("grey", "warning: the texts of `colour` have other numbers than in `RUN`: 2 is `grey` now, and was `red`"),
]


@pytest.mark.parametrize(("colour", "said"), OTHER_TEXTS)
def test_weights_that_were_trained_with_other_texts(tmp_path: Path, colour: str, said: str) -> None:
    read(tmp_path)
    first = netc.run(tmp_path / "n.net", folder=tmp_path / "runs", device="cpu", plots=False)
    (tmp_path / "d.csv").write_text(TABLE.replace("red", colour))
    heard = Notices()
    netc.run(tmp_path / "n.net", folder=None, device="cpu", weights=first.folder, reporter=heard)
    told = [m.replace(str(first.folder), "RUN") for m in heard.said if "other numbers" in m]
    assert told == [said] * bool(said)


def test_a_prediction_is_made_for_every_row(tmp_path: Path) -> None:
    """What was dropped in training has no value to be predicted from."""
    found = read(tmp_path, TABLE, "missing = drop")
    (tmp_path / "new.csv").write_text("a,b,colour\n1,2,red\n,4,red\n")
    with pytest.raises(InputError, match="line 3, column `a` is blank") as e:
        inputs_only(netc.compile(tmp_path / "n.net").manifest, tmp_path / "new.csv", found.learned)
    assert e.value.help == "a prediction is made for every row, so none is dropped: put a value in its place"


def test_a_run_keeps_what_it_has_learned(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(TABLE + ",4,red,cat,p\n")
    (tmp_path / "n.net").write_text(SPEC.format(source=CSV, more="missing = mean"))
    result = netc.run(tmp_path / "n.net", folder=tmp_path / "runs", device="cpu", plots=False)
    assert result.folder is not None
    learned = Learned.read(result.folder / "data.json")
    assert learned.texts["colour"] == ["blue", "green", "red"]
    assert learned.means == {"x": [4.0, pytest.approx(24 / 5)]}
    model = onnx.load(result.folder / "export" / "model.onnx")
    told = {p.key: p.value for p in model.metadata_props}
    assert json.loads(told["netc.texts"]) == learned.texts
    (tmp_path / "new.csv").write_text("colour,b,a\ngreen,1,\nred,2,0\n")
    found = inputs_only(result.trainer.manifest, tmp_path / "new.csv", learned)
    assert found["colour"].tolist() == [1, 2]
    assert found["x"].tolist() == [[4, 1], [0, 2]]
    (tmp_path / "new.csv").write_text("colour,b,a\npink,1,1\n")
    with pytest.raises(InputError, match="column `colour` is `pink`, which no training row has"):
        inputs_only(result.trainer.manifest, tmp_path / "new.csv", learned)
    (tmp_path / "new.csv").write_text("colour,b,a\n1,1,1\n")
    with pytest.raises(InputError, match="column `colour` is `1`, which no training row has"):
        inputs_only(result.trainer.manifest, tmp_path / "new.csv", learned)

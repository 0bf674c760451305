"""Splits by a value: the same shares of every class, and groups that stay together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.runtime.data.sources import LoadedData
from tests.runtime.tables import TABLE, read, refusal


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
        (np.zeros((4, 1)), "`who` has shape [4, 1]; `who` needs [N]"),
        (np.zeros(4, complex), "`who` holds complex numbers; numbers are needed"),
        (None, "the data has no `who` to split by"),
    ],
)
def test_an_array_that_does_not_divide_the_rows(tmp_path: Path, who: Any, said: str) -> None:
    arrays = {"x": np.ones((4, 2)), "colour": np.zeros(4, int), "t": np.zeros(4, int)}
    more = 'split = grouped("who", train = 0.5, val = 0.5)'
    data = arrays if who is None else {**arrays, "who": who}
    assert said in refusal(tmp_path, TABLE, more, data=data)


def test_a_split_into_which_no_group_falls(tmp_path: Path) -> None:
    table = "a,b,colour,kind,who\n" + "".join(f"{k},0,red,cat,{'pqr'[k % 3]}\n" for k in range(9))
    said = refusal(tmp_path, table, 'split = grouped("who", train = 0.6, val = 0.2, test = 0.2)')
    assert (
        said
        == "error: the val split has no rows\n  = help: none of 3 groups of `who` falls into its share; give it a larger one"
    )
    more = 'split = grouped("who", train = 0.4, val = 0.3, test = 0.3)'
    assert [len(a["x"]) for a in read(tmp_path, table, more).splits.values()] == [3, 3, 3]


def test_rows_without_the_value_they_are_split_by(tmp_path: Path) -> None:
    said = refusal(tmp_path, TABLE.replace(",q", ","), 'split = grouped("who", train = 0.5, val = 0.5)')
    assert "`d.csv`, line 4, column `who` is blank; rows are split by it" in said
    assert "`missing = drop` leaves such rows out" in said
    more = 'missing = drop; split = grouped("who", train = 0.5, val = 0.5)'
    found = read(tmp_path, TABLE.replace("ant,q", "ant,"), more)
    assert sorted(np.concatenate([a["x"][:, 0] for a in found.splits.values()])) == [1, 3, 7]

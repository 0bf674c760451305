"""Several files as one table, and what is read from a table that was meant for another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc
from netc import InputError
from netc.runtime.data.sources import load
from tests.runtime.tables import CSV, SPEC, TABLE, read, refusal


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

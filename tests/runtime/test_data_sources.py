"""Where data comes from: files by name, arrays, splits; what is refused, and what is said once."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc import InputError
from netc.runtime.data.format import format_of
from netc.runtime.data.sources import inputs_only, load
from netc.runtime.data.split import split_rows
from tests.runtime.test_data import CSV, SPEC

X, T = np.arange(12, dtype=np.float32).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])
ARRAYS = {"x": X, "t": T}


def manifest(folder: Path, source: str = CSV, split: str = "", spec: str = SPEC) -> dict[str, Any]:
    (folder / "n.net").write_text(spec.format(source=source, split=f"; split = {split}" if split else ""))
    return netc.compile(folder / "n.net").manifest


@pytest.mark.parametrize(
    ("path", "name"),
    [("a.csv", "csv"), ("A.CSV.GZ", "csv"), ("x.npz", "npz"), ("x.npy", "npy"), ("b/t10k.idx.gz", "idx"), ("x.tar.npz", "npz")],
)  # fmt: skip
def test_a_format_is_told_by_its_suffix(path: str, name: str) -> None:
    assert format_of(path).name == name


def test_a_file_of_no_known_format() -> None:
    with pytest.raises(InputError, match="is of no known format") as e:
        format_of("data.parquet.gz.txt")
    assert ".csv" in e.value.help
    assert ".gz may follow" in e.value.help


def test_arrays_come_whole_or_in_splits(tmp_path: Path) -> None:
    m = manifest(tmp_path)
    whole = load(m, data=ARRAYS)
    assert {s: whole.rows(s) for s in ("train", "val", "test")} == {"train": 6, "val": 0, "test": 0}
    parts = load(m, data={"val": {"x": X[4:], "t": T[4:]}, "train": {"x": X[:4], "t": T[:4]}})
    assert list(parts.splits) == ["train", "val"], "in the order of use"
    np.testing.assert_array_equal(parts.splits["val"]["x"], X[4:])
    assert parts.sha256() != whole.sha256()
    assert load(m, data={"x": X + 1, "t": T}).sha256() != whole.sha256()
    split = load(manifest(tmp_path, split="ordered(train = 0.5, val = 0.5)"), data=ARRAYS)
    assert {s: split.rows(s) for s in ("train", "val", "test")} == {"train": 3, "val": 3, "test": 0}


REFUSED: list[tuple[Any, str]] = [
    (X, "data is a mapping of arrays by name, this is an array of float32"),
    ({"x": X}, "the data has no `t`"),
    ({"x": X, "tt": T}, "the net has no input or target `tt`"),
    ({"val": ARRAYS}, "the data has no training rows"),
    ({"train": ARRAYS, "val": {"x": X[:0], "t": T[:0]}}, "the val split has no rows"),
    ({"train": ARRAYS, "rows": ARRAYS}, "there is no split `rows`"),
]


@pytest.mark.parametrize(("data", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_data_that_does_not_fit(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(manifest(tmp_path), data=data)


def test_without_a_data_block_there_must_be_data() -> None:
    bare = netc.compile("net n {\n  input x: f32[N, 2]\n  loss = mean(x -> Dense(1))\n}").manifest
    with pytest.raises(InputError, match="the spec has no data block"):
        load(bare)


def test_a_split_of_data_that_comes_from_the_caller() -> None:
    text = "net n {\n  input x: f32[N, 2]\n  loss = mean(x -> Dense(1))\n}\n"
    told = netc.compile(text + "data { split = ordered(train = 0.5, val = 0.5) }").manifest
    found = load(told, data={"x": X})
    np.testing.assert_array_equal(found.splits["val"]["x"], X[3:])
    with pytest.raises(InputError, match="the data block names no `source`"):
        load(told)


def test_files_for_single_splits_and_a_split_of_the_rest(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **ARRAYS)
    np.savez(tmp_path / "b.npz", x=X[:2], t=T[:2])
    found = load(manifest(tmp_path, 'npz(train = "a.npz", test = "b.npz")', "ordered(train = 0.5, val = 0.5)"))
    assert {s: found.rows(s) for s in ("train", "val", "test")} == {"train": 3, "val": 3, "test": 2}
    with pytest.raises(InputError, match="`test` comes from a file and from the split"):
        load(manifest(tmp_path, split="ordered(train = 0.5, test = 0.5)"), data={"train": ARRAYS, "test": ARRAYS})


def test_a_file_on_the_command_line_takes_the_place_of_the_spec_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "other.npz", rows=X, t=T)
    m = manifest(tmp_path, 'npz(train = "a.npz", test = "b.npz", x = "rows")')
    found = load(m, data="other.npz")
    assert {s: found.rows(s) for s in ("train", "val", "test")} == {"train": 6, "val": 0, "test": 0}
    np.testing.assert_array_equal(found.splits["train"]["x"], X)
    with pytest.raises(InputError, match="there is no data file"):
        load(m, data="none.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        load(m, data=Path("folder.npz"))


def test_only_inputs_are_read_to_predict(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X)
    found = inputs_only(manifest(tmp_path), str(tmp_path / "a.npz"))
    assert list(found) == ["x"]
    np.testing.assert_array_equal(found["x"], X)
    with pytest.raises(InputError, match="there is no data file"):
        inputs_only(manifest(tmp_path), str(tmp_path / "b.npz"))


def test_a_file_of_another_format_has_columns_of_its_own(tmp_path: Path) -> None:
    """What the spec says of columns is said of CSV files."""
    np.savez(tmp_path / "a.npz", **ARRAYS)
    np.testing.assert_array_equal(load(manifest(tmp_path), data=str(tmp_path / "a.npz")).splits["train"]["x"], X)
    (tmp_path / "b.csv").write_text("t,b,a\n0,2,1\n")
    assert load(manifest(tmp_path), data=str(tmp_path / "b.csv")).splits["train"]["x"].tolist() == [[1, 2]]


@pytest.mark.parametrize("name", ["d.tsv", "d.txt", "d"])
def test_a_name_that_tells_no_format_is_read_as_the_source_is(tmp_path: Path, name: str) -> None:
    """The file that a run was trained on can be predicted and scored, whatever it is called."""
    m = manifest(tmp_path, f'csv("{name}", x = ("a", "b"), t = "t", delimiter = "\\t")')
    (tmp_path / name).write_text("a\tb\tt\n1\t2\t0\n")
    assert load(m).splits["train"]["x"].tolist() == [[1, 2]]
    assert inputs_only(m, tmp_path / name)["x"].tolist() == [[1, 2]]
    (tmp_path / "a.parquet").write_bytes(b"PAR1....")
    with pytest.raises(InputError) as e:
        inputs_only(m, tmp_path / "a.parquet")
    assert "Parquet" in e.value.help


def test_a_single_class_is_said(tmp_path: Path) -> None:
    m = manifest(tmp_path)
    assert load(m, data={"x": X, "t": T * 0 + 2}).notices == ["warning: `t` has only the class 2 in the training rows"]
    assert load(m, data=ARRAYS).notices == []


def test_truth_values_are_0_or_1() -> None:
    m = netc.compile("net n {\n  input c: bool[N]\n  loss = mean(f32(c) * 2 -> unsqueeze(1) -> Dense(1))\n}").manifest
    found = load(m, data={"c": np.array([0, 1, 1])}).splits["train"]["c"]
    assert (found.dtype, found.tolist()) == (np.bool_, [False, True, True])
    for bad in ([0, 2], [1.0, 0.5]):
        with pytest.raises(InputError, match=rf"`c\[1\]` is {bad[1]}; `c` must be 0 or 1"):
            load(m, data={"c": np.array(bad)})


FILES: dict[str, tuple[str, bytes, str]] = {
    "not UTF-8": ("d.csv", b"a,b,t\n1,\xe9,0\n", ", line 2 is not UTF-8 text: byte 0xe9"),
    "too few columns": ("d.csv", b"a,t\n1,0\n", "has no column `b`"),
    "a damaged gzip": ("d.csv", gzip.compress(b"a,b,t\n1,2,0\n" * 50)[:-12], "is truncated or damaged"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_wrong(tmp_path: Path, name: str) -> None:
    path, content, message = FILES[name]
    (tmp_path / path).write_bytes(content)
    with pytest.raises(InputError) as e:
        load(manifest(tmp_path))
    assert message in e.value.message


def test_the_first_columns_are_listed(tmp_path: Path) -> None:
    for count, more in ((6, ""), (9, " and 3 more")):
        (tmp_path / "d.csv").write_text(",".join(f"c{i}" for i in range(count)) + "\n" + ",".join("1" * count) + "\n")
        with pytest.raises(InputError) as e:
            load(manifest(tmp_path))
        assert e.value.help == "the columns in its first line are " + ", ".join(f"`c{i}`" for i in range(6)) + more


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('csv("d.csv", x = "a", t = "t")', "`x` needs 2 columns of"),
        ('npy("x.npy")', "`npy` has 1 file for 2 inputs and targets"),
        ('npy(("x.npy", "short.npy"))', "declares 48 bytes and has 47: it is truncated or damaged"),
        ('npy(("x.npy", "text.npy"))', "is no NPY file: it begins with the bytes 68 65 6c 6c 6f"),
        ('npz("damaged.npz")', "array `x` is truncated or damaged"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "d.csv").write_text("a,b,t\n1,2,0\n")
    np.savez(tmp_path / "z.npz", **ARRAYS)
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "short.npy", T)
    (tmp_path / "short.npy").write_bytes((tmp_path / "short.npy").read_bytes()[:-1])
    (tmp_path / "text.npy").write_text("hello")
    np.savez_compressed(tmp_path / "damaged.npz", **ARRAYS)
    with zipfile.ZipFile(tmp_path / "damaged.npz") as z:
        place = z.getinfo("x.npy").header_offset + 80
    raw = bytearray((tmp_path / "damaged.npz").read_bytes())
    raw[place : place + 20] = b"\xff" * 20
    (tmp_path / "damaged.npz").write_bytes(raw)
    with pytest.raises(InputError) as e:
        load(manifest(tmp_path, source))
    assert message in e.value.message


SHARES = [
    (10, (0.7, 0.2, 0.1), (7, 2, 1)),
    (10, (0.5, 0.0, 0.5), (5, 0, 5)),
    (7, (0.5, 0.25, 0.25), (4, 1, 2)),
    (3, (1, 0, 0), (3, 0, 0)),
]


@pytest.mark.parametrize("kind", ["ordered", "random"])
@pytest.mark.parametrize(("rows", "shares", "counts"), SHARES, ids=str)
def test_shares_of_the_rows(kind: str, rows: int, shares: tuple[float, ...], counts: tuple[int, ...]) -> None:
    """Rounded ends: 3.5 of 7 rows is 4, 5.25 is 5."""
    split = {"kind": kind, **dict(zip(("train", "val", "test"), shares)), "seed": 1}
    parts = split_rows(np.arange(rows) + 5, split)
    assert [len(parts[s]) if s in parts else 0 for s in ("train", "val", "test")] == list(counts)
    assert sorted(v for p in parts.values() for v in p) == list(range(5, rows + 5))
    for p in parts.values():
        np.testing.assert_array_equal(p, np.sort(p))
    first = next(iter(parts.values()))
    assert kind == "random" or first.tolist() == list(range(5, counts[0] + 5))


def test_a_random_split_follows_its_seed() -> None:
    rows = np.arange(50)
    one, again, other = (
        split_rows(rows, {"kind": "random", "train": 0.5, "val": 0.5, "test": 0, "seed": s})["train"] for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    assert one.tolist() != list(range(25))


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


@pytest.mark.parametrize(
    ("name", "source"), [("d.csv", None), ("d.npz", 'npz("d.npz")'), ("d.npy", 'npy(("d.npy", "d.npy"))')]
)
def test_a_pointer_of_git_lfs_is_told_by_its_beginning(tmp_path: Path, name: str, source: str | None) -> None:
    """The longest beginning that is known."""
    (tmp_path / name).write_bytes(POINTER)
    with pytest.raises(InputError) as e:
        load(manifest(tmp_path, source) if source else manifest(tmp_path))
    assert e.value.help == "it seems to be a pointer of Git LFS: fetch the file with `git lfs pull`"


def test_a_table_that_has_no_column_for_an_input_of_symbolic_sizes(tmp_path: Path) -> None:
    spec = "net n {\n  input x: f32[N, T, 2]\n  loss = mean(x -> Dense(1))\n}"
    (tmp_path / "d.csv").write_text("x_0,x_1\n1,2\n")
    with pytest.raises(InputError, match=r"has no column `x`"):
        load(netc.compile(spec).manifest, data=tmp_path / "d.csv")

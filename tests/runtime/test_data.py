"""Readers and checks: good files give the same arrays, bad ones an error that names the place."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc import InputError
from netc.runtime.data.sources import load

SPEC = """net n {{
  input x: f32[N, 2]
  target t: i64[N]
  y = x -> Dense(3)
  loss = softmax_cross_entropy(y, t)
}}
data {{ source = {source}{split} }}
"""
CSV = 'csv("d.csv", x = ("a", "b"), t = "t")'


def manifest(tmp_path: Path, source: str = CSV, split: str = "") -> dict[str, Any]:
    (tmp_path / "n.net").write_text(SPEC.format(source=source, split=f"; split = {split}" if split else ""))
    return netc.compile(tmp_path / "n.net").manifest


def idx(array: np.ndarray, code: int) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.tobytes()


def test_every_format_gives_the_same_arrays(tmp_path: Path) -> None:
    x, t = np.array([[1, 2], [3, 4], [5, 6]], np.float32), np.array([0, 1, 2])
    rows = "a,b,t\n" + "".join(f"{a:g},{b:g},{c}\n" for (a, b), c in zip(x, t))
    (tmp_path / "d.csv").write_text(rows)
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + rows.replace("\n", "\r\n").encode())
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(rows.encode()))
    (tmp_path / "semi.csv").write_text("".join(f"{a:g};{b:g};{c}\n" for (a, b), c in zip(x, t)))
    np.savez(tmp_path / "d.npz", images=x.astype(">f8"), t=t.astype(np.uint8))
    np.savez_compressed(tmp_path / "z.npz", x=np.asfortranarray(x), t=t)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "t.npy", t.astype(np.int32))
    (tmp_path / "x.idx").write_bytes(idx(x.astype(">f4"), 0x0D))
    (tmp_path / "t.idx.gz").write_bytes(gzip.compress(idx(t.astype(np.uint8), 0x08)))
    for source in (
        CSV, 'csv("bom.csv", x = ("a", "b"), t = "t")', 'csv("d.csv.gz", x = ("a", "b"), t = "t")',
        'csv("semi.csv", header = false, delimiter = ";", x = "0".."1", t = "2")',
        'npz("d.npz", x = "images")', 'npz("z.npz")', 'npy(("x.npy", "t.npy"))', 'idx(("x.idx", "t.idx.gz"))',
        'npz(train = "z.npz", test = "d.npz", x = "x")'.replace(', test = "d.npz", x = "x"', ""),
    ):  # fmt: skip
        found = load(manifest(tmp_path, source)).splits["train"]
        np.testing.assert_array_equal(found["x"], x)
        np.testing.assert_array_equal(found["t"], t)
        assert found["x"].dtype == np.float32
        assert found["t"].dtype == np.int64


BAD_CSV = [
    ("a,b,t\n1,2,0\n3,4\n", "line 3: 2 cells where the first line has 3"),
    ("a,b,t\n1,,0\n", "line 2: column `b` is blank"),
    ("a,b,t\n1,two,0\n", "line 2: column `b` is `two`, not a number"),
    ("a,c,t\n1,2,0\n", "has no column `b`"),
    ("1,2,0\n3,4,1\n", "without a header"),
    ("a;b;t\n1;2;0\n", "another delimiter"),
    ("a,b,t\n", "has no rows below its header"),
    ("", "is empty"),
    ("a,b,t\n1,2,0\n3,nan,1\n", "`x` is not finite: row 1, column 1 has nan"),
    ("a,b,t\n1,inf,0\n", "`x` is not finite"),
    ("a,b,t\n1,2,7\n", "must lie in 0..2, there are 3 classes; row 0 has 7"),
    ("a,b,t\n1,2,-1\n", "row 0 has -1"),
    ("a,b,t\n1,2,1.5\n", "must be whole numbers; row 0 has 1.5"),
    ("a,b,t\n1,2,1\n1,2,2\n1,2,3\n", "count from 1: subtract 1"),
]


@pytest.mark.parametrize(("text", "message"), BAD_CSV, ids=range(len(BAD_CSV)))
def test_a_bad_csv_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(InputError) as e:
        load(manifest(tmp_path))
    assert message in e.value.render()


def _npz(path: Path) -> None:
    np.savez(path, x=np.zeros((4, 2), np.float32), t=np.zeros(4, np.int64))


def _truncated(path: Path) -> None:
    _npz(path)
    path.write_bytes(path.read_bytes()[:-60])


def _objects(path: Path) -> None:
    np.savez(path, x=np.array([{}, {}], dtype=object), t=np.zeros(2, np.int64))


def _huge_header(path: Path) -> None:
    import io
    import zipfile

    f = io.BytesIO()
    np.lib.format.write_array_header_1_0(f, {"descr": "<f4", "fortran_order": False, "shape": (10_000_000_000_000, 2)})
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("x.npy", f.getvalue() + b"\0" * 80)
        z.writestr("t.npy", f.getvalue())


BAD_NPZ = [
    (_truncated, "NPZ archive"),
    (_objects, "Python objects, which are never loaded"),
    (_huge_header, "truncated or damaged"),
    (lambda p: np.savez(p, y=np.zeros(2)), "has no array `x`"),
    (lambda p: np.savez(p, x=np.zeros((4, 2)), t=np.zeros(3, np.int64)), "`x` has 4 rows, `t` has 3"),
    (lambda p: np.savez(p, x=np.zeros((4, 3)), t=np.zeros(4, np.int64)), "has shape [4, 3]; the program needs [N, 2]"),
    (lambda p: np.savez(p, x=np.zeros((4, 2), complex), t=np.zeros(4, np.int64)), "numbers are needed"),
    (lambda p: np.savez(p, x=np.array([["a", "b"]]), t=np.zeros(1, np.int64)), "numbers are needed"),
    (lambda p: np.savez(p, x=np.zeros((0, 2)), t=np.zeros(0, np.int64)), "no rows"),
    (lambda p: p.write_text("hello"), "no NPZ archive"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "message"), BAD_NPZ, ids=range(len(BAD_NPZ)))
def test_a_bad_npz_is_refused(tmp_path: Path, write: Any, message: str) -> None:
    write(tmp_path / "d.npz")
    with pytest.raises(InputError) as e:
        load(manifest(tmp_path, 'npz("d.npz")'))
    assert message in e.value.render()


BAD_IDX = [
    (b"", "no IDX file"),
    (b"\0\0\x08", "no IDX file"),
    (b"\0\0\x08\x02\0\0\0\4", "its header is cut off"),
    (idx(np.zeros((4, 2), np.uint8), 0x08)[:-1], "truncated or damaged"),
    (gzip.compress(idx(np.zeros((4, 2), np.uint8), 0x08))[:-9], "damaged"),
]


@pytest.mark.parametrize(("content", "message"), BAD_IDX, ids=range(len(BAD_IDX)))
def test_a_bad_idx_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.idx").write_bytes(content)
    (tmp_path / "t.idx").write_bytes(idx(np.zeros(4, np.uint8), 0x08))
    with pytest.raises(InputError) as e:
        load(manifest(tmp_path, 'idx(("x.idx", "t.idx"))'))
    assert message in e.value.render()


def test_a_missing_file_and_an_empty_split_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no data file"):
        load(manifest(tmp_path))
    (tmp_path / "d.csv").write_text("a,b,t\n1,2,0\n1,2,1\n")
    with pytest.raises(InputError, match="split has no rows"):
        load(manifest(tmp_path, CSV, "random(train = 0.9, val = 0.1)"))


def test_casts_are_said_once_and_ranges_are_kept() -> None:
    text = "net n {\n  input x: u8[N, 2]\n  y = f32(x) -> Dense(3)\n  loss = mean(y)\n}"
    m = netc.compile(text).manifest
    assert load(m, data={"x": np.array([[0, 255.0]])}).splits["train"]["x"].dtype == np.uint8
    with pytest.raises(InputError, match="must fit uint8; row 0 has 300"):
        load(m, data={"x": np.array([[0, 300]])})
    m = netc.compile(text.replace("u8", "f32").replace("f32(x)", "x")).manifest
    found = load(m, data={"x": np.zeros((3, 2))})
    assert found.notices == ["`x` is cast from float64 to float32"]


def test_splits_are_disjoint_complete_and_repeatable(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,b,t\n" + "".join(f"{i},{i},{i % 3}\n" for i in range(100)))
    m = manifest(tmp_path, CSV, "random(train = 0.7, val = 0.2, test = 0.1)")
    first, second = load(m), load(m)
    rows = {s: set(a["x"][:, 0].astype(int)) for s, a in first.splits.items()}
    assert {s: len(r) for s, r in rows.items()} == {"train": 70, "val": 20, "test": 10}
    assert set.union(*rows.values()) == set(range(100))
    assert first.sha256() == second.sha256()
    ordered = load(manifest(tmp_path, CSV, "ordered(train = 0.5, test = 0.5)"))
    assert ordered.splits["test"]["x"][0, 0] == 50

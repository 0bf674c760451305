"""Readers and checks: good files give the same arrays, bad ones an error that names the place."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
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
    (tmp_path / "blanks.csv").write_text(rows.replace(",", ", ").replace("b", '"b"'))
    (tmp_path / "semi.csv").write_text("".join(f"{a:g};{b:g};{c}\n" for (a, b), c in zip(x, t)))
    np.savez(tmp_path / "d.npz", images=x.astype(">f8"), t=t.astype(np.uint8))
    np.savez_compressed(tmp_path / "z.npz", x=np.asfortranarray(x), t=t)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "t.npy", t.astype(np.int32))
    (tmp_path / "x.idx").write_bytes(idx(x.astype(">f4"), 0x0D))
    (tmp_path / "t.idx.gz").write_bytes(gzip.compress(idx(t.astype(np.uint8), 0x08)))
    for source in (
        CSV, 'csv("bom.csv", x = ("a", "b"), t = "t")', 'csv("d.csv.gz", x = ("a", "b"), t = "t")',
        'csv("blanks.csv", x = ("a", "b"), t = "t")',
        'csv("semi.csv", header = false, delimiter = ";", x = "0".."1", t = "2")',
        'npz("d.npz", x = "images")', 'npz("z.npz")', 'npy(("x.npy", "t.npy"))', 'idx(("x.idx", "t.idx.gz"))',
        'npz(train = "z.npz", test = "d.npz", x = "x")'.replace(', test = "d.npz", x = "x"', ""),
    ):  # fmt: skip
        found = load(manifest(tmp_path, source)).splits["train"]
        np.testing.assert_array_equal(found["x"], x)
        np.testing.assert_array_equal(found["t"], t)
        assert found["x"].dtype == np.float32
        assert found["t"].dtype == np.int64


def refusal(tmp_path: Path, source: str) -> str:
    """The error of a source, with the folder left out of its paths."""
    with pytest.raises(InputError) as e:
        load(manifest(tmp_path, source))
    assert type(e.value) is InputError
    return e.value.render().replace(f"{tmp_path}/", "")


WIDE = ",".join(f"p{i}" for i in range(10_000))
BAD_CSV: list[tuple[str | bytes, str, str]] = [  # (content, message, help)
    ("a,b,t\n1,2,0\n3,4\n", "`d.csv`, line 3: 2 cells where the first line has 3", "the line is cut off"),
    ("a,b,t\n1,2,3,4,0\n", "`d.csv`, line 2: 5 cells where the first line has 3", "stands in quotation marks"),
    ("a,b,t\n1;2;0\n", "`d.csv`, line 2: 1 cell where the first line has 3", "another delimiter than the first"),
    ("sep=;\na;b;t\n1;2;0\n", "`d.csv` has no column `a`", "delete the line `sep=;`"),
    ("# measured\na,b,t\n1,2,0\n", "`d.csv` has no column `a`", "delete `# measured`, and what else stands above them"),
    ("a b t\n1  2 0\n", "`d.csv` has no column `a`", 'add `delimiter = " "`'),
    ("a,b,t\n1,2,0,\n", "`d.csv`, line 2: 4 cells where the first line has 3", "the line ends in a delimiter"),
    ('a,b,t\n1,"2,0\n1,2,0\n', "`d.csv`, line 2: 2 cells where the first line has 3", "a quotation mark"),
    ("a,b,t\n1,,0\n", "`d.csv`, line 2, column `b` is blank", "leave the row out, or put a number in its place"),
    ("a,b,t\n1,two,0\n", "`d.csv`, line 2, column `b` is `two`, not a number", "numbers are written like"),
    ("a,b,t\n1,1_000,0\n", "column `b` is `1_000`, not a number", "digits are not grouped"),
    ('a,b,t\n"1,5",2,0\n', "column `a` is `1,5`, not a number", "decimals are written with a point"),
    ("a,b,t\n1,\u0661,0\n", "column `b` is `\u0661`, not a number", "numbers are written like"),
    ("a,b,t\n1\x1c,2,0\n", "column `a` is `1\x1c`, not a number", "numbers are written like"),
    (f"a,b,t\n1,{'x' * 9999},0\n", f"column `b` is `{'x' * 37}...`, not a number", "numbers are written like"),
    (
        "a,b,t\n1,2,0\n1,2,setosa\n",
        "line 3, column `t` is `setosa`, not a number",
        "other cells of the column are numbers",
    ),
    ("a,b,t\n1,2,0\n1,2,true\n", "column `t` is `true`, not a number", "write 1 for true and 0 for false"),
    ("a,b,t\n1,2,?\n1,2,1\n", "line 2, column `t` is `?`, which says that it is missing", "leave the row out"),
    ("a,b,t\n1,2,nan\n1,2,?\n", "line 2, column `t` is `nan`, which says that it is missing", "`missing = drop`"),
    ("a,c,t\n1,2,0\n", "`d.csv` has no column `b`", "the columns in its first line are `a`, `c`, `t`"),
    ("A,b,t\n1,2,0\n", "`d.csv` has no column `a`", "did you mean `A`? The columns in its first line are"),
    (f"{WIDE}\n1\n", "has no column `a`", "are `p0`, `p1`, `p2`, `p3`, `p4`, `p5` and 9,994 more"),
    ("a,a,b,t\n1,1,2,0\n", "`d.csv` has 2 columns `a`", "give each its own name"),
    ("1,2,0\n3,4,1\n", "`d.csv` has no column `a`", "add `header = false`"),
    ("a;b;t\n1;2;0\n", "`d.csv` has no column `a`", 'add `delimiter = ";"`'),
    ("a|b|t\n1|2|0\n", "`d.csv` has no column `a`", 'add `delimiter = "|"`'),
    ("a\tb\tt\n1\t2\t0\n", "`d.csv` has no column `a`", r'add `delimiter = "\t"`'),
    ("a b t\n1 2 0\n", "`d.csv` has no column `a`", 'add `delimiter = " "`'),
    ("a,b,t\n", "`d.csv` has no rows below its header", ""),
    ("", "`d.csv` is empty", ""),
    ("\n \n", "`d.csv` is empty", ""),
    ("a,b,t\n1,2,0\n\n\n3,nan,1\n", "`d.csv`, line 5, column `b` is nan; `x` must be finite", "leave the row out"),
    ('a,b,t\n1,2,0\n"1","\n2\n",0\n3,inf,0\n', "`d.csv`, line 6, column `b` is inf", "leave the row out"),
    ("a,b,t\n1,1e400,0\n", "`d.csv`, line 2, column `b` is inf; `x` must be finite", ""),
    ("a,b,t\n1,1e60,0\n", "`d.csv`, line 2, column `b` is 1e+60; `x` must fit float32, which ends at 3.4e+38", "scale"),
    ("a,b,t\n1,2,7\n", "line 2, column `t` is 7; `t` must lie in 0..2, as there are 3 classes", "more classes"),
    ("a,b,t\n1,2,-1\n", "line 2, column `t` is -1; `t` must lie in 0..2", "correct the label"),
    ("a,b,t\n1,2,1\n1,2,2\n1,2,3\n", "line 4, column `t` is 3", "count from 1: subtract 1"),
    ("a,b,t\n1,2,1.5\n", "line 2, column `t` is 1.5; `t` must be a whole number", "classes are numbered 0, 1, 2"),
    ("a,b,t\n1,2,-9007199254740993\n", "column `t` is beyond 2^53", "keep such numbers in an .npz file"),
    (
        "a,b,t\n1,2,9007199254740993\n",
        "column `t` is beyond 2^53, where text is not read exactly",
        "keep such numbers in",
    ),
    (f"a,b,t\n1,{'9' * 200_000},0\n", "line 2: a cell has more than 131,072 characters", "a quotation mark"),
    ("a,b,t\n" + f'"{"x" * 100_000}\n",' * 170, "line 2: the row has more than 16,777,216 characters", ""),
    ("a,b,t\n" + "\n" * 200_000, "more than 100,000 blank lines follow each other", ""),
    ("a,b,t\n1,\0,2\n", "`d.csv`, line 2 has a NUL character", "save the file as UTF-8 text"),
    (
        "a,b,t\n1,2,0\n1,\u00e9,0\n".encode("latin-1"),
        "`d.csv`, line 3 is not UTF-8 text: byte 0xe9",
        "save the file as UTF-8",
    ),
    ("a,b,t\n1,2,0\n".encode("utf-16"), "`d.csv` is no table of text", "it seems to be UTF-16 text: save it as UTF-8"),
    (b"PK\3\4 and so on", "`d.csv` is no table of text", "a spreadsheet has to be exported as CSV"),
    (b"<!DOCTYPE html>\n", "`d.csv` is no table of text", "a web page: download the file itself"),
    (gzip.compress(gzip.compress(b"a,b,t\n")), "`d.csv` is no table of text", "a gzip file inside of another"),
    ("a,b,t\n1,N/A,0\n", "column `b` is `N/A`, which says that it is missing", "leave the row out"),
    (gzip.compress(b"a,b,t\n1,2,0\n" * 99)[:-9], "`d.csv` is truncated or damaged", "copy or download it again"),
    (gzip.compress(b"a,b,t\n1,2,0\n") + b"more", "`d.csv` is truncated or damaged", ""),
    (gzip.compress(b"a,b,t\n" + b"0" * (1 << 26)), "line 2: the row has more than 16,777,216 characters", ""),
]


@pytest.mark.parametrize(("content", "message", "help"), BAD_CSV, ids=range(len(BAD_CSV)))
def test_a_bad_csv_is_refused_with_its_place(tmp_path: Path, content: str | bytes, message: str, help: str) -> None:
    (tmp_path / "d.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    first, _, second = refusal(tmp_path, CSV).partition("\n")
    assert message in first
    assert help in second
    assert len(first) + len(second) < 400


def test_a_header_that_is_there_although_the_spec_has_none(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,b,t\n1,2,0\n")
    text = refusal(tmp_path, 'csv("d.csv", header = false, x = "0".."1", t = "2")')
    assert "`d.csv`, line 1, column `0` is `a`, not a number" in text
    assert "leave `header = false` out" in text


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def changed(offset: int, number: int, form: str = "<H") -> bytes:
    """A good archive with another number in the directory entry of `x`."""
    out = bytearray(npz(x=np.zeros((4, 2)), t=T4))
    struct.pack_into(form, out, out.index(b"PK\1\2") + offset, number)
    return bytes(out)


def twice() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("x", b"")
        z.writestr("x.npy", b"")
    return out.getvalue()


T4 = np.zeros(4, np.int64)
X4 = np.zeros((4, 2), np.float32)
BAD_NPZ: list[tuple[bytes, str]] = [
    (npz(x=X4, t=T4)[:-60], "`d.npz` is no NPZ archive, or it is truncated or damaged\n  = help: copy or download it again"),
    (b"hello", "`d.npz` is no NPZ archive"),
    (b"\x93NUMPY\1\0", "truncated or damaged\n  = help: it seems to be an NPY file, which `npy(...)` reads"),
    (b"", "`d.npz` is empty"),
    (gzip.compress(npz(x=X4, t=T4)), "truncated or damaged\n  = help: it is packed by gzip: unpack it"),
    (npz(x=X4, t=np.array(["a"] * 4, object)), "never loaded; numbers are needed\n  = help: texts are numbered where they are "
     "strings of NumPy: `t = labels.astype(str)`"),
    (npz(x=X4, t=np.array([b"a"] * 4)), "`t` holds text; numbers are needed\n  = help: texts are numbered where they are strings"),
    (npz(x=np.zeros((4, 2), "M8[s]"), t=T4), "`x` holds dates; numbers are needed\n  = help: subtract a first day"),
    (npz(x=np.array([{}, {}], object), t=T4), "array `x` holds Python objects, which are never loaded"),
    (npz(X=X4, t=T4), "`d.npz` has no array `x`\n  = help: did you mean `X`? Its arrays are `X`, `t`"),
    (twice(), "`d.npz` has 2 arrays `x`"),
    (npz(x=X4, t=T4[:3]), "`x` (`d.npz`, array `x`) has 4 rows, `t` (`d.npz`, array `t`) has 3"),
    (npz(x=np.zeros((4, 3)), t=T4), "`d.npz`, array `x` has shape [4, 3]; `x` needs [N, 2]"),
    (npz(x=np.zeros(8), t=T4), "array `x` has shape [8]; `x` needs [N, 2]"),
    (npz(x=X4, t=T4[:, None]), "array `t` has shape [4, 1]; `t` needs [N]\n  = help: `reshape(-1)` gives it that shape"),
    (npz(x=X4, t=np.zeros((4, 3))), "has shape [4, 3]; `t` needs [N]\n  = help: `argmax(axis=-1)` turns one-hot rows"),
    (npz(x=X4 * 1j, t=T4), "array `x` holds complex numbers; numbers are needed"),
    (npz(x=np.array([["a", "b"]] * 4), t=T4), "array `x` holds text; numbers are needed\n  = help: numbers that are kept so"),
    (npz(x=X4, t=np.array([0xD800, 1, 2, 3], "<u4").view("<U1")), "array `t` holds text that is none: it is damaged"),
    (npz(x=np.zeros((0, 2)), t=T4[:0]), "array `x` has no rows"),
    (npz(x=[[0, 0], [0, np.nan]], t=T4[:2]), "`d.npz`, array `x`, index [1, 1] is nan; `x` must be finite"),
    (npz(x=[[0, 1e60]], t=T4[:1]), "`d.npz`, array `x`, index [0, 1] is 1e+60; `x` must fit float32"),
    (npz(x=X4, t=[0, 1, 2.5, 0]), "`d.npz`, array `t`, index [2] is 2.5; `t` must be a whole number"),
    (npz(x=X4, t=[0, 1, 3, 0]), "`d.npz`, array `t`, index [2] is 3; `t` must lie in 0..2"),
    (npz(x=X4, t=np.full(4, 2.0**63)), "index [0] is 9.223372036854776e+18; `t` must fit int64"),
    (npz(x=X4, t=np.full(4, 2**63, np.uint64)), "index [0] is 9223372036854775808; `t` must fit int64"),
    (changed(8, 1), "array `x` is encrypted"),
    (changed(10, 93), "array `x` is compressed in a way that is not read"),
    (changed(10, 12), "array `x` is compressed in a way that is not read"),
    (changed(24, 2**31, "<I"), "array `x` is truncated or damaged"),
    (changed(24, 150, "<I"), "array `x` is truncated or damaged"),
    (changed(16, 7, "<I"), "array `x` is truncated or damaged"),
    (changed(42, 2**31, "<I"), "array `x` is truncated or damaged"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), BAD_NPZ, ids=range(len(BAD_NPZ)))
def test_a_bad_npz_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "d.npz").write_bytes(content)
    assert message in refusal(tmp_path, 'npz("d.npz")')


def npy(text: str, body: bytes = b"", version: bytes = b"\1\0", length: int | None = None) -> bytes:
    size = len(text) if length is None else length
    return b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", size) + text.encode() + body


def declared(shape: str, dtype: str = "'<f4'") -> str:
    return f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}"


DAMAGED_HEADER = "`x.npy` has a damaged NPY header"
BAD_NPY: list[tuple[bytes, str]] = [
    (b"hello", "`x.npy` is no NPY file: it begins with the bytes 68 65 6c 6c 6f"),
    (npz(x=X4), "  = help: it seems to be a ZIP archive: `npz(...)`"),
    (npy(declared("(2, 2)"), bytes(16), b"\4\0"), "is no NPY file"),
    (npy("{", length=500), "declares a header of 500 bytes: it is truncated or damaged"),
    (npy("{", version=b"\2\0", length=2**32 - 1), "declares a header of 4,294,967,295 bytes"),
    (npy("{" * 20_000, version=b"\2\0"), "declares a header of 20,000 bytes: it is truncated or damaged"),
    (npy("{" * 200), DAMAGED_HEADER),
    (npy("(" * 5000), DAMAGED_HEADER),
    (npy("-" * 9000 + "1"), DAMAGED_HEADER),
    (npy("'" * 3), DAMAGED_HEADER),
    (npy("{'shape': (2, 2)}"), DAMAGED_HEADER),
    (npy(declared("2")), DAMAGED_HEADER),
    (npy(declared("(2, 2)", "'<q9'")), DAMAGED_HEADER),
    (npy(declared("(-1, 2)")), "declares the shape [-1, 2]: it is damaged"),
    (npy(declared("(True, 2)")), "declares the shape [True, 2]: it is damaged"),
    (npy(declared(f"({10**20}, 2)")), "declares 800,000,000,000,000,000,000 bytes and has 0"),
    (npy(declared("(0, 2)")), "`x.npy` has no rows"),
    (npy(declared("(" + "1," * 64 + ")")), "has shape [1, 1, 1, 1, 1, 1, 1, 1, ...]; `x` needs [N, 2]"),
    (npy(declared("(2, 2)", "'|V0'")), "holds records; numbers are needed"),
    (npy(declared("(2, 2)", "'<U0'")), "holds text; numbers are needed"),
    (npy(declared("(2, 2)", "'|O'")), "holds Python objects, which are never loaded"),
    (npy(declared("(2, 2)", "[('a', '<f4')]")), "holds records; numbers are needed"),
    (npy(declared("(2, 2)"), bytes(15)), "declares 16 bytes and has 15: it is truncated or damaged"),
    (npy(declared("(2, 2)"), bytes(17)), "declares 16 bytes and has 17: it is truncated or damaged"),
    (gzip.compress(npy(declared("(2, 2)"), bytes(15))), "declares 16 bytes and has 15: it is truncated or damaged"),
    (gzip.compress(npy(declared("(2, 2)"), bytes(17))), "goes on after the 16 bytes that it declares"),
    (gzip.compress(npy(declared(f"({10**9}, 2)"))), "declares 8,000,000,000 bytes and has at most"),
    (npy(declared("(2, 2)"), struct.pack("<4f", 0, 0, 0, float("nan"))), "`x.npy`, index [1, 1] is nan"),
]


@pytest.mark.parametrize(("content", "message"), BAD_NPY, ids=range(len(BAD_NPY)))
def test_a_bad_npy_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    np.save(tmp_path / "t.npy", T4[:2])
    assert message in refusal(tmp_path, 'npy(("x.npy", "t.npy"))')


BAD_IDX: list[tuple[bytes, str]] = [
    (b"", "`x.idx` is empty"),
    (b"\0\0\x08", "`x.idx` is no IDX file: it begins with the bytes 00 00 08"),
    (b"\0\0\x08\x02\0\0\0\4", "`x.idx` is truncated: its header is cut off"),
    (b"\0\0\x08\0\1", "`x.idx` has shape []; `x` needs [N, 2]"),
    (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"\1", "has shape [1, 1, 1, 1, 1, 1, 1, 1, ...]; `x` needs [N, 2]"),
    (b"\0\0\x08\2" + b"\xff\xff\xff\xff\0\0\0\2", "declares 8,589,934,590 bytes and has 0: it is truncated or damaged"),
    (idx(np.zeros((4, 2), np.uint8), 0x08)[:-1], "declares 8 bytes and has 7: it is truncated or damaged"),
    (idx(np.zeros((4, 2), np.uint8), 0x08) + b"\0", "declares 8 bytes and has 9: it is truncated or damaged"),
    (gzip.compress(idx(np.zeros((4, 2), np.uint8), 0x08))[:-9], "`x.idx` is truncated or damaged"),
    (
        idx(np.array([[0, 0], [0, np.inf], [0, 0], [0, 0]], ">f4"), 0x0D),
        "`x.idx`, index [1, 1] is inf; `x` must be finite",
    ),
]


@pytest.mark.parametrize(("content", "message"), BAD_IDX, ids=range(len(BAD_IDX)))
def test_a_bad_idx_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.idx").write_bytes(content)
    (tmp_path / "t.idx").write_bytes(idx(np.zeros(4, np.uint8), 0x08))
    assert message in refusal(tmp_path, 'idx(("x.idx", "t.idx"))')


@pytest.mark.parametrize(
    "source", ['csv("{0}", x = ("a", "b"), t = "t")', 'npz("{0}")', 'npy(("{0}", "{0}"))', 'idx(("{0}", "{0}"))']
)
def test_regular_files_alone_are_read(tmp_path: Path, source: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "data.csv").write_text("")
    (tmp_path / "link.csv").symlink_to("gone.csv")
    for name, message in (
        ("pipe", "`pipe` is a pipe or a device, not a regular file"),
        ("/dev/zero", "`/dev/zero` is a pipe or a device, not a regular file"),
        (".", "is a folder"),
        ("x" * 5000, "cannot be read: File name too long"),
        ("link.csv", "`link.csv` is a link to `gone.csv`, which is not there"),
        ("DATA.csv", "there is no data file `DATA.csv`\n  = help: did you mean `data.csv`?"),
        ("date.csv", "there is no data file `date.csv`\n  = help: did you mean `data.csv`?"),
        ("no/data.csv", "there is no data file `no/data.csv`\n  = help: there is no folder `{0}/no`"),
    ):
        assert message.replace("{0}/", "") in refusal(tmp_path, source.replace("{0}", name))


def test_what_a_file_holds_is_limited(tmp_path: Path) -> None:
    """A sparse file declares terabytes, and takes no room; a table of few characters has larger numbers."""
    with (tmp_path / "x.npy").open("wb") as f:
        np.lib.format.write_array_header_1_0(f, {"descr": "<f4", "fortran_order": False, "shape": (2**38, 2)})
        f.truncate(2**41)
    np.save(tmp_path / "t.npy", T4)
    text = refusal(tmp_path, 'npy(("x.npy", "t.npy"))')
    assert "`x.npy` holds 2,048 GiB, more than the limit of 8 GiB" in text
    assert "`limit_gb = 2048`" in text
    (tmp_path / "d.npz").write_bytes(npz(x=np.zeros((4, 2)), t=T4))
    assert "`d.npz` holds" in refusal(tmp_path, 'npz("d.npz", limit_gb = 0.0000003)')
    np.savez_compressed(tmp_path / "d.npz", x=np.zeros((100_000, 2)), t=np.zeros(100_000))
    assert "`d.npz` holds" in refusal(tmp_path, 'npz("d.npz", limit_gb = 0.001)')
    rows = b"a,b,t\n" + b"1,2,0\n" * 100
    (tmp_path / "d.csv").write_bytes(rows)
    assert "`d.csv` holds" in refusal(tmp_path, 'csv("d.csv", x = ("a", "b"), t = "t", limit_gb = 0.000001)')
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(rows))
    assert "`d.csv.gz` unpacks to more than" in refusal(
        tmp_path, 'csv("d.csv.gz", x = ("a", "b"), t = "t", limit_gb = 0.0000004)'
    )
    small = manifest(tmp_path, 'csv("none.csv", x = ("a", "b"), t = "t", limit_gb = 0.0000001)')
    with pytest.raises(InputError, match="more than the limit"):
        load(small, data=tmp_path / "d.csv")  # a file given in the place of the source's has the source's limit
    assert (
        load(manifest(tmp_path, 'csv("none.csv", x = ("a", "b"), t = "t")'), data=tmp_path / "d.csv").rows("train")
        == 100
    )


RANGES = [  # (header, range, the columns that it means or the error)
    ("t,a,b", '"a".."b"', [1, 2]),
    ("a,t,p10,p9", '"p10".."p9"', [2, 3]),
    ("p0,p1,t", '"p0".."p1"', [0, 1]),
    ("x10,x2,t", '"x10".."x2"', [0, 1]),
    ("b,a,t", '"a".."b"', "`d.csv` has column `b` before `a`"),
    ("a,c,b,t", '"a".."b"', "3 are named\n  = help: they are `a`, `c`, `b`, in the order of the file"),
    ("a,b,t", '"a".."a"', "`x` needs 2 columns of `d.csv`, 1 are named"),
    ("a,b,t", '"a".."d"', "`d.csv` has no column `d`"),
    ("a,b,b,t", '"a".."b"', "`d.csv` has 2 columns `b`"),
]  # fmt: skip


@pytest.mark.parametrize(("header", "columns", "expected"), RANGES, ids=range(len(RANGES)))
def test_a_range_is_in_the_order_of_the_file(tmp_path: Path, header: str, columns: str, expected: Any) -> None:
    cells = ["0" if name == "t" else str(i) for i, name in enumerate(header.split(","))]
    (tmp_path / "d.csv").write_text(f"{header}\n{','.join(cells)}\n")
    source = f'csv("d.csv", x = {columns}, t = "t")'
    if isinstance(expected, str):
        assert expected in refusal(tmp_path, source)
    else:
        assert load(manifest(tmp_path, source)).splits["train"]["x"].tolist() == [expected]


def test_the_files_of_a_source_have_a_range_in_one_order(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,m,n,b,t\n1,2,3,4,0\n")
    (tmp_path / "e.csv").write_text("a,n,m,b,t\n1,3,2,4,0\n")
    spec = SPEC.replace("N, 2", "N, 4").format(
        source='csv(train = "d.csv", val = "e.csv", x = "a".."b", t = "t")', split=""
    )
    (tmp_path / "n.net").write_text(spec)
    with pytest.raises(InputError, match=r"is read from column `m` where `x` \(.*\) has `n`"):
        load(netc.compile(tmp_path / "n.net").manifest)


def test_a_bad_value_is_named_where_it_lies_and_not_where_it_is_drawn_to(tmp_path: Path) -> None:
    rows = [f"{i},{i},{i % 3}" for i in range(100)]
    rows[40] = "1,2,9"
    (tmp_path / "d.csv").write_text("\n".join(["a,b,t", *rows]))
    with pytest.raises(InputError, match="line 42, column `t` is 9"):
        load(manifest(tmp_path, CSV, "random(train = 0.5, val = 0.5)"))


def test_a_bad_element_far_down_is_named_by_its_own_row(tmp_path: Path) -> None:
    x = np.zeros((300_000, 2), np.float32)
    x[271_828, 1] = np.nan
    (tmp_path / "d.npz").write_bytes(npz(x=x, t=np.zeros(300_000, np.int64)))
    assert "index [271828, 1] is nan" in refusal(tmp_path, 'npz("d.npz")')


def test_blank_lines_and_long_rows_are_counted_anew_behind_each_row(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,b,t\n" + ("\n" * 60_000 + "1,2,0\n") * 2)
    assert load(manifest(tmp_path)).rows("train") == 2
    (tmp_path / "d.csv").write_text("a,b,t\n" + f"1{' ' * 100_000},2,0\n" * 170)
    assert load(manifest(tmp_path)).rows("train") == 170


def test_a_missing_file_and_an_empty_split_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no data file"):
        load(manifest(tmp_path))
    (tmp_path / "d.csv").write_text("a,b,t\n1,2,0\n1,2,1\n")
    with pytest.raises(InputError, match="split has no rows"):
        load(manifest(tmp_path, CSV, "random(train = 0.9, val = 0.1)"))


ROUNDED = "which rounds whole numbers beyond"
CASTS: list[tuple[str, Any, str]] = [  # (dtype of the input, what is given, the notice, or the error)
    ("u8", [[0, 255.0]], ""),
    ("u8", [[0, 300]], "`x[0, 1]` is 300; `x` must fit uint8, 0 to 255"),
    ("u8", [[0, -1.0]], "`x[0, 1]` is -1; `x` must fit uint8, 0 to 255"),
    ("i64", [[0, 0.5]], "`x[0, 1]` is 0.5; `x` must be a whole number"),
    ("i64", [[0, np.inf]], "`x[0, 1]` is inf; `x` must be a whole number"),
    ("bool", [[0, 1.0]], ""),
    ("bool", [[0, 2]], "`x[0, 1]` is 2; `x` must be 0 or 1"),
    ("bool", [[0, np.nan]], "`x[0, 1]` is nan; `x` must be 0 or 1"),
    ("f32", np.zeros((1, 2)), "`x` is cast from float64 to float32"),
    ("f32", np.zeros((1, 2), "f2"), ""),
    ("f64", np.zeros((1, 2), "f4"), ""),
    ("f32", np.zeros((1, 2), ">f4"), ""),
    ("f32", [[True, False]], ""),
    ("f32", [[0, 2**24]], ""),
    ("f32", [[0, -(2**24) - 1]], f"`x` is cast from int64 to float32, {ROUNDED} 16,777,216; the largest is 16,777,217"),
    ("f16", [[0, 2049]], f"`x` is cast from int64 to float16, {ROUNDED} 2,048; the largest is 2,049"),
    ("f16", [[0, 70_000]], "`x[0, 1]` is 70000; `x` must fit float16, which ends at 6.55e+04"),
    ("f64", [[0, 2**53 + 1]], f"`x` is cast from int64 to float64, {ROUNDED} {2**53:,}; the largest is {2**53 + 1:,}"),
    ("f32", [[0, 1e60]], "`x[0, 1]` is 1e+60; `x` must fit float32, which ends at 3.4e+38"),
    ("f32", [[0, 1e-60]], "`x` is cast from float64 to float32"),
]  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("dtype", "value", "said"), CASTS, ids=range(len(CASTS)))
def test_casts_are_said_and_values_are_kept(dtype: str, value: Any, said: str) -> None:
    text = f"net n {{\n  input x: {dtype}[N, 2]\n  y = f32(x) -> Dense(3)\n  loss = mean(y)\n}}"
    m = netc.compile(text).manifest
    data = {"x": np.asarray(value)}
    if said.startswith("`x["):
        with pytest.raises(InputError) as e:
            load(m, data=data)
        assert e.value.message == said
    else:
        found = load(m, data=data)
        assert found.notices == ([said] if said else [])
        np.testing.assert_array_equal(found.splits["train"]["x"], data["x"].astype(m["inputs"][0]["dtype"]))
        assert found.splits["train"]["x"].dtype == m["inputs"][0]["dtype"]


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

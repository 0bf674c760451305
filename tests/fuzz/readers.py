"""The data readers: whatever bytes a file holds, its reader gives checked arrays or an InputError that says what to do."""

from __future__ import annotations

import gzip
import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from netc.runtime.data.check import conform
from netc.runtime.data.formats import FORMATS
from netc.runtime.errors import InputError
from tests.fuzz.targets import Target

INPUTS: list[dict[str, Any]] = [
    {"name": "x", "dtype": "float32", "shape": ["N", 2], "role": "input"},
    {"name": "t", "dtype": "int64", "shape": ["N"], "role": "target", "classes": 3},
]
X = np.array([[0.5, -1], [2, 3e4], [5, 6]], np.float32)
T = np.array([0, 2, 1])
LONGEST = 1000  # characters of a message, its path left out


def outcome(kind: str, paths: list[Path], inputs: list[dict[str, Any]], **settings: Any) -> bool:
    """Reads files as a source would, true when that gives arrays; one of a wrong kind, and a message that nobody can use,
    are finds."""
    refused: InputError | None = None
    try:
        found = conform(FORMATS[kind].read(settings, paths, inputs), inputs)
    except InputError as e:
        refused = e
    if refused is not None:
        assert type(refused) is InputError, f"a failed run: {refused}"
        text = refused.render()
        for path in paths:
            text = text.replace(str(path), path.name)
        assert len(text) < LONGEST, f"a message of {len(text)} characters"
        assert text.startswith("error: `"), text
        return False
    for row in inputs:
        array = found[row["name"]]
        assert array.dtype == row["dtype"]
        assert array.dtype.isnative
        assert array.shape[1:] == tuple(row["shape"][1:])
        assert len(array) == len(found["x"]) > 0
        assert np.isfinite(array).all()
    if len(inputs) == 2:
        assert set(np.unique(found["t"])) <= {0, 1, 2}
    return True


def reading(kind: str, suffix: str, inputs: list[dict[str, Any]], **settings: Any) -> Callable[[bytes], bool]:
    """A target that writes a mutant to a file and reads it."""
    path = Path(tempfile.mkdtemp(prefix="fuzz-")) / f"d{suffix}"

    def run(data: bytes) -> bool:
        path.unlink(missing_ok=True)  # a new file: to write over an old one waits for the disk
        path.write_bytes(data)
        return outcome(kind, [path], inputs, **settings)

    return run


# --- good files -------------------------------------------------------------------------------------------------------


def csv_seeds() -> list[bytes]:
    rows = "".join(f"{a:g},{b:g},{c}\n" for (a, b), c in zip(X, T))
    return [
        f"a,b,t\n{rows}".encode(),
        f"\ufeffa,b,t\r\n{rows}".replace("\n", "\r\n").encode(),
        b'"a","name","b","t"\n"1","x, y","2","0"\n1e-3,"a ""b""\nc",.5,2\n',
        b"t,a,other,b\n" + b"1,2,3,4\n" * 3 + b"\n0,2,3,4\n",
    ]


def npy_seeds() -> list[bytes]:
    kinds = (X, X.astype(">f8"), X.astype("f2"), np.asfortranarray(X), X.astype(int), X > 1, X.astype("u8"), X[:0])
    return [_npy(a) for a in kinds] + [_npy(X, (2, 0)), _npy(X, (3, 0))]


def _npy(array: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version)
    return out.getvalue()


def npz_seeds() -> list[bytes]:
    return [_npz(save, x=X, t=T) for save in (np.savez, np.savez_compressed)] + [_npz(np.savez, x=X, t=T, other=X)]


def _npz(save: Any, **arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    save(out, **arrays)
    return out.getvalue()


def idx_seeds() -> list[bytes]:
    codes = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}
    return [struct.pack(">BBBBII", 0, 0, c, 2, 3, 2) + abs(X.clip(0, 9)).astype(k).tobytes() for k, c in codes.items()]


# --- ways to pack a mutant -----------------------------------------------------------------------------------------------


def plain(data: bytes, random: Random) -> bytes:
    return data


def gzipped(data: bytes, random: Random) -> bytes:
    """A gzip file whose checksum fits; sometimes of two parts."""
    cut = random.choice((0, random.randrange(len(data) + 1)))
    return (gzip.compress(data[:cut], 1, mtime=0) if cut else b"") + gzip.compress(data[cut:], 1, mtime=0)


def damaged(data: bytes, random: Random) -> bytes:
    """A gzip file with a wrong byte."""
    out = bytearray(gzipped(data, random))
    out[random.randrange(len(out))] = random.randrange(256)
    return bytes(out)


def archived(data: bytes, random: Random) -> bytes:
    """An NPZ archive whose member `x` holds the mutant, with a fitting checksum and any way of compression."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))) as z:
        for name, content in (("x.npy", data), ("t.npy", _npy(T))):
            info = zipfile.ZipInfo(name)  # of a fixed date, where a name alone would have the present one
            info.compress_type = z.compression
            z.writestr(info, content)
    return out.getvalue()


def misdeclared(data: bytes, random: Random) -> bytes:
    """Such an archive with a changed number in its directory: sizes, flags, methods, offsets, checksums."""
    out = bytearray(archived(data, random))
    at = out.find(b"PK\1\2", random.choice((0, out.find(b"PK\1\2") + 1))) + random.choice(
        (6, 8, 10, 16, 20, 24, 28, 30, 42)
    )
    number = random.choice((0, 1, 8, 255, 2**31, 2**32 - 1, random.randrange(2**16)))
    out[at : at + 4] = struct.pack("<I", number)
    return bytes(out)


def deflated(data: bytes, random: Random) -> bytes:
    """A gzip file with a raw stream of another level, and a size in its trailer that does not fit."""
    packer = zlib.compressobj(random.randrange(10), wbits=31)
    packed = packer.compress(data) + packer.flush()
    return packed[:-4] + struct.pack("<I", random.choice((len(data), 0, 2**32 - 1)))


COLUMNS = {"x": ["a", "b"], "t": "t"}
NPY_TOKENS = [
    b"'descr'", b"'fortran_order'", b"'shape'", b"True", b"False", b"None", b"(", b")", b"(3, 2)", b"(0, 2)", b"(-1, 2)",
    b"(True, 2)", b"3L", b"1_0", b"9" * 30, b"'<f4'", b"'|O'", b"'|V0'", b"'<U0'", b"'<M8[s]'", b"'<c8'", b"'<f16'", b"{", b"}",
    b"[('a', '<f4')]", b"'''", b'"', b"\\", b"#", b"\n", b"\t", b"\0", b"1e9", b"0x10", b"-", b"*", b"lambda: 0", b"\xc3\xa9",
]  # fmt: skip
CSV_TOKENS = [
    b"\n", b"\r", b"\r\n", b",", b";", b"\t", b'"', b'""', b'"\n', b"nan", b"inf", b"-inf", b"1e400", b"1e60", b"1e-400", b"1_000",
    b"0x1p3", b" ", b"\0", b"\xef\xbb\xbf", b"\xff", b"\xc2\xa0", b"\xd9\xa1", b"True", b"-0", b"9007199254740993", b"1e18",
    b"3", b"-1", b"1.5", b"a", b"b", b"t", b"\x1c", b"\xe2\x80\xa8", b"9" * 200, b"x" * 500, b"," * 300, b"\n" * 300,
]  # fmt: skip
TARGETS = [
    Target("csv", reading("csv", ".csv", INPUTS, columns=COLUMNS), csv_seeds, CSV_TOKENS),
    Target(
        "csv-range", reading("csv", ".csv", INPUTS, columns={"x": {"first": "a", "last": "b"}, "t": "t"}), csv_seeds, CSV_TOKENS
    ),
    Target("csv.gz", reading("csv", ".csv.gz", INPUTS, columns=COLUMNS), csv_seeds, CSV_TOKENS, [gzipped, damaged, deflated]),
    Target("npy", reading("npy", ".npy", INPUTS[:1]), npy_seeds, NPY_TOKENS, [plain, plain, gzipped, damaged]),
    Target("npz", reading("npz", ".npz", INPUTS), npz_seeds, [b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", *NPY_TOKENS]),
    Target("npz-members", reading("npz", ".npz", INPUTS), npy_seeds, NPY_TOKENS, [archived, misdeclared]),
    Target("idx", reading("idx", ".idx", INPUTS[:1]), idx_seeds, wrap=[plain, plain, gzipped, damaged]),
]  # fmt: skip

"""What a file seems to be by its first bytes, for the help where it is not what it was taken for."""

from __future__ import annotations

NPZ = "a ZIP archive: `npz(...)` reads those of NumPy, a spreadsheet has to be exported as CSV"
_BEGINNINGS = {
    b"PK\3\4": NPZ,
    b"PK\5\6": NPZ,
    b"\x93NUMPY": "an NPY file, which `npy(...)` reads",
    b"\0\0\x08": "an IDX file, which `idx(...)` reads",
    b"\0\0\x0d": "an IDX file, which `idx(...)` reads",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"\x1f\x8b": "a gzip file inside of another: unpack it once",
    b"BZh": "a bzip2 file: unpack it first",
    b"\xfd7zXZ": "an XZ file: unpack it first",
    b"\x28\xb5\x2f\xfd": "a Zstandard file: unpack it first",
    b"\x89HDF": "an HDF5 file: save its arrays by `numpy.savez`",
    b"MATLAB 5.0": "a MATLAB file: save its arrays by `numpy.savez`",
    b"PAR1": "a Parquet file: export it as CSV",
    b"\x80\x04\x95": "a pickle, which is never loaded: save its arrays by `numpy.savez`",
    b"\x80\x05\x95": "a pickle, which is never loaded: save its arrays by `numpy.savez`",
    b"\xd0\xcf\x11\xe0": "a spreadsheet: export it as CSV",
    b"%PDF": "a PDF document",
    b"\x89PNG": "an image: save the pixels of all of them by `numpy.savez`",
    b"\xff\xd8\xff": "an image: save the pixels of all of them by `numpy.savez`",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file with `git lfs pull`",
    b"<!DOCTYPE": "a web page: download the file itself",
    b"<html": "a web page: download the file itself",
}
LONGEST = max(map(len, _BEGINNINGS))


def seems(begin: bytes) -> str:
    """What a file that begins like this seems to be, and what to do; nothing where that is not known."""
    return next((f"it seems to be {what}" for start, what in _BEGINNINGS.items() if begin.startswith(start)), "")

"""NPZ archives."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import Any

from netc.runtime.data.files import DAMAGE, MOST_DEFLATED, Content, DataFile
from netc.runtime.data.format import data_format
from netc.runtime.data.formats.npy import read_array
from netc.runtime.data.naming import nearest, offer, short
from netc.runtime.data.read import Read, Row
from netc.runtime.data.signatures import LONGEST, seems
from netc.runtime.errors import InputError

ENCRYPTED = 0x1
PACKED = "it is packed by gzip: unpack it; `numpy.savez_compressed` makes archives as small"
METHODS = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: MOST_DEFLATED}  # bytes that one byte can stand for


@data_format(".npz", columns="keys")
class Npz:
    """a .npz archive; `name = "key"` where the key differs from the name"""

    def read(self, files: list[DataFile], inputs: list[Row], columns: Mapping[str, Any]) -> Read:
        """Members by key."""
        (file,) = files
        read = Read()
        with file.raw() as stream:
            try:
                archive = zipfile.ZipFile(stream)
            except (*DAMAGE, OSError):
                stream.seek(0)
                begin = stream.read(LONGEST)
                help = PACKED if begin.startswith(b"\x1f\x8b") else seems(begin) or "write it with `numpy.savez`"
                if begin.startswith(b"PK"):
                    help = "copy or download it again; where it is a spreadsheet, export it as CSV"
                raise InputError(f"{file} is no NPZ archive, or it is truncated or damaged", help) from None
            members = {i["name"]: _member(archive, file, columns.get(i["name"], i["name"]), i) for i in inputs}
            total = sum(m.file_size for m in members.values())
            if total > file.limit:
                raise file.too_large(total)
            for i in inputs:
                member = members[i["name"]]
                where = f"{file}, array `{short(member.filename.removesuffix('.npy'))}`"
                read.add(i["name"], _array(archive, member, where, i), where)
        return read


def _member(archive: zipfile.ZipFile, file: DataFile, key: str, row: Row) -> zipfile.ZipInfo:
    """The member that holds the array of a key."""
    found = [m for m in archive.infolist() if m.filename.removesuffix(".npy") == key]
    if len(found) == 1:
        return found[0]
    keys = [m.filename.removesuffix(".npy") for m in archive.infolist()]
    if found:
        raise InputError(f"{file} has {len(found)} arrays `{short(key)}`", "keep one of them")
    example = short((nearest(key, keys) or keys or ["key"])[0])
    help = f'{offer(key, keys, "its arrays")}; the source names one by `{row["name"]} = "{example}"`'
    raise InputError(f"{file} has no array `{short(key)}`", help)


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str, row: Row) -> Any:
    if member.flag_bits & ENCRYPTED:
        raise InputError(f"{where} is encrypted", "write the archive anew without a password")
    if member.compress_type not in METHODS:
        raise InputError(f"{where} is compressed in a way that is not read", "write it with `numpy.savez_compressed`")
    damaged = InputError(f"{where} is truncated or damaged", "copy or download the file again")
    if member.file_size > member.compress_size * METHODS[member.compress_type]:
        raise damaged
    try:
        stream = archive.open(member)
    except (*DAMAGE, OSError):
        raise damaged from None
    with stream:
        return read_array(Content(stream, where, member.file_size, True, damaged), row)

"""NPZ archives."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netc.runtime.data.format import Arrays, Row, data_format, only
from netc.runtime.data.formats.npy import read_array
from netc.runtime.errors import InputError


@data_format(".npz", columns="optional")
class Npz:
    """a .npz archive; `name = "key"` where the key differs from the name"""

    def read(self, paths: list[Path], inputs: list[Row], columns: Mapping[str, Any]) -> Arrays:
        """Members by key."""
        path = only(paths, "npz", "archive")
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as e:
            raise InputError(f"`{path}` is no NPZ archive: {e}") from None
        with archive:
            keys = {n.removesuffix(".npy"): n for n in archive.namelist()}
            arrays = {}
            for i in inputs:
                key = columns.get(i["name"], i["name"])
                if not isinstance(key, str):
                    raise InputError(f"`{i['name']}` of an NPZ archive is one array", f'name it: `{i["name"]} = "key"`')
                if key not in keys:
                    shown = ", ".join(f"`{k}`" for k in keys)
                    raise InputError(
                        f"`{path}` has no array `{key}`", f'its arrays are {shown}; write `{i["name"]} = "key"`'
                    )
                try:
                    with archive.open(keys[key]) as f:
                        arrays[i["name"]] = read_array(
                            f, f"`{path}`, array `{key}`", archive.getinfo(keys[key]).file_size
                        )
                except (zipfile.BadZipFile, zlib.error, EOFError) as e:
                    raise InputError(f"`{path}`, array `{key}`: damaged ({e})") from None
        return arrays

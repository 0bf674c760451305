"""How a run was started, kept in its folder, so that it can go on and be scored without being told again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from netc.grammar.reader import read
from netc.grammar.source import Source
from netc.runtime.errors import InputError
from netc.runtime.records import read_record
from netc.runtime.run_folder import RunFolder
from netc.specs import find

Overrides = Mapping[str, Any] | Iterable[str]
FILE = "run.json"
IN_MEMORY = "<memory>"  # in the place of a data file: arrays that were given from Python


@dataclass(frozen=True)
class Started:
    """The spec's name and the folder of its paths, the overrides, and the data file in place of the spec's, if any."""

    spec: str
    folder: str
    changes: list[str]
    data: str | None

    @classmethod
    def of(cls, run: Path) -> Started:
        """How a run was started. Raises InputError."""
        path = run / FILE
        try:
            return read_record(cls, path)
        except (OSError, ValueError):
            raise InputError(
                f"`{path}` is missing or damaged", f"name the spec too: `netc run SPEC --resume {run}`"
            ) from None

    @classmethod
    def asked(
        cls, spec: str | Path | None, overrides: Overrides, data: Any, resume: Path | None
    ) -> tuple[Started, Source, Any]:
        """How a run is to be started, with the source of its spec and its data; without a spec as the run to resume was.
        Raises NetError, InputError."""
        from netc.compiler.check.overrides import written

        changes = written(overrides)
        if spec is not None:
            source, base = find(spec)
            return cls(source.name, str(base), changes, data_name(data)), source, data
        if resume is None:
            raise InputError("there is no spec to run", "name a .net file, or a run to `resume`")
        before = cls.of(resume)
        data = before.data_file() if data is None else data
        return replace(before, changes=[*before.changes, *changes], data=data_name(data)), before.source(resume), data

    def write(self, run: RunFolder) -> None:
        run.write_text(FILE, json.dumps(asdict(self), indent=1) + "\n")

    def source(self, run: Path) -> Source:
        """The copy of the spec that the run keeps, under its own name."""
        return Source(self.spec, read(run / "spec.net").text)

    def data_file(self) -> str | None:
        """The file in place of the spec's data. Raises InputError for arrays, which are not kept."""
        if self.data == IN_MEMORY:
            raise InputError("the data of this run was given from Python", "give a file: `--data file`")
        return self.data


def data_name(data: Any) -> str | None:
    """What a run keeps of the data that it is given."""
    if data is None:
        return None
    return str(Path(data).absolute()) if isinstance(data, str | Path) else IN_MEMORY

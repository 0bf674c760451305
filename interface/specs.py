"""What a user means by SPEC: a path, a name of the zoo, or the text of a spec."""

from __future__ import annotations

import itertools
from pathlib import Path

from netc import models
from netc.grammar.diagnostics import did_you_mean, error, spelt_alike
from netc.grammar.reader import read
from netc.grammar.source import Source

MOST = 1000  # specs of a folder that are looked at for one that was meant
TEXT = "<text>"  # the name of a spec that is no file


def find(spec: str | Path) -> tuple[Source, Path]:
    """The source, and the folder that its paths are relative to. Raises NetError."""
    if not isinstance(spec, str | Path):
        raise error(
            "no-such-file", f"a spec is a path, a name of the zoo or a text, this is {type(spec).__name__}",
            help="name a .net file, or a spec of the zoo",
        )  # fmt: skip
    text = str(spec)
    if isinstance(spec, str) and ("\n" in text or "{" in text):
        return Source(TEXT, text), Path.cwd()
    if not text:
        raise error("no-such-file", "the name of the spec is empty", help="name a .net file, or a spec of the zoo")
    path = Path(spec)
    try:
        if path.exists() and not (path.is_dir() and models.path(text)):
            return read(path), path.resolve().parent
    except OSError as e:  # a name that no file can have, a folder that may not be entered
        raise error("unreadable", f"`{text[:200]}` cannot be read: {e.strerror or e}") from None
    shipped = models.path(text.removesuffix(".net")) if path.name == text else None
    if shipped is not None:
        source = read(shipped)
        return Source(shipped.name, source.text), shipped.parent
    here = spelt_alike(path.stem, _specs(path.parent))
    if here:
        near = f"did you mean `{path.with_name(here[0])}.net`?"
    else:
        near = did_you_mean(path.stem, models.names(), "the zoo has " + ", ".join(f"`{n}`" for n in models.names()))
    raise error("no-such-file", f"there is no file `{text}`, and no spec of that name in the zoo", help=near)


def _specs(folder: Path) -> list[str]:
    """The specs of a folder, without their ending."""
    try:
        return [p.stem for p in itertools.islice(folder.glob("*.net"), MOST)]
    except (OSError, ValueError):  # a folder that may not be entered offers nothing
        return []

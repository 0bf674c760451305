"""The data block as a plain record: its source, which is one of the runtime's formats, and its split."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

from netc.compiler.check.arguments import Bound, bind, convert, refusal
from netc.compiler.check.expressions import named
from netc.compiler.check.settings import SettingsBlock, constructor, known, value
from netc.compiler.check.values import Given, NameRange, describe
from netc.compiler.language.refusal import Refused
from netc.compiler.language.slots import Slot
from netc.compiler.language.words import Constructor
from netc.compiler.library import LIBRARY
from netc.compiler.training.configuration import DataConfig, DataSplit
from netc.grammar import ast
from netc.grammar.diagnostics import did_you_mean, error
from netc.grammar.source import Span
from netc.runtime.data.formats import FORMATS
from netc.runtime.data.split import SPLITS

DATA_SETTINGS = ("source", "split")
MAX_COLUMNS, MAX_DIGITS = 1_000_000, 19  # of a range of names, and of the numbers that end them
FILES = tuple(Slot(n, "files", None) for n in ("path", *SPLITS))  # that every format reads


def register_formats() -> None:
    """Makes the runtime's data formats words: their files, then their own settings."""
    LIBRARY.constructors["source"] = {
        f.name: Constructor(f.name, "source", f.doc, f.cls, f.columns != "none", FILES) for f in FORMATS.values()
    }


register_formats()


def data_block(block: SettingsBlock, node: ast.Data | None, folder: Path) -> DataConfig | None:
    """The data block, resolved."""
    if node is None:
        return None
    found: dict[str, Any] = {}
    for s in node.settings:
        read = block.attempt(partial(_setting, block, s))
        if read is not None:
            found[s.name.id] = read
    if "source" not in block.seen and block.parsed:
        block.problems += error("missing-argument", "the data block names no `source`", node.span).diagnostics
    return DataConfig(found["source"], found.get("split"), str(folder)) if "source" in found else None


def _setting(block: SettingsBlock, node: ast.Setting) -> Any:
    name = node.name.id
    if name not in DATA_SETTINGS:
        raise error(
            "unknown-setting", f"the data block has no setting `{name}`", node.name.span,
            help=did_you_mean(name, DATA_SETTINGS, "its settings are `source` and `split`"),
        )  # fmt: skip
    block.once(node)
    return _split(block, node.value) if name == "split" else _source(block, node.value)


def _split(block: SettingsBlock, node: ast.Expression) -> dict[str, Any]:
    made = value(block, node, ("split",))
    if not isinstance(made, DataSplit):
        shown = " or ".join(f"`{w}(...)`" for w in LIBRARY.constructors["split"])
        raise error("argument", f"`split` is {shown}, this is {describe(made)}", node.span)
    return made.record()


def _source(block: SettingsBlock, node: ast.Expression) -> dict[str, Any]:
    """`csv("digits.csv", digit = "label")` as {"kind": "csv", "path": ..., "columns": {...}}."""
    if not isinstance(node, ast.Call) or not isinstance(node.function, ast.Name):
        words = ", ".join(f"`{w}(...)`" for w in LIBRARY.constructors["source"])
        raise error("argument", f"`source` is one of {words}", node.span)
    word = constructor(node.function, ("source",))
    arguments = [named(a, value(block, a.value)) for a in node.arguments]
    bound = bind(word.slots, arguments, word.name, node.span, word.open)
    record = {"kind": word.name, **_settings(word, bound, node.span)}
    if not any(k in record for k in ("path", "train")):
        raise error("missing-argument", f"`{word.name}` names no file", node.span, help=f'`{word.name}("data/file")`')
    if "path" in record and "train" in record:
        message = f"`{word.name}` has both one `path` and a file for `train`"
        raise error("argument", message, node.span, help="keep one of them")
    if word.open:
        record["columns"] = _columns(block, word, known(arguments), node.span)
    return record


def _settings(word: Constructor, bound: Bound, span: Span) -> dict[str, Any]:
    """The files and the format's own settings, defaults filled in, as plain values."""
    record: dict[str, Any] = {}
    for slot in word.slots:
        given, at = bound.get(slot.name, (slot.default, span))
        try:
            read = convert(slot, given, word.name)
        except Refused as r:
            raise refusal(r, at, {}) from None
        if read is not None:
            record[slot.name] = list(read) if isinstance(read, tuple) else read
    return record


def _columns(block: SettingsBlock, word: Constructor, arguments: list[Given], span: Span) -> dict[str, Any]:
    """Where each input and target lies in the file."""
    declared = [i.name for i in block.net.inputs]
    own = {s.name for s in word.slots}
    columns: dict[str, Any] = {}
    for a in arguments:
        if a.name is None or a.name in own:
            continue
        if a.name not in declared:
            near = did_you_mean(a.name, [*declared, *own], "name an input or a target of the net")
            raise error("unknown-argument", f"the net has no input or target `{a.name}`", a.place, help=near)
        columns[a.name] = _column(a.value, a.span)
    missing = next((n for n in declared if n not in columns), None)
    if missing is not None and FORMATS[word.name].columns == "needed":
        raise error(
            "missing-argument", f"`{word.name}` does not say which columns `{missing}` is", span,
            help=f'add `{missing} = "column"` or `{missing} = "first".."last"`',
        )  # fmt: skip
    return columns


def _column(given: Any, at: Span) -> Any:
    """`"p0"`, `"p0".."p63"` or `("a", "b")` as a plain record."""
    if isinstance(given, str):
        return given
    if isinstance(given, tuple) and given and all(isinstance(v, str) for v in given):
        return list(given)
    if isinstance(given, NameRange):
        first, last = (re.fullmatch(r"(.*?)(\d+)", t) for t in (given.first, given.last))
        numbers = [int(m[2]) if m and len(m[2]) < MAX_DIGITS else -1 for m in (first, last)]
        if not first or not last or first[1] != last[1] or not 0 <= numbers[0] <= numbers[1]:
            raise error(
                "argument", f'`"{given.first}".."{given.last}"` is no range of names', at,
                help='a range ends in growing numbers: `"p0".."p63"`',
            )  # fmt: skip
        if numbers[1] - numbers[0] >= MAX_COLUMNS:
            raise error("argument", f"a range of names has at most {MAX_COLUMNS:,} of them", at)
        return {"first": given.first, "last": given.last}
    raise error("argument", f"a column is a string, a range or several strings; this is {describe(given)}", at)

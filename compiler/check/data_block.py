"""The data block as a plain record: its source, which is one of the runtime's formats, and its split."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from netc.compiler.check import static
from netc.compiler.check.arguments import Bound, bind, convert, refusal
from netc.compiler.check.columns import categories_of, columns_of
from netc.compiler.check.expressions import named
from netc.compiler.check.guessing import of_setting
from netc.compiler.check.names import VALUES
from netc.compiler.check.settings import SettingsBlock, constructor, value
from netc.compiler.check.values import Given, describe
from netc.compiler.language.refusal import Refused
from netc.compiler.language.slots import Slot
from netc.compiler.language.words import Constructor
from netc.compiler.library import LIBRARY
from netc.compiler.training.data import DataConfig, DataSplit, MissingValues
from netc.grammar import ast
from netc.grammar.diagnostics import error
from netc.grammar.source import Span
from netc.runtime.data.files import LIMIT_GB
from netc.runtime.data.format import WrongSetting
from netc.runtime.data.formats import FORMATS
from netc.runtime.data.split import SPLITS

DATA_SETTINGS = ("source", "split", "missing")
FILES = (*(Slot(n, "files", None) for n in ("path", *SPLITS)), Slot("limit_gb", "float", LIMIT_GB))  # of every format


def register_formats() -> None:
    """Makes the runtime's data formats words: their files and the limit of each, then their own settings."""
    LIBRARY.constructors["source"] = {
        f.name: Constructor(f.name, "source", f.doc, f.cls, f.columns != "none", FILES) for f in FORMATS.values()
    }


register_formats()


def data_block(block: SettingsBlock, node: ast.Data | None, folder: Path) -> DataConfig | None:
    """The data block, resolved; without a source the rows come from the caller, and are divided as it says."""
    if node is None:
        return None
    found: dict[str, Any] = {}
    for s in node.settings:
        read = block.attempt(partial(_setting, block, s))
        if read is not None:
            found[s.name.id] = read
    if not block.seen and block.parsed and not block.problems:
        block.problems += error("missing-argument", "the data block names no `source`", node.span,
                                help='write `source = npz("data.npz")`').diagnostics  # fmt: skip
    source, split = found.get("source", {}), found.get("split") or {}
    twice = [s for s in SPLITS if source.get(s) and split.get(s) and s != "train"]
    if twice:
        message = f"the rows of `{twice[0]}` come from a file and from the split"
        block.problems += error(
            "argument", message, node.span, help=f"leave `{twice[0]}` out of one of them"
        ).diagnostics
    return DataConfig(found.get("source", {}), found.get("split"), found.get("missing"), str(folder))


def _setting(block: SettingsBlock, node: ast.Setting) -> Any:
    name = node.name.id
    if name not in DATA_SETTINGS:
        raise error(
            "unknown-setting", f"the data block has no setting `{name}`", node.name.span,
            help=of_setting("data", name, DATA_SETTINGS),
        )  # fmt: skip
    block.once(node)
    return {"source": _source, "split": _split, "missing": _missing}[name](block, node.value)


def _split(block: SettingsBlock, node: ast.Expression) -> dict[str, Any]:
    made = value(block, node, ("split",))
    if not isinstance(made, DataSplit):
        *most, last = (f"`{w}(...)`" for w in LIBRARY.constructors["split"])
        raise error("argument", f"`split` is {', '.join(most)} or {last}, this is {describe(made)}", node.span,
                    help="write `random(train = 0.8, val = 0.2)`")  # fmt: skip
    return made.record()


def _missing(block: SettingsBlock, node: ast.Expression) -> dict[str, Any] | None:
    """`missing = mean`, `drop`, a number that stands for what is missing, or none."""
    made = value(block, node, ("missing",))
    if made is None:
        return None
    if static.is_number(made) and not isinstance(made, bool):
        return {"kind": "value", "value": float(made)}
    if not isinstance(made, MissingValues):
        meant = made if isinstance(made, str) and made in LIBRARY.constructors["missing"] else "mean"
        raise error("argument", f"`missing` is `mean`, `drop` or a number, this is {describe(made)}", node.span,
                    help=f"write `missing = {meant}`")  # fmt: skip
    return made.record()


def _source(block: SettingsBlock, node: ast.Expression) -> dict[str, Any]:
    """`csv("digits.csv", digit = "label")` as {"kind": "csv", "path": ..., "columns": {...}}."""
    if not isinstance(node, ast.Call) or not isinstance(node.function, ast.Name):
        words = ", ".join(f"`{w}(...)`" for w in LIBRARY.constructors["source"])
        raise error("argument", f"`source` is one of {words}", node.span, help='write `csv("data.csv", ...)`')
    word = constructor(node.function, ("source",))
    for a in node.arguments:
        _refuse_unquoted(block, a.value)
    arguments = [
        named(a, value(block, a.value, ("column",) if isinstance(a.value, ast.Call) else ())) for a in node.arguments
    ]
    _refuse_files_one_by_one(block, word, arguments, node.span)
    bound = bind(word.slots, arguments, word.name, node.span, word.open)
    record = {"kind": word.name, **_settings(word, bound, node.span)}
    if not any(k in record for k in ("path", "train")):
        raise error("missing-argument", f"`{word.name}` names no file", node.span, help=f'`{word.name}("data/file")`')
    if "path" in record and "train" in record:
        message = f"`{word.name}` has both one `path` and a file for `train`"
        raise error("argument", message, node.span, help="keep one of them")
    if word.open:
        categories = categories_of(block, word, arguments)
        arguments = [replace(a, value=categories.get(str(a.name), a.value)) for a in arguments]
        record["columns"] = columns_of(block, word, arguments, node.span)
        if categories:
            record["categories"] = list(categories)
    return record


def _refuse_unquoted(block: SettingsBlock, node: ast.Expression) -> None:
    """Raises NetError for a path or a column without quotes: `data/a.csv`, `p0..p63`, `label`."""
    if isinstance(node, ast.Binary) and node.operator == "/":
        raise error("argument", "a path is a string", node.span, help=f'write `"{node.span.text}"`')
    ends = (node.left, node.right) if isinstance(node, ast.Binary) and node.operator == ".." else (node,)
    first = [e.value if isinstance(e, ast.Attribute) else e for e in ends]  # `a.csv`
    known = (block.frame.environment.find, LIBRARY.word, lambda n: n in VALUES)
    if all(isinstance(e, ast.Name) and not any(find(e.id) for find in known) for e in first):
        quoted = "..".join(f'"{e.span.text}"' for e in ends)
        raise error("argument", "a path or a column is a string", node.span, help=f"write `{quoted}`")


def _refuse_files_one_by_one(block: SettingsBlock, word: Constructor, arguments: list[Given], span: Span) -> None:
    """Raises NetError for several files that are not in one list: `npy("x.npy", "t.npy")`, `npy(x = "x.npy", t = "t.npy")`."""
    declared = [i.name for i in block.net.inputs] if not word.open else []
    files = [a for a in arguments if isinstance(a.value, str) and (a.name is None or a.name in declared)]
    if len(files) > 1 and len({a.name is None for a in files}) == 1:
        files.sort(key=lambda a: declared.index(a.name) if a.name else 0)
        listed = ", ".join(a.span.text for a in files)
        raise error("argument", f"`{word.name}` takes several files as one list", span,
                    help=f"write `{word.name}(({listed}))`")  # fmt: skip


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
    try:
        FORMATS[word.name].check(record)
    except WrongSetting as e:
        raise error("argument", e.message, bound.get(e.setting, (None, span))[1], help=e.help) from None
    return record

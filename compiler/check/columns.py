"""Where each input and target lies in a file: the columns that a source names, and which of them two readers share. Ranges of
numbered names are not written out."""

from __future__ import annotations

import re
from typing import Any

from netc.compiler.check.guessing import of_argument
from netc.compiler.check.settings import SettingsBlock
from netc.compiler.check.values import UNKNOWN, Given, NameRange, describe
from netc.compiler.graph.dimensions import product
from netc.compiler.language.words import Constructor
from netc.compiler.net import Input
from netc.compiler.training.data import Category
from netc.grammar.diagnostics import Diagnostic, diagnostic, did_you_mean, error, nearest
from netc.grammar.source import Span
from netc.runtime.data.formats import FORMATS


def categories_of(block: SettingsBlock, word: Constructor, arguments: list[Given]) -> dict[str, str]:
    """The columns that are read as names, by their inputs."""
    found: dict[str, str] = {}
    for a in arguments:
        if not isinstance(a.value, Category):
            continue
        declared = next((i for i in block.net.inputs if i.name == a.name), None)
        if FORMATS[word.name].columns != "columns":
            raise error("argument", f"`category` is said of columns of a table, and `{word.name}` has none", a.span,
                        help=f'write `{a.name} = "{a.value.column}"`')  # fmt: skip
        if declared is not None and not (declared.type.dtype.is_integer and declared.type.rank == 1):
            raise error(
                "argument", f"categories are whole numbers, one a row; `{a.name}` is `{declared.type}`", a.span,
                help=f"declare it as `{a.name}: i64[{declared.type.shape[0]}]`; `one_hot` makes columns of the numbers",
            )  # fmt: skip
        found[str(a.name)] = a.value.column
    return found


def columns_of(block: SettingsBlock, word: Constructor, arguments: list[Given], span: Span) -> dict[str, Any]:
    """Where each input and target lies in the file."""
    declared = [i.name for i in block.net.inputs]
    own = {s.name for s in word.slots}
    columns: dict[str, Any] = {}
    lost = False  # whether the declaration of a name is wrong
    for a in arguments:
        if a.name is None or a.name in own:
            continue
        if a.name not in declared:
            binding = block.frame.environment.find(a.name)
            unread = not block.parsed and not nearest(a.name, [*declared, *own])
            if unread or a.name in block.frame.recorder.missing or (binding is not None and binding.value is UNKNOWN):
                lost = True
                continue
            near = of_argument(word.name, a.name, word.slots) or did_you_mean(
                a.name, [*declared, *own], "those of the net are " + ", ".join(f"`{d}`" for d in declared)
            )
            raise error("unknown-argument", f"the net has no input or target `{a.name}`", a.place, help=near)
        columns[a.name] = _key(a) if FORMATS[word.name].columns == "keys" else _column(a)
        if isinstance(columns[a.name], list):
            _refuse_another_count(next(i for i in block.net.inputs if i.name == a.name), columns[a.name], a.span)
        for other, given in columns.items():
            column = repeated(given) if other == a.name else shared(given, columns[a.name])
            if column:
                block.net.warnings.append(_duplicate(a.name, other, column, a.span))
                break
    missing = [n for n in declared if n not in columns]
    if missing and not lost and FORMATS[word.name].columns == "columns":
        named = ", ".join(f"`{n}`" for n in missing)
        first = f'`{missing[0]} = "column"` or `{missing[0]} = "first".."last"`'
        raise error(
            "missing-argument", f"`{word.name}` does not say which columns {named} {'is' if len(missing) == 1 else 'are'}", span,
            help=f"add {first}" + (", and so for the others" if len(missing) > 1 else ""),
        )  # fmt: skip
    return columns


def _refuse_another_count(declared: Input, names: list[str], at: Span) -> None:
    """Raises NetError where more or fewer columns are named than a row has elements."""
    dtype, sizes = declared.type.dtype, declared.type.shape[1:]
    if all(isinstance(d, int) for d in sizes) and product(sizes) != len(names):
        message = f"`{declared.name}` needs {product(sizes)} columns, {len(names)} are named"
        help = f"name as many, or declare `{declared.name}: {dtype}[{declared.type.shape[0]}, {len(names)}]`"
        raise error("argument", message, at, declared.span, help=help)


def _duplicate(name: str, other: str, column: str, at: Span) -> Diagnostic:
    """The warning for a column that is read twice."""
    where = f"twice in `{name}`" if name == other else f"in `{other}` and in `{name}`"
    help = f"leave `{column}` out of one of them" if name != other else f"name `{column}` once"
    return diagnostic("duplicate-column", f"the column `{column}` is read {where}", at, help=help, severity="warning")


def _key(given: Given) -> str:
    """The name of an array in a file."""
    if isinstance(given.value, str):
        return given.value
    raise error("argument", f"an array of the file has one name, a string; this is {describe(given.value)}", given.span,
                help=f'write `{given.name} = "key"`')  # fmt: skip


def _column(given: Given) -> Any:
    """`"p0"`, `"p0".."p63"` or `("a", "b")` as a plain record."""
    match given.value:
        case str():
            return given.value
        case (str(), *rest) if all(isinstance(v, str) for v in rest):
            return list(given.value)
        case NameRange():
            return {"first": given.value.first, "last": given.value.last}
    message = f"a column is a string, a range or several strings; this is {describe(given.value)}"
    raise error("argument", message, given.span, help='write `"label"`, `"p0".."p63"` or `("a", "b")`')


def repeated(columns: Any) -> str:
    """A column that a plain record of columns names twice; "" for none."""
    names = columns if isinstance(columns, list) else []
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return str(name)
        seen.add(name)
    return ""


def shared(a: Any, b: Any) -> str:
    """A column that two plain records of columns have in common; "" for none."""
    if isinstance(a, dict) and isinstance(b, dict):
        (stem, low, high), (other, first, last) = _range(a), _range(b)
        return f"{stem}{max(low, first)}" if stem == other and max(low, first) <= min(high, last) else ""
    if isinstance(a, dict) or isinstance(b, dict):
        numbered, names = (a, b) if isinstance(a, dict) else (b, a)
        stem, low, high = _range(numbered)
        return next((n for n in _names(names) if _split(n)[0] == stem and low <= _split(n)[1] <= high), "")
    of_b = set(_names(b))
    return next((n for n in _names(a) if n in of_b), "")


def _names(columns: Any) -> list[str]:
    return columns if isinstance(columns, list) else [columns]


def _range(columns: dict[str, str]) -> tuple[str, int, int]:
    """Stem, first and last number of `"p0".."p63"`."""
    stem, low = _split(columns["first"])
    return stem, low, _split(columns["last"])[1]


def _split(name: str) -> tuple[str, int]:
    """`p63` as p and 63; a name without a number is in no range."""
    found = re.fullmatch(r"(.*?)(\d+)", name)
    return (found[1], int(found[2])) if found else (name, -1)

"""What can be done about data that does not fit: an array of another shape or dtype, a cell that is no number."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from itertools import permutations

import numpy as np

from netc.runtime.data.naming import short
from netc.runtime.data.numerals import is_number
from netc.runtime.data.read import Row

GROUPING = str.maketrans("", "", ",_ '")
MINUS = str.maketrans("\u2212\u2013\u2014", "---")  # what typesetting puts in its place
YES_NO = frozenset({"yes", "no", "y", "n", "true", "false"})
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?", re.ASCII)
UNIT = re.compile(r"[^\w.+-]{0,3}\s*([+-]?[\d.]+)\s*([^\W\d]{1,3}|[^\w.+-]{1,3})?")  # $5, 5%, 5 km
MOST_AXES = 5  # of an array whose axes may stand in another order
NUMBER_TEXTS = "texts are numbered where an input is declared as `i64[N]`; `one_hot` makes columns of the numbers"


def takes_texts(row: Row) -> bool:
    """Whether an input may be read from texts: one whole number a row, which is the number of its text."""
    return np.dtype(row["dtype"]).kind in "iu" and len(row["shape"]) == 1


def of_dtype(dtype: np.dtype, row: Row, texts: bool) -> str:
    """How an array that holds no numbers becomes numbers; `texts` says whether strings are numbered."""
    name = row["name"]
    if dtype.kind == "M":
        return "subtract a first day, and divide by a unit: `(dates - dates.min()) / numpy.timedelta64(1, 'D')`"
    if dtype.kind == "m":
        return f"divide by a unit: `{name} / numpy.timedelta64(1, 'D')`"
    if dtype.kind == "c":
        return f"`{name}.real` and `{name}.imag` are numbers"
    if dtype.kind not in "OUS":
        return ""
    if not takes_texts(row):
        return (
            f"numbers that are kept so become an array of numbers by `{name}.astype({row['dtype']!r})`; {NUMBER_TEXTS}"
        )
    whole = f"; numbers become whole ones by `{name}.astype(int)`" if dtype.kind == "O" else ""
    if texts and dtype.kind != "U":
        return f"texts are numbered where they are strings of NumPy: `{name} = labels.astype(str)`{whole}"
    return f"number the classes from 0: `{name} = numpy.unique(labels, return_inverse=True)[1]`"


def of_shape(shape: Sequence[int], dtype: np.dtype, row: Row) -> str:
    """How an array gets the shape of an input, where that leaves each row what it is."""
    wanted, name = row["shape"], row["name"]
    if "classes" in row and len(shape) == len(wanted) + 1 and shape[-1] == row["classes"]:
        return "`argmax(axis=-1)` turns one-hot rows into the numbers of classes"
    fixed = [d for d in wanted[1:] if isinstance(d, int)]
    if len(fixed) != len(wanted) - 1:
        return ""
    if row["role"] == "target" and len(shape) == 1 and len(fixed) == 1 and fixed[0] > 1 and dtype.kind in "biu":
        return (
            f"where these are numbers of classes, declare `{name}: i64[{wanted[0]}]`; `numpy.eye({fixed[0]})[{name}]` makes "
            "one-hot rows"
        )
    order = _order(list(shape), fixed)
    if order:
        return f"its axes stand in another order: `transpose({', '.join(map(str, order))})`"
    if list(shape) == fixed or (len(shape) > 0 and math.prod(shape[1:]) == math.prod(fixed)):
        return f"`reshape({', '.join(map(str, [-1, *fixed]))})` gives it that shape"
    return ""


def _order(shape: list[int], fixed: list[int]) -> tuple[int, ...]:
    """The axes of an array in the order in which all but the first have these sizes, where it is another than theirs; those
    that stay as far as they can, first the one of the rows."""
    if len(shape) != len(fixed) + 1 or not 1 < len(shape) <= MOST_AXES:
        return ()
    return next((p for p in permutations(range(len(shape))) if [shape[k] for k in p[1:]] == fixed), ())


def of_cell(cell: str, number: str) -> str:
    """What to do about a cell that is neither a number nor missing, in a column that has a `number` or in one where no text
    may stand."""
    if cell.lower() in YES_NO:
        one, zero = ("true", "false") if cell.lower() in ("true", "false") else ("yes", "no")
        return f"write 1 for {one} and 0 for {zero}"
    if is_number(cell.translate(GROUPING)):
        return "decimals are written with a point, and digits are not grouped: `1234.5`"
    plain = unicodedata.normalize("NFKC", cell).translate(MINUS).strip()
    if not cell.isascii() and is_number(plain):
        odd = next(c for c in cell if not c.isascii())
        return f"the character U+{ord(odd):04X} in it is none that numbers are written with: write `{short(plain)}`"
    if DATE.fullmatch(cell):
        return "a date is no number: write days since a first one, or the year, the month and the day in columns of their own"
    unit = UNIT.fullmatch(cell)
    if unit and is_number(unit[1]) and cell.isprintable() and not number:
        return f"a number stands without its unit: `{unit[1]}`"
    if number:
        return f"other cells of the column are numbers, such as `{short(number)}`: correct the cell, or write texts in all of them"
    return (
        "numbers are written like `1000`, `-0.5` or `1e-3`; texts are numbered where an input is declared as `i64[N]`"
    )


def of_width(cells: list[str], width: int, delimiter: str, others: Sequence[str]) -> str:
    """What is wrong with a line of another number of cells than the first, whose delimiter may be one of the `others`."""
    if any("\n" in c for c in cells):
        return 'a quotation mark `"` that is not closed takes the next lines into its cell'
    if len(cells) == width + 1 and not cells[-1].strip():
        return "the line ends in a delimiter, the first line does not"
    if len(cells) == 1 and any(d in cells[0] for d in others):
        return "the line seems to have another delimiter than the first"
    if len(cells) < width:
        return "the line is cut off, or lacks a delimiter"
    if delimiter == " " and "" in cells:
        return "several blanks are several delimiters: leave one between two cells"
    return "a cell that has a delimiter in it stands in quotation marks"

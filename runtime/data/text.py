"""Text in rows of cells, read row by row, so that no file is held in memory as text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from netc.runtime.data.files import Content
from netc.runtime.data.signatures import LONGEST, seems
from netc.runtime.errors import InputError

MAX_ROW = 1 << 24  # characters
MAX_BLANK = 100_000  # lines, one after the other
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what a byte that is no UTF-8 is decoded to


class TextRows:
    """The rows of delimited text, as lists of cells; blank lines are left out.

    `line` is the number of the line in which the last row began. `plain` says that its text is ASCII without underscores,
    so that whatever Python reads as a number there is written as one.
    """

    def __init__(self, content: Content, delimiter: str):
        self.what = content.what
        self.line, self.plain = 1, True
        self._characters = 0  # of the row
        # blanks behind a delimiter are no part of a cell, so that a quotation mark may follow them
        self._reader = csv.reader(self._lines(content), delimiter=delimiter, skipinitialspace=delimiter != " ")

    def __iter__(self) -> Iterator[list[str]]:
        blank = 0
        while True:
            self.line, self.plain, self._characters = self._reader.line_num + 1, True, 0
            try:
                cells = next(self._reader, None)
            except csv.Error:
                raise InputError(
                    f"{self.what}, line {self.line}: a cell has more than {csv.field_size_limit():,} characters",
                    'a quotation mark `"` that is not closed takes all that follows for one cell',
                ) from None
            if cells is None:
                return
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield cells
                blank = 0
                continue
            blank += 1
            if blank > MAX_BLANK:
                raise InputError(
                    f"{self.what}, line {self.line}: more than {MAX_BLANK:,} blank lines follow each other"
                )

    def _lines(self, content: Content) -> Iterator[str]:
        buffered = io.BufferedReader(content)
        other = seems(buffered.peek(LONGEST))
        if other:
            raise InputError(f"{self.what} is no table of text", other)
        text = io.TextIOWrapper(buffered, "utf-8-sig", errors="surrogateescape")  # so that the line can be named
        number = 0
        while line := text.readline(MAX_ROW):
            number += 1
            self._characters += len(line)
            if self._characters >= MAX_ROW:
                raise InputError(f"{self.what}, line {self.line}: the row has more than {MAX_ROW:,} characters")
            if "\0" in line:
                raise InputError(
                    f"{self.what}, line {number} has a NUL character, so it is no text", "save the file as UTF-8 text"
                )
            if not line.isascii():
                bad = _NOT_UTF8.search(line)
                if bad:
                    raise InputError(
                        f"{self.what}, line {number} is not UTF-8 text: byte 0x{ord(bad[0]) - 0xDC00:02x}",
                        "save the file as UTF-8",
                    )
                self.plain = False
            elif "_" in line:
                self.plain = False
            yield line

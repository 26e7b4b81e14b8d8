"""Tables of text, such as CSV: which character separates their columns, what these are called, and their rows."""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import mode

from gapscope.sources.lists.columns import known_by_name, looks_like_image, looks_like_path, name_columns
from gapscope.sources.lists.rows import BadRow, Cells, too_long
from gapscope.sources.lists.text import NOT_UTF_8, ListText, readable
from gapscope.sources.notes import ListingNotes
from gapscope.urls import is_url

_NOTHING = "\x1f"
"""The delimiter of a table with one column: ASCII's separator of units, which no name contains."""

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", _NOTHING: "nothing"}
_EVEN_ENOUGH = 0.5
_SHARE_OF_PATHS = 0.5
_TRIED = 3
_TRIED_COLUMNS = 16
_MAX_RECORD_LINES = 256
"""Most lines that one row may take up; a quote that is open for longer was no opening quote."""

_EXCEL_SEPARATOR = re.compile(r"\ufeff?\"?sep=([,;\t|])\"?\s*")


@dataclass(frozen=True)
class Table:
    """A table of text, with a row per line.

    Attributes:
        text: where it is, and how it is stored.
        delimiter: separates its columns.
        columns: their names; empty for one that holds nothing.
        first: the number of the first row that is an image, counted from 0.
        guesses: what a user should be told about how it is written.
    """

    text: ListText
    delimiter: str
    columns: tuple[str, ...]
    first: int
    guesses: tuple[str, ...] = ()

    def rows(self, notes: ListingNotes) -> Iterator[Cells | BadRow]:
        """Yield the rows in their order. Lines that hold nothing are none.

        A row with too few values is filled up with empty ones.

        Raises:
            SourceError: the table cannot be read beyond the rows so far.
        """
        width = len(self.columns)
        skip, open_quote, short = self.first, False, False
        for number, cells, closed in _records(self.text.lines(), self.delimiter):
            if cells is None:
                yield too_long(number)
                continue
            if skip:
                skip -= 1
                continue
            if not closed and not open_quote:
                open_quote = True
                notes.guess(f"a quote that is not closed is taken for a character like others (line {number:,})")
            if len(cells) < width:
                if not short:
                    short = True
                    notes.guess(f"values that are missing at the end of a row are taken as empty (line {number:,})")
                cells.extend([""] * (width - len(cells)))
            elif len(cells) > width and any(cells[width:]):
                notes.pass_over("rows' values beyond the last column", f"line {number:,}")
            yield cells

    def other_readings(self, cells: Cells, column: int) -> Iterator[tuple[Cells, str]]:
        """Yield a row that is too long with its path put together again, for the path may hold a delimiter."""
        extra = len(cells) - len(self.columns)
        if extra > 0:
            end = column + extra + 1
            name = self.delimiter.join(cells[column:end])
            yield [*cells[:column], name, *cells[end:]], "paths in rows with too many values are put together again"


def find_table(text: ListText, head: Sequence[str], delimiter: str, is_file: Callable[[str], bool]) -> Table:
    """Return how a table is written, from its first lines.

    Args:
        text: where it is, and how it is stored.
        head: its first lines.
        delimiter: the one to take where another fits no better.
        is_file: tells whether a name is that of a file.
    """
    given = _EXCEL_SEPARATOR.fullmatch(head[0]) if head else None
    first = 1 if given else 0
    comments = len(list(takewhile(_is_comment, head[first:-1])))
    lines = head[first + comments :]
    candidates = [given[1]] if given else sorted(_DELIMITERS, key=lambda candidate: candidate != delimiter)
    rows_by_delimiter = {candidate: _rows_of(lines, candidate) for candidate in candidates}
    best = max(candidates, key=lambda candidate: _fit(rows_by_delimiter[candidate], candidate, is_file))
    rows = rows_by_delimiter[best]
    first += comments
    guesses = [*text.guesses]
    if comments:
        guesses.append("the list's first lines, which begin with #, are left out")
    if best not in (delimiter, _NOTHING):
        guesses.append(f"the list's columns are separated by {_DELIMITERS[best]}")
    if not rows:
        return Table(text, best, (), first, tuple(guesses))
    if _is_image(rows, is_file):
        columns = tuple(f"column_{number}" for number in range(1, mode(map(len, rows)) + 1))
        called = f", so they are called {columns[0]} to {columns[-1]}" if len(columns) > 1 else ""
        guesses.append(f"the list's first row is an image and names no columns{called}")
    else:
        columns, told = _header_columns(rows)
        guesses += told
        first += 1
    return Table(text, best, columns, first, tuple(guesses))


def _is_comment(line: str) -> bool:
    cells = re.split("[,;|\t]", line)
    return line.startswith("#") and not known_by_name(cells) and not any(map(looks_like_image, cells))


def _header_columns(rows: list[list[str]]) -> tuple[tuple[str, ...], list[str]]:
    """Return the columns that the first row of a table names, and what a user should be told about them."""
    header, *images = rows
    # R names no column for the names of its rows. Where the first column holds the paths, something else is amiss.
    shifted = images and all(len(row) == len(header) + 1 and row[-1] for row in images)
    if shifted and not (known_by_name(header[:1]) and looks_like_image(images[0][0])):
        header = ["", *header]
    empty = {index for index in range(len(header)) if not any(row[index].strip() for row in images if index < len(row))}
    names = [readable(name) for name in header]
    columns, told = name_columns([names[0].lstrip("\ufeff# "), *names[1:]], empty)
    return columns, told if names == header else [*told, NOT_UTF_8]


def first_values(table: Table, head: Sequence[str]) -> list[list[str]]:
    """Return the values of every column of a table in its first lines."""
    rows = _rows_of(head, table.delimiter)[table.first :]
    return [[row[index] for row in rows if index < len(row)] for index in range(len(table.columns))]


def _rows_of(head: Iterable[str], delimiter: str) -> list[list[str]]:
    return [cells for _, cells, _ in _records(iter(head), delimiter) if cells]


def _fit(rows: list[list[str]], delimiter: str, is_file: Callable[[str], bool]) -> tuple[int, bool, float]:
    """Tell how well a delimiter fits: how many names of files, whether paths, and whether even rows come out."""
    if not rows or (len(rows[0]) == 1 and delimiter != _NOTHING):
        return 0, False, 0.0
    even = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
    columns = [[row[index] for row in rows if index < len(row)] for index in range(len(rows[0]))]
    paths = [
        values
        for values in columns
        if known_by_name(values[:1]) or sum(map(looks_like_path, values)) >= len(values) * _SHARE_OF_PATHS
    ]
    files = max((sum(map(is_file, values[:_TRIED])) for values in paths[:_TRIED_COLUMNS]), default=0)
    # A delimiter that splits at least half of the rows alike is one.
    return files, bool(paths), _EVEN_ENOUGH if delimiter == _NOTHING else even


def _is_image(rows: list[list[str]], is_file: Callable[[str], bool]) -> bool:
    """Tell whether the first row of a table is one of an image, and not of the names of columns."""
    if any(looks_like_image(cell) or is_url(cell) for cell in rows[0]):
        return True
    if known_by_name(rows[0]):
        return False
    if any(map(looks_like_path, rows[0])):
        return True
    for index, cell in enumerate(rows[0][:_TRIED_COLUMNS]):
        # Names without the suffix of an image.
        if _has_folder(cell) and all(_has_folder(row[index]) for row in rows if index < len(row)):
            return True
        if cell.strip() and is_file(cell):
            return True
    return False


def _has_folder(cell: str) -> bool:
    return ("/" in cell or "\\" in cell) and " " not in cell


def _records(lines: Iterator[str | None], delimiter: str) -> Iterator[tuple[int, list[str] | None, bool]]:
    """Yield the rows of a table: the number of the first line, the cells, and whether every quote is closed.

    The cells of a line that is too long are None.
    """
    record = _Record(lines)
    quoted = csv.reader(record, delimiter=delimiter, strict=True, skipinitialspace=True)
    number = 1
    while (line := record.begin()) != "":
        if line is None:
            yield number, None, True
        elif '"' not in line:
            if bare := line.rstrip("\r\n"):
                yield number, bare.split(delimiter), True
        else:
            try:
                cells, closed = next(quoted), True
            except csv.Error:
                cells, closed = _by_itself(line, delimiter), False
                record.end_with_first_line()
            yield number, cells, closed
        number += record.n_lines


class _Record:
    """Hands out the lines of one row after the other; a row has several where a quote is open at the end of a line."""

    def __init__(self, lines: Iterator[str | None]) -> None:
        self._lines = lines
        self._waiting: deque[str | None] = deque()
        self._taken: list[str | None] = []
        self._next = 0

    @property
    def n_lines(self) -> int:
        """Of the present row."""
        return len(self._taken)

    def begin(self) -> str | None:
        """Return the first line of the next row; an empty string at the end."""
        line = self._waiting.popleft() if self._waiting else next(self._lines, "")
        self._taken = [line]
        self._next = 0
        return line

    def end_with_first_line(self) -> None:
        """Leave all lines but the first of the present row to the rows behind it."""
        self._waiting.extendleft(reversed(self._taken[1:]))
        del self._taken[1:]

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._next == len(self._taken):
            if self._next > _MAX_RECORD_LINES:
                raise StopIteration
            line = self._waiting.popleft() if self._waiting else next(self._lines, "")
            if line == "":
                raise StopIteration
            self._taken.append(line)
        line = self._taken[self._next]
        self._next += 1
        if line is None:
            raise StopIteration
        return line


def _by_itself(line: str, delimiter: str) -> list[str]:
    line = line.rstrip("\r\n")
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return line.split(delimiter)

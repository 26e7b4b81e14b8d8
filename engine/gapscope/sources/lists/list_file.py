"""A list of images: lines of text, a table, JSON lines or Parquet, with a path or URL per row."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from gapscope.errors import SourceError
from gapscope.sources.entry import Entry, Kind, Value
from gapscope.sources.files import modified_ns_if_there, read_file
from gapscope.sources.folder import check_file_unchanged
from gapscope.sources.lists.columns import MAX_COLUMNS, choose_column, known_by_name, looks_like_path
from gapscope.sources.lists.json_lines import JsonLines, find_json_lines, is_json_object
from gapscope.sources.lists.lines import Lines, find_lines
from gapscope.sources.lists.named_file import NOT_FOUND, Names, find_base, places
from gapscope.sources.lists.parquet_table import ParquetTable
from gapscope.sources.lists.rows import BadRow, Cells, Writing
from gapscope.sources.lists.table import Table, find_table, first_values
from gapscope.sources.lists.text import NOT_UTF_8, ListText, find_text, readable
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.notes import ListingNotes
from gapscope.sources.parquet.file import kinds_of, parquet_schema
from gapscope.urls import is_url

_FIRST_ROWS = 32
_FIRST_CHARS = 4096
"""How much of a list is looked at to see what it means by its names."""

_MAX_TEXT_CHARS = 2**16
"""Of the text that a row brings along. Thousands of rows are held in memory at a time."""


@dataclass(frozen=True)
class ListFile:
    """The images that a list names, in its order.

    Attributes:
        path: absolute path or URL of the list.
        column: the column that holds the paths; None for lines of text.
        columns: the other columns of the list.
        location: what the user gave, with absolute paths.
        writing: how the list is written.
        names: how the names in it are understood.
        guesses: what a user should be told about both.
    """

    path: str
    column: str | None
    columns: Mapping[str, Kind]
    location: str
    writing: Writing
    names: Names
    guesses: tuple[str, ...]

    @property
    def objects(self) -> bool:
        """False: a row is a whole image."""
        return False

    @property
    def folder(self) -> None:
        """None: the list names the images, and no folder is searched."""
        return

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"named in {self.path}" if self.column is None else f"named in column {self.column} of {self.path}"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield an entry per row.

        An image that the list names twice gives two entries; the uri of the second ends in `#2`. To recognize it,
        8 bytes per row are kept in memory, and nothing else.
        """
        notes = notes or ListingNotes()
        for sentence in self.guesses:
            notes.guess(sentence)
        counter, repeated = NameCounter(), False
        position = {name: index for index, name in enumerate(self.writing.columns)}
        column = 0 if self.column is None else position[self.column]
        columns = [(name, position[name], kind) for name, kind in self.columns.items()]
        for row in self.writing.rows(notes):
            if isinstance(row, BadRow):
                entry = Entry(f"{self.path}#{row.line}", status="missing", error=row.error)
                values: Mapping[str, Value] = dict.fromkeys(self.columns)
            else:
                entry, cells = self._find(row, column, notes)
                values = _values(cells, columns, notes)
            count = counter.add(entry.uri)
            if count == 1 and not values:
                yield entry
                continue
            if count > 1 and not repeated:
                repeated = True
                notes.guess(f"an image that is named again is another row, such as {entry.uri}")
            uri = entry.uri if count == 1 else f"{entry.uri}#{count}"
            offset = count if count > 1 else -1
            yield Entry(uri, entry.bytes, entry.mtime_ns, entry.status, entry.error, offset, values=values)

    def _find(self, row: Cells, column: int, notes: ListingNotes) -> tuple[Entry, Cells]:
        """Return the entry of a row, and the row as it must be read for it."""
        entry, told = self.names.find(_text(row[column]))
        if entry.status in NOT_FOUND:
            for other_row, sentence in self.writing.other_readings(row, column):
                other, other_told = self.names.find(other_row[column])
                if other.status not in NOT_FOUND:
                    entry, row, told = other, other_row, [*other_told, *filter(None, [sentence])]
                    break
        for sentence in told:
            notes.guess(sentence)
        return entry, row

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the image's file.

        Raises:
            Rejected: the file has changed since it was listed, or cannot be read.
        """
        uri = entry.uri if entry.offset < 0 else entry.uri.removesuffix(f"#{entry.offset}")
        if not is_url(uri):
            check_file_unchanged(Entry(uri, entry.bytes, entry.mtime_ns))
        return read_file(uri)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else "" if value is None else str(value)


def _values(row: Cells, columns: Sequence[tuple[str, int, Kind]], notes: ListingNotes) -> dict[str, Value]:
    values: dict[str, Value] = {}
    room = _MAX_TEXT_CHARS
    for name, index, kind in columns:
        value = row[index]
        if value is None or value == "":
            values[name] = None
        elif kind == "number":
            values[name] = _number(value)
        else:
            raw = _text(value).strip()
            text = raw if raw.isascii() else readable(raw)
            if text != raw:
                notes.guess(NOT_UTF_8)
            room -= len(text)
            values[name] = text if text and room >= 0 else None
            if room < 0:
                notes.pass_over(f"values beyond a row's first {_MAX_TEXT_CHARS:,} characters", f"{text[:40]}...")
    return values


def _number(value: Any) -> float | None:
    try:
        return float(value)
    # Nothing but spaces.
    except ValueError:
        return None


def open_list(path: str, column: str | None, location: str) -> ListFile:
    """Return the list at `path`.

    Args:
        path: absolute path or URL of the list.
        column: the column that holds the paths; None to recognize it by its name and its values.
        location: what the user gave, with absolute paths.

    Raises:
        SourceError: the list cannot be read, has no such column, or leaves open which column holds the paths.
    """
    near = places(path.rpartition("/")[0])
    writing, kinds, values = _settle(path, modified_ns_if_there(path), near)
    if isinstance(writing, Lines):
        if column is not None:
            raise SourceError(f"{location}: a text file has no columns; one path per line")
        chosen, told = "path", list[str]()
    else:
        nested = writing.left_out if isinstance(writing, JsonLines | ParquetTable) else ()
        chosen, told = choose_column(values, column, location, os.path.basename(path), _is_file(near), nested)
    names, told_of_names = find_base([_text(value) for value in values[chosen]], near)
    return ListFile(
        path,
        None if isinstance(writing, Lines) else chosen,
        {name: kind for name, kind in kinds.items() if name != chosen},
        location,
        writing,
        names,
        (*writing.guesses, *told, *told_of_names),
    )


def _is_file(near: Sequence[Names]) -> Callable[[str], bool]:
    return lambda name: any(place.finds(name) for place in near)


# A process opens a source several times, and the columns stay the same.
@lru_cache(maxsize=16)
def _settle(
    path: str, mtime_ns: int, near: tuple[Names, ...]
) -> tuple[Writing, Mapping[str, Kind], Mapping[str, Sequence[Any]]]:
    """Return how a list is written, and the kinds and first values of its columns.

    Finding the columns of text whose values are all numbers takes a pass over them.
    """
    del mtime_ns
    writing: Writing
    if path.lower().endswith(".parquet"):
        schema = parquet_schema(path)
        kinds = kinds_of(schema)
        writing = ParquetTable(path, tuple(kinds), tuple(name for name in schema.names if name not in kinds))
    else:
        text = find_text(path)
        head = text.head()
        suffix = os.path.splitext(path.lower().removesuffix(".gz"))[1]
        if suffix in (".jsonl", ".ndjson") or is_json_object(next(iter(head), "")):
            writing, kinds = find_json_lines(text)
        else:
            writing = _find_lines_or_table(text, head, suffix, _is_file(near))
            if len(writing.columns) > MAX_COLUMNS:
                raise SourceError(f"{path}: has {len(writing.columns):,} columns, and a list may have {MAX_COLUMNS:,}")
            kinds = _kinds_of_text(writing)
    rows = [row for row in islice(writing.rows(ListingNotes()), _FIRST_ROWS) if not isinstance(row, BadRow)]
    values = {
        name: [row[index][:_FIRST_CHARS] if isinstance(row[index], str) else row[index] for row in rows]
        for index, name in enumerate(writing.columns)
        if name
    }
    return writing, kinds, values


def _find_lines_or_table(
    text: ListText, head: Sequence[str], suffix: str, is_file: Callable[[str], bool]
) -> Lines | Table:
    table = find_table(text, head, "\t" if suffix == ".tsv" else ",", is_file)
    if suffix != ".txt":
        return table
    values = dict(zip(table.columns, first_values(table, head), strict=True))
    # A text file whose first line names columns.
    if any(any(map(looks_like_path, values[column])) for column in known_by_name(table.columns)):
        return table
    return find_lines(text, head, is_file)


def _kinds_of_text(writing: Lines | Table) -> dict[str, Kind]:
    columns = {index: name for index, name in enumerate(writing.columns) if name}
    if isinstance(writing, Lines) and len(columns) == 1:
        return {"path": "text"}
    numbers, empty = list(columns), True
    for row in writing.rows(ListingNotes()):
        if isinstance(row, BadRow):
            continue
        empty = False
        if any(not _is_number(row[index]) for index in numbers):
            numbers = [index for index in numbers if _is_number(row[index])]
    return {name: "number" if index in numbers and not empty else "text" for index, name in columns.items()}


def _is_number(text: str) -> bool:
    if not text:
        return True
    try:
        float(text)
    except ValueError:
        return not text.strip()
    # Python reads 12_5 as a number; a file means a name by it.
    return "_" not in text

"""A list of images: a text file with one path per line, or a CSV, TSV or Parquet table with a column of paths."""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gapscope.errors import SourceError
from gapscope.sources.entry import Entry, Kind, Value
from gapscope.sources.files import open_container, read_file
from gapscope.sources.folder import check_file_unchanged, file_entry, utf8_safe
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.notes import ListingNotes
from gapscope.sources.parquet_file import parquet_kinds, parquet_rows
from gapscope.urls import is_url

PATH_COLUMNS = ("path", "uri", "url", "file", "filename", "file_name", "filepath", "file_path", "image", "img")
"""Names by which a column of paths is recognized, in upper or lower case; the first that exists is taken."""

_DELIMITERS = {".csv": ",", ".tsv": "\t"}

Row = dict[str, Any]


@dataclass(frozen=True)
class ListFile:
    """The images that a list names, in its order. Names are URLs or paths relative to the folder of the list.

    Attributes:
        path: absolute path or URL of the list.
        column: the column that holds the paths; None for a text file.
        columns: the other columns of the list.
        location: what the user gave, with absolute paths.
    """

    path: str
    column: str | None
    columns: Mapping[str, Kind]
    location: str

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
        counter = NameCounter()
        base = self.path.rpartition("/")[0]
        for row in _rows(self.path):
            entry = _entry(_text(row[self.column or ""]).strip().removeprefix("file://"), base)
            count = counter.add(entry.uri)
            uri = entry.uri if count == 1 else f"{entry.uri}#{count}"
            offset = count if count > 1 else -1
            values = {name: _value(row.get(name), kind) for name, kind in self.columns.items()}
            yield Entry(uri, entry.bytes, entry.mtime_ns, entry.status, entry.error, offset, values=values)

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the image's file.

        Raises:
            Rejected: the file has changed since it was listed, or cannot be read.
        """
        uri = entry.uri if entry.offset < 0 else entry.uri.removesuffix(f"#{entry.offset}")
        if not is_url(uri):
            check_file_unchanged(Entry(uri, entry.bytes, entry.mtime_ns))
        return read_file(uri)


def open_list(path: str, column: str | None, location: str) -> ListFile:
    """Return the list at `path`.

    Args:
        path: absolute path or URL of the list.
        column: the column that holds the paths; None to recognize it by its name.
        location: what the user gave, with absolute paths.

    Raises:
        SourceError: the list cannot be read, or has no such column.
    """
    if path.endswith(".txt"):
        if column is not None:
            raise SourceError(f"{location}: a text file has no columns; one path per line")
        return ListFile(path, None, {}, location)
    kinds = _column_kinds(path)
    if column is None:
        by_lower_name = {name.lower(): name for name in reversed(list(kinds))}
        column = next((by_lower_name[name] for name in PATH_COLUMNS if name in by_lower_name), None)
        if column is None and len(kinds) == 1:
            column = next(iter(kinds))
    if column not in kinds:
        raise SourceError(
            f"{location}: name the column that holds the images' paths, such as {os.path.basename(path)}::COLUMN; "
            f"there are {', '.join(kinds) or 'none'}"
        )
    return ListFile(path, column, {name: kind for name, kind in kinds.items() if name != column}, location)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _entry(name: str, base: str) -> Entry:
    if not name:
        return Entry(f"{base}/", status="missing", error="the list's row names no image")
    if "\0" in name:
        return Entry(
            utf8_safe(name).replace("\0", "\\x00"), status="bad-name", error="the image's name contains a zero byte"
        )
    if is_url(name) or is_url(base):
        url = name if is_url(name) else f"{base}/{name}"
        if utf8_safe(url) != url:
            return Entry(utf8_safe(url), status="bad-name", error="the image's name is not UTF-8")
        return Entry(url)
    return file_entry(os.path.normpath(os.path.join(base, os.path.expanduser(name) if name[0] == "~" else name)))


def _value(value: Any, kind: Kind) -> Value:
    if value is None or value == "":
        return None
    if kind == "number":
        return float(value)
    return utf8_safe(str(value))


def _rows(path: str) -> Iterator[Row]:
    if path.endswith(".parquet"):
        yield from parquet_rows(path, list(_column_kinds(path)))
        return
    suffix = path[path.rfind(".") :]
    with open_container(path) as file, io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="") as text:
        if suffix == ".txt":
            yield from ({"": line} for line in text if line.strip() and not line.lstrip().startswith("#"))
            return
        try:
            table = csv.DictReader(text, delimiter=_DELIMITERS[suffix], restval=None)
            table.fieldnames = [utf8_safe(name) for name in table.fieldnames or ()]
            yield from table
        except csv.Error as error:
            raise SourceError(f"{path}: {error}") from error


# A process opens a source several times, and the columns stay the same.
@lru_cache(maxsize=16)
def _column_kinds(path: str) -> Mapping[str, Kind]:
    """Return the type of every column; finding the CSV columns whose values are all numbers takes a pass over them."""
    if path.endswith(".parquet"):
        return parquet_kinds(path)
    kinds: dict[str, Kind] | None = None
    for row in _rows(path):
        if kinds is None:
            kinds = {name: "number" for name in row if name}
        for name, kind in kinds.items():
            if kind == "number" and not _is_number(row.get(name)):
                kinds[name] = "text"
    return kinds if kinds is not None else dict.fromkeys(_header(path), "text")


def _is_number(text: str | None) -> bool:
    if not text:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _header(path: str) -> Sequence[str]:
    with open_container(path) as file, io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="") as text:
        try:
            header = next(csv.reader(text, delimiter=_DELIMITERS[path[path.rfind(".") :]]), [])
        except csv.Error as error:
            raise SourceError(f"{path}: {error}") from error
        return [utf8_safe(name) for name in header]

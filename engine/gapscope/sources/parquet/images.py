"""Parquet tables that hold the encoded images themselves, as the Hugging Face hub stores them."""

import os
import weakref
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, repeat
from threading import Lock
from typing import Any

from gapscope.errors import SourceError, one_line
from gapscope.sources.containers import note_containers
from gapscope.sources.entry import Entry, Kind, Value
from gapscope.sources.files import check_container_unchanged, modified_ns_if_there, open_container, read_file
from gapscope.sources.notes import ListingNotes
from gapscope.sources.parquet.columns import cell_form, decode_base64, find_image_column, is_list
from gapscope.sources.parquet.file import (
    BUFFER_BYTES,
    DamagedParquetError,
    kinds_of,
    list_lengths,
    open_parquet,
    parquet_rows,
    parquet_schema,
)
from gapscope.sources.rejects import Rejected
from gapscope.sources.source import without_prefix

_BATCH_ROWS, _MIN_BATCH_ROWS, _BATCH_BYTES = 32, 4, 8 * 2**20
_CACHED_BATCHES = 8
_MAX_GROUP_BYTES = 64 * 2**20


@dataclass(frozen=True)
class ParquetImages:
    """The images in a column of one or more Parquet files, file by file, in the order of their rows.

    Attributes:
        files: paths or URLs of the files.
        column: the column that holds the images: bytes, text in base64, a struct with `bytes` and `path`, or lists of
            these, each of whose items is an image.
        others: columns that hold images too.
        columns: the files' other columns of numbers or text.
        location: what the user gave, with absolute paths.
        folder: the local folder that was searched for the files; None if they are named.
    """

    files: tuple[str, ...]
    column: str
    others: tuple[str, ...]
    columns: Mapping[str, Kind]
    location: str
    folder: str | None = None

    @property
    def objects(self) -> bool:
        """False: a row is a whole image."""
        return False

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        table = without_prefix(self.location).removesuffix(f"::{self.column}")
        return f"from column {self.column} of {table}"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield an entry per row, or per item of the row's list, without reading the images.

        A file that is missing or has no such column gives one rejected entry, and so does the rest of a damaged file.
        """
        if self.folder is not None:
            note_containers(".parquet", len(self.files), notes)
        if self.others and notes is not None:
            notes.pass_over("other columns of images", f"::{self.others[0]}", len(self.others))
        for path in self.files:
            try:
                yield from self._entries_of(path, notes)
            except SourceError as error:
                yield Entry(path, status="missing", error=one_line(error).removeprefix(f"{path}: "))

    def _entries_of(self, path: str, notes: ListingNotes | None) -> Iterator[Entry]:
        row, mtime_ns = 0, modified_ns_if_there(path)
        try:
            schema = parquet_schema(path)
            if self.column not in schema.names or cell_form(schema.field(self.column).type) is None:
                there = ", ".join(schema.names) or "none"
                yield Entry(path, status="missing", error=f"no column {self.column} of images; there are {there}")
                return
            # A column that changes its type from file to file would not fit the index.
            kinds = kinds_of(schema)
            columns = [name for name, kind in self.columns.items() if kinds.get(name) == kind]
            if notes is not None and len(columns) < len(self.columns):
                lacking = next(name for name in self.columns if name not in columns)
                notes.pass_over("columns that a file lacks or has in another type", f"{lacking} of {path}")
            rows = parquet_rows(path, columns) if columns else _empty_rows(path)
            if is_list(schema.field(self.column).type):
                for raw_values, length in zip(rows, list_lengths(path, self.column), strict=True):
                    yield from _list_entries(path, row, length, mtime_ns, raw_values, notes)
                    row += 1
                return
            for raw_values in rows:
                values = {name: metadata_value(value) for name, value in raw_values.items()}
                yield Entry(f"{path}#{row}", mtime_ns=mtime_ns, offset=row, values=values)
                row += 1
        except DamagedParquetError as error:
            reason = one_line(error).removeprefix(f"{path}: ")
            yield Entry(f"{path}#{row}", status="broken", error=f"the file cannot be read from this row on ({reason})")

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the image in the entry's row, or of the file beside the table that the row names.

        Raises:
            Rejected: the table has changed since it was listed, or the image cannot be read.
        """
        path, _, place = entry.uri.rpartition("#")
        check_container_unchanged(path, entry.mtime_ns)
        try:
            cell = column_reader(path, self.column, entry.mtime_ns).read(entry.offset)
            # The uri of an image in a list ends in its row and its place in the list.
            cell = cell[int(place.partition(".")[2])] if isinstance(cell, list) else cell
        except Rejected:
            raise
        except MemoryError as error:
            raise Rejected("unreadable", "reading the row takes more memory than there is") from error
        # Arrow raises many types of exceptions on a damaged file.
        except Exception as error:
            raise Rejected("broken", f"the file cannot be read at this row ({one_line(error)})") from error
        name = cell.get("path") if isinstance(cell, dict) else None
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if isinstance(data, str):
            try:
                data = decode_base64(data)
            except ValueError as error:
                raise Rejected("broken", f"the text is no image in base64 ({one_line(error)})") from error
        if data:
            return bytes(data)
        if isinstance(name, str) and name and not os.path.isabs(name) and ".." not in name.split("/"):
            return read_file(f"{path.rpartition('/')[0]}/{name}")
        if name:
            why = "the row holds no bytes, and its path leads out of the table's folder"
            raise Rejected("bad-name", f"{why}: {name}; give a list of the paths instead")
        raise Rejected("missing", "the row holds no image")


def open_parquet_images(
    files: tuple[str, ...], column: str | None, location: str, folder: str | None
) -> ParquetImages | None:
    """Return Parquet files that hold images as a source; None if the first holds none, and may list paths.

    Args:
        files: paths or URLs of the files; the first decides on the columns.
        column: the column that holds the images; None to find it.
        location: what the user gave, with absolute paths.
        folder: the local folder that was searched for the files; None if they are named.

    Raises:
        SourceError: the first file cannot be read, several of its columns hold images, or the named one holds none.
    """
    found = find_image_column(files[0], column, location)
    if found is None:
        return None
    return ParquetImages(files, found.name, found.others, found.kinds, location, folder)


def _empty_rows(path: str) -> Iterator[dict[str, Any]]:
    """Yield an empty dict per row of a file."""
    with open_parquet(path) as file:
        yield from repeat({}, file.metadata.num_rows)


def _list_entries(
    path: str, row: int, length: int, mtime_ns: int, raw_values: Mapping[str, Any], notes: ListingNotes | None
) -> Iterator[Entry]:
    """Yield an entry per image of a row's list."""
    values = {name: metadata_value(value) for name, value in raw_values.items()}
    for place in range(length):
        yield Entry(f"{path}#{row}.{place}", mtime_ns=mtime_ns, offset=row, values=values)
    if not length and notes is not None:
        notes.pass_over("rows without images", f"{path}#{row}")


def metadata_value(value: Any) -> Value:
    """Return a cell of a table as a value of metadata: text, a float, or None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return float(value) if isinstance(value, int | float) else str(value)


class _ColumnReader:
    """Reads single rows of a column in small batches, since a row group may hold gigabytes; caches the last batches."""

    def __init__(self, path: str, column: str) -> None:
        import pyarrow.parquet as pq

        container = open_container(path)
        # `column_reader` drops a reader once enough others have been used after it.
        weakref.finalize(self, container.close)
        metadata = pq.read_metadata(container)
        groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
        self._group_starts = [0, *accumulate(group.num_rows for group in groups)]
        of_column = [
            index
            for index in range(metadata.num_columns)
            if f"{metadata.schema.column(index).path}.".startswith(f"{column}.")
        ]
        stored = [sum(group.column(index).total_uncompressed_size for index in of_column) for group in groups]
        row_bytes = max(1, sum(stored) // max(1, self._group_starts[-1]))
        # A row group may be larger than the memory; reading it piece by piece takes half as long again.
        buffered = max(stored, default=0) > _MAX_GROUP_BYTES
        self._column = column
        self._file = pq.ParquetFile(
            container,
            metadata=metadata,
            buffer_size=BUFFER_BYTES if buffered else 0,
            pre_buffer=not buffered,
        )
        self._batch_rows = min(_BATCH_ROWS, max(_MIN_BATCH_ROWS, _BATCH_BYTES // row_bytes))
        self._lock = Lock()
        self._batches: Iterator[Any] = iter(())
        self._group = self._next_batch = -1
        self._cache: OrderedDict[tuple[int, int], list[Any]] = OrderedDict()

    def read(self, row: int) -> Any:
        group = bisect_right(self._group_starts, row) - 1
        batch, index = divmod(row - self._group_starts[group], self._batch_rows)
        with self._lock:
            while (group, batch) not in self._cache:
                self._advance(group, batch)
            return self._cache[group, batch][index]

    def _advance(self, group: int, batch: int) -> None:
        """Read the next batch on the way to batch `batch` of a row group; earlier batches start the group again."""
        if group != self._group or batch < self._next_batch:
            self._batches = self._file.iter_batches(self._batch_rows, row_groups=[group], columns=[self._column])
            self._group, self._next_batch = group, 0
        rows = next(self._batches)
        if self._next_batch == batch or batch - self._next_batch < _CACHED_BATCHES:
            self._cache[group, self._next_batch] = rows.column(0).to_pylist()
        while len(self._cache) > _CACHED_BATCHES:
            self._cache.popitem(last=False)
        self._next_batch += 1


@lru_cache(maxsize=8)
def column_reader(path: str, column: str, mtime_ns: int) -> _ColumnReader:
    """Return what reads single rows of a column of a file that was last changed at `mtime_ns`."""
    del mtime_ns
    return _ColumnReader(path, column)

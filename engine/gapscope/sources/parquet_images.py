"""Parquet tables that hold the encoded images themselves, as the Hugging Face hub stores them."""

import os
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from threading import Lock
from typing import Any

from gapscope.errors import SourceError, one_line
from gapscope.sources.entry import Entry, Kind, Value
from gapscope.sources.files import check_container_unchanged, modified_ns, open_container, read_file
from gapscope.sources.notes import ListingNotes
from gapscope.sources.parquet_file import DamagedParquetError, open_parquet, parquet_rows, parquet_schema
from gapscope.sources.rejects import Rejected

_BATCH_ROWS = 32
_CACHED_BATCHES = 8


@dataclass(frozen=True)
class ParquetImages:
    """The images in a column of one or more Parquet files, file by file, in the order of their rows.

    Attributes:
        files: paths or URLs of the files.
        column: the column that holds the images: binary, or a struct with `bytes` and `path`.
        columns: the files' other columns of numbers or text.
        location: what the user gave, with absolute paths.
    """

    files: tuple[str, ...]
    column: str
    columns: Mapping[str, Kind]
    location: str

    @property
    def objects(self) -> bool:
        """False: a row is a whole image."""
        return False

    @property
    def folder(self) -> None:
        """None: the files are named, and no folder is searched."""
        return

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"from column {self.column} of {self.location}"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield an entry per row, without reading the images.

        A file that is missing gives one rejected entry, and so does the rest of a damaged file.
        """
        for path in self.files:
            try:
                yield from self._entries_of(path)
            except (SourceError, OSError) as error:
                yield Entry(path, status="missing", error=one_line(error).removeprefix(f"{path}: "))

    def _entries_of(self, path: str) -> Iterator[Entry]:
        row, mtime_ns = 0, modified_ns(path)
        try:
            existing = parquet_schema(path).names
            columns = [name for name in self.columns if name in existing]
            for raw_values in parquet_rows(path, columns) if columns else _empty_rows(path):
                values = {name: _value(value) for name, value in raw_values.items()}
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
        path = entry.uri.rpartition("#")[0]
        check_container_unchanged(path, entry.mtime_ns)
        try:
            cell = _reader(path, self.column).read(entry.offset)
        except Rejected:
            raise
        except MemoryError as error:
            raise Rejected("unreadable", "reading the row takes more memory than there is") from error
        # Arrow raises many types of exceptions on a damaged file.
        except Exception as error:
            raise Rejected("broken", f"the file cannot be read at this row ({one_line(error)})") from error
        if isinstance(cell, bytes) and cell:
            return cell
        name = cell.get("path") if isinstance(cell, dict) else None
        data = cell.get("bytes") if isinstance(cell, dict) else None
        if data:
            return bytes(data)
        if isinstance(name, str) and name and not os.path.isabs(name) and ".." not in name.split("/"):
            return read_file(f"{path.rpartition('/')[0]}/{name}")
        raise Rejected("missing", "the row holds no image")


def _empty_rows(path: str) -> Iterator[dict[str, Any]]:
    """Yield an empty dict per row of a file."""
    with open_parquet(path) as file:
        yield from repeat({}, file.metadata.num_rows)


def _value(value: Any) -> Value:
    if value is None or isinstance(value, str):
        return value
    return float(value) if isinstance(value, int | float) else str(value)


def image_columns(path: str) -> list[str]:
    """Return the columns of a Parquet file that can hold images: binary, or a struct with binary `bytes`.

    Raises:
        SourceError: the file cannot be read as Parquet.
    """
    import pyarrow as pa

    def holds_images(arrow_type: Any) -> bool:
        if pa.types.is_struct(arrow_type):
            return any(field.name == "bytes" and holds_images(field.type) for field in arrow_type)
        return bool(pa.types.is_binary(arrow_type) or pa.types.is_large_binary(arrow_type))

    return [field.name for field in parquet_schema(path) if holds_images(field.type)]


class _ColumnReader:
    """Reads single rows of a column in small batches, since a row group may hold gigabytes; caches the last batches."""

    def __init__(self, path: str, column: str) -> None:
        import pyarrow.parquet as pq

        container = open_container(path)
        # `_reader` drops a reader once enough others have been used after it.
        weakref.finalize(self, container.close)
        self._file = pq.ParquetFile(container)
        self._column = column
        starts = [0]
        for group in range(self._file.num_row_groups):
            starts.append(starts[-1] + self._file.metadata.row_group(group).num_rows)
        self._group_starts = starts
        self._lock = Lock()
        self._batches: Iterator[Any] = iter(())
        self._group = self._next_batch = -1
        self._cache: OrderedDict[tuple[int, int], list[Any]] = OrderedDict()

    def read(self, row: int) -> Any:
        group = next(index for index, end in enumerate(self._group_starts[1:]) if row < end)
        batch, index = divmod(row - self._group_starts[group], _BATCH_ROWS)
        with self._lock:
            while (group, batch) not in self._cache:
                self._advance(group, batch)
            return self._cache[group, batch][index]

    def _advance(self, group: int, batch: int) -> None:
        """Read the next batch on the way to batch `batch` of a row group; earlier batches start the group again."""
        if group != self._group or batch < self._next_batch:
            self._batches = self._file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=[self._column])
            self._group, self._next_batch = group, 0
        rows = next(self._batches)
        if self._next_batch == batch or batch - self._next_batch < _CACHED_BATCHES:
            self._cache[group, self._next_batch] = rows.column(0).to_pylist()
        while len(self._cache) > _CACHED_BATCHES:
            self._cache.popitem(last=False)
        self._next_batch += 1


@lru_cache(maxsize=8)
def _reader(path: str, column: str) -> _ColumnReader:
    return _ColumnReader(path, column)

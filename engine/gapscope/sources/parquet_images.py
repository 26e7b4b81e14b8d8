"""Parquet tables that hold the images themselves, as the Hugging Face hub stores them."""

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
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import check_unchanged, modified_ns, open_container, read_file
from gapscope.sources.parquet_file import Damaged, opened_parquet, parquet_rows, parquet_schema
from gapscope.sources.rejects import Rejected

_READ_ROWS = 32
_KEPT_BATCHES = 8


@dataclass(frozen=True)
class ParquetImages:
    """The images in a column of some Parquet files, file by file, in the order of their rows.

    Attributes:
        files: paths or URLs of the files.
        column: the column that holds the images: binary, or a struct with `bytes` and `path`.
        columns: the files' other columns of numbers or text.
        location: what the user gave.
    """

    files: tuple[str, ...]
    column: str
    columns: Mapping[str, Kind]
    location: str

    @property
    def objects(self) -> bool:
        """A row is a whole image."""
        return False

    @property
    def folder(self) -> None:
        """Files are named, not searched for."""
        return

    def entries(self) -> Iterator[Entry]:
        """Yield an entry per row, without reading the images."""
        for path in self.files:
            try:
                yield from self._rows(path)
            # A file of many that is damaged or missing is one rejected row.
            except (SourceError, OSError) as error:
                yield Entry(path, status="missing", error=one_line(error).removeprefix(f"{path}: "))

    def _rows(self, path: str) -> Iterator[Entry]:
        row, modified = 0, modified_ns(path)
        try:
            there = parquet_schema(path).names
            wanted = [name for name in self.columns if name in there]
            for values in parquet_rows(path, wanted) if wanted else _nothing_of(path):
                said = {name: _value(value) for name, value in values.items()}
                yield Entry(f"{path}#{row}", mtime_ns=modified, offset=row, values=said)
                row += 1
        except Damaged as error:
            reason = one_line(error).removeprefix(f"{path}: ")
            yield Entry(f"{path}#{row}", status="broken", error=f"the file cannot be read from this row on ({reason})")

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the image in the entry's row."""
        path = entry.uri.rpartition("#")[0]
        check_unchanged(path, entry.mtime_ns)
        try:
            found = _reader(path, self.column).row(entry.offset)
        except Rejected:
            raise
        except MemoryError as error:
            raise Rejected("unreadable", "reading the row takes more memory than there is") from error
        # What Arrow makes of a damaged file.
        except Exception as error:
            raise Rejected("broken", f"the file cannot be read at this row ({one_line(error)})") from error
        if isinstance(found, bytes) and found:
            return found
        name = found.get("path") if isinstance(found, dict) else None
        data = found.get("bytes") if isinstance(found, dict) else None
        if data:
            return bytes(data)
        if isinstance(name, str) and name and not os.path.isabs(name) and ".." not in name.split("/"):
            return read_file(f"{path.rpartition('/')[0]}/{name}")
        raise Rejected("missing", "the row holds no image")


def _nothing_of(path: str) -> Iterator[dict[str, Any]]:
    """Yield as many rows as there are, with nothing in them."""
    with opened_parquet(path) as file:
        yield from repeat({}, file.metadata.num_rows)


def _value(value: Any) -> str | float | None:
    if value is None or isinstance(value, str):
        return value
    return float(value) if isinstance(value, int | float) else str(value)


def image_columns(path: str) -> list[str]:
    """Return the columns of a Parquet file that hold images."""
    import pyarrow as pa

    def holds_images(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return any(field.name == "bytes" and holds_images(field.type) for field in kind)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    return [field.name for field in parquet_schema(path) if holds_images(field.type)]


class _Reader:
    """Reads a column in small batches, since a row group may hold gigabytes; the last few are kept."""

    def __init__(self, path: str, column: str) -> None:
        import pyarrow.parquet as pq

        opened = open_container(path)
        # Readers are let go of when others have been asked for since.
        weakref.finalize(self, opened.close)
        self._file = pq.ParquetFile(opened)
        self._column = column
        starts = [0]
        for group in range(self._file.num_row_groups):
            starts.append(starts[-1] + self._file.metadata.row_group(group).num_rows)
        self._starts = starts
        self._lock = Lock()
        self._batches: Iterator[Any] = iter(())
        self._group = self._next = -1
        self._kept: OrderedDict[tuple[int, int], list[Any]] = OrderedDict()

    def row(self, number: int) -> Any:
        group = next(at for at, start in enumerate(self._starts[1:]) if number < start)
        batch, place = divmod(number - self._starts[group], _READ_ROWS)
        with self._lock:
            while (group, batch) not in self._kept:
                self._advance(group, batch)
            return self._kept[group, batch][place]

    def _advance(self, group: int, batch: int) -> None:
        if group != self._group or batch < self._next:
            self._batches = self._file.iter_batches(_READ_ROWS, row_groups=[group], columns=[self._column])
            self._group, self._next = group, 0
        found = next(self._batches)
        if self._next == batch or batch - self._next < _KEPT_BATCHES:
            self._kept[group, self._next] = found.column(0).to_pylist()
        while len(self._kept) > _KEPT_BATCHES:
            self._kept.popitem(last=False)
        self._next += 1


@lru_cache(maxsize=8)
def _reader(path: str, column: str) -> _Reader:
    return _Reader(path, column)

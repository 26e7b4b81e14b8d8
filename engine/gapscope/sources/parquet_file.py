"""Parquet files: their columns, and their rows some at a time. Whatever is wrong with one is a SourceError."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gapscope.errors import SourceError, one_line
from gapscope.sources.entry import Kind
from gapscope.sources.files import open_container, size_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH_ROWS = 8192


class Damaged(SourceError):
    """The file is there, and is no Parquet that can be read to its end."""


@contextmanager
def opened_parquet(path: str) -> "Iterator[pq.ParquetFile]":
    """Open a Parquet file, and tell what is wrong with it for as long as it is read.

    Raises:
        SourceError: it is not there.
        Damaged: it is none, or cannot be read.
    """
    import pyarrow.parquet as pq

    with open_container(path) as opened:
        try:
            size = size_of(opened)
            file = pq.ParquetFile(opened)
            # A row group of nothing but repeats may claim any number of rows.
            if not 0 <= file.metadata.num_rows <= size:
                raise Damaged(f"{path}: claims {file.metadata.num_rows:,} rows in {size:,} bytes")
            yield file
        except Damaged:
            raise
        # Arrow says ArrowException, OSError, OverflowError and more, and names none of them.
        except Exception as error:
            raise Damaged(f"{path}: cannot be read as Parquet ({one_line(error)})") from error


def parquet_schema(path: str) -> "pa.Schema":
    """Return the Arrow schema of a Parquet file.

    Raises:
        SourceError: it is none.
    """
    with opened_parquet(path) as file:
        return file.schema_arrow


def parquet_kinds(path: str) -> Mapping[str, Kind]:
    """Return the columns of a Parquet file that hold numbers or text.

    Raises:
        SourceError: it is none.
    """
    import pyarrow as pa

    kinds: dict[str, Kind] = {}
    for field in parquet_schema(path):
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_boolean(field.type):
            kinds[field.name] = "number"
        elif not pa.types.is_nested(field.type) and not pa.types.is_binary(field.type):
            kinds[field.name] = "text"
    return kinds


def parquet_rows(path: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of some columns, in constant memory.

    Raises:
        SourceError: the file cannot be read from here on.
    """
    with opened_parquet(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns)):
            values = [_values(column) for column in batch.columns]
            yield from (dict(zip(batch.schema.names, row, strict=True)) for row in zip(*values, strict=True))


def _values(column: "pa.Array") -> list[Any]:
    import pyarrow as pa

    try:
        found: list[Any] = column.to_pylist()
    # A time that Python has no name for.
    except (ValueError, OverflowError):
        found = column.cast(pa.string()).to_pylist()
    return found

"""Reading the schema and the rows of Parquet files; every failure is a SourceError."""

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


class DamagedParquetError(SourceError):
    """The file exists, and is not a Parquet file that can be read to its end."""


@contextmanager
def open_parquet(path: str) -> "Iterator[pq.ParquetFile]":
    """Open a Parquet file, and translate errors for as long as it is being read.

    Raises:
        SourceError: the file cannot be opened.
        DamagedParquetError: it is not a Parquet file, or cannot be read.
    """
    import pyarrow.parquet as pq

    with open_container(path) as container:
        try:
            size = size_of(container)
            file = pq.ParquetFile(container)
            # A row group of one repeated value may claim any number of rows.
            if not 0 <= file.metadata.num_rows <= size:
                raise DamagedParquetError(f"{path}: claims {file.metadata.num_rows:,} rows in {size:,} bytes")
            yield file
        except DamagedParquetError:
            raise
        # Arrow raises ArrowException, OSError, OverflowError and more, and documents none of them.
        except Exception as error:
            raise DamagedParquetError(f"{path}: cannot be read as Parquet ({one_line(error)})") from error


def parquet_schema(path: str) -> "pa.Schema":
    """Return the Arrow schema of a Parquet file.

    Raises:
        SourceError: the file cannot be read as Parquet.
    """
    with open_parquet(path) as file:
        return file.schema_arrow


def parquet_kinds(path: str) -> Mapping[str, Kind]:
    """Return the columns of a Parquet file that hold numbers or text, with their types.

    Raises:
        SourceError: the file cannot be read as Parquet.
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
    """Yield the rows of some columns as dicts, in constant memory.

    Raises:
        SourceError: the file cannot be read beyond the rows so far.
    """
    with open_parquet(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns)):
            values = [_values(column) for column in batch.columns]
            yield from (dict(zip(batch.schema.names, row, strict=True)) for row in zip(*values, strict=True))


def _values(column: "pa.Array") -> list[Any]:
    import pyarrow as pa

    try:
        values: list[Any] = column.to_pylist()
    # A time that Python's datetime cannot represent.
    except (ValueError, OverflowError):
        values = column.cast(pa.string()).to_pylist()
    return values

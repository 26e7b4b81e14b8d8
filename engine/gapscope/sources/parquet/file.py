"""Reading the schema and the rows of Parquet files; every failure is a SourceError."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from gapscope.errors import SourceError, one_line
from gapscope.sources.entry import Kind
from gapscope.sources.files import open_container, size_of
from gapscope.sources.signatures import HEAD_BYTES, misnamed

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BUFFER_BYTES = 2**20
"""How much of a column is read at once where values are large."""

_BATCH_ROWS = 8192
_LIST_BATCH_ROWS = 32


class DamagedParquetError(SourceError):
    """The file exists, and is not a Parquet file that can be read to its end."""


@contextmanager
def open_parquet(path: str, *, buffered: bool = False) -> "Iterator[pq.ParquetFile]":
    """Open a Parquet file, and translate errors for as long as it is being read.

    Args:
        path: path or URL of the file.
        buffered: whether to read columns piece by piece; otherwise all of a column's part in a row group is read at
            once, which is faster where it is small.

    Raises:
        SourceError: the file cannot be opened.
        DamagedParquetError: it is not a Parquet file, or cannot be read.
    """
    import pyarrow.parquet as pq

    with open_container(path) as container:
        try:
            size = size_of(container)
            file = pq.ParquetFile(container, buffer_size=BUFFER_BYTES if buffered else 0, pre_buffer=not buffered)
            # A row group of one repeated value may claim any number of rows.
            if not 0 <= file.metadata.num_rows <= size:
                raise DamagedParquetError(f"{path}: claims {file.metadata.num_rows:,} rows in {size:,} bytes")
            yield file
        except SourceError:
            raise
        # Arrow raises ArrowException, OSError, OverflowError and more, and documents none of them.
        except Exception as error:
            why = _misnamed(container) or one_line(error)
            raise DamagedParquetError(f"{path}: cannot be read as Parquet ({why})") from error


def _misnamed(container: IO[bytes]) -> str | None:
    try:
        container.seek(0)
        return misnamed(container.read(HEAD_BYTES), ".parquet")
    # A remote file that could not be read a moment ago raises many types of exceptions.
    except Exception:  # noqa: BLE001
        return None


def parquet_schema(path: str) -> "pa.Schema":
    """Return the Arrow schema of a Parquet file.

    Raises:
        SourceError: the file cannot be read as Parquet.
    """
    with open_parquet(path) as file:
        return file.schema_arrow


def kinds_of(schema: "pa.Schema") -> Mapping[str, Kind]:
    """Return the columns of a schema that hold numbers or text, with their types; truth values are text."""
    import pyarrow as pa

    kinds: dict[str, Kind] = {}
    for field in schema:
        of_values = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_integer(of_values) or pa.types.is_floating(of_values):
            kinds[field.name] = "number"
        elif not pa.types.is_nested(of_values) and not is_binary(of_values):
            kinds[field.name] = "text"
    return kinds


def is_binary(arrow_type: "pa.DataType") -> bool:
    """Tell whether a column holds bytes, of any length or of one."""
    import pyarrow as pa

    kinds = ("is_binary", "is_large_binary", "is_binary_view", "is_fixed_size_binary")
    return any(getattr(pa.types, kind)(arrow_type) for kind in kinds)


def parquet_rows(path: str, columns: Sequence[str], batch_rows: int = _BATCH_ROWS) -> Iterator[dict[str, Any]]:
    """Yield the rows of some columns as dicts, in constant memory.

    Args:
        path: path or URL of the file.
        columns: names of columns, or paths in dots of fields in them.
        batch_rows: how many rows are in memory at once; fewer where values are long.

    Raises:
        SourceError: the file cannot be read beyond the rows so far.
    """
    with open_parquet(path) as file:
        for batch in file.iter_batches(batch_rows, columns=list(columns)):
            values = [_values(column) for column in batch.columns]
            yield from (dict(zip(batch.schema.names, row, strict=True)) for row in zip(*values, strict=True))


def list_lengths(path: str, column: str) -> Iterator[int]:
    """Yield how many items the list in each row of a column has; a list that is null has none.

    Of the items, the smallest field alone is read, such as the `path` beside the `bytes`.

    Raises:
        SourceError: the file cannot be read beyond the rows so far.
    """
    import pyarrow.compute as pc

    with open_parquet(path, buffered=True) as file:
        metadata = file.metadata
        sizes = {
            metadata.schema.column(index).path: sum(
                metadata.row_group(group).column(index).total_compressed_size
                for group in range(metadata.num_row_groups)
            )
            for index in range(metadata.num_columns)
            if metadata.schema.column(index).path.startswith(f"{column}.")
        }
        if claims_too_much(file, path, column):
            raise DamagedParquetError(f"{path}: claims more items in lists than it has bytes")
        for batch in file.iter_batches(_LIST_BATCH_ROWS, columns=[min(sizes, key=lambda field: sizes[field])]):
            yield from pc.fill_null(pc.list_value_length(batch.column(0)), 0).to_pylist()


def claims_too_much(file: "pq.ParquetFile", path: str, column: str, allowed: int = 0) -> bool:
    """Tell whether a column of lists claims more items than the file has bytes.

    As with rows, a list of one repeated value may claim any number of items, and reading a row reads them all.

    Args:
        file: the file.
        path: path or URL of it.
        column: a column, or the path in dots of a field.
        allowed: how many items are never too many.
    """
    metadata = file.metadata
    claimed = [
        metadata.row_group(group).column(index).num_values
        for index in range(metadata.num_columns)
        if f"{metadata.schema.column(index).path}.".startswith(f"{column}.")
        for group in range(metadata.num_row_groups)
    ]
    with open_container(path) as container:
        return min(claimed, default=0) < 0 or sum(claimed) > max(allowed, size_of(container))


def _values(column: "pa.Array") -> list[Any]:
    import pyarrow as pa

    try:
        values: list[Any] = column.to_pylist()
    # A time that Python's datetime cannot represent.
    except (ValueError, OverflowError):
        values = column.cast(pa.string()).to_pylist()
    return values

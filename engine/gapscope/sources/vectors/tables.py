"""Vectors in columns of tables, Parquet or Arrow: a list of floats per row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gapscope.errors import SourceError, one_line
from gapscope.sources.entry import Kind
from gapscope.sources.files import modified_ns_if_there, open_container, size_of
from gapscope.sources.lists.columns import known_by_name
from gapscope.sources.parquet.columns import is_list
from gapscope.sources.parquet.file import claims_too_much, kinds_of, open_parquet
from gapscope.sources.vectors.vectors import Vectors, add_level, as_kept, check_shape, kept_dtype

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 4096
_NAME_COLUMNS = ("id", "key", "name", "image_id")
"""Columns that name images, where there is none of paths."""


@dataclass(frozen=True)
class VectorTable:
    """Table files of the same columns, read in order.

    Attributes:
        files: paths or URLs, all Parquet or all Arrow.
    """

    files: tuple[str, ...]

    @property
    def signature(self) -> str:
        """A text that differs where a file does."""
        return " ".join(str(modified_ns_if_there(path)) for path in self.files)

    def schema(self) -> "pa.Schema":
        """Return the columns of the first file.

        Raises:
            SourceError: it cannot be read.
        """
        with _opened(self.files[0]) as (schema, _, _):
            return schema

    def rows(self) -> int:
        """Return how many rows the files have together.

        Raises:
            SourceError: one cannot be read.
        """
        total = 0
        for path in self.files:
            with _opened(path) as (_, rows, batches):
                total += sum(len(batch) for batch in batches([])) if rows is None else rows
        return total

    def batches(self, columns: Sequence[str]) -> "Iterator[pa.RecordBatch]":
        """Yield some columns of all files, some thousand rows at a time.

        Raises:
            SourceError: a file cannot be read, or lacks a column.
        """
        for path in self.files:
            with _opened(path) as (schema, _, batches):
                if lacking := [name for name in columns if name not in schema.names]:
                    raise SourceError(f"{path}: there is no column {lacking[0]}, which {self.files[0]} has")
                yield from batches(columns)


class ColumnVectors:
    """The vectors of one column. They are read in order; reading back starts again at the first row.

    Args:
        table: the files.
        column: the column's name.
        rows: how many rows the files have.
        integers: whether the user said that integers are vectors.

    Raises:
        SourceError: the column holds no vectors.
    """

    def __init__(self, table: VectorTable, column: str, rows: int, *, integers: bool) -> None:
        self.where = f"{table.files[0]}::{column}"
        self._table, self._column = table, column
        arrow_type = table.schema().field(column).type
        _check_claims(table.files[0], column)
        self.dtype = kept_dtype(np.dtype(arrow_type.value_type.to_pandas_dtype()), self.where, integers=integers)
        self.shape = check_shape((rows, getattr(arrow_type, "list_size", None) or self._first_length()), self.where)
        self._batches: Iterator[NDArray[Any]] = iter(())
        self._batch: NDArray[Any] = np.empty((0, self.shape[1]), self.dtype)
        self._next = rows + 1

    @property
    def signature(self) -> str:
        """A text that differs where a file does."""
        return self._table.signature

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return the vectors of rows `start` to `stop` (exclusive); NaN for rows with none, or of another length."""
        stop = min(stop, self.shape[0])
        if start < self._next - len(self._batch):
            self._batches, self._next = self._arrays(), 0
            self._batch = self._batch[:0]
        values = np.full((max(stop - start, 0), self.shape[1]), np.nan, self.dtype)
        while True:
            first = self._next - len(self._batch)
            low, high = max(start, first), min(stop, self._next)
            if low < high:
                values[low - start : high - start] = self._batch[low - first : high - first]
            if self._next >= stop:
                return values
            following = next(self._batches, None)
            if following is None:
                raise SourceError(f"{self.where}: has fewer rows than when it was listed")
            self._batch = following
            self._next += len(following)

    def _first_length(self) -> int:
        for batch in self._table.batches([self._column]):
            for cell in batch.column(0):
                if cell.is_valid and len(cell.values):
                    return len(cell.values)
        return 0

    def _arrays(self) -> Iterator[NDArray[Any]]:
        for batch in self._table.batches([self._column]):
            yield _array(batch.column(0), self.shape[1], self.dtype)


def _array(column: "pa.Array", length: int, dtype: "np.dtype[Any]") -> NDArray[Any]:
    """Return lists of floats as an array; NaN for lists that are null or of another length."""
    import pyarrow.compute as pc

    values = np.full((len(column), length), np.nan, dtype)
    lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False)
    right = lengths == length
    if right.any():
        kept = column if right.all() else column.filter(right)
        flat = kept.flatten().to_numpy(zero_copy_only=False)
        values[right] = as_kept(flat.reshape(-1, length), dtype)
    return values


def _check_claims(path: str, column: str) -> None:
    if path.lower().endswith(".parquet"):
        with open_parquet(path) as file:
            # A list of one repeated value may claim any number of items.
            if claims_too_much(file, path, column, 2**31):
                raise SourceError(f"{path}: column {column} claims more numbers than the file has bytes")


def vector_columns(schema: "pa.Schema") -> dict[str, str]:
    """Return the columns of a schema that hold lists of numbers, with their kind: `f` (floats) or `i` (integers).

    Example:
        >>> import pyarrow as pa
        >>> vector_columns(pa.schema([("path", pa.string()), ("clip", pa.list_(pa.float32(), 512))]))
        {'clip': 'f'}
    """
    import pyarrow as pa

    kinds = {}
    for field in schema:
        if is_list(field.type):
            inner = field.type.value_type
            if pa.types.is_floating(inner):
                kinds[field.name] = "f"
            elif pa.types.is_integer(inner):
                kinds[field.name] = "i"
    return kinds


def open_table_vectors(
    table: VectorTable, part: str | None, *, as_vectors: bool, may_list_images: bool
) -> dict[str, Vectors] | None:
    """Return the vectors of a table, a level per column; None if it holds none that are meant.

    Args:
        table: the files.
        part: names of columns, with commas between; None for all columns of vectors.
        as_vectors: whether the user said that it holds vectors.
        may_list_images: whether a table with images or their paths is meant for these, unless the user says otherwise.

    Raises:
        SourceError: it cannot be read, or holds no vectors though the user said so.
    """
    schema = table.schema()
    columns = vector_columns(schema)
    if part:
        names = [name.strip() for name in part.split(",")] if part not in schema.names else [part]
        if not set(names) <= set(columns):
            if as_vectors or set(names) & set(columns):
                odd = next(name for name in names if name not in columns)
                there = ", ".join(columns) or "none"
                raise SourceError(f"{table.files[0]}: column {odd} holds no vectors; there are {there}")
            return None
    else:
        names = [name for name, kind in columns.items() if kind == "f"]
        if not names and as_vectors:
            names = list(columns)
        if not names:
            if as_vectors:
                raise SourceError(f"{table.files[0]}: no column holds vectors, which are lists of floats of one length")
            return None
        if may_list_images and not as_vectors and known_by_name(kinds_of(schema)):
            return None
    rows = table.rows()
    vectors: dict[str, Vectors] = {}
    for name in names:
        add_level(vectors, name, ColumnVectors(table, name, rows, integers=as_vectors), table.files[0])
    return vectors


def name_column(kinds: Mapping[str, Kind]) -> str | None:
    """Return the column of text that names images; None if there is none.

    Example:
        >>> name_column({"id": "text", "score": "number"})
        'id'
    """
    texts = [name for name, kind in kinds.items() if kind == "text"]
    by_name = {name.lower(): name for name in texts}
    return next(iter([*known_by_name(texts), *(by_name[name] for name in _NAME_COLUMNS if name in by_name)]), None)


def _checked(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """Return a batch of a stranger's file, whose offsets may point anywhere, once they are known not to."""
    batch.validate(full=True)
    return batch


_Batches = Callable[[Sequence[str]], "Iterator[pa.RecordBatch]"]


@contextmanager
def _opened(path: str) -> "Iterator[tuple[pa.Schema, int | None, _Batches]]":
    """Open a table; yield its schema, its rows if it tells them, and what yields batches of some columns."""
    if path.lower().endswith(".parquet"):
        with open_parquet(path) as file:
            yield (
                file.schema_arrow,
                file.metadata.num_rows,
                lambda columns: file.iter_batches(_BATCH_ROWS, columns=list(columns)),
            )
        return
    import pyarrow as pa

    with open_container(path) as container:
        try:
            size_of(container)
            try:
                reader: Any = pa.ipc.open_file(container)
                count = reader.num_record_batches
                stored = (reader.get_batch(number) for number in range(count))
            except pa.ArrowInvalid:
                # What Hugging Face datasets keeps is a stream.
                container.seek(0)
                reader = pa.ipc.open_stream(container)
                stored = iter(reader)
            yield reader.schema, None, lambda columns: (_checked(batch.select(list(columns))) for batch in stored)
        except SourceError:
            raise
        # Arrow raises ArrowException, OSError, OverflowError and more, and documents none of them.
        except Exception as error:
            raise SourceError(f"{path}: cannot be read as an Arrow file ({one_line(error)})") from error

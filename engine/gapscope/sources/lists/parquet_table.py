"""Parquet tables with a column of paths."""

from collections.abc import Iterator
from dataclasses import dataclass

from gapscope.sources.lists.rows import BadRow, Cells
from gapscope.sources.notes import ListingNotes
from gapscope.sources.parquet.file import parquet_rows


@dataclass(frozen=True)
class ParquetTable:
    """A Parquet table.

    Attributes:
        path: path or URL of the file.
        columns: its columns of text and numbers.
        left_out: its other columns.
    """

    path: str
    columns: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def guesses(self) -> tuple[str, ...]:
        """Nothing: the file says how it is written."""
        return ()

    def rows(self, notes: ListingNotes) -> Iterator[Cells | BadRow]:
        """Yield the rows in their order.

        Raises:
            SourceError: the file cannot be read beyond the rows so far.
        """
        del notes
        for row in parquet_rows(self.path, self.columns):
            yield [row[name] for name in self.columns]

    def other_readings(self, cells: Cells, column: int) -> Iterator[tuple[Cells, str]]:
        """Yield nothing: a cell is a path."""
        del cells, column
        return iter(())

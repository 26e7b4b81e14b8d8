"""The rows of a list, however it is written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gapscope.sources.lists.text import MAX_LINE_CHARS
from gapscope.sources.notes import ListingNotes

Cells = Sequence[Any]
"""The values of one row: one per column of its list, and perhaps more."""


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be told apart into columns.

    Attributes:
        line: its line in the list.
        error: the reason as text.
    """

    line: int
    error: str


def too_long(line: int) -> BadRow:
    """Return the row for a line that is longer than any list needs."""
    return BadRow(line, f"line {line:,} of the list is longer than {MAX_LINE_CHARS:,} characters")


class Writing(Protocol):
    """The way in which a list is written, settled when it is opened. Small and picklable."""

    @property
    def guesses(self) -> Sequence[str]:
        """What a user should be told about how the list is written."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in their order; empty for one that holds nothing."""

    def rows(self, notes: ListingNotes) -> Iterator[Cells | BadRow]:
        """Yield the rows in their order.

        Raises:
            SourceError: the list cannot be read beyond the rows so far.
        """

    def other_readings(self, cells: Cells, column: int) -> Iterator[tuple[Cells, str]]:
        """Yield what else a row may mean whose name in `column` is no file, each with a sentence that says so."""

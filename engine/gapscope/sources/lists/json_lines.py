"""Lists in JSON lines, as the Hugging Face hub writes them: an object per line."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gapscope.errors import SourceError, one_line
from gapscope.sources.entry import Kind
from gapscope.sources.lists.columns import MAX_COLUMNS
from gapscope.sources.lists.rows import BadRow, Cells, too_long
from gapscope.sources.lists.text import ListText, readable
from gapscope.sources.notes import ListingNotes

_SHOWN = 5
_LARGEST_NUMBER = 2**1023


@dataclass(frozen=True)
class JsonLines:
    """A list with a JSON object per line. Its columns are the keys whose values are text, numbers or truth values.

    Attributes:
        text: where it is, and how it is stored.
        columns: the keys, in the order in which they first occur.
        left_out: keys with lists or objects behind them.
    """

    text: ListText
    columns: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def guesses(self) -> tuple[str, ...]:
        """What a user should be told about how the list is written."""
        if not self.left_out:
            return self.text.guesses
        names = ", ".join(self.left_out[:_SHOWN]) + (", ..." if len(self.left_out) > _SHOWN else "")
        return (*self.text.guesses, f"keys with lists or objects behind them are left out: {names}")

    def rows(self, notes: ListingNotes) -> Iterator[Cells | BadRow]:
        """Yield the rows in their order. Empty lines are none.

        Raises:
            SourceError: the list cannot be read beyond the rows so far.
        """
        del notes
        for row in _objects(self.text):
            yield row if isinstance(row, BadRow) else [_scalar(row.get(name)) for name in self.columns]

    def other_readings(self, cells: Cells, column: int) -> Iterator[tuple[Cells, str]]:
        """Yield nothing: JSON says where a value ends."""
        del cells, column
        return iter(())


def find_json_lines(text: ListText) -> tuple[JsonLines, Mapping[str, Kind]]:
    """Return how a list in JSON lines is written, and the kinds of its columns.

    It takes a pass over the list, because any line may bring another key.

    Raises:
        SourceError: the list cannot be read, holds no object, or has more than `MAX_COLUMNS` keys.
    """
    kinds: dict[str, Kind | None] = {}
    left_out: dict[str, None] = {}
    bad: BadRow | None = None
    for row in _objects(text):
        if isinstance(row, BadRow):
            bad = bad or row
            continue
        for key, value in row.items():
            if isinstance(value, list | dict) or not key or readable(key) != key:
                left_out[readable(key)] = None
            elif kinds.setdefault(key, None) != "text" and value is not None:
                kinds[key] = "number" if _is_number(value) else "text"
        if max(len(kinds), len(left_out)) > MAX_COLUMNS:
            raise SourceError(f"{text.path}: its objects have more than {MAX_COLUMNS:,} different keys")
    if bad and not kinds:
        raise SourceError(f"{text.path}: {bad.error}; JSON lines hold an object per line")
    columns = {key: kind or "text" for key, kind in kinds.items()}
    return JsonLines(text, tuple(columns), tuple(left_out)), columns


def _objects(text: ListText) -> Iterator[dict[str, Any] | BadRow]:
    for number, line in enumerate(text.lines(), 1):
        if line is None:
            yield too_long(number)
            continue
        if not (line := line.strip().strip("\ufeff")):
            continue
        try:
            value = json.loads(line)
        # A hostile line nests lists until Python gives up.
        except (ValueError, RecursionError) as error:
            yield BadRow(
                number, f"line {number:,} of the list is no JSON: {getattr(error, 'msg', '') or one_line(error)}"
            )
            continue
        if isinstance(value, dict):
            yield value
        else:
            yield BadRow(number, f"line {number:,} of the list is no JSON object")


def is_json_object(line: str) -> bool:
    """Tell whether a line holds a JSON object.

    Example:
        >>> is_json_object('{"path": "a.jpg"}'), is_json_object("{a}.jpg")
        (True, False)
    """
    try:
        return line.startswith("{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _scalar(value: Any) -> Any:
    return None if isinstance(value, list | dict) else value


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) < _LARGEST_NUMBER
    return isinstance(value, float)

"""What is known of the images besides their coordinates, to color the map by."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.report.points import PointIndex
from gapscope.report.script import packed
from gapscope.report.selection import Selection
from gapscope.store.index import PREFIX, take_rows
from gapscope.store.run_store import RunStore

MAX_CATEGORIES = 1000
"""Texts that are told apart; the rarer ones are all `other`."""

_NONE, _RARE = 65535, 65534
_UNKNOWN_SIZE = -1
_READ = {
    "format": "file format",
    "bytes": "file size in bytes",
    "width": "width in pixels",
    "height": "height in pixels",
    "jpeg_quality": "JPEG quality",
}


@dataclass(frozen=True)
class Column:
    """One value for each image on the page.

    Attributes:
        head: name and kind; the ends of a number's range without its outermost 2%; a text's values, the frequent ones
            first.
        values: (n,) float32 numbers, NaN where there is none; or uint16 numbers into the texts, or `_NONE` or `_RARE`.
    """

    head: dict[str, object]
    values: str


def read_columns(run: RunStore, index: PointIndex, selection: Selection) -> list[Column]:
    """Return the columns that the datasets' sources have, and facts about the files, in which the images differ."""
    tables = [_rows(run, index, selection, number) for number in range(len(index.datasets))]
    columns = [_column(title, _joined(name, tables, index, selection)) for name, title in _names(tables)]
    return [column for column in columns if column is not None]


def _rows(run: RunStore, index: PointIndex, selection: Selection, dataset: int) -> pa.Table:
    rows = index.row[selection.image[index.dataset[selection.image] == dataset]]
    return take_rows(run, index.datasets[dataset], rows)


def _names(tables: list[pa.Table]) -> Iterator[tuple[str, str]]:
    own = dict.fromkeys(name for table in tables for name in table.column_names if name.startswith(PREFIX))
    for name in own:
        yield name, name.removeprefix(PREFIX)
    yield from _READ.items()


def _joined(name: str, tables: list[pa.Table], index: PointIndex, selection: Selection) -> list[Any]:
    """Return a column's values for the images on the page, None where one has none."""
    values = np.full(len(selection.image), None, dtype=object)
    for number, table in enumerate(tables):
        if name in table.column_names:
            values[index.dataset[selection.image] == number] = table[name].to_pylist()
    if name == "bytes":
        values[values == _UNKNOWN_SIZE] = None
    return list(values)


def _column(title: str, values: list[Any]) -> Column | None:
    if any(isinstance(value, str) for value in values):
        return _texts(title, values)
    return _numbers(title, np.array(values, dtype=np.float64))


def _numbers(title: str, numbers: NDArray[np.float64]) -> Column | None:
    known = numbers[np.isfinite(numbers)]
    if not len(known) or known.min() == known.max():
        return None
    low, high = np.quantile(known, [0.02, 0.98])
    if low == high:
        low, high = known.min(), known.max()
    head = {"name": title, "kind": "number", "low": float(low), "high": float(high)}
    return Column(head, packed(np.where(np.isfinite(numbers), numbers, np.nan).astype(np.float32)))


def _texts(title: str, values: list[Any]) -> Column | None:
    texts = [None if value is None else str(value) for value in values]
    counts = Counter(text for text in texts if text is not None)
    # In the order of the texts where they are equally frequent, so that a page made again is the same.
    order = sorted(counts, key=lambda text: (-counts[text], text))[:MAX_CATEGORIES]
    if len(counts) < 2 or counts[order[0]] == 1:
        return None
    codes: dict[str | None, int] = {None: _NONE} | {text: number for number, text in enumerate(order)}
    numbers = np.array([codes.get(text, _RARE) for text in texts], np.uint16)
    return Column({"name": title, "kind": "text", "texts": order}, packed(numbers))

"""What is known of the images besides their coordinates: columns of the user's own, and facts about the files."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.compare.causes.metadata import dates_of
from gapscope.report.classes import PageClasses
from gapscope.report.names import Names
from gapscope.report.points import PointIndex
from gapscope.report.script import packed
from gapscope.report.selection import Selection
from gapscope.store.index import PREFIX, take_rows
from gapscope.store.run_store import RunStore

MAX_CATEGORIES = 1000
"""Texts that are told apart; the rarer ones are all `other`."""

_MISSING, _OTHER = 65535, 65534
_UNKNOWN_SIZE = -1
_FACTS = {
    "format": ("file format", ""),
    "bytes": ("file size", "bytes"),
    "width": ("width", "pixels"),
    "height": ("height", "pixels"),
    "jpeg_quality": ("JPEG quality", ""),
}
_CLASS_TITLES = ("class", *(f"class ({number})" for number in range(2, 1000)))
_LARGEST = float(np.finfo(np.float32).max)
_COMMON_SHARE = 0.25
_REST_SHARE = 0.02


@dataclass(frozen=True)
class Column:
    """One value for each image on the page.

    Attributes:
        source: the user's name of it; empty for a fact about the files, and for the class.
        head: `name`, which no other column has, `kind`, `unit` and `missing`, the number of images without a value. Of
            kind `number` also `min` and `max`; `low` and `high`, between which all but far-out values lie; and
            `integer`, whether all values are whole. The unit `date` means seconds since 1970, UTC. Of kind `text` also
            `texts`, the frequent ones first, their `counts`, and `other`, the number of images with a rarer text.
        values: (n,) float32 numbers, float64 for dates, NaN where there is none; or uint16 numbers into the texts, or
            `_MISSING` or `_OTHER`.
    """

    head: dict[str, object]
    values: str
    source: str = ""


def read_columns(
    run: RunStore, index: PointIndex, selection: Selection, names: Names, classes: PageClasses | None = None
) -> list[Column]:
    """Return the classes, the columns that the datasets' sources have, and facts about the files.

    Those in which the images do not differ are left out, and so are classes that a column of the user's holds already.

    A text column that holds nothing but dates is one of dates, and one of truth values has the texts true and false.

    Args:
        run: the run.
        index: all images that have coordinates.
        selection: the images on the page.
        names: how the page writes places, which texts may hold.
        classes: of the images on the page; None for a run without classes.
    """
    tables = [_rows(run, index, selection, number) for number in range(len(index.datasets))]
    titles = list(_titles(tables, names))
    columns: list[Column | None] = []
    for name, title, unit in titles:
        column = _column(title, unit, _joined(name, tables, index, selection), names)
        is_own = column is not None and name.startswith(PREFIX)
        columns.append(replace(column, source=name.removeprefix(PREFIX)) if column is not None and is_own else column)
    if classes is not None and classes.column is None:
        taken = {title for _, title, _ in titles}
        columns.insert(0, _texts(next(text for text in _CLASS_TITLES if text not in taken), classes.texts(), names))
    return [column for column in columns if column is not None]


def _rows(run: RunStore, index: PointIndex, selection: Selection, dataset: int) -> pa.Table:
    rows = index.row[selection.image[index.dataset[selection.image] == dataset]]
    return take_rows(run, index.datasets[dataset], rows)


def _titles(tables: list[pa.Table], names: Names) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each column in the index, its name on the page, and its unit."""
    own = dict.fromkeys(name for table in tables for name in table.column_names if name.startswith(PREFIX))
    titles = {name: (names.text(name.removeprefix(PREFIX)) or "(no name)", "") for name in own} | _FACTS
    taken: set[str] = set()
    for name, (own_title, unit) in titles.items():
        # The user's own column of a fact's name may mean something else.
        suffix = " (file)" if name in _FACTS else " (2)"
        title = next(text for at in count() if (text := own_title + at * suffix) not in taken)
        taken.add(title)
        yield name, title, unit


def _joined(name: str, tables: list[pa.Table], index: PointIndex, selection: Selection) -> list[Any]:
    """Return a column's values for the images on the page, None where one has none."""
    values = np.full(len(selection.image), None, dtype=object)
    for number, table in enumerate(tables):
        if name in table.column_names:
            own = np.empty(len(table), dtype=object)
            own[:] = table[name].to_pylist()
            values[index.dataset[selection.image] == number] = own
    if name == "bytes":
        values[values == _UNKNOWN_SIZE] = None
    return list(values)


def _column(title: str, unit: str, values: Sequence[Any], names: Names) -> Column | None:
    known = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        return _numbers(title, unit, np.array(values, dtype=np.float64))
    texts = [None if value is None else _text(value) for value in values]
    if (seconds := dates_of(texts)) is not None:
        return _numbers(title, "date", seconds)
    return _texts(title, texts, names)


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        # One dataset may have numbers where another has texts.
        return str(int(value))
    text = str(value)
    return text.lower() if text.lower() in ("true", "false") else text


def _numbers(title: str, unit: str, numbers: NDArray[np.float64]) -> Column | None:
    numbers = np.where(np.isfinite(numbers), numbers.clip(-_LARGEST, _LARGEST), np.nan)
    known = numbers[np.isfinite(numbers)]
    if not len(known) or known.min() == known.max():
        return None
    low, high = _robust_ends(known)
    head = {
        "name": title,
        "kind": "number",
        "unit": unit,
        "low": low,
        "high": high,
        "min": float(known.min()),
        "max": float(known.max()),
        "integer": bool((known == np.rint(known)).all()),
        "missing": len(numbers) - len(known),
    }
    # As float32, the times of this century would be multiples of 128 seconds.
    return Column(head, packed(numbers if unit == "date" else numbers.astype(np.float32)))


def _robust_ends(known: NDArray[np.float64]) -> tuple[float, float]:
    """Return values between which a scale shows most of what varies.

    A value that a quarter of the images share is within it, such as 0 where a column is hardly ever more; then one that
    a quarter of the other images share, and so on. Of all other values those within Tukey's outer fences are (1977:
    three times the interquartile range beyond the quartiles), so that one value of a million flattens nothing, while a
    skewed distribution keeps most of its tail. Where less than 2% differ from two or more common values, these alone
    make the scale.

    Example:
        >>> _robust_ends(np.array([0.0] * 97 + [2.0, 3.0, 9.0]))
        (0.0, 9.0)
        >>> _robust_ends(np.append(np.arange(50.0), 1e6))
        (0.0, 49.0)
    """
    values, counts = np.unique(known, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    few = _REST_SHARE * len(known)
    left, n_common = len(known), 0
    for images in counts[order].tolist():
        if images < max(few, _COMMON_SHARE * left):
            break
        left, n_common = left - images, n_common + 1
    shown, rest = values[order[:n_common]], values[order[n_common:]]
    if len(rest) and (n_common < 2 or left >= few):
        first, third = np.quantile(np.repeat(rest, counts[order[n_common:]]), [0.25, 0.75])
        reach = 3 * (third - first)
        shown = np.concatenate([shown, rest[(rest >= first - reach) & (rest <= third + reach)]])
    return float(shown.min()), float(shown.max())


def _texts(title: str, texts: Sequence[str | None], names: Names) -> Column | None:
    written = {text: names.value(text) for text in set(texts) if text is not None}
    counts = Counter(written[text] for text in texts if text is not None)
    # In the order of the texts where they are equally frequent, so that a page made again is the same.
    order = sorted(counts, key=lambda text: (-counts[text], text))[:MAX_CATEGORIES]
    if len(counts) < 2 or counts[order[0]] == 1:
        return None
    codes = {text: number for number, text in enumerate(order)}
    numbers = np.array([_MISSING if text is None else codes.get(written[text], _OTHER) for text in texts], np.uint16)
    head = {
        "name": title,
        "kind": "text",
        "unit": "",
        "texts": order,
        "counts": [counts[text] for text in order],
        "missing": int((numbers == _MISSING).sum()),
        "other": int((numbers == _OTHER).sum()),
    }
    return Column(head, packed(numbers))

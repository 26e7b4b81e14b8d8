"""The columns of a dataset's source as numbers, dates or categories: one value per group."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.store.cause_metrics import ColumnKind
from gapscope.store.groups import ImageGroups
from gapscope.store.index import PREFIX, SourceMetadata, read_index
from gapscope.store.run_store import RunStore

MAX_COLUMNS = 200
MAX_BINS = 8
MAX_CATEGORIES = 30
"""Of more values only the most frequent are told apart."""

MIN_GROUPS = 8
"""Fewer groups of a value are too few to say anything."""

_MIN_REPEATS = 3
_MAX_SINGLE_VALUES = 10
"""Numbers of so few values are told apart one by one."""

_DATE = re.compile(
    r"(\d{4})[-:/](\d\d)[-:/](\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?"
)
"""ISO 8601, as databases and Arrow write it, and EXIF's colons between year, month and day."""


@dataclass(frozen=True, eq=False)
class MetadataColumn:
    """One value per group.

    Attributes:
        name: of the column.
        kind: of its values.
        values: (m,) float64 numbers, or seconds since 1970, NaN for none; of categories their number in `names`, and -1
            for none.
        names: of the categories, the most frequent first; empty for numbers and dates.
        note: why nothing can be said of the column; empty if something can.
    """

    name: str
    kind: ColumnKind
    values: NDArray[np.float64]
    names: tuple[str, ...] = ()
    note: str = ""

    @property
    def order(self) -> NDArray[np.float64] | None:
        """The values, if their order means something."""
        return None if self.kind == "category" else self.values


@dataclass(frozen=True, eq=False)
class Bins:
    """The ranges or values that a column is looked at in.

    Attributes:
        bin: (m,) int64 number of each group's bin; -1 for none.
        labels: of the bins.
        low: lower ends; None for categories.
        high: upper ends; the last is part of its bin.
    """

    bin: NDArray[np.int64]
    labels: tuple[str, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


def read_metadata(
    run: RunStore, dataset: str, groups: ImageGroups, without: Collection[str] = ()
) -> list[MetadataColumn]:
    """Return the columns of a dataset's source.

    A group has the mean of its images' numbers, and the category that most of its images have. A column of text that
    holds nothing but dates is one of dates.

    Args:
        run: the run.
        dataset: the dataset's name.
        groups: of its images.
        without: names of columns to leave out.
    """
    wanted = [name for name in SourceMetadata.open(run, dataset).names if name.removeprefix(PREFIX) not in without][
        :MAX_COLUMNS
    ]
    rows = pa.array(groups.rows)
    return [
        _column(name.removeprefix(PREFIX), read_index(run, dataset, [name])[name].take(rows), groups) for name in wanted
    ]


def _column(name: str, values: pa.ChunkedArray, groups: ImageGroups) -> MetadataColumn:
    if pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
        numbers = values.combine_chunks().cast(pa.float64()).to_numpy(zero_copy_only=False)
        return _numbers(name, "number", np.where(np.isfinite(numbers), numbers, np.nan), groups)
    encoded = values.combine_chunks().cast(pa.large_string()).dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    seconds = dates_of(texts)
    if texts and seconds is not None:
        known = np.append(seconds, np.nan)
        return _numbers(name, "date", known[codes], groups)
    return _categories(name, texts, codes, groups)


def _numbers(name: str, kind: ColumnKind, values: NDArray[np.float64], groups: ImageGroups) -> MetadataColumn:
    known = ~np.isnan(values)
    counts = np.bincount(groups.group[known], minlength=len(groups))
    sums = np.bincount(groups.group[known], values[known], len(groups))
    mean = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    column = MetadataColumn(name, kind, mean)
    distinct = np.unique(mean[~np.isnan(mean)])
    if len(distinct) < 2:
        return replace(column, note="it has one value" if len(distinct) else "it is empty")
    return column


def _categories(name: str, texts: Sequence[str], codes: NDArray[np.int64], groups: ImageGroups) -> MetadataColumn:
    known = codes >= 0
    count = max(1, len(texts))
    keys, hits = np.unique(groups.group[known] * count + codes[known], return_counts=True)
    # The last one that is written stays: the most frequent, and of equal ones the first in the table.
    order = np.lexsort((-(keys % count), hits))
    own = np.full(len(groups), -1, np.int64)
    own[keys[order] // count] = keys[order] % count
    frequency = np.bincount(own[own >= 0], minlength=count)
    ranked = sorted(np.flatnonzero(frequency).tolist(), key=lambda code: (-frequency[code], texts[code]))
    place = np.full(count, -1, np.int64)
    place[ranked] = np.arange(len(ranked))
    values = np.where(own >= 0, place[own], -1).astype(np.float64)
    column = MetadataColumn(name, "category", values, tuple(texts[code] for code in ranked))
    if len(ranked) < 2:
        return replace(column, note="it has one value" if ranked else "it is empty")
    if frequency[ranked[1]] < _MIN_REPEATS or len(ranked) > len(groups) / 2:
        return replace(column, note="its values hardly repeat: text, or names")
    return column


def dates_of(texts: Sequence[str | None]) -> NDArray[np.float64] | None:
    """Return dates in seconds since 1970, NaN for None; None where any text is no date. Without a zone it is UTC.

    Example:
        >>> dates_of(["1970-01-02", None]), dates_of(["soon"])
        (array([86400.,    nan]), None)
    """
    seconds = np.full(len(texts), np.nan)
    for place, text in enumerate(texts):
        if text is None:
            continue
        match = _DATE.fullmatch(text.strip())
        if match is None:
            return None
        year, month, day, time, zone = match.groups()
        zone = "+00:00" if zone in (None, "Z", "UTC") else zone
        try:
            date = datetime.fromisoformat(f"{year}-{month}-{day}T{time or '00:00'}{zone}")
        except ValueError:
            return None
        seconds[place] = (date - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    return seconds


def bin_column(column: MetadataColumn, chosen: NDArray[np.int64] | slice = slice(None)) -> Bins:
    """Return the bins of a column: its values where there are few, else ranges with as many groups in each.

    Args:
        column: which something can be said of.
        chosen: the groups by which ranges are settled; all have a bin.

    Example:
        >>> bin_column(MetadataColumn("sun", "number", np.arange(32.0))).labels
        ('below 8', '8 to 16', '16 to 24', '24 and more')
    """
    if column.kind == "category":
        shown = min(len(column.names), MAX_CATEGORIES)
        codes = column.values.astype(np.int64)
        nothing = (None,) * shown
        return Bins(np.where(codes < shown, codes, -1), column.names[:shown], nothing, nothing)
    known = column.values[chosen]
    known = known[~np.isnan(known)]
    distinct = np.unique(known)
    if len(distinct) <= _MAX_SINGLE_VALUES:
        inner = distinct[1:]
        labels = tuple(_written(value, column.kind) for value in distinct.tolist())
        low = high = tuple(distinct.tolist())
    else:
        count = int(np.clip(len(known) // MIN_GROUPS, 2, MAX_BINS))
        cuts = np.quantile(known, np.linspace(0, 1, count + 1)[1:-1], method="higher")
        inner = np.unique(_round_cuts(cuts, known))
        inner = inner[(inner > distinct[0]) & (inner <= distinct[-1])]
        low = (float(distinct[0]), *inner.tolist())
        high = (*inner.tolist(), float(distinct[-1]))
        labels = _range_labels(inner, column.kind)
    places = np.searchsorted(inner, column.values, side="right").astype(np.int64)
    return Bins(np.where(np.isnan(column.values), -1, places), labels, low, high)


def _round_cuts(cuts: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cuts as short as people write them, where that keeps them apart."""
    reach = float(np.subtract(*np.quantile(known, [0.95, 0.05]))) or float(np.ptp(known))
    step = 10.0 ** np.floor(np.log10(max(reach, 1e-300) / 50))
    return np.asarray(np.rint(cuts / step) * step)


def _range_labels(inner: NDArray[np.float64], kind: ColumnKind) -> tuple[str, ...]:
    texts = [_written(value, kind) for value in inner.tolist()]
    middle = [f"{first} to {second}" for first, second in pairwise(texts)]
    return (f"below {texts[0]}", *middle, f"{texts[-1]} and more") if texts else ("all",)


def _written(value: float, kind: ColumnKind) -> str:
    if kind == "date":
        date = datetime.fromtimestamp(value, UTC)
        return f"{date:%Y-%m-%d}" if value % 86400 == 0 else f"{date:%Y-%m-%d %H:%M}"
    return f"{value:.6g}"

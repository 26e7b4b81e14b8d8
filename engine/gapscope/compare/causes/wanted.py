"""Which values of a column of the reference the query's images ask for: what to render more of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.causes.association import SIGNIFICANT, Association, associate
from gapscope.compare.causes.causes import chosen_groups, class_columns, group_classes, predictor_of
from gapscope.compare.causes.metadata import MIN_GROUPS, Bins, MetadataColumn, bin_column, read_metadata
from gapscope.compare.classes.image_classes import ImageClasses
from gapscope.compare.interval import rounded
from gapscope.compare.registry import format_share
from gapscope.settings import Reading
from gapscope.store.arrays import positions_of
from gapscope.store.cause_metrics import WantedColumn, WantedValue
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.neighbors import read_group_indices
from gapscope.store.run_store import RunStore

_NEAREST = (5, 20)
"""Fewest and most groups of the reference that each group asks for: a quarter of a class."""
_MIN_PAIRS = 100
_RESAMPLES = 200
_MORE = 1.25
"""A value is wanted more from this ratio on."""

_NOTHING = 0.1
"""A value is not asked for up to this ratio."""


@dataclass(frozen=True, eq=False)
class Wishes:
    """Which groups of the reference are nearest to groups of the query, and to others of the reference.

    Attributes:
        by_query: (q, k) numbers of groups of the reference, the nearest first; -1 for those of another class.
        by_reference: (r, k) likewise, of other groups of the reference.
        askers: (r,) numbers of the groups of the reference that ask.
        groups: how many groups the reference has.
        count: how many each group asks for.
    """

    by_query: NDArray[np.int64]
    by_reference: NDArray[np.int64]
    askers: NDArray[np.int64]
    groups: int
    count: int

    @property
    def log_weight(self) -> NDArray[np.float64]:
        """(groups,) how often the query asks for each group of the reference; see `_log_weight`."""
        return _log_weight(self.first(self.by_query), self.first(self.by_reference), self.groups)

    def first(self, nearest: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first `count` of each row that are not -1; the others become -1."""
        kept = nearest >= 0
        return np.where(kept & (np.cumsum(kept, axis=1) <= self.count), nearest, -1)

    def drawn(self, is_query: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return (groups,) log weights where some groups of the reference are called query, which ask and have none."""
        nearest = np.where((self.by_reference >= 0) & ~is_query[self.by_reference], self.by_reference, -1)
        asks = is_query[self.askers]
        return _log_weight(self.first(nearest[asks]), self.first(nearest[~asks]), self.groups)


def _log_weight(by_query: NDArray[np.int64], by_reference: NDArray[np.int64], groups: int) -> NDArray[np.float64]:
    """Return the log of how often the query asks for each group, relative to how often the reference itself does.

    That takes out that some groups are near to everything. It is 0 for those that nobody asks for.
    """
    hits = [np.bincount(own[own >= 0], minlength=groups).astype(np.float64) for own in (by_query, by_reference)]
    scale = hits[0].sum() / max(hits[1].sum(), 1)
    return np.log((hits[0] + scale) / (hits[1] * scale + scale)) if scale else np.zeros(groups)


def find_wanted(
    run: RunStore, pair: Pair, groups: Mapping[str, ImageGroups], classes: Mapping[str, ImageClasses]
) -> list[WantedColumn]:
    """Return which values of the reference's columns the query's images ask for, what is surest first.

    A group of the query asks for its nearest groups of the reference, five to twenty by how large classes are, and of
    its own class where the run has classes.
    Of a value, `wanted` is the share of what is asked for, and `ratio` that share over the one that groups of the
    reference ask for among themselves.

    Args:
        run: the run, whose neighbors are found.
        pair: of datasets.
        groups: of every dataset.
        classes: of every dataset; nothing for a run without classes.
    """
    own = groups[pair.reference]
    columns = read_metadata(run, pair.reference, own, without=class_columns(classes.get(pair.reference)))
    if not columns:
        return []
    # Where one side has no classes, there is nothing to compare within.
    in_classes = all(name in classes and len(classes[name].label) for name in pair)
    strata = tuple(group_classes(classes[name] if in_classes else None, groups[name]) for name in pair)
    parts = list(product(run.record.config.compare.listed_readings, run.levels))
    wishes = [_wishes(run, level, pair, reading, groups, strata) for reading, level in parts]
    asked = min(np.count_nonzero(each.by_query >= 0) for each in wishes)
    if asked < _MIN_PAIRS:
        note = "too few images of the query have anything of their class near"
        return [_unknown(column, column.note or note) for column in columns]
    told = [column for column in columns if not column.note]
    bins = {column.name: bin_column(column) for column in told}
    # Groups that nobody asks for say nothing.
    touched = np.flatnonzero(np.any([np.isin(np.arange(len(own)), each.by_query) for each in wishes], axis=0))
    touched = np.union1d(touched, wishes[0].askers)
    responses = np.stack([each.log_weight[touched] for each in wishes], axis=1)
    predictors = [predictor_of(column, bins[column.name], touched) for column in told]
    query_share = len(groups[pair.query]) / (len(groups[pair.query]) + len(own))

    def draw(random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        is_query = random.random(len(own)) < query_share
        kept = np.flatnonzero(~is_query[touched])
        return kept, np.stack([each.drawn(is_query)[touched[kept]] for each in wishes], axis=1)

    found = associate(responses, predictors, strata[1][touched], draw)
    other = {column.name: column for column in read_metadata(run, pair.query, groups[pair.query])}
    rows = [
        _wanted(column, bins[column.name], each, parts[each.response], wishes[each.response], pair, other)
        for column, each in zip(told, found, strict=True)
    ]
    rows.sort(key=lambda row: (not row["named"], row["p"] is None, row["p"]))
    return rows + [_unknown(column, column.note) for column in columns if column.note]


def _wishes(
    run: RunStore,
    level: str,
    pair: Pair,
    reading: Reading,
    groups: Mapping[str, ImageGroups],
    strata: tuple[NDArray[np.int64], ...],
) -> Wishes:
    reference = groups[pair.reference]
    nearest, askers = [], []
    for name, own_strata in zip(pair, strata, strict=True):
        own = groups[name]
        chosen = chosen_groups(len(own))
        rows = read_group_indices(run, level, Pair(name, pair.reference), own.representative_rows[chosen], reading)
        number = np.where(rows >= 0, positions_of(reference.representative_rows, rows), -1)
        same = (number >= 0) & (strata[1][number] == own_strata[chosen][:, None])
        nearest.append(np.where(same, number, -1))
        askers.append(chosen)
    _, sizes = np.unique(strata[1], return_counts=True)
    count = int(np.clip(np.median(sizes) // 4, *_NEAREST))
    return Wishes(nearest[0], nearest[1], askers[1], len(reference), count)


def _wanted(
    column: MetadataColumn,
    bins: Bins,
    found: Association,
    part: tuple[Reading, str],
    wishes: Wishes,
    pair: Pair,
    query_columns: Mapping[str, MetadataColumn],
) -> WantedColumn:
    values = _values(bins, wishes)
    named = found.p is not None and found.p <= SIGNIFICANT
    end, sentence = _sentence(column, bins, values) if named else (None, "")
    lacking = _lacking(column, query_columns.get(column.name), pair)
    return {
        "column": column.name,
        "kind": column.kind,
        "p": found.p,
        "named": named or bool(lacking),
        "level": part[1],
        "reading": part[0],
        "end": end,
        "values": values,
        "sentence": "; ".join(filter(None, [sentence, lacking])),
        "note": "" if len(column.names) <= len(bins.labels) else f"only {len(bins.labels)} values are shown",
    }


def _values(bins: Bins, wishes: Wishes) -> list[WantedValue]:
    count = len(bins.labels)
    shares, own_shares = (
        _shares(own, bins.bin, count) for own in map(wishes.first, (wishes.by_query, wishes.by_reference))
    )
    present = np.bincount(bins.bin[bins.bin >= 0], minlength=count)
    today = present / max(1, present.sum())
    base = np.maximum(own_shares.mean(axis=0), 1e-9)
    wanted = today * shares.mean(axis=0) / base
    total = max(float(wanted.sum()), 1e-12)
    random = np.random.default_rng(0)
    resampled = []
    for _ in range(_RESAMPLES):
        draws = [own[random.integers(len(own), size=len(own))].mean(axis=0) for own in (shares, own_shares)]
        again = today * draws[0] / np.maximum(draws[1], 1e-9)
        resampled.append(again / max(again.sum(), 1e-12) / np.maximum(today, 1e-12))
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    rows: list[WantedValue] = []
    for number, label in enumerate(bins.labels):
        enough = bool(present[number] >= MIN_GROUPS)
        rows.append(
            {
                "label": label,
                "low": bins.low[number],
                "high": bins.high[number],
                "images": int(present[number]),
                "today": rounded(float(today[number])),
                "wanted": rounded(float(wanted[number] / total)),
                "ratio": rounded(float(wanted[number] / total / max(today[number], 1e-12))),
                "ratio_low": rounded(float(low[number])) if enough else None,
                "ratio_high": rounded(float(high[number])) if enough else None,
                "enough": enough,
            }
        )
    return rows


def _shares(wishes: NDArray[np.int64], bins: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return (n, count) which share of what each group asks for lies in each bin; groups that ask for nothing go."""
    asks = (wishes >= 0).any(axis=1)
    own = np.where(wishes[asks] >= 0, bins[np.maximum(wishes[asks], 0)], -1)
    shares = np.stack([(own == number).sum(axis=1) for number in range(count)], axis=1).astype(np.float64)
    return np.asarray(shares / np.maximum(1, (own >= 0).sum(axis=1))[:, None])


def _sentence(
    column: MetadataColumn, bins: Bins, values: Sequence[WantedValue]
) -> tuple[Literal["low", "high"] | None, str]:
    """Return which end of a column is wanted more, and what to do, as a sentence."""
    told = [value for value in values if value["enough"]]
    if column.kind == "category":
        most = max(told, key=lambda value: value["ratio"], default=None)
        parts = [] if most is None else [f"{_times(most['ratio'])} with {column.name} {most['label']}"]
        return None, "; ".join([*parts, *_unwanted(column, told)])
    ratios = [value["ratio"] for value in told]
    if len(ratios) < 2:
        return None, ""
    half = len(ratios) // 2
    is_low = np.mean(ratios[:half]) > np.mean(ratios[-half:])
    end: Literal["low", "high"] = "low" if is_low else "high"
    ordered = told if end == "low" else told[::-1]
    run = [ordered[0]]
    for value in ordered[1:]:
        if value["ratio"] < _MORE:
            break
        run.append(value)
    today = sum(value["today"] for value in run)
    ratio = sum(value["wanted"] for value in run) / max(today, 1e-12)
    last = run[-1]
    where = _written_end(column, bins, last, end)
    more = f"{_times(ratio)} with {where}" if ratio >= _MORE else f"more at the {end} end of {column.name}"
    return end, "; ".join([more, *_unwanted(column, told)])


def _written_end(column: MetadataColumn, bins: Bins, last: WantedValue, end: Literal["low", "high"]) -> str:
    number = bins.labels.index(last["label"])
    if bins.low[number] == bins.high[number]:
        return f"{column.name} {last['label']}{' or below' if end == 'low' else ' or above'}"
    label = last["label"]
    if end == "low":
        return f"{column.name} below {label.removeprefix('below ').rpartition(' to ')[2]}"
    return f"{column.name} above {label.partition(' to ')[0].removesuffix(' and more')}"


def _unwanted(column: MetadataColumn, values: Sequence[WantedValue]) -> list[str]:
    nothing = [
        value["label"]
        for value in values
        if value["ratio"] <= _NOTHING and value["ratio_high"] is not None and value["ratio_high"] <= 2 * _NOTHING
    ]
    return [f"nothing at {column.name} {', '.join(nothing)}"] if nothing else []


def _times(ratio: float) -> str:
    return f"{ratio:.1f} times more" if ratio >= 1 else f"{ratio:.2g} times as many"


def _lacking(column: MetadataColumn, other: MetadataColumn | None, pair: Pair) -> str:
    """Return in words what the query has of a column and the reference nowhere; nothing for nothing."""
    if other is None or other.kind != column.kind:
        return ""
    if column.kind == "category":
        values = other.values[other.values >= 0].astype(np.int64)
        counts = np.bincount(values, minlength=len(other.names))
        absent = [
            f"{name} ({format_share(count / max(1, len(values)))} of {pair.query})"
            for name, count in zip(other.names, counts.tolist(), strict=True)
            if count >= MIN_GROUPS and name not in column.names
        ]
        return f"{pair.reference} has nothing with {column.name} {', '.join(absent)}" if absent else ""
    known, wanted = (own.values[~np.isnan(own.values)] for own in (column, other))
    if not len(known):
        return ""
    parts = []
    for is_beyond, end, word in (
        (wanted < known.min(), known.min(), "below"),
        (wanted > known.max(), known.max(), "above"),
    ):
        count = int(np.count_nonzero(is_beyond))
        if count >= MIN_GROUPS:
            share = format_share(count / len(wanted))
            parts.append(f"{word} {end:.6g}, where {share} of {pair.query} is")
    return f"{pair.reference} has nothing with {column.name} {' and '.join(parts)}" if parts else ""


def _unknown(column: MetadataColumn, note: str) -> WantedColumn:
    return {
        "column": column.name,
        "kind": column.kind,
        "p": None,
        "named": False,
        "level": "",
        "reading": "",
        "end": None,
        "values": [],
        "sentence": "",
        "note": note,
    }

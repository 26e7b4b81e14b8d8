"""How much of a gap goes with each column of the query: weather, time of day, sensor, a simulator's parameter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from gapscope.compare.causes.association import SIGNIFICANT, Association, Draw, Predictor, associate
from gapscope.compare.causes.metadata import MIN_GROUPS, Bins, MetadataColumn, bin_column, read_metadata
from gapscope.compare.classes.image_classes import ImageClasses
from gapscope.compare.interval import rounded
from gapscope.settings import Reading
from gapscope.store.arrays import positions_of
from gapscope.store.cause_metrics import Cause, ValueGap
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.neighbors import read_group_indices
from gapscope.store.run_store import RunStore
from gapscope.store.scores import read_scores

MAX_GROUPS = 5000
"""So many groups at most, drawn at random, are held against chance."""

_TOGETHER = 0.5
"""Two columns go together where one tells so much of the other, by Cramer's V."""


@dataclass(frozen=True, eq=False)
class GapResponses:
    """How the gap lies over the query's groups.

    Attributes:
        parts: the reading and the level of each of t responses.
        gap: (m, t) share of the reference that is missing among the nearest of each group, not clipped.
        listed: (m, t) whether the group is listed.
    """

    parts: Sequence[tuple[Reading, str]]
    gap: NDArray[np.float64]
    listed: NDArray[np.bool_]


def read_gap_responses(run: RunStore, pair: Pair, groups: Mapping[str, ImageGroups]) -> GapResponses:
    """Return the gap over the query's groups, at every level and in every reading that lists."""
    own, others = groups[pair.query], len(groups[pair.reference])
    expected = others / max(1, len(own) + others - 1)
    parts = list(product(run.record.config.compare.listed_readings, run.levels))
    gap, listed = [], []
    for reading, level in parts:
        table = read_scores(run.path, level, pair, reading)
        near = table["reference_neighbors"].to_numpy().astype(np.float64)
        mean = np.bincount(own.group, near, len(own)) / np.maximum(own.lengths, 1)
        gap.append(1 - mean / max(expected, 1e-12))
        listed.append(table["listed"].to_numpy()[own.representative])
    return GapResponses(parts, np.stack(gap, axis=1), np.stack(listed, axis=1))


def find_causes(
    run: RunStore, pair: Pair, groups: Mapping[str, ImageGroups], classes: Mapping[str, ImageClasses]
) -> list[Cause]:
    """Return how much of a pair's gap goes with each column of the query, the strongest first.

    The unit is a group. Where the run has classes, a column is held against the gap within classes: what merely differs
    between classes has a table of its own.

    Args:
        run: the run, whose scores are written.
        pair: of datasets.
        groups: of every dataset.
        classes: of every dataset; nothing for a run without classes.
    """
    own = groups[pair.query]
    columns = read_metadata(run, pair.query, own, without=class_columns(classes.get(pair.query)))
    if not columns or len(own) < 2 * MIN_GROUPS:
        return [_unknown(column, f"there are only {len(own):,} groups") for column in columns]
    responses = read_gap_responses(run, pair, groups)
    chosen = chosen_groups(len(own))
    bins = {column.name: bin_column(column, chosen) for column in columns if not column.note}
    told = [column for column in columns if not column.note]
    strata = group_classes(classes.get(pair.query), own)[chosen]
    predictors = [predictor_of(column, bins[column.name], chosen) for column in told]
    draw = _draw_gaps(run, pair, groups, responses.parts, chosen)
    found = associate(responses.gap[chosen], predictors, strata, draw)
    causes = [
        (each, _cause(column, bins[column.name], each, responses, own))
        for column, each in zip(told, found, strict=True)
    ]
    causes.sort(key=lambda item: (not item[1]["named"], item[0].p is None, -item[1]["effect"]))
    rows = [cause for _, cause in causes]
    _note_together(rows, bins)
    return rows + [_unknown(column, column.note) for column in columns if column.note]


def class_columns(classes: ImageClasses | None) -> tuple[str, ...]:
    """Return the columns that are classes already, and so have a table of their own."""
    if classes is None:
        return ()
    return (classes.rule.column,) if classes.rule.source == "column" else ("category",)


def group_classes(classes: ImageClasses | None, groups: ImageGroups) -> NDArray[np.int64]:
    """Return (m,) the class of each group's representative that has one; -1 for several or none."""
    if classes is None:
        return np.full(len(groups), -1, np.int64)
    return classes.single[groups.representative]


def _draw_gaps(
    run: RunStore,
    pair: Pair,
    groups: Mapping[str, ImageGroups],
    parts: Sequence[tuple[Reading, str]],
    chosen: NDArray[np.int64],
) -> Draw:
    """Return what draws gaps as they are where nothing differs: by calling some of the query's own groups reference.

    They are counted among the nearest of the other groups of the query, whose values are known, too.
    """
    own, others = groups[pair.query], len(groups[pair.reference])
    k = min(run.record.config.compare.k_local, len(own) - 1)
    rows = own.representative_rows
    pair_of_own = Pair(pair.query, pair.query)
    nearest = [
        positions_of(rows, read_group_indices(run, level, pair_of_own, rows[chosen], reading)[:, :k])
        for reading, level in parts
    ]

    def draw(random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        is_query = random.random(len(own)) < len(own) / (len(own) + others)
        kept = np.flatnonzero(is_query[chosen])
        return kept, np.stack([1 - (~is_query)[each[kept]].mean(axis=1) for each in nearest], axis=1)

    return draw


def predictor_of(column: MetadataColumn, bins: Bins, chosen: NDArray[np.int64]) -> Predictor:
    """Return a column of some groups as what may go with responses."""
    return Predictor(bins.bin[chosen], None if column.order is None else column.order[chosen])


def chosen_groups(groups: int) -> NDArray[np.int64]:
    """Return the groups that are held against chance: all, or `MAX_GROUPS` drawn at random, ascending."""
    if groups <= MAX_GROUPS:
        return np.arange(groups)
    return np.sort(np.random.default_rng(0).choice(groups, MAX_GROUPS, replace=False))


def _cause(
    column: MetadataColumn, bins: Bins, found: Association, responses: GapResponses, groups: ImageGroups
) -> Cause:
    reading, level = responses.parts[found.response]
    return {
        "column": column.name,
        "kind": column.kind,
        "groups": int(np.count_nonzero(bins.bin >= 0)),
        "effect": rounded(found.effect),
        "p": found.p,
        "named": found.p is not None and found.p <= SIGNIFICANT,
        "level": level,
        "reading": reading,
        "values": _values(bins, responses.gap[:, found.response], responses.listed[:, found.response], groups),
        "note": "" if len(column.names) <= len(bins.labels) else f"only {len(bins.labels)} values are shown",
    }


def _values(bins: Bins, gap: NDArray[np.float64], listed: NDArray[np.bool_], groups: ImageGroups) -> list[ValueGap]:
    rows: list[ValueGap] = []
    for number, (label, low, high) in enumerate(zip(bins.labels, bins.low, bins.high, strict=True)):
        own = np.flatnonzero(bins.bin == number)
        enough = len(own) >= MIN_GROUPS
        mean = float(gap[own].mean()) if len(own) else 0.0
        half = float(gap[own].std(ddof=1) / np.sqrt(len(own)) * t.ppf(0.975, len(own) - 1)) if enough else 0.0
        ends = [rounded(float(np.clip(mean + sign * half, 0, 1))) for sign in (-1, 1)]
        rows.append(
            {
                "label": label,
                "low": low,
                "high": high,
                "images": int(groups.lengths[own].sum()),
                "groups": len(own),
                "share_listed": rounded(float(listed[own].mean())) if len(own) else 0.0,
                "gap": rounded(float(np.clip(mean, 0, 1))),
                "gap_low": ends[0] if enough else None,
                "gap_high": ends[1] if enough else None,
                "enough": enough,
            }
        )
    return rows


def _unknown(column: MetadataColumn, note: str) -> Cause:
    return {
        "column": column.name,
        "kind": column.kind,
        "groups": 0,
        "effect": 0.0,
        "p": None,
        "named": False,
        "level": "",
        "reading": "",
        "values": [],
        "note": note,
    }


def _note_together(rows: Sequence[Cause], bins: Mapping[str, Bins]) -> None:
    """Say of columns that are named which others they go together with: either may be the cause."""
    named = [row for row in rows if row["named"]]
    for row in named:
        others = [
            other["column"]
            for other in named
            if other is not row and cramers_v(bins[row["column"]].bin, bins[other["column"]].bin) > _TOGETHER
        ]
        if others:
            row["note"] = "; ".join(filter(None, [row["note"], f"goes together with {', '.join(others)}"]))


def cramers_v(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return how much one column of bins tells of another, 0 to 1, corrected for chance (Bergsma 2013).

    Example:
        >>> bins = np.arange(100) % 4
        >>> round(cramers_v(bins, bins), 2)
        1.0
    """
    both = (first >= 0) & (second >= 0)
    n = int(both.sum())
    if n < 2:
        return 0.0
    rows, columns = (np.unique(own[both], return_inverse=True)[1] for own in (first, second))
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / n
    phi = float(((table - expected) ** 2 / expected).sum()) / n
    r, c = table.shape
    corrected = max(0.0, phi - (r - 1) * (c - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(corrected / least)) if least > 0 else 0.0

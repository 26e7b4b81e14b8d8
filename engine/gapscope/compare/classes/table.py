"""How large the gap of every class is: per ordered pair, reading and level."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.stats import beta, t

from gapscope.compare.classes.image_classes import ImageClasses
from gapscope.compare.classes.noise import MIN_GROUPS, ClassGraph, beyond_noise, choose_centers
from gapscope.compare.pooled_graph import nearest_of_both
from gapscope.progress import Task
from gapscope.settings import Reading
from gapscope.store.classes import SCHEMA, read_class_table
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.metrics import LevelMetrics, read_metrics
from gapscope.store.neighbors import read_nearest
from gapscope.store.run_store import RunStore
from gapscope.store.scores import read_scores

_MAX_NEAREST = 200
"""Of each class so many images at most say which class is nearest on the other side."""

_TAILS = (0.025, 0.975)
_DIGITS = 6


def class_table(
    run: RunStore,
    groups: Mapping[str, ImageGroups],
    classes: Mapping[str, ImageClasses],
    levels: Mapping[str, LevelMetrics],
    task: Task,
) -> pa.Table:
    """Return the gap of every class, with the columns of `gapscope.store.classes.SCHEMA`.

    Args:
        run: the run, whose scores are written.
        groups: of every dataset.
        classes: of every dataset; nothing for a run without classes.
        levels: the numbers of every level, which say where there is no list.
        task: is told of every pair that is done.
    """
    tables = [pa.table({name: [] for name in SCHEMA.names}, schema=SCHEMA)]
    for pair in run.pairs:
        if classes:
            tables += _pair_tables(run, pair, groups, classes, levels)
        task.advance(1)
    return pa.concat_tables(tables)


@dataclass(frozen=True, eq=False)
class _Side:
    """The classes of one dataset's groups, each of which has those of all its images.

    Attributes:
        images: (e,) positions of images that have a class.
        entry_group: (e,) the group of each.
        entry_label: (e,) the class.
        group: (u,) numbers of groups that have a class, each of a group's once, ascending.
        label: (u,) the class.
    """

    images: NDArray[np.int64]
    entry_group: NDArray[np.int64]
    entry_label: NDArray[np.int64]
    group: NDArray[np.int64]
    label: NDArray[np.int64]

    @classmethod
    def of(cls, classes: ImageClasses, groups: ImageGroups) -> "_Side":
        entry_group = groups.group[classes.image]
        count = max(1, len(classes.names))
        keys = np.unique(entry_group * count + classes.label)
        return cls(classes.image, entry_group, classes.label, keys // count, keys % count)


def _pair_tables(
    run: RunStore,
    pair: Pair,
    groups: Mapping[str, ImageGroups],
    classes: Mapping[str, ImageClasses],
    levels: Mapping[str, LevelMetrics],
) -> Iterator[pa.Table]:
    names = classes[pair.query].names
    query, reference = (_Side.of(classes[name], groups[name]) for name in pair)
    if not len(query.label):
        return
    kept = np.flatnonzero(np.bincount(np.concatenate([query.label, reference.label]), minlength=len(names)))
    readings = run.record.config.compare.listed_readings
    parts = list(product(readings, run.levels))
    noise = _noise(run, pair, parts, (groups[pair.query], groups[pair.reference]), (query, reference), len(names))
    counts = [
        np.bincount(labels, minlength=len(names))
        for labels in (query.entry_label, query.label, reference.entry_label, reference.label)
    ]
    reference_label = classes[pair.reference].single
    for (reading, level), beyond in zip(parts, noise, strict=True):
        own_metrics = levels[level]["style_aside"].get(pair.name) if reading == "style-aside" else None
        is_ranking = own_metrics is not None and own_metrics["basis"] == "ranking"
        numbers = _numbers(run, level, pair, reading, groups, query, counts[1], is_ranking=is_ranking)
        nearest = _nearest(run, level, pair, reading, groups, query, reference_label, len(names))
        columns = [
            *([text] * len(kept) for text in (*pair, reading, level)),
            [names[number] for number in kept.tolist()],
            *(count[kept] for count in counts),
            *(_nullable(values[kept]) for values in numbers),
            [beyond[number] for number in kept.tolist()],
            [None if nearest[0][number] < 0 else names[nearest[0][number]] for number in kept.tolist()],
            _nullable(nearest[1][kept]),
        ]
        arrays = [pa.array(values, kind) for values, kind in zip(columns, SCHEMA.types, strict=True)]
        yield pa.table(arrays, schema=SCHEMA)


def _nullable(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(np.round(values, _DIGITS), pa.float64(), from_pandas=True)


def _noise(
    run: RunStore,
    pair: Pair,
    parts: Sequence[tuple[Reading, str]],
    groups: tuple[ImageGroups, ImageGroups],
    sides: tuple[_Side, _Side],
    classes: int,
) -> list[list[bool | None]]:
    sizes = len(groups[0]), len(groups[1])
    k = min(run.record.config.compare.k_local, sum(sizes) - 1)
    group = np.concatenate([sides[0].group, sizes[0] + sides[1].group])
    label = np.concatenate([sides[0].label, sides[1].label])
    centers = choose_centers(group, label, classes, np.random.default_rng(0))
    graphs = [
        ClassGraph(centers, nearest_of_both(run, level, pair, groups, centers, k, reading)) for reading, level in parts
    ]
    return beyond_noise(graphs, group, label, classes, sizes)


def _numbers(
    run: RunStore,
    level: str,
    pair: Pair,
    reading: Reading,
    groups: Mapping[str, ImageGroups],
    side: _Side,
    counts: NDArray[np.int64],
    *,
    is_ranking: bool,
) -> tuple[NDArray[np.float64], ...]:
    """Return, per class, the share of its groups that are listed, its gap, and the ends of the gap's interval."""
    own, others = groups[pair.query], len(groups[pair.reference])
    table = read_scores(run.path, level, pair, reading)
    listed = table["listed"].to_numpy()[own.representative]
    # Of a group the images that have the class are averaged.
    count = len(counts)
    keys = side.group * count + side.label
    place = np.searchsorted(keys, side.entry_group * count + side.entry_label)
    of_entry = table["reference_neighbors"].to_numpy().astype(np.float64)[side.images]
    present = np.bincount(place, of_entry, len(keys)) / np.maximum(1, np.bincount(place, minlength=len(keys)))
    n = np.where(counts > 0, counts, np.nan)
    mean = np.bincount(side.label, present, count) / n
    squares = np.bincount(side.label, (present - mean[side.label]) ** 2, count).astype(np.float64)
    low, high = _interval(mean, squares, counts, run.record.config.compare.k_local)
    expected = others / max(1, len(own) + others - 1)
    gap, gap_low, gap_high = (np.clip(1 - values / max(expected, 1e-12), 0, 1) for values in (mean, high, low))
    share = np.full(count, np.nan) if is_ranking else np.bincount(side.label, listed[side.group], count) / n
    return share, gap, gap_low, gap_high


def _interval(
    share: NDArray[np.float64], squares: NDArray[np.float64], counts: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of 95% intervals of classes' shares of the reference; NaN for fewer than eight groups.

    Two things are uncertain, and the wider interval counts. Groups of a class differ: Student's interval of their mean.
    And groups of a class share their neighbors, so that the number of the reference's among these is one draw: for n
    groups of the query, the share says that there are b = n share / (1 - share) of the reference, and the interval is
    that of Clopper and Pearson (1934) for b of n + b.

    Args:
        share: (c,) mean share of the reference among the nearest of each class's groups, 0 to 1.
        squares: (c,) sums of squared differences from it.
        counts: (c,) n.
        k: neighbors that were counted per group.
    """
    enough = counts >= MIN_GROUPS
    n = np.where(enough, counts, np.nan)
    error = np.sqrt(squares / np.maximum(n - 1, 1) / n) * t.ppf(_TAILS[1], n - 1)
    other = n * np.minimum(share / np.maximum(1 - share, 1e-12), k)
    low = np.where(other > 0, beta.ppf(_TAILS[0], np.maximum(other, 1e-12), n + 1), 0)
    high = beta.ppf(_TAILS[1], other + 1, n)
    return np.minimum(share - error, low), np.maximum(share + error, high)


def _nearest(
    run: RunStore,
    level: str,
    pair: Pair,
    reading: Reading,
    groups: Mapping[str, ImageGroups],
    side: _Side,
    reference_label: NDArray[np.int64],
    classes: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return, per class, the class that most of its nearest in the reference have, and its share; -1 for none."""
    best, share = np.full(classes, -1, np.int64), np.full(classes, np.nan)
    if not (reference_label >= 0).any():
        return best, share
    order = np.lexsort((np.random.default_rng(0).random(len(side.images)), side.entry_label))
    starts = np.searchsorted(side.entry_label[order], np.arange(classes))
    chosen = order[np.arange(len(order)) - starts[side.entry_label[order]] < _MAX_NEAREST]
    rows = groups[pair.query].rows[side.images[chosen]]
    k = run.record.config.compare.k
    distances, nearest = read_nearest(run, level, pair, rows, k, reading)
    position = np.searchsorted(groups[pair.reference].rows, nearest)
    known = np.isfinite(distances)
    label = np.where(known, reference_label[np.where(known, position, 0)], -1)
    own = np.broadcast_to(side.entry_label[chosen][:, None], label.shape)
    pairs, hits = np.unique(own[label >= 0] * classes + label[label >= 0], return_counts=True)
    total = np.bincount(pairs // classes, hits, classes)
    # The last one that is written stays: that with the most, and of equal ones the first by name.
    for number in np.lexsort((-(pairs % classes), hits)).tolist():
        key = int(pairs[number])
        best[key // classes], share[key // classes] = key % classes, hits[number] / total[key // classes]
    return best, share


_N_WORST = 5


def worst_classes(run: RunStore, pair: Pair) -> tuple[str, list[tuple[str, float]]] | None:
    """Return the classes of a pair with the largest gaps beyond noise, and the level, in the first listed reading.

    The level is the one that tells most of the pair, by metrics.json. None where no class has a gap beyond noise there.
    """
    table = read_class_table(run)
    level = read_metrics(run)["level_rankings"][pair.name][0]
    reading = run.record.config.compare.listed_readings[0]
    wanted = {
        "query": pair.query,
        "reference": pair.reference,
        "level": level,
        "reading": reading,
        "beyond_noise": True,
    }
    for name, value in wanted.items():
        table = table.filter(pc.equal(table[name], value))
    rows = sorted(zip(table["class"].to_pylist(), table["gap"].to_pylist(), strict=True), key=lambda row: -row[1])
    return (level, rows[:_N_WORST]) if rows else None

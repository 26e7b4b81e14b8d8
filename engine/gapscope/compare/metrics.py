"""The numbers of a level and ordered pair: each with an interval, and with its value where nothing differs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.distances import Distance
from gapscope.compare.interval import bootstrap_mean, rounded
from gapscope.compare.outlier_scores import OutlierScores
from gapscope.compare.pooled_graph import nearest_of_both
from gapscope.compare.support import count_in_balls, expected_coverage
from gapscope.compare.two_sample import expected_own_share, permutation_p
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.settings import Reading
from gapscope.store.datasets import Pair
from gapscope.store.metrics import Histogram, Measure
from gapscope.store.neighbors import read_group_neighbor_rows
from gapscope.store.run_store import RunStore

_SIGNIFICANT = 0.05
"""Error that all levels share: by chance, one of twenty runs has a level beyond noise."""
_MAX_CENTERS = 5000
_MAX_BALLS = 1000
_TILE_ROWS = 8192
_SPLITS = 4
_BINS = 40


def distance_metric(name: str, distance: Distance) -> Measure:
    """Return a distance as metrics.json has it.

    The kernel distance of two parts of one population lies around 0, and its floor is the size of that noise: it is
    beyond noise above twice as much, and where its interval is above 0.
    """
    measure = _measure(distance.value, distance.low, distance.high, distance.floor, distance.ratio)
    if distance.at_floor is not None:
        measure["at_floor"] = rounded(distance.at_floor)
    low, high, floor = distance.low, distance.high, distance.floor
    if low is not None and high is not None and floor is not None:
        if name == "kid":
            measure["beyond_noise"] = low > 0 and distance.value > 2 * floor
        elif distance.at_floor is not None:
            measure["beyond_noise"] = distance.at_floor - (distance.value - low) > floor
    return measure


def _measure(
    value: float, low: float | None, high: float | None, floor: float | None, ratio: float | None = None
) -> Measure:
    beyond = None if low is None or high is None or floor is None else not low <= floor <= high
    low, high, floor, ratio = (None if number is None else rounded(number) for number in (low, high, floor, ratio))
    return {
        "value": rounded(value),
        "low": low,
        "high": high,
        "floor": floor,
        "ratio": ratio,
        "beyond_noise": beyond,
    }


def _mean(values: NDArray[Any], floor: float | None) -> Measure:
    low, high = bootstrap_mean(values) or (None, None)
    return _measure(float(values.mean()), low, high, floor)


def support_metrics(
    scores: OutlierScores,
    reversed_scores: OutlierScores,
    views: tuple[EmbeddingView, EmbeddingView],
    floor: float | None,
) -> dict[str, Measure]:
    """Return precision, recall, density and coverage of a query set against its reference.

    Precision and recall: Kynkaanniemi et al. (2019), "Improved precision and recall metric for assessing generative
    models"; density and coverage: Naeem et al. (2020), "Reliable fidelity and diversity metrics for generative models".
    A support is the balls around each image out to its k-th neighbor in its own dataset. Of every
    group its representative counts. The intervals resample the groups that a number is the mean over and take the balls
    as they are.

    Args:
        scores: of the query against the reference.
        reversed_scores: of the reference against the query.
        views: the vectors of the representatives of query and reference.
        floor: `split_precision` of the reference: what precision and recall are where nothing differs.
    """
    images, references = len(scores.groups), len(scores.reference_groups)
    density = _ball_counts(scores, views) / (scores.k * images / references)
    covered = scores.reference_to_query <= scores.reference_distance
    return {
        "precision": _mean(scores.in_support, floor),
        "recall": _mean(reversed_scores.in_support, floor),
        # The mean number of query images among an image's nearest, by chance: exactly k n_A / n_B.
        "density": _mean(density, 1.0),
        "coverage": _mean(covered, expected_coverage(scores.k, images, references)),
    }


def _ball_counts(scores: OutlierScores, views: tuple[EmbeddingView, EmbeddingView]) -> NDArray[np.float64]:
    """Return how many query groups each reference group's ball holds, also where the graph holds too few to tell.

    A group is its representative.
    """
    query, reference = views
    counts = scores.ball_counts.astype(np.float64)
    if scores.graph_k >= len(query):
        return counts
    full = np.flatnonzero(scores.ball_counts >= scores.graph_k)
    if len(full):
        chosen = np.sort(np.random.default_rng(0).choice(full, min(len(full), _MAX_BALLS), replace=False))
        centers = np.concatenate([reference.tile(int(position), int(position) + 1) for position in chosen])
        half_squares = reference.to_half_squares(scores.reference_distance[chosen])
        counted = np.maximum(count_in_balls(centers, half_squares, query.tiles(_TILE_ROWS)), scores.graph_k)
        counts[full] = counted.mean()
        counts[chosen] = counted
    return counts


def split_precision(
    run: RunStore, level: str, rows: NDArray[np.int64], dataset: str, k: int, reading: Reading = "as-is"
) -> float | None:
    """Return the precision between two random halves of a dataset's groups, from its own graph, over four splits.

    `rows` are those of the groups' representatives. It is the recall too, since the halves have no order. None where a
    half would be smaller than k.
    """
    if len(rows) // 2 <= k:
        return None
    own = Pair(dataset, dataset)
    random = np.random.default_rng(0)
    chosen = rows
    if len(rows) > _MAX_CENTERS:
        chosen = np.sort(random.choice(rows, _MAX_CENTERS, replace=False))
    distances, indices = read_group_neighbor_rows(run, level, own, chosen, reading)
    # A half's k-th neighbor is read off the whole's list, so of the balls that hold an image only the near ones count.
    nearby = np.unique(indices[indices >= 0])
    nearby_distances, nearby_indices = read_group_neighbor_rows(run, level, own, nearby, reading)
    shares = []
    for _ in range(_SPLITS):
        half = random.random(int(rows[-1]) + 1) < 0.5
        radius = np.full(int(rows[-1]) + 1, -np.inf, np.float32)
        same = (half[nearby_indices] == half[nearby][:, None]) & (nearby_indices >= 0)
        reached = np.cumsum(same, axis=1) >= k
        column = np.where(reached.any(axis=1), reached.argmax(axis=1), nearby_indices.shape[1] - 1)
        radius[nearby] = nearby_distances[np.arange(len(nearby)), column]
        other = (half[indices] != half[chosen][:, None]) & (indices >= 0)
        shares.append(float(np.mean((other & (distances <= radius[indices])).any(axis=1))))
    return float(np.mean(shares))


def two_sample_metric(
    run: RunStore,
    level: str,
    pair: Pair,
    scores: tuple[OutlierScores, OutlierScores],
    k: int,
    reading: Reading = "as-is",
) -> Measure:
    """Return the share of groups' k nearest, of both datasets, that are of their own; with `p`, from permutations.

    A group is its representative. The floor is what it is by chance, exactly. The permutations use up to 5,000 groups,
    drawn from both datasets together.

    Args:
        run: the run.
        level: the level's name.
        pair: of datasets.
        scores: of the pair, and of the pair reversed.
        k: number of neighbors.
        reading: whose neighbors.
    """
    sizes = (len(scores[0].groups), len(scores[1].groups))
    k = min(k, sum(sizes) - 1)
    shares = np.concatenate([side.own_neighbors / max(1, k) for side in scores])
    random = np.random.default_rng(0)
    centers = np.arange(sum(sizes))
    if len(centers) > _MAX_CENTERS:
        centers = np.sort(random.choice(centers, _MAX_CENTERS, replace=False))
    groups = scores[0].groups, scores[1].groups
    neighbors = nearest_of_both(run, level, pair, groups, centers, k, reading)
    p = permutation_p(centers, neighbors, sizes, random)
    return {**_mean(shares, expected_own_share(*sizes)), "beyond_noise": p <= _SIGNIFICANT / len(run.levels), "p": p}


def score_histogram(scores: OutlierScores) -> Histogram:
    """Return how often the scores of groups of query and reference lie between equally spaced edges."""
    both = [
        side[np.isfinite(side)].astype(np.float64) for side in (scores.group_distance, scores.reference_group_distance)
    ]
    merged = np.concatenate(both)
    low, high = (float(merged.min()), float(merged.max())) if len(merged) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    query, reference = (np.histogram(np.clip(side, edges[0], edges[-1]), edges)[0].tolist() for side in both)
    return {"edges": [rounded(edge) for edge in edges], "query": query, "reference": reference}

"""The numbers of a level and ordered pair: each with an interval, and with what it would be if nothing differed."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.distances import Distance
from gapscope.compare.interval import bootstrap_mean, rounded
from gapscope.compare.outlier_scores import OutlierScores
from gapscope.compare.outlier_tests import merged_order
from gapscope.compare.support import count_in_balls, coverage_by_chance
from gapscope.compare.two_sample import permutation_p, share_by_chance
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.store.results import some_neighbors

_MAX_CENTERS = 5000
_MOST_BALLS = 1000
_TILE_ROWS = 8192
_SPLITS = 4

Measure = dict[str, float | None]


def distance_metric(found: Distance) -> Measure:
    """Return a distance as metrics.json has it."""
    numbers = {"value": found.value, "low": found.low, "high": found.high, "floor": found.floor, "ratio": found.ratio}
    if found.at_floor is not None:
        numbers["at_floor"] = found.at_floor
    return {name: None if value is None else rounded(value) for name, value in numbers.items()}


def support_metrics(
    there: OutlierScores, back: OutlierScores, views: tuple[EmbeddingView, EmbeddingView], floor: float | None
) -> dict[str, Measure]:
    """Return precision, recall, density and coverage of a query set against its reference.

    Precision and recall: Kynkaanniemi et al. (2019), "Improved precision and recall metric for assessing generative
    models"; density and coverage: Naeem et al. (2020), "Reliable fidelity and diversity metrics for generative models".
    A support is the balls around each image out to its k-th neighbor in its own dataset. The intervals resample the
    images that a number is the mean over and take the balls as they are.

    Args:
        there: what is known of the query against the reference.
        back: the same the other way round.
        views: the vectors of query and reference.
        floor: `halves_inside` of the reference: what precision and recall are where nothing differs.
    """
    images, references = len(there.rows), len(there.reference_score)
    balls = _ball_counts(there, views) / (there.k * images / references)
    covered = there.reference_to_query <= there.reference_score
    return {
        "precision": _mean_of(there.inside, floor),
        "recall": _mean_of(back.inside, floor),
        # The mean number of query images among an image's nearest, by chance: exactly k n_A / n_B.
        "density": _mean_of(balls, 1.0),
        "coverage": _mean_of(covered, coverage_by_chance(there.k, images, references)),
    }


def _mean_of(values: NDArray[Any], floor: float | None) -> Measure:
    low, high = bootstrap_mean(values)
    found = {"value": float(values.mean()), "low": low, "high": high, "floor": floor, "ratio": None}
    return {name: None if value is None else rounded(value) for name, value in found.items()}


def _ball_counts(there: OutlierScores, views: tuple[EmbeddingView, EmbeddingView]) -> NDArray[np.float64]:
    """Return how many query images each reference image's ball holds, also where the graph keeps too few to tell."""
    query, reference = views
    counts = there.in_ball.astype(np.float64)
    full = np.flatnonzero(there.in_ball >= there.widest) if there.widest < len(query) else np.empty(0, np.int64)
    if len(full):
        some = np.sort(np.random.default_rng(0).choice(full, min(len(full), _MOST_BALLS), replace=False))
        centres = np.concatenate([reference.tile(int(at), int(at) + 1) for at in some])
        tiles = (query.tile(start, start + _TILE_ROWS) for start in range(0, len(query), _TILE_ROWS))
        found = np.maximum(count_in_balls(centres, there.reference_score[some], tiles), there.widest)
        counts[full] = found.mean()
        counts[some] = found
    return counts


def halves_inside(run: Path, level: str, rows: NDArray[np.int64], dataset: str, k: int) -> float | None:
    """Return the precision between two random halves of a dataset, from its own graph, over four splits.

    It is the recall too, since the halves have no order. None where a half would be smaller than k.
    """
    if len(rows) // 2 <= k:
        return None
    random = np.random.default_rng(0)
    some = rows
    if len(rows) > _MAX_CENTERS:
        some = np.sort(random.choice(rows, _MAX_CENTERS, replace=False))
    distances, indices = some_neighbors(run, level, dataset, dataset, some)
    # A half's k-th neighbor is read off the whole's list, so of the balls that hold an image only the near ones count.
    near = np.unique(indices[indices >= 0])
    _, theirs = around = some_neighbors(run, level, dataset, dataset, near)
    shares = []
    for _ in range(_SPLITS):
        half = random.random(int(rows[-1]) + 1) < 0.5
        radius = np.full(int(rows[-1]) + 1, -np.inf, np.float32)
        same = (half[theirs] == half[near][:, None]) & (theirs >= 0)
        reached = np.cumsum(same, axis=1) >= k
        at = np.where(reached.any(axis=1), reached.argmax(axis=1), theirs.shape[1] - 1)
        radius[near] = around[0][np.arange(len(near)), at]
        other = (half[indices] != half[some][:, None]) & (indices >= 0)
        shares.append(float(np.mean((other & (distances <= radius[indices])).any(axis=1))))
    return float(np.mean(shares))


def two_sample_metric(
    run: Path, level: str, pair: tuple[str, str], answers: tuple[OutlierScores, OutlierScores], k: int
) -> Measure:
    """Return the share of images' k nearest, of both datasets, that are of their own; with `p`, from permutations.

    The floor is what it is by chance, exactly. The permutations look at up to 5,000 images of each dataset.
    """
    there, back = answers
    sizes = (len(there.rows), len(back.rows))
    shares = np.concatenate([one.own_among / max(1, min(k, sum(sizes) - 1)) for one in answers])
    random = np.random.default_rng(0)
    centres, neighbors = [], []
    for number, (one, names) in enumerate(zip(answers, (pair, pair[::-1]), strict=True)):
        chosen = np.arange(len(one.rows))
        if len(chosen) > _MAX_CENTERS:
            chosen = np.sort(random.choice(chosen, _MAX_CENTERS, replace=False))
        lists = [some_neighbors(run, level, names[0], name, one.rows[chosen]) for name in (names[1], names[0])]
        other_rows, own_rows = answers[1 - number].rows, one.rows
        first = (0, sizes[0])
        places = [
            first[1 - number] + np.searchsorted(other_rows, lists[0][1]),
            first[number] + np.searchsorted(own_rows, lists[1][1]),
        ]
        order = merged_order(lists[1][0], lists[0][0])[:, : min(k, sum(sizes) - 1)]
        centres.append(first[number] + chosen)
        neighbors.append(np.take_along_axis(np.concatenate(places, axis=1), order, axis=1))
    p = permutation_p(np.concatenate(centres), np.concatenate(neighbors), sizes, random)
    return {**_mean_of(shares, share_by_chance(*sizes)), "p": p}


def score_histogram(there: OutlierScores, bins: int = 40) -> dict[str, list[float]]:
    """Return how the scores of query and reference are spread: counts between equally spaced edges."""
    both = [scores[np.isfinite(scores)].astype(np.float64) for scores in (there.score, there.reference_score)]
    together = np.concatenate(both)
    low, high = (float(together.min()), float(together.max())) if len(together) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    query, reference = (np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0].tolist() for scores in both)
    return {"edges": [rounded(edge) for edge in edges], "query": query, "reference": reference}

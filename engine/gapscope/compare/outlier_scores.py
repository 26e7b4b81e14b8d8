"""What is known of the query images of one level and pair, all of it read from the neighbor graph."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.fdr import q_values
from gapscope.compare.outlier_tests import count_reference_neighbors, outside_p, under_p
from gapscope.compare.support import in_any_ball, in_ball, possible_k
from gapscope.settings import CompareSettings
from gapscope.store.datasets import Pair
from gapscope.store.index import rows_read
from gapscope.store.neighbors import read_neighbor_rows
from gapscope.store.run_store import RunStore

_TILE_ROWS = 65536


@dataclass(frozen=True, kw_only=True)
class OutlierScores:
    """One value per embedded query image, in row order, or per reference image where that is said.

    Attributes:
        rows: rows of the query dataset.
        score: distance to the k-th neighbor in the reference.
        reference_score: the same for every reference image among the others; one value per reference image.
        outside_p: p-value of being outside the reference's support, and `outside_q` its q-value.
        under_p: p-value of being under-represented in the reference, and `under_q` its q-value.
        fdr: bound on the expected share of false entries among the images that are listed.
        k: the k of the scores: as it was asked for, or less where the reference is small.
        from_reference: how many of the `k_local` nearest images are the reference's.
        k_local: how many nearest images were counted.
        nearest_distance: distance to the nearest reference image.
        in_support: whether the image lies no farther from a reference image than that one's own k-th neighbor.
        own_neighbors: how many of the k nearest of both datasets are the query's own.
        reference_to_query: distance from every reference image to its nearest query image.
        ball_counts: per reference image, how many query images lie no farther from it than its own k-th neighbor; as
            many as the graph holds at most.
        graph_k: how many neighbors the graph holds per image.
    """

    rows: NDArray[np.int64]
    score: NDArray[np.float32]
    reference_score: NDArray[np.float32]
    outside_p: NDArray[np.float64]
    outside_q: NDArray[np.float64]
    under_p: NDArray[np.float64]
    under_q: NDArray[np.float64]
    fdr: float
    k: int
    from_reference: NDArray[np.int16]
    k_local: int
    nearest_distance: NDArray[np.float32]
    in_support: NDArray[np.bool_]
    own_neighbors: NDArray[np.int16]
    reference_to_query: NDArray[np.float32]
    ball_counts: NDArray[np.int32]
    graph_k: int

    @property
    def p(self) -> NDArray[np.float64]:
        """The smaller p-value of the two tests, corrected for there being two."""
        return np.minimum(1.0, 2.0 * np.minimum(self.outside_p, self.under_p))

    @property
    def q(self) -> NDArray[np.float64]:
        """The smaller q-value of the two tests, doubled: q <= f lists what one of the tests lists at f / 2.

        Each list then holds false entries at an expected share of f / 2 at most, and the two together of f at most.
        """
        return np.minimum(1.0, 2.0 * np.minimum(self.outside_q, self.under_q))

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Whether an image is listed as outside the reference's support."""
        return np.asarray(2 * self.outside_q <= self.fdr)

    @property
    def under_represented(self) -> NDArray[np.bool_]:
        """Whether an image is listed as under-represented in the reference."""
        return np.asarray(2 * self.under_q <= self.fdr)

    @property
    def listed(self) -> NDArray[np.bool_]:
        """Whether either test lists an image."""
        return self.outside | self.under_represented


def knn_radius(run: RunStore, level: str, dataset: str, k: int) -> NDArray[np.float32]:
    """Return the distance of every embedded image to its k-th nearest of its own dataset.

    Where the dataset is too small for that, it is the distance to the last neighbor that every image has; infinite for
    a single image.
    """
    rows = rows_read(run, dataset)
    radius = np.empty(len(rows), np.float32)
    k = possible_k(k, len(rows))
    for part in _parts(len(rows)):
        distances, _ = read_neighbor_rows(run, level, Pair(dataset, dataset), rows[part])
        radius[part] = distances[:, k - 1]
    return radius


def score_outliers(
    run: RunStore, level: str, pair: Pair, radius: NDArray[np.float32], settings: CompareSettings
) -> OutlierScores:
    """Do both tests of every query image from the neighbor graph alone, reading some rows of it at a time.

    Args:
        run: the run.
        level: the level's name.
        pair: the dataset whose images are tested, and the reference.
        radius: the reference's `knn_radius`.
        settings: `k`, `k_local` and `fdr`.
    """
    rows, reference_rows = rows_read(run, pair.query), rows_read(run, pair.reference)
    images, references = len(rows), len(reference_rows)
    k = possible_k(settings.k, references)
    k_local = min(settings.k_local, images + references - 1)
    radius_by_row = np.zeros(int(reference_rows[-1]) + 1, np.float32)
    radius_by_row[reference_rows] = radius

    score, nearest = np.empty(images, np.float32), np.empty(images, np.float32)
    from_reference, own_neighbors = np.empty(images, np.int16), np.empty(images, np.int16)
    in_support = np.zeros(images, bool)
    for part in _parts(images):
        other, indices = read_neighbor_rows(run, level, pair, rows[part])
        own, _ = read_neighbor_rows(run, level, Pair(pair.query, pair.query), rows[part])
        score[part], nearest[part] = other[:, k - 1], other[:, 0]
        from_reference[part], k_local = count_reference_neighbors(own, other, k_local)
        reference_count, counted = count_reference_neighbors(own, other, settings.k)
        own_neighbors[part] = counted - reference_count
        in_support[part] = in_any_ball(other, indices, radius_by_row)

    reference_to_query = np.empty(references, np.float32)
    ball_counts = np.empty(references, np.int32)
    graph_k = 0
    for part in _parts(references):
        other, indices = read_neighbor_rows(run, level, pair.reversed, reference_rows[part])
        reference_to_query[part] = other[:, 0]
        hits = in_ball(other, radius[part])
        ball_counts[part] = hits.sum(axis=1)
        graph_k = other.shape[1]
        # The reverse direction finds images whose own list is full of nearer ones with smaller balls.
        in_support[np.searchsorted(rows, indices[hits])] = True

    outside = outside_p(score, radius)
    under = under_p(from_reference, k_local, images, references)
    return OutlierScores(
        rows=rows,
        score=score,
        reference_score=radius,
        outside_p=outside,
        outside_q=q_values(outside),
        under_p=under,
        under_q=q_values(under),
        fdr=settings.fdr,
        k=k,
        from_reference=from_reference,
        k_local=k_local,
        nearest_distance=nearest,
        in_support=in_support,
        own_neighbors=own_neighbors,
        reference_to_query=reference_to_query,
        ball_counts=ball_counts,
        graph_k=graph_k,
    )


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, _TILE_ROWS):
        yield slice(start, min(start + _TILE_ROWS, count))

"""Everything that is known about the query images of one level and ordered pair of datasets."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.fdr import benjamini_hochberg
from gapscope.compare.outlier_tests import count_reference_neighbors, outside_p, under_p
from gapscope.compare.support import in_ball, inside_any
from gapscope.settings import CompareSettings
from gapscope.store.index import rows_read
from gapscope.store.results import some_neighbors

_TILE_ROWS = 65536


@dataclass(frozen=True, kw_only=True)
class OutlierScores:
    """One value per query image that was read, in row order, or per reference image where that is said.

    Attributes:
        rows: rows of the query dataset.
        score: distance to the k-th neighbor in the reference.
        reference_score: the same for every reference image among the others; one value per reference image.
        outside_p: p-value of being outside the reference's support, and `outside_q` after Benjamini-Hochberg.
        under_p: p-value of being of a kind that the reference has too little of, and `under_q` likewise.
        fdr: bound on the expected share of false entries among the images that are listed.
        k: the k of the scores: as it was asked for, or less where the reference is small.
        from_reference: how many of the `k_local` nearest images are the reference's.
        k_local: how many nearest images were looked at.
        nearest_distance: distance to the nearest reference image.
        inside: whether a reference image has this image no farther than its own k-th neighbor.
        own_among: how many of the k nearest of both datasets are the query's own.
        reference_to_query: distance from every reference image to its nearest query image.
        in_ball: how many query images lie no farther from a reference image than its own k-th neighbor; as many as the
            graph keeps at most.
        widest: how many it keeps.
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
    inside: NDArray[np.bool_]
    own_among: NDArray[np.int16]
    reference_to_query: NDArray[np.float32]
    in_ball: NDArray[np.int32]
    widest: int

    @property
    def p(self) -> NDArray[np.float64]:
        """Either question's p-value, corrected for there being two."""
        return np.minimum(1.0, 2.0 * np.minimum(self.outside_p, self.under_p))

    @property
    def q(self) -> NDArray[np.float64]:
        """Either question's q-value. q <= f lists what one of the questions lists at f / 2.

        Each list then holds false entries at an expected share of f / 2 at most, and the two together of f at most.
        """
        return np.minimum(1.0, 2.0 * np.minimum(self.outside_q, self.under_q))

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Whether an image is listed as outside the reference's support."""
        return np.asarray(2 * self.outside_q <= self.fdr)

    @property
    def under_represented(self) -> NDArray[np.bool_]:
        """Whether an image is listed as of a kind that the reference has too little of."""
        return np.asarray(2 * self.under_q <= self.fdr)

    @property
    def listed(self) -> NDArray[np.bool_]:
        """Whether either question lists an image."""
        return self.outside | self.under_represented


def knn_radius(run: Path, level: str, dataset: str, k: int) -> NDArray[np.float32]:
    """Return the distance of every read image to its k-th nearest of its own dataset.

    Where the dataset is too small for that, to the farthest that every image has; infinite for a single one.
    """
    rows = rows_read(run, dataset)
    radius = np.empty(len(rows), np.float32)
    k = _possible(k, len(rows))
    for part in _parts(len(rows)):
        distances, _ = some_neighbors(run, level, dataset, dataset, rows[part])
        radius[part] = distances[:, k - 1]
    return radius


def _possible(k: int, images: int) -> int:
    # Small references have no k-th neighbor; both sides then use the last that both have.
    return max(1, min(k, images - 1))


def score_outliers(
    run: Path, level: str, query: str, reference: str, radius: NDArray[np.float32], settings: CompareSettings
) -> OutlierScores:
    """Ask both questions of every query image, from the neighbor graph alone, some rows of it at a time.

    Args:
        run: the run's folder.
        level: the level's name.
        query: the dataset whose images are asked about.
        reference: the dataset that they are held against.
        radius: the reference's `knn_radius`.
        settings: k, k_local and fdr.
    """
    rows, reference_rows = rows_read(run, query), rows_read(run, reference)
    images, references = len(rows), len(reference_rows)
    k = _possible(settings.k, references)
    k_local = min(settings.k_local, images + references - 1)
    by_row = np.zeros(int(reference_rows[-1]) + 1, np.float32)
    by_row[reference_rows] = radius

    score, nearest = np.empty(images, np.float32), np.empty(images, np.float32)
    from_reference, own_among = np.empty(images, np.int16), np.empty(images, np.int16)
    inside = np.zeros(images, bool)
    for part in _parts(images):
        other, listed = some_neighbors(run, level, query, reference, rows[part])
        own, _ = some_neighbors(run, level, query, query, rows[part])
        score[part], nearest[part] = other[:, k - 1], other[:, 0]
        from_reference[part], k_local = count_reference_neighbors(own, other, k_local)
        theirs, among = count_reference_neighbors(own, other, settings.k)
        own_among[part] = among - theirs
        inside[part] = inside_any(other, listed, by_row)

    back = np.empty(references, np.float32)
    balls = np.empty(references, np.int32)
    widest = 0
    for part in _parts(references):
        other, listed = some_neighbors(run, level, reference, query, reference_rows[part])
        back[part] = other[:, 0]
        hit = in_ball(other, radius[part])
        balls[part] = hit.sum(axis=1)
        widest = other.shape[1]
        # The other way round finds images whose own list is full of nearer ones with smaller balls.
        inside[np.searchsorted(rows, listed[hit])] = True

    outside = outside_p(score, radius)
    under = under_p(from_reference, k_local, images, references)
    return OutlierScores(
        rows=rows,
        score=score,
        reference_score=radius,
        outside_p=outside,
        outside_q=benjamini_hochberg(outside),
        under_p=under,
        under_q=benjamini_hochberg(under),
        fdr=settings.fdr,
        k=k,
        from_reference=from_reference,
        k_local=k_local,
        nearest_distance=nearest,
        inside=inside,
        own_among=own_among,
        reference_to_query=back,
        in_ball=balls,
        widest=widest,
    )


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, _TILE_ROWS):
        yield slice(start, min(start + _TILE_ROWS, count))

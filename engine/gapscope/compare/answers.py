"""Everything that is known about the query images of one level and ordered pair of datasets."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.multiple import benjamini_hochberg
from gapscope.compare.questions import crowd_from_reference, outside_p, under_p
from gapscope.settings import CompareSettings
from gapscope.store.index import rows_read
from gapscope.store.results import read_neighbors


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One value per query image that was read, in row order.

    Attributes:
        rows: rows of the query dataset.
        score: distance to the k-th neighbour in the reference.
        reference_score: the same for every reference image among the others; one value per reference image.
        outside_p: p-value of being outside the reference's support, and `outside_q` after Benjamini-Hochberg.
        under_p: p-value of being of a kind that the reference has too little of, and `under_q` likewise.
        p: of either, `q` likewise: twice the smaller, since there were two ways to be listed.
        from_reference: how many of the `crowd` nearest images are the reference's.
        crowd: how many nearest images were looked at.
        nearest: (n, k) rows of the nearest reference images, -1 where there are fewer.
        nearest_distance: (n,) distance to the first of them.
        reference_to_query: distance from every reference image to its nearest query image.
    """

    rows: NDArray[np.int64]
    score: NDArray[np.float32]
    reference_score: NDArray[np.float32]
    outside_p: NDArray[np.float64]
    outside_q: NDArray[np.float64]
    under_p: NDArray[np.float64]
    under_q: NDArray[np.float64]
    from_reference: NDArray[np.int64]
    crowd: int
    nearest: NDArray[np.int64]
    nearest_distance: NDArray[np.float32]
    reference_to_query: NDArray[np.float32]

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


def answer(run: Path, level: str, query: str, reference: str, settings: CompareSettings) -> Answers:
    """Ask both questions of every query image, from the neighbour graph alone."""
    rows, reference_rows = rows_read(run, query), rows_read(run, reference)
    other, nearest = _rows_of(read_neighbors(run, level, query, reference), rows)
    own, _ = _rows_of(read_neighbors(run, level, query, query), rows)
    within, _ = _rows_of(read_neighbors(run, level, reference, reference), reference_rows)
    back, _ = _rows_of(read_neighbors(run, level, reference, query), reference_rows)
    # Small references have no k-th neighbour; both sides then use the last that both have.
    k = max(1, min(settings.k, len(reference_rows) - 1))
    score, reference_score = other[:, k - 1], within[:, k - 1]
    from_reference, crowd = crowd_from_reference(own, other, settings.crowd)
    outside = outside_p(score, reference_score)
    under = under_p(from_reference, crowd, len(rows), len(reference_rows))
    return Answers(
        rows=rows,
        score=score,
        reference_score=reference_score,
        outside_p=outside,
        outside_q=benjamini_hochberg(outside),
        under_p=under,
        under_q=benjamini_hochberg(under),
        from_reference=from_reference,
        crowd=crowd,
        nearest=nearest[:, : settings.k],
        nearest_distance=other[:, 0],
        reference_to_query=back[:, 0],
    )


def _rows_of(
    neighbors: tuple[NDArray[np.float32], NDArray[np.int64]], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    distances, indices = neighbors
    return distances[rows], indices[rows]

"""Overlapping parts of embedding space, in each of which neighbors can be searched on their own.

Centroids divide the space into parts. An image's nearest images may lie beyond the border of its part, so parts overlap
on both sides of a search. A reference image is copied to every part whose centroid is little farther from it than the
nearest one (the closure assignment of SPANN: Chen et al. 2021, "SPANN: Highly-efficient billion-scale approximate
nearest neighbor search"). A query image visits every part whose centroid is little farther from it than the nearest
one, as in an inverted file. Within one dataset the copies suffice, and a query visits one part. Between datasets that
differ, queries lie outside of what the parts were made for, and visit several.

How much is little is measured: on a sample of queries whose true neighbors are known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PARTITION_FROM = 1_000_000
"""Images of all datasets from which on neighbors are searched in parts. Fewer are searched in one piece."""

PART_ROWS = 2**17
PART_BYTES = 2**27
"""Bytes of a part's vectors, but for copies: of more than 256 channels a part has fewer rows."""
MIN_PARTS = 24
"""Fewer parts would leave some of eight workers without any, and two workers gain little by fewer."""
MAX_PARTS = 4096
TRAINING_ROWS = 128
"""Rows per part that centroids are fitted to."""

SMALL_ROWS = 2**15
"""A reference of so few rows is copied to every part."""

MIN_PART_ROWS = 2**13
"""Rows of a reference per part that holds any of it."""

COVERAGE = 0.98
"""Share of a sample's true neighbors that must be in the parts that their queries visit."""

PART_RECALL = 0.97
"""Share of the neighbors within the parts that a search finds there: the other half of the promise."""

PART_SAMPLE = 200
"""Queries by which a search within a part measures that share."""

COPIES = (1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0)
"""Mean numbers of parts that a reference image may be copied to."""

MAX_VISITS = 8.0
"""Largest mean number of parts that a query may visit."""

_MIN_SHARE = 0.25
_ITERATIONS = 10


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Parts of the embedding space of one level and reading, for all datasets.

    Attributes:
        centroids: (parts, channels) float32.
        parts: per reference dataset, the ascending numbers of the parts that hold images of it.
        copy_margins: per reference dataset, how much farther (in squared distance) the centroid of a part may be from
            an image that is copied there than the nearest centroid of a part that holds images of this dataset.
        visit_margins: per reference dataset, and query dataset, likewise of a query that visits the part.
    """

    centroids: NDArray[np.float32]
    parts: Mapping[str, NDArray[np.int64]]
    copy_margins: Mapping[str, float]
    visit_margins: Mapping[str, Mapping[str, float]]

    def excess(self, vectors: NDArray[np.float32], reference: str) -> NDArray[np.float64]:
        """Return `centroid_excess` (n, parts of the reference) of vectors (n, channels)."""
        return centroid_excess(vectors, self.centroids[self.parts[reference]])


def centroid_excess(vectors: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (n, parts) how much farther, in squared distance, each vector is from each centroid than from its nearest.

    In double precision: by how many threads a product is computed then decides about no image's part.

    Example:
        >>> centroid_excess(np.array([[1.0, 0.0]], np.float32), np.array([[1, 0], [0, 1]], np.float32)).tolist()
        [[0.0, 2.0]]
    """
    wide = centroids.astype(np.float64)
    squares = np.square(wide).sum(axis=1) - 2 * (vectors.astype(np.float64) @ wide.T)
    return np.asarray(squares - squares.min(axis=1, keepdims=True))


def count_parts(rows: int, channels: int) -> int:
    """Return the number of parts for so many images with vectors of so many channels.

    Example:
        >>> count_parts(1_000_000, 64), count_parts(10**8, 256), count_parts(10**8, 1280), count_parts(10**10, 64)
        (24, 763, 3815, 4096)
    """
    part_rows = min(PART_ROWS, PART_BYTES // (channels * np.dtype(np.float32).itemsize))
    return min(MAX_PARTS, max(MIN_PARTS, -(-rows // part_rows)))


def fit_centroids(vectors: NDArray[np.float32], parts: int) -> NDArray[np.float32]:
    """Return (parts, channels) centroids of a sample of vectors, by k-means in one thread; fewer for fewer vectors."""
    # The import starts faiss's threads.
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        kmeans = faiss.Kmeans(
            vectors.shape[1],
            min(parts, len(vectors)),
            niter=_ITERATIONS,
            seed=1,
            min_points_per_centroid=1,
            max_points_per_centroid=4 * TRAINING_ROWS,
        )
        kmeans.train(np.ascontiguousarray(vectors))
    finally:
        faiss.omp_set_num_threads(threads)
    return np.asarray(kmeans.centroids, np.float32)


def parts_of_reference(
    vectors: NDArray[np.float32], centroids: NDArray[np.float32], references: int
) -> NDArray[np.int64]:
    """Return the ascending numbers of the parts that are to hold a reference dataset.

    All of them for a small one. Else those in which it is at least a quarter as dense as on average, and at most so
    many that each holds some thousands: the few images that lie elsewhere go to the nearest of these.

    Args:
        vectors: (n, channels) a sample of the reference.
        centroids: of all parts.
        references: number of the reference's images.
    """
    parts = len(centroids)
    if is_small(references):
        return np.arange(parts)
    nearest = centroid_excess(vectors, centroids).argmin(axis=1)
    counts = np.bincount(nearest, minlength=parts)
    densest = np.argsort(-counts, kind="stable")[: max(1, references // MIN_PART_ROWS)]
    return np.sort(densest[counts[densest] >= min(counts.max(), _MIN_SHARE * len(vectors) / parts)])


def is_small(references: int) -> bool:
    """Return whether so few reference images are copied to every part."""
    return references <= SMALL_ROWS


def margin_of_mean(excess: NDArray[np.float64], mean: float) -> float:
    """Return the margin within which vectors have `mean` parts on average; infinite where they have no more.

    Args:
        excess: (n, parts) of a sample.
        mean: at least 1.

    Example:
        >>> margin_of_mean(np.array([[0.0, 3.0, 5.0], [1.0, 0.0, 9.0]]), 1.5)
        1.0
    """
    allowed = int(mean * len(excess))
    if allowed >= excess.size:
        return float("inf")
    return float(np.partition(excess, max(0, allowed - 1), axis=None)[max(0, allowed - 1)])


def meeting_excess(
    query: NDArray[np.float64], references: NDArray[np.float64], margins: Sequence[float]
) -> NDArray[np.float32]:
    """Return (k, margins) the least visit margin by which a query meets each of k references, per copy margin.

    Args:
        query: (parts,) excess of the query.
        references: (k, parts) excess of the references.
        margins: of copies, ascending.
    """
    meets = [np.where(references <= margin, query, np.inf).min(axis=1) for margin in margins]
    return np.stack(meets, axis=1).astype(np.float32)


def choose_copies(meeting: NDArray[np.float32]) -> int:
    """Return the number of the least copy margin by which queries find `COVERAGE` of their neighbors in one visit.

    Args:
        meeting: (n, margins) `meeting_excess` of the true neighbors of a sample within the dataset.
    """
    shares = (meeting <= 0).mean(axis=0) if len(meeting) else np.ones(len(COPIES))
    enough = np.flatnonzero(shares >= COVERAGE)
    return int(enough[0]) if len(enough) else len(shares) - 1


def choose_visits(meeting: NDArray[np.float32], excess: NDArray[np.float64]) -> float:
    """Return the least visit margin by which queries find `COVERAGE` of their neighbors in `MAX_VISITS` or fewer.

    Args:
        meeting: (n,) `meeting_excess` of the true neighbors of a sample.
        excess: (m, parts) of a sample of the query dataset.
    """
    if not len(meeting):
        return 0.0
    wanted = float(np.quantile(meeting, COVERAGE, method="higher"))
    return min(wanted, margin_of_mean(excess, MAX_VISITS))

"""Which images lie in the other dataset's support, which is a ball around each of its images."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def possible_k(k: int, images: int) -> int:
    """Return which neighbor the radius of a ball goes to: the k-th, or the last that each of `images` has.

    Example:
        >>> possible_k(5, 1000), possible_k(5, 4), possible_k(5, 1)
        (5, 3, 1)
    """
    # Images of a small dataset have no k-th neighbor; both sides then use the last that both have.
    return max(1, min(k, images - 1))


def in_any_ball(
    distances: NDArray[np.float32], indices: NDArray[np.int64], radius: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return which images lie in a ball of one of their nearest images of the other dataset.

    Args:
        distances: (n, k) to the nearest images of the other dataset.
        indices: (n, k) rows of these, -1 where there is none.
        radius: (rows,) by row of the other dataset, its distance to its own k-th neighbor.
    """
    return np.asarray(((distances <= radius[indices]) & (indices >= 0)).any(axis=1))


def in_ball(distances: NDArray[np.float32], radius: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which of each image's (n, k) nearest images of the other dataset lie in its own ball, of (n,) radius."""
    return np.asarray((distances <= radius[:, None]) & np.isfinite(distances))


def expected_coverage(k: int, query_size: int, reference_size: int) -> float:
    """Return the expected coverage where the datasets do not differ, exactly and whatever their distribution.

    An image of the reference is not covered where its k nearest images of both datasets are all of the reference, and
    the other n_A + n_B - 1 images lie around it in random order.

    Example:
        >>> round(expected_coverage(5, 1000, 1000), 4)
        0.969
    """
    first = np.arange(min(k, reference_size))
    others = query_size + reference_size - 1 - first
    return float(1 - np.prod(np.maximum(0, reference_size - 1 - first) / np.maximum(1, others)))


def count_in_balls(
    centers: NDArray[np.float32], half_squares: NDArray[np.float32], tiles: Iterable[NDArray[np.float32]]
) -> NDArray[np.int64]:
    """Count the vectors in balls.

    Args:
        centers: (m, d) of the balls.
        half_squares: (m,) half the squared radius of each ball.
        tiles: (n, d) vectors each.

    Returns:
        (m,) counts over all tiles.
    """
    counts = np.zeros(len(centers), np.int64)
    lengths = np.square(centers).sum(axis=1) / 2
    for tile in tiles:
        distances = lengths[:, None] + np.square(tile).sum(axis=1) / 2 - centers @ tile.T
        counts += (distances <= half_squares[:, None]).sum(axis=1)
    return counts

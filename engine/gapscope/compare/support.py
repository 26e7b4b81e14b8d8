"""Which images lie in the other dataset's support, where a support is a ball around each of its images."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def inside_any(
    distances: NDArray[np.float32], indices: NDArray[np.int64], radius: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Tell which images lie in a ball of one of their nearest images of the other dataset.

    Args:
        distances: (n, k) to the nearest images of the other dataset.
        indices: (n, k) rows of these, -1 where there is none.
        radius: (rows,) by row of the other dataset, its distance to its own k-th neighbor.
    """
    return np.asarray(((distances <= radius[indices]) & (indices >= 0)).any(axis=1))


def in_ball(distances: NDArray[np.float32], radius: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which of each image's (n, k) nearest images of the other dataset lie in its own ball, of (n,) radius."""
    return np.asarray((distances <= radius[:, None]) & np.isfinite(distances))


def coverage_by_chance(k: int, query_size: int, reference_size: int) -> float:
    """Return the expected coverage where the datasets do not differ, exactly and whatever their distribution.

    An image of the reference is not covered where its k nearest images of both datasets are all of the reference, and
    the other n_A + n_B - 1 images stand around it in random order.
    """
    first = np.arange(min(k, reference_size))
    others = query_size + reference_size - 1 - first
    return float(1 - np.prod(np.maximum(0, reference_size - 1 - first) / np.maximum(1, others)))


def count_in_balls(
    centres: NDArray[np.float32], radius: NDArray[np.float32], tiles: Iterable[NDArray[np.float32]]
) -> NDArray[np.int64]:
    """Count the vectors of all tiles (n, d) within (m,) `radius`, a half squared distance, of the (m, d) `centres`."""
    counts = np.zeros(len(centres), np.int64)
    lengths = np.square(centres).sum(axis=1) / 2
    for tile in tiles:
        apart = lengths[:, None] + np.square(tile).sum(axis=1) / 2 - centres @ tile.T
        counts += (apart <= radius[:, None]).sum(axis=1)
    return counts

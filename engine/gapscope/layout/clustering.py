"""Clusters of a map, at any size."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from gapscope.device import Device

SMALLEST = 5
"""Images from which on a group can be a cluster."""

_FEWEST_SAMPLED = 10_000


class Clusters(NamedTuple):
    """The clusters of a map's points.

    Attributes:
        labels: (n,) cluster number of each point, -1 for none.
        sample: points that HDBSCAN saw; all others have the label of their nearest of these.
        note: why it saw fewer than the device takes; empty where it did not.
    """

    labels: NDArray[np.int32]
    sample: int
    note: str = ""


def cluster_points(points: NDArray[np.float32], device: Device, seed: int) -> Clusters:
    """Find the clusters of points (n, 3) by HDBSCAN.

    Its time on the CPU and its memory on a GPU grow faster than the points. Of more than the device takes, or has
    memory for, it sees a sample, and every other point belongs where its nearest of the sample does.

    Args:
        points: (n, 3) coordinates.
        device: what HDBSCAN runs on.
        seed: of the sample.

    Raises:
        MemoryError: not even a small sample fits.
    """
    if len(points) < 2 * SMALLEST or not np.ptp(points, axis=0).any():
        return Clusters(np.full(len(points), -1, np.int32), 0)
    sample, note = min(len(points), device.max_clustered_points), ""
    while True:
        try:
            return Clusters(_labels(points, sample, device, seed), sample, note)
        except MemoryError:
            if sample <= _FEWEST_SAMPLED:
                raise
        sample = max(_FEWEST_SAMPLED, sample // 2)
        note = f"memory ran out over clusters of more: they are those of {sample:,} of {len(points):,} images"


def _labels(points: NDArray[np.float32], sample: int, device: Device, seed: int) -> NDArray[np.int32]:
    smallest = max(SMALLEST, round(len(points) ** 0.5) // 2)
    if sample == len(points):
        return device.cluster_labels(points, smallest)
    chosen = np.sort(np.random.default_rng(seed).choice(len(points), sample, replace=False))
    labels = device.cluster_labels(points[chosen], max(SMALLEST, round(smallest * sample / len(points))))
    nearest: NDArray[np.int64] = KDTree(points[chosen]).query(points, workers=-1)[1]
    return labels[nearest]

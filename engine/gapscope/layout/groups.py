"""Clusters of a map, at any size."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from gapscope.device import Device

SMALLEST = 5
"""Images from which on a group can be a cluster."""


def find_clusters(points: NDArray[np.float32], device: Device, seed: int) -> NDArray[np.int32]:
    """Return a cluster number for each point (n, 3), -1 for none.

    HDBSCAN on the CPU takes time with the square of the points. Of more than the device can do at once it sees a
    sample, and every other point belongs where its nearest of the sample does.
    """
    labels = np.full(len(points), -1, np.int32)
    if len(points) < 2 * SMALLEST or not np.ptp(points, axis=0).any():
        return labels
    smallest = max(SMALLEST, round(len(points) ** 0.5) // 2)
    most = device.most_clustered
    if len(points) <= most:
        return device.cluster_labels(points, smallest)
    chosen = np.sort(np.random.default_rng(seed).choice(len(points), most, replace=False))
    smallest = max(SMALLEST, round(smallest * most / len(points)))
    found = device.cluster_labels(points[chosen], smallest)
    nearest: NDArray[np.int64] = KDTree(points[chosen]).query(points, workers=-1)[1]
    return found[nearest]

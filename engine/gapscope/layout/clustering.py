"""Clusters of a map, at any number of images."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from gapscope.device import Device

MIN_CLUSTER_SIZE = 5
"""The least number of images that a cluster can have."""

_MIN_SAMPLE = 10_000
_QUERY_ROWS = 2**20


class Clusters(NamedTuple):
    """The clusters of a map's points.

    Attributes:
        labels: (n,) cluster number of each point, -1 for none.
        sample: points that HDBSCAN got; each other point has the label of its nearest of these.
        note: why it got fewer than the device takes; empty where it did not.
    """

    labels: NDArray[np.int32]
    sample: int
    note: str = ""


def cluster_points(coordinates: NDArray[np.float32], device: Device, seed: int) -> Clusters:
    """Cluster points (n, 3) by HDBSCAN.

    HDBSCAN's time on the CPU and its memory on a GPU grow faster than the number of points. Where there are more than
    the device takes, or has memory for, it gets a sample, and each other point the label of its nearest in the sample.

    Args:
        coordinates: (n, 3).
        device: where HDBSCAN runs.
        seed: of the sample.

    Raises:
        MemoryError: not even a small sample fits.
    """
    images = len(coordinates)
    if images < 2 * MIN_CLUSTER_SIZE or not np.ptp(coordinates, axis=0).any():
        return Clusters(np.full(images, -1, np.int32), 0)
    sample, note = min(images, device.max_clustered_points), ""
    while True:
        try:
            return Clusters(_labels(coordinates, sample, device, seed), sample, note)
        except MemoryError:
            if sample <= _MIN_SAMPLE:
                raise
        sample = max(_MIN_SAMPLE, sample // 2)
        note = f"memory ran out over clusters of more: they are those of {sample:,} of {images:,} images"


def _labels(coordinates: NDArray[np.float32], sample: int, device: Device, seed: int) -> NDArray[np.int32]:
    images = len(coordinates)
    min_size = max(MIN_CLUSTER_SIZE, round(images**0.5) // 2)
    if sample == images:
        return device.cluster(coordinates, min_size)
    chosen = np.sort(np.random.default_rng(seed).choice(images, sample, replace=False))
    min_size = max(MIN_CLUSTER_SIZE, round(min_size * sample / images))
    labels = device.cluster(coordinates[chosen], min_size)
    tree, of_all = KDTree(coordinates[chosen]), np.empty(images, np.int32)
    for start in range(0, images, _QUERY_ROWS):
        part = slice(start, start + _QUERY_ROWS)
        of_all[part] = labels[tree.query(coordinates[part], workers=-1)[1]]
    return of_all

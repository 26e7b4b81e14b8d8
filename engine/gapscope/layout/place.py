"""Where an image lies on a map that is there already: by its nearest images on it, and by nothing else."""

import numpy as np
from numpy.typing import NDArray

from gapscope.device import Device
from gapscope.neighbors.unit_rows import UnitRows

_NEAREST = 5
_STRETCH_ROWS = 2**18


def place(query: UnitRows, among: UnitRows, points: NDArray[np.float32], device: Device) -> NDArray[np.float32]:
    """Return a place for each query image, the mean of its nearest images' places, the nearer the more.

    The weight of the j-th nearest is (1 - d_j / d_last)^2, a kernel as wide as the neighbourhood, and a copy of an
    image lies on it. Where an image lands depends on itself and on the map alone: umap-learn's transform, which
    optimises a batch together, puts the same image in other places in other company (lmcinnes/umap#158).

    Args:
        query: n images.
        among: m images that are on the map.
        points: (m, 3) their places.
        device: where to look for neighbours.

    Returns:
        (n, 3) coordinates.
    """
    placed = np.empty((len(query), 3), np.float32)
    for start in range(0, len(query), _STRETCH_ROWS):
        part = query.some(slice(start, start + _STRETCH_ROWS))
        near, where = device.neighbors(part, among, min(_NEAREST + 1, len(among)), same=False, alone=True)[:2]
        weights = nearness(near)
        placed[start : start + len(part)] = np.einsum("nk,nkd->nd", weights, points[where].astype(np.float64))
    return placed


def nearness(distances: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return weights (n, k) that sum to 1, from ascending distances (n, k); only copies count where there are any."""
    near = distances.astype(np.float64)
    last = near[:, -1:]
    weights = np.square(1 - near / np.where(last > 0, last, 1))
    copies = near == 0
    weights = np.where(copies.any(axis=1, keepdims=True), copies, weights)
    # All at one distance: none is nearer.
    weights = np.where(weights.sum(axis=1, keepdims=True) > 0, weights, 1.0)
    return weights / weights.sum(axis=1, keepdims=True)

"""Where an image lies on a map that is there already: by its nearest images on it, and by nothing else."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from gapscope.device import Device
from gapscope.neighbors.embedding_view import EmbeddingView

_NEAREST = 15
_AROUND = 10
_STRETCH_ROWS = 2**18


def interpolate_coordinates(
    query: EmbeddingView, among: EmbeddingView, points: NDArray[np.float32], device: Device
) -> NDArray[np.float32]:
    """Return a place for each query image: around its nearest image's, drawn to those of its other near images.

    Of an image's 15 nearest by embedding those count that lie around the first of them on the map, no farther from it
    than its tenth neighbor there, the nearer by embedding the more. The mean over all of them would lie in the empty
    space between groups. Where an image lands depends on itself and on the map alone: umap-learn's transform, which
    optimises a batch together, puts the same image in other places in other company (lmcinnes/umap#158).

    Args:
        query: n images.
        among: m images that are on the map.
        points: (m, 3) their places.
        device: where to look for neighbors.

    Returns:
        (n, 3) coordinates. A copy of an image lies on it.
    """
    reach = KDTree(points).query(points, k=[min(_AROUND + 1, len(points))], workers=-1)[0][:, 0]
    placed = np.empty((len(query), 3), np.float32)
    for start in range(0, len(query), _STRETCH_ROWS):
        part = query.some(slice(start, start + _STRETCH_ROWS))
        near, where = device.neighbors(part, among, min(_NEAREST + 1, len(among)), same=False, alone=True)[:2]
        places = points[where].astype(np.float64)
        apart = np.linalg.norm(places - places[:, :1], axis=2)
        weights = nearness(near) * (apart <= reach[where[:, :1]])
        weights /= weights.sum(axis=1, keepdims=True)
        placed[start : start + len(part)] = np.einsum("nk,nkd->nd", weights, places)
    return placed


def nearness(distances: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return a weight (n, k) for each of the ascending distances (n, k): (1 - d / last)^2, and the first is never 0.

    Where there are copies, at distance 0, only they count; what is infinitely far does not.
    """
    near = distances.astype(np.float64)
    there = np.isfinite(near)
    last = np.where(there, near, 0).max(axis=1, keepdims=True)
    weights = np.square(1 - np.where(there, near, last) / np.where(last > 0, last, 1))
    copies = near == 0
    weights = np.where(copies.any(axis=1, keepdims=True), copies, weights)
    # All at one distance: none is nearer.
    return np.where(weights.sum(axis=1, keepdims=True) > 0, weights, there * 1.0)

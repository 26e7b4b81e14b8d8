"""Coordinates of images on a map that exists already, from their nearest images on it and from nothing else."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from gapscope.device import Device
from gapscope.neighbors.embedding_view import EmbeddingView

_NEAREST = 15
_REACH_NEIGHBORS = 10
_CHUNK_ROWS = 2**18


class Interpolator:
    """A map, prepared once to place any number of images on it: `interpolate_coordinates` with one reference."""

    def __init__(
        self, reference: EmbeddingView, coordinates: NDArray[np.float32], device: Device, *, many: bool = False
    ) -> None:
        """Index m images that are on the map, and their coordinates (m, 3).

        Args:
            reference: the images.
            coordinates: (m, 3).
            device: where to search for neighbors.
            many: whether a million images and more are to be placed.
        """
        k = min(_REACH_NEIGHBORS + 1, len(coordinates))
        self._reach = KDTree(coordinates).query(coordinates, k=[k], workers=-1)[0][:, 0]
        self._coordinates = coordinates
        self._search = device.neighbor_search(reference, min(_NEAREST + 1, len(reference)), many=many)

    def __call__(self, query: EmbeddingView) -> NDArray[np.float32]:
        """Return the coordinates (n, 3) of each query image."""
        interpolated = np.empty((len(query), 3), np.float32)
        for start in range(0, len(query), _CHUNK_ROWS):
            part = query.take(slice(start, start + _CHUNK_ROWS))
            nearest = self._search(part)
            candidates = self._coordinates[nearest.indices].astype(np.float64)
            from_first = np.linalg.norm(candidates - candidates[:, :1], axis=2)
            weights = distance_weights(nearest.distances) * (from_first <= self._reach[nearest.indices[:, :1]])
            weights /= weights.sum(axis=1, keepdims=True)
            interpolated[start : start + len(part)] = np.einsum("nk,nkd->nd", weights, candidates)
        return interpolated


def interpolate_coordinates(
    query: EmbeddingView, reference: EmbeddingView, coordinates: NDArray[np.float32], device: Device
) -> NDArray[np.float32]:
    """Return coordinates of each query image: near its nearest reference image's, drawn towards its other nearest.

    Of an image's 15 nearest by embedding those count that lie around the first of them on the map, no farther from it
    than its tenth neighbor there; the nearer by embedding, the more. The mean over all of them would lie in the empty
    space between clusters. Where an image lies depends on itself and on the map alone: umap-learn's transform, which
    optimises a batch together, puts the same image elsewhere in other company (lmcinnes/umap#158).

    Args:
        query: n images.
        reference: m images that are on the map.
        coordinates: (m, 3) of the reference.
        device: where to search for neighbors.

    Returns:
        (n, 3) coordinates. A copy of a reference image gets its coordinates.
    """
    return Interpolator(reference, coordinates, device)(query)


def distance_weights(distances: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return a weight (n, k) for each of the ascending distances (n, k): (1 - d / last)^2; the first is never 0.

    Where there are copies, at distance 0, only they count. An infinite distance has weight 0.

    Example:
        >>> distance_weights(np.array([[1, 2, 4], [0, 1, 2]], np.float32)).tolist()
        [[0.5625, 0.25, 0.0], [1.0, 0.0, 0.0]]
    """
    distances64 = distances.astype(np.float64)
    finite = np.isfinite(distances64)
    last = np.where(finite, distances64, 0).max(axis=1, keepdims=True)
    weights = np.square(1 - np.where(finite, distances64, last) / np.where(last > 0, last, 1))
    copies = distances64 == 0
    weights = np.where(copies.any(axis=1, keepdims=True), copies, weights)
    # Where all are at one distance, none is nearer.
    return np.where(weights.sum(axis=1, keepdims=True) > 0, weights, finite * 1.0)

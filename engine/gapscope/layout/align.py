"""Turning and scaling levels alike, so that switching between them does not spin the map."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes

RADIUS = 10.0
"""Root mean square distance of a map's points from its center."""


def align(coordinates: NDArray[np.float32], target: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return a level's coordinates moved to the origin, scaled to `RADIUS`, and turned.

    Args:
        coordinates: (n, 3) of the same images as the target's.
        target: (n, 3) of a level that is aligned already: the points are turned, or mirrored, to come as close to it
            as they can (Schonemann 1966, the orthogonal Procrustes problem). Without it, x is the axis along which the
            map is widest, then y, then z, each towards its longer tail.

    Example:
        >>> points = np.array([[0, 0, 0], [4, 0, 0], [0, 2, 0]], np.float32)
        >>> turned = points[:, [1, 2, 0]]
        >>> bool(np.allclose(align(turned, align(points, None)), align(points, None), atol=1e-5))
        True
    """
    centered = coordinates.astype(np.float64) - coordinates.mean(axis=0, dtype=np.float64)
    radius = np.sqrt(np.square(centered).sum(axis=1).mean())
    if not radius:
        return np.zeros_like(coordinates)
    centered *= RADIUS / radius
    rotation = (
        _principal_rotation(centered)
        if target is None
        else orthogonal_procrustes(centered, target.astype(np.float64))[0]
    )
    return np.asarray(centered @ rotation, dtype=np.float32)


def _principal_rotation(centered: NDArray[np.float64]) -> NDArray[np.float64]:
    _, axes = np.linalg.eigh(centered.T @ centered)
    axes = axes[:, ::-1]
    tails = np.power(centered @ axes, 3).sum(axis=0)
    return np.asarray(axes * np.where(tails < 0, -1.0, 1.0))

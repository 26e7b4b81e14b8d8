"""Levels turned and scaled alike, so that switching levels does not spin the map."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes

RADIUS = 10.0
"""Root mean square distance of a map's points from its centre."""


def align(points: NDArray[np.float32], target: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return a level's points moved to the origin, brought to `RADIUS`, and turned.

    Args:
        points: (n, 3) of the same images as the target's.
        target: (n, 3) of a level that is aligned already: the points are turned, or mirrored, to come as close to it
            as they can (Schonemann 1966, the orthogonal Procrustes problem). Without it, x is the axis along which the
            map is widest, then y, then z, each towards its longer tail.
    """
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    radius = np.sqrt(np.square(centred).sum(axis=1).mean())
    if not radius:
        return np.zeros_like(points)
    centred *= RADIUS / radius
    turn = _own_axes(centred) if target is None else orthogonal_procrustes(centred, target.astype(np.float64))[0]
    return np.asarray(centred @ turn, dtype=np.float32)


def _own_axes(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1]
    tails = np.power(centred @ axes, 3).sum(axis=0)
    return np.asarray(axes * np.where(tails < 0, -1.0, 1.0))

"""Where a layout starts from: the first principal components, which keep its large shape the same from run to run."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

_REACH = 10.0
_JITTER = 1e-3


def principal_start(
    tiles: Callable[[], Iterable[NDArray[np.float32]]], channels: int, seed: int
) -> NDArray[np.float32]:
    """Project onto the first three principal axes, scaled to reach 10, as UMAP's own starts are.

    Args:
        tiles: gives the vectors anew at each call, as tiles (n, channels).
        channels: length of a vector.
        seed: of the small noise that parts equal vectors.

    Returns:
        (all n, 3) positions.
    """
    count, total, products = 0, np.zeros(channels), np.zeros((channels, channels))
    # In double precision and rounded at the end: products over several threads differ in their last bits from one time
    # to the next, and UMAP would make another map of that.
    for tile in map(_double, tiles()):
        count += len(tile)
        total += tile.sum(axis=0)
        products += tile.T @ tile
    mean = total / max(count, 1)
    _, axes = np.linalg.eigh(products / max(count, 1) - np.outer(mean, mean))
    axes = axes[:, ::-1][:, :3]
    if axes.shape[1] < 3:
        axes = np.pad(axes, ((0, 0), (0, 3 - axes.shape[1])))
    # An axis has no sign of its own.
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), range(3)] < 0, -1.0, 1.0)
    positions = np.concatenate([(_double(tile) - mean) @ axes for tile in tiles()])
    positions *= _REACH / max(float(np.abs(positions).max(initial=0.0)), 1e-12)
    noise = np.random.default_rng(seed).normal(scale=_JITTER, size=positions.shape)
    return (positions.round(5) + noise).astype(np.float32)


def _double(tile: NDArray[np.float32]) -> NDArray[np.float64]:
    return tile.astype(np.float64)

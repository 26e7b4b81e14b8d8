"""The initial coordinates of a layout: the first principal components, which keep its shape alike from run to run."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gapscope.neighbors.embedding_view import EmbeddingView

_REACH = 10.0
_JITTER = 1e-3
_MAX_STDS = 4.0
_TILE_ROWS = 8192


def pca_init(views: Sequence[EmbeddingView], seed: int) -> NDArray[np.float32]:
    """Project all vectors onto their first three principal axes, and scale them to reach 10, as UMAP's own start does.

    A point farther out than four standard deviations of an axis is moved there: UMAP scales the initial coordinates to
    their extremes, and one far point would press all others together.

    Args:
        views: n vectors in all.
        seed: of the small noise that separates equal vectors.

    Returns:
        (n, 3) coordinates.
    """
    mean, axes, std = _principal_axes(views)
    coordinates = np.concatenate([(tile - mean) @ axes for tile in _tiles(views)])
    coordinates = np.clip(coordinates, -_MAX_STDS * std, _MAX_STDS * std)
    coordinates *= _REACH / max(float(np.abs(coordinates).max(initial=0.0)), 1e-12)
    noise = np.random.default_rng(seed).normal(scale=_JITTER, size=coordinates.shape)
    return np.asarray(coordinates.round(5) + noise, dtype=np.float32)


def _principal_axes(
    views: Sequence[EmbeddingView],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    channels = views[0].channels
    count, total, products = 0, np.zeros(channels), np.zeros((channels, channels))
    # In double precision and rounded at the end: products over several threads differ in their last bits from one time
    # to the next, and UMAP would make another map of that.
    for tile in _tiles(views):
        count += len(tile)
        total += tile.sum(axis=0)
        products += tile.T @ tile
    mean = total / max(count, 1)
    variances, axes = np.linalg.eigh(products / max(count, 1) - np.outer(mean, mean))
    axes, variances = axes[:, ::-1][:, :3], variances[::-1][:3]
    missing = 3 - axes.shape[1]
    if missing > 0:
        axes, variances = np.pad(axes, ((0, 0), (0, missing))), np.pad(variances, (0, missing))
    # An axis has no sign of its own.
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), range(3)] < 0, -1.0, 1.0)
    return mean, axes, np.sqrt(np.maximum(variances, 0))


def _tiles(views: Sequence[EmbeddingView]) -> Iterator[NDArray[np.float64]]:
    for view in views:
        for tile in view.tiles(_TILE_ROWS):
            yield tile.astype(np.float64)

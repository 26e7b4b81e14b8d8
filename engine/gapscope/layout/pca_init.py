"""Where a layout starts from: the first principal components, which keep its large shape the same from run to run."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gapscope.neighbors.embedding_view import EmbeddingView

_REACH = 10.0
_JITTER = 1e-3
_STDS = 4.0
_TILE_ROWS = 8192


def pca_init(views: Sequence[EmbeddingView], seed: int) -> NDArray[np.float32]:
    """Project onto the first three principal axes, scaled to reach 10, as UMAP's own starts are.

    A point farther out than four standard deviations of an axis starts there: UMAP scales a start to its extremes, and
    one far point would press all others together.

    Args:
        views: n vectors in all.
        seed: of the small noise that parts equal vectors.

    Returns:
        (n, 3) positions.
    """
    mean, axes, std = _axes(views)
    positions = np.concatenate([(tile - mean) @ axes for tile in _tiles(views)])
    positions = np.clip(positions, -_STDS * std, _STDS * std)
    positions *= _REACH / max(float(np.abs(positions).max(initial=0.0)), 1e-12)
    noise = np.random.default_rng(seed).normal(scale=_JITTER, size=positions.shape)
    return np.asarray(positions.round(5) + noise, dtype=np.float32)


def _axes(views: Sequence[EmbeddingView]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
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

"""Embeddings for the layout benchmarks: made-up ones, and those of a file as an `EmbeddingView`."""

from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.scaler import fit_scaler

_MAX_CLUSTERS = 200
_WITHIN_SCALE = 0.7
"""Standard deviation within a cluster, relative to that of the cluster centers."""

_TILE_ROWS = 8192


def made_points(rows: int, dims: int, seed: int) -> NDArray[np.float32]:
    """Return (rows, dims) float32 points from a mixture of Gaussians.

    The standard deviation decreases from axis to axis, as it does for embeddings' principal components. There are at
    most 200 clusters of different sizes, and each cluster orders its axes differently.

    Example:
        >>> made_points(1000, 16, seed=0).shape
        (1000, 16)
    """
    random = np.random.default_rng(seed)
    std = (1 + np.arange(dims)) ** -0.5
    n_clusters = min(_MAX_CLUSTERS, max(1, rows // 10))
    labels = random.choice(n_clusters, rows, p=random.dirichlet(np.ones(n_clusters)))
    points = np.empty((rows, dims), np.float32)
    for cluster in range(n_clusters):
        members = np.flatnonzero(labels == cluster)
        # A permutation of the axes does as well as a random rotation, and is cheap in any number of dimensions.
        offsets = random.standard_normal((len(members), dims), dtype=np.float32) * std[random.permutation(dims)]
        points[members] = random.standard_normal(dims) * std + _WITHIN_SCALE * offsets
    return points


def view_of(points: Path) -> EmbeddingView:
    """Return the (n, dims) points of a .npy file as a run stores a level: float16 in Zarr, with a fitted scaler."""
    values = np.load(points, mmap_mode="r")
    chunks = (_TILE_ROWS, values.shape[1])
    embeddings = zarr.create_array({}, shape=values.shape, dtype="float16", chunks=chunks, compressors=None)
    starts = range(0, len(values), _TILE_ROWS)
    for start in starts:
        embeddings[start : start + _TILE_ROWS] = values[start : start + _TILE_ROWS].astype(np.float16)
    mean, std = fit_scaler(values[start : start + _TILE_ROWS] for start in starts)
    return EmbeddingView(embeddings=embeddings, rows=np.arange(len(values)), mean=mean, std=std)

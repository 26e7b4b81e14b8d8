"""Embeddings to lay out: made up on the spot, or as they lie in a file."""

from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.scaler import fit_scaler

_GROUPS = 200
_WITHIN = 0.7
_TILE = 8192


def made_points(rows: int, dims: int, seed: int) -> NDArray[np.float32]:
    """Return (rows, dims) points of normal distributions whose spread falls off from axis to axis, as embeddings' does.

    There are at most 200 groups of unlike sizes, each spread along axes of its own.
    """
    random = np.random.default_rng(seed)
    spread = (1 + np.arange(dims)) ** -0.5
    groups = min(_GROUPS, max(1, rows // 10))
    drawn = random.choice(groups, rows, p=random.dirichlet(np.ones(groups)))
    points = np.empty((rows, dims), np.float32)
    for group in range(groups):
        here = np.flatnonzero(drawn == group)
        # Normal draws on axes in another order: as good as a turn, and cheap at any number of dimensions.
        values = random.standard_normal((len(here), dims), dtype=np.float32) * spread[random.permutation(dims)]
        points[here] = random.standard_normal(dims) * spread + _WITHIN * values
    return points


def view_of(points: Path) -> EmbeddingView:
    """Return stored points as gapscope sees a level: float16 in Zarr, standardised over all."""
    values = np.load(points, mmap_mode="r")
    held = zarr.create_array({}, shape=values.shape, dtype="float16", chunks=(_TILE, values.shape[1]), compressors=None)
    starts = range(0, len(values), _TILE)
    for start in starts:
        held[start : start + _TILE] = values[start : start + _TILE].astype(np.float16)
    mean, std = fit_scaler(values[start : start + _TILE] for start in starts)
    return EmbeddingView(embeddings=held, rows=np.arange(len(values)), mean=mean, std=std)

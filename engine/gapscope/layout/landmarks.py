"""Which images UMAP lays out where it cannot, or should not, lay out all of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gapscope.neighbors.copies import hash_rows
from gapscope.neighbors.embedding_view import EmbeddingView, read_rows_float32, view_slices

_TILE_ROWS = 8192


def choose_landmarks(views: Sequence[EmbeddingView], max_landmarks: int, seed: int) -> NDArray[np.int64]:
    """Return ascending positions of at most `max_landmarks` images, no two of them copies.

    Every image has the same chance, so that the sample is as dense as the images are everywhere. Each dataset gives its
    share, but at least one.

    Args:
        views: the datasets' images.
        max_landmarks: how many landmarks there may be.
        seed: of the random choice.
    """
    random = np.random.default_rng(seed)
    distinct = _first_of_copies(views)
    total = sum(map(len, views))
    chosen = []
    for view, part in zip(views, view_slices(views), strict=True):
        own = distinct[(distinct >= part.start) & (distinct < part.stop)]
        share = len(own) if len(distinct) <= max_landmarks else max(1, max_landmarks * len(view) // total)
        chosen.append(np.sort(random.choice(own, min(share, len(own)), replace=False)))
    return np.concatenate(chosen)


def _first_of_copies(views: Sequence[EmbeddingView]) -> NDArray[np.int64]:
    hashes = [
        hash_rows(read_rows_float32(view.embeddings, view.rows[start : start + _TILE_ROWS]))
        for view in views
        for start in range(0, len(view), _TILE_ROWS)
    ]
    return np.sort(np.unique(np.concatenate(hashes), return_index=True)[1]).astype(np.int64)

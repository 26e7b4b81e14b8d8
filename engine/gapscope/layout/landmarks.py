"""Which images UMAP lays out where it cannot, or should not, lay out all of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gapscope.neighbors.embedding_view import EmbeddingView, read_rows_float32

_TILE_ROWS = 8192


def choose_landmarks(views: Sequence[EmbeddingView], most: int, seed: int) -> NDArray[np.int64]:
    """Return ascending positions of at most `most` images, no two of them copies.

    They are drawn with equal chance, so that the sample is as dense as the images are wherever one looks, and from each
    dataset by its share, but at least one.

    Args:
        views: the datasets' images.
        most: how many landmarks there may be.
        seed: of the choice.
    """
    random = np.random.default_rng(seed)
    chosen, first = [], 0
    distinct = _first_of_copies(views)
    total = sum(map(len, views))
    for view in views:
        own = distinct[(distinct >= first) & (distinct < first + len(view))]
        share = len(own) if len(distinct) <= most else max(1, most * len(view) // total)
        chosen.append(np.sort(random.choice(own, min(share, len(own)), replace=False)))
        first += len(view)
    return np.concatenate(chosen)


def _first_of_copies(views: Sequence[EmbeddingView]) -> NDArray[np.int64]:
    # A row's bytes as one number: a product with odd numbers modulo 2^64. Copies have the same, and two that differ
    # have it with a chance of 2^-64 or so: a landmark less.
    factors = np.random.default_rng(1).integers(0, 2**63, views[0].channels, dtype=np.uint64) * 2 + 1
    names = [
        read_rows_float32(view.embeddings, view.rows[start : start + _TILE_ROWS]).view(np.uint32).astype(np.uint64)
        @ factors
        for view in views
        for start in range(0, len(view), _TILE_ROWS)
    ]
    return np.sort(np.unique(np.concatenate(names), return_index=True)[1]).astype(np.int64)

"""Which images UMAP lays out where it cannot, or should not, lay out all of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gapscope.neighbors.copies import hash_rows
from gapscope.neighbors.embedding_view import EmbeddingView, read_rows_float32, view_slices
from gapscope.neighbors.partition import PARTITION_FROM

_TILE_ROWS = 8192
_MIN_CANDIDATES = 1000


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
    total = sum(map(len, views))
    # Of very many images only some are looked at: copies are left out of what can be chosen at all.
    candidates = None
    if total >= PARTITION_FROM:
        candidates = _candidates(views, 2 * max_landmarks, random)
    distinct = _first_of_copies(views, candidates)
    chosen = []
    for view, part in zip(views, view_slices(views), strict=True):
        own = distinct[(distinct >= part.start) & (distinct < part.stop)]
        share = len(own) if len(distinct) <= max_landmarks else max(1, max_landmarks * len(view) // total)
        chosen.append(np.sort(random.choice(own, min(share, len(own)), replace=False)))
    return np.concatenate(chosen)


def _candidates(views: Sequence[EmbeddingView], count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return ascending positions of about so many random images, in proportion, but some of every dataset."""
    total = sum(map(len, views))
    return np.concatenate(
        [
            part.start
            + np.sort(
                random.choice(
                    len(view), min(len(view), max(_MIN_CANDIDATES, count * len(view) // total)), replace=False
                )
            )
            for view, part in zip(views, view_slices(views), strict=True)
        ]
    )


def _first_of_copies(views: Sequence[EmbeddingView], candidates: NDArray[np.int64] | None) -> NDArray[np.int64]:
    hashes = [
        hash_rows(read_rows_float32(view.embeddings, rows[start : start + _TILE_ROWS]))
        for view, part in zip(views, view_slices(views), strict=True)
        for rows in [view.rows if candidates is None else view.rows[_within(candidates, part)]]
        for start in range(0, len(rows), _TILE_ROWS)
    ]
    first = np.sort(np.unique(np.concatenate(hashes), return_index=True)[1]).astype(np.int64)
    return first if candidates is None else candidates[first]


def _within(positions: NDArray[np.int64], part: slice) -> NDArray[np.int64]:
    return np.asarray(positions[(positions >= part.start) & (positions < part.stop)] - part.start)

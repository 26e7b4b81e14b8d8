"""Rows of embeddings that are equal, found by a hash."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_TILE_ROWS = 8192


def hash_rows(embeddings: NDArray[Any]) -> NDArray[np.uint64]:
    """Return (n,) a hash of each row's bytes as float32: their product with odd numbers modulo 2^64.

    Equal rows have equal hashes. Two different rows have the same one with a chance of about 2^-64.

    Example:
        >>> first, second, third = hash_rows(np.array([[1, 2], [1, 3], [1, 2]], np.float16)).tolist()
        >>> first == third, first == second
        (True, False)
    """
    rows, channels = embeddings.shape
    factors = np.random.default_rng(1).integers(0, 2**63, channels, dtype=np.uint64) * 2 + 1
    hashes = np.empty(rows, np.uint64)
    for start in range(0, rows, _TILE_ROWS):
        tile = slice(start, start + _TILE_ROWS)
        hashes[tile] = embeddings[tile].astype(np.float32).view(np.uint32).astype(np.uint64) @ factors
    return hashes


def rank_among_equals(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return (n,) how many earlier rows have the same hash.

    Example:
        >>> rank_among_equals(np.array([7, 5, 7, 7], np.uint64)).tolist()
        [0, 0, 1, 2]
    """
    order = np.argsort(hashes, kind="stable")
    ascending = hashes[order]
    is_first = np.append(True, ascending[1:] != ascending[:-1])
    positions = np.arange(len(hashes))
    ranks = np.empty(len(hashes), np.int64)
    ranks[order] = positions - np.maximum.accumulate(np.where(is_first, positions, 0))
    return ranks

"""Neighbors that this process has just found, kept for the map that is drawn from them: no need to read them back."""

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapscope.store.datasets import Pair


class CachedNeighbors(NamedTuple):
    """The nearest reference images of each embedded image of a query dataset.

    Attributes:
        distances: (n, k) float32, ascending; infinite where there are fewer than k.
        positions: (n, k) int32 among the embedded images of the reference; -1 where there are fewer.
    """

    distances: NDArray[np.float32]
    positions: NDArray[np.int32]

    @classmethod
    def empty(cls, rows: int, k: int) -> "CachedNeighbors":
        """Return arrays to be filled."""
        return cls(np.empty((rows, k), np.float32), np.empty((rows, k), np.int32))

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take, in bytes."""
        return self.distances.nbytes + self.positions.nbytes


class NeighborCache:
    """Neighbors by level and pair, of the last search only; safe between threads.

    Every search has an id of its own, so that what an earlier one found in a run of the same path is never taken for
    what this one found.
    """

    def __init__(self) -> None:
        self._search = ""
        self._neighbors: dict[tuple[str, Pair], CachedNeighbors] = {}
        self._lock = threading.Lock()

    def put(self, search: str, level: str, pair: Pair, neighbors: CachedNeighbors, max_bytes: int) -> None:
        """Keep neighbors if everything that is kept then takes at most `max_bytes`; drop those of an earlier search."""
        with self._lock:
            if search != self._search:
                self._search, self._neighbors = search, {}
            if sum(kept.nbytes for kept in self._neighbors.values()) + neighbors.nbytes <= max_bytes:
                self._neighbors[level, pair] = neighbors

    def pop(self, search: str, level: str, pair: Pair) -> CachedNeighbors | None:
        """Return the neighbors of a level and pair, and stop keeping them; None where they are not kept."""
        with self._lock:
            return self._neighbors.pop((level, pair), None) if search == self._search else None

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._neighbors = {}


NEIGHBOR_CACHE = NeighborCache()
"""The cache of this process."""


def clear_neighbor_cache() -> None:
    """Drop everything from this process's cache; a function of its own, for workers to run."""
    NEIGHBOR_CACHE.clear()

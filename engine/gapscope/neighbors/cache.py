"""What this process has just found, kept for the map that is drawn from it: it need not come back from the disk."""

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Pair = tuple[str, str, str]
"""Level, query and reference."""


class CachedNeighbors(NamedTuple):
    """The nearest of a reference for each read image of a query dataset.

    Attributes:
        distances: (n, k) float32, ascending; infinite where there are fewer than k.
        positions: (n, k) int32 among the read images of the reference; -1 where there are fewer.
    """

    distances: NDArray[np.float32]
    positions: NDArray[np.int32]

    @classmethod
    def empty(cls, rows: int, k: int) -> "CachedNeighbors":
        """Return arrays to be filled."""
        return cls(np.empty((rows, k), np.float32), np.empty((rows, k), np.int32))

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take."""
        return self.distances.nbytes + self.positions.nbytes


class NeighborCache:
    """Neighbors of pairs by the search that found them; safe between threads.

    A search has a name of its own, so that what an earlier one found in a run of the same path is never taken for its.
    """

    def __init__(self) -> None:
        self._search = ""
        self._pairs: dict[Pair, CachedNeighbors] = {}
        self._lock = threading.Lock()

    def keep(self, search: str, pair: Pair, found: CachedNeighbors, most_bytes: int) -> None:
        """Keep a pair's neighbors if all that are kept then take no more memory; those of an earlier search go."""
        with self._lock:
            if search != self._search:
                self._search, self._pairs = search, {}
            if sum(each.nbytes for each in self._pairs.values()) + found.nbytes <= most_bytes:
                self._pairs[pair] = found

    def take(self, search: str, pair: Pair) -> CachedNeighbors | None:
        """Return a pair's neighbors, and keep them no longer; None where they are not here."""
        with self._lock:
            return self._pairs.pop(pair, None) if search == self._search else None

    def clear(self) -> None:
        """Keep nothing any longer."""
        with self._lock:
            self._pairs = {}


NEIGHBOR_CACHE = NeighborCache()
"""Of this process."""


def clear_neighbor_cache() -> None:
    """Keep nothing any longer in this process; a function of its own, for workers to be asked."""
    NEIGHBOR_CACHE.clear()

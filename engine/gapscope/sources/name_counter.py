"""Counting repeated names in lists that are too long to keep in memory."""

from array import array
from bisect import bisect_left
from hashlib import blake2b

import numpy as np

_MERGE_SIZE = 2**16


class NameCounter:
    """Counts how often each name occurs, in 8 bytes per name that occurs once.

    It keeps 64-bit hashes in sorted runs, each at least twice as long as the next, as in a log-structured merge tree
    (O'Neil et al. 1996). Among a billion names, the chance that two different names share a hash is 3%.

    Example:
        >>> counter = NameCounter()
        >>> [counter.add(name) for name in ("a.png", "b.png", "a.png")]
        [1, 1, 2]
    """

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._runs: list[array[int]] = []
        self._counts: dict[int, int] = {}
        """Of names that occur more than once."""

    def add(self, name: str) -> int:
        """Count one more occurrence of a name, and return its number of occurrences so far."""
        key = int.from_bytes(blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest())
        if key not in self._recent and not any(_contains(run, key) for run in self._runs):
            self._recent.add(key)
            if len(self._recent) == _MERGE_SIZE:
                self._merge()
            return 1
        self._counts[key] = count = self._counts.get(key, 1) + 1
        return count

    def _merge(self) -> None:
        run = np.fromiter(self._recent, np.uint64, len(self._recent))
        self._recent.clear()
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = np.concatenate([run, np.frombuffer(self._runs.pop(), np.uint64)])
        run.sort()
        self._runs.append(array("Q", run.tobytes()))


def _contains(run: "array[int]", key: int) -> bool:
    index = bisect_left(run, key)
    return index < len(run) and run[index] == key

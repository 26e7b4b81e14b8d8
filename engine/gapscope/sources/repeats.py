"""Names that come more than once in a list too long to remember."""

from array import array
from bisect import bisect_left
from hashlib import blake2b

import numpy as np

_RECENT = 2**16


class Repeats:
    """Counts how often each name has come, in 8 bytes per name that came once.

    Sorted runs of hashes, each at least twice as long as the next, as in a log-structured merge tree (O'Neil et al.
    1996). Of a billion names, two different ones are taken for the same with a chance of 3% (64 bits).
    """

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._runs: list[array[int]] = []
        self._times: dict[int, int] = {}

    def times(self, name: str) -> int:
        """Count one more of a name, and return how many that makes."""
        key = int.from_bytes(blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest())
        if key not in self._recent and not any(_holds(run, key) for run in self._runs):
            self._recent.add(key)
            if len(self._recent) == _RECENT:
                self._merge()
            return 1
        self._times[key] = times = self._times.get(key, 1) + 1
        return times

    def _merge(self) -> None:
        run = np.fromiter(self._recent, np.uint64, len(self._recent))
        self._recent.clear()
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = np.concatenate([run, np.frombuffer(self._runs.pop(), np.uint64)])
        run.sort()
        self._runs.append(array("Q", run.tobytes()))


def _holds(run: "array[int]", key: int) -> bool:
    at = bisect_left(run, key)
    return at < len(run) and run[at] == key

"""What a search for neighbors finds, and how much of it there was to be found."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Method = Literal["exact", "ivf"]

_ROUNDING = 1e-5


class Neighbors(NamedTuple):
    """The nearest of a reference for each of some queries.

    Attributes:
        distances: (n, k) ascending; infinite where there are fewer than k.
        indices: (n, k) positions in the reference; -1 where there are fewer. Equal distances are in this order.
        method: `exact`, or `ivf` (inverted file) for an approximate search.
        recall: share of the true neighbors that were found, on a sample; 1 where the search is exact.
        sample: queries that the recall was measured on; 0 where the search is exact.
    """

    distances: NDArray[np.float32]
    indices: NDArray[np.int64]
    method: Method = "exact"
    recall: float = 1.0
    sample: int = 0


def recall(found: NDArray[np.float32], true: NDArray[np.float32]) -> float:
    """Return the share of true neighbors that were found, judged by distance, so that any of equal ones will do.

    Args:
        found: (n, k) distances, ascending.
        true: (n, k) distances of an exact search, ascending; infinite where there is no such neighbor.
    """
    there = np.isfinite(true)
    farthest = np.where(there, true, -np.inf).max(axis=1, initial=-np.inf, keepdims=True)
    hits = np.count_nonzero(found <= farthest + _ROUNDING * (1 + np.abs(farthest)), axis=1)
    wanted = there.sum(axis=1)
    return float(np.minimum(hits, wanted).sum() / max(1, wanted.sum()))


def own_positions(query: NDArray[np.int64], reference: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each query row lies among ascending reference rows of the same dataset; -1 where it does not."""
    if not len(reference):
        return np.full(len(query), -1, np.int64)
    at = np.minimum(np.searchsorted(reference, query), len(reference) - 1)
    return np.where(reference[at] == query, at, -1)

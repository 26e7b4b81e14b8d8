"""The result of a search for neighbors, and how many of the true neighbors are in it."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Method = Literal["exact", "ivf"]

_ROUNDING = 1e-5


class Neighbors(NamedTuple):
    """The nearest vectors of a reference for each of n queries.

    Attributes:
        distances: (n, k) ascending; infinite where there are fewer than k.
        indices: (n, k) positions in the reference; -1 where there are fewer. Equal distances are in this order.
        method: `exact`, or `ivf` (inverted file) for an approximate search.
        recall: share of the true neighbors that are in the result, measured on a sample; 1 for an exact search.
        sample: number of queries that the recall was measured on; 0 for an exact search.
    """

    distances: NDArray[np.float32]
    indices: NDArray[np.int64]
    method: Method = "exact"
    recall: float = 1.0
    sample: int = 0


def recall(distances: NDArray[np.float32], true: NDArray[np.float32]) -> float:
    """Return the share of true neighbors in a result, judged by distance: of equally near ones any will do.

    Args:
        distances: (n, k) of the result, ascending.
        true: (n, k) of an exact search, ascending; infinite where there is no such neighbor.

    Example:
        >>> float(recall(np.array([[0.1, 0.4]], np.float32), np.array([[0.1, 0.2]], np.float32)))
        0.5
    """
    exists = np.isfinite(true)
    farthest = np.where(exists, true, -np.inf).max(axis=1, initial=-np.inf, keepdims=True)
    hits = np.count_nonzero(distances <= farthest + _ROUNDING * (1 + np.abs(farthest)), axis=1)
    wanted = exists.sum(axis=1)
    return float(np.minimum(hits, wanted).sum() / max(1, wanted.sum()))


def own_positions(query: NDArray[np.int64], reference: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of each query row among ascending reference rows of the same dataset; -1 if it is not there.

    Example:
        >>> own_positions(np.array([4, 5]), np.array([1, 4, 9])).tolist()
        [1, -1]
    """
    if not len(reference):
        return np.full(len(query), -1, np.int64)
    positions = np.minimum(np.searchsorted(reference, query), len(reference) - 1)
    return np.where(reference[positions] == query, positions, -1)

"""Which of many numbers differ between two datasets: permutations of which dataset each group is of."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_PERMUTATIONS = 499
_CHUNK = 32
"""Permutations at a time."""

_MIN_SHARE = 0.05
"""Shares below it, or above 1 - it, are not compared: few values decide them."""


class Ratios(NamedTuple):
    """Ratios of sums over groups that tell of one number, such as its mean and the shares up to some edges.

    Attributes:
        sums: (m, s) per group; the first is always compared, and others where they are a share of `counts` that is
            neither nearly nothing nor nearly all.
        counts: (m,) what they are divided by.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]


def corrected_p(numbers: Sequence[Ratios], queries: int) -> NDArray[np.float64]:
    """Return the p-value of each number: that the two datasets differ in any of its ratios.

    Where datasets do not differ, which of them a group is of is chance. These labels are permuted 499 times. Each
    difference of a ratio is held against its standard deviation over the permutations, and the largest of all numbers
    in each permutation corrects for how many there are (Westfall and Young 1993).

    Args:
        numbers: of the same groups: those of the query are 0 to queries - 1, the reference's follow.
        queries: groups of the query.

    Returns:
        (numbers,) p-values, 1 / 500 at least.

    Example:
        >>> groups = np.arange(40.0)
        >>> differs = Ratios((groups >= 20)[:, None] + groups[:, None] / 100, np.ones(40))
        >>> alike = Ratios((groups % 2)[:, None], np.ones(40))
        >>> corrected_p([differs, alike], 20).tolist()
        [0.002, 1.0]
    """
    if not numbers:
        return np.empty(0)
    kept = [own.sums[:, _compared(own)] for own in numbers]
    sums = np.concatenate([*kept, np.column_stack([own.counts for own in numbers])], axis=1)
    ratios = sum(own.shape[1] for own in kept)
    owner = np.repeat(np.arange(len(numbers)), [own.shape[1] for own in kept])
    total = sums.sum(axis=0)
    random = np.random.default_rng(0)
    is_query = (np.arange(len(sums)) < queries).astype(np.float64)
    differences = np.empty((1 + _PERMUTATIONS, ratios))
    for start in range(0, len(differences), _CHUNK):
        labels = np.tile(is_query, (min(_CHUNK, len(differences) - start), 1))
        # The observed labels are one of the permutations.
        random.permuted(labels[start == 0 :], axis=1, out=labels[start == 0 :])
        of_query = labels @ sums
        of_reference = total - of_query
        with np.errstate(divide="ignore", invalid="ignore"):
            own, other = (side[:, :ratios] / side[:, ratios:][:, owner] for side in (of_query, of_reference))
        # Where a dataset has nothing left to count, there is no difference to see.
        differences[start : start + len(labels)] = np.nan_to_num(np.abs(own - other), posinf=0)
    deviation = np.sqrt((differences**2).mean(axis=0))
    # What never changes differs by rounding alone.
    size = np.abs(total[:ratios]) / np.maximum(total[ratios:][owner], 1)
    scores = differences / np.maximum(deviation, 1e-9 * size + 1e-300)
    starts = np.searchsorted(owner, np.arange(len(numbers)))
    of_number = np.maximum.reduceat(scores, starts, axis=1)
    largest = of_number.max(axis=1)
    return np.asarray((largest[:, None] >= of_number[0] * (1 - 1e-9)).mean(axis=0), np.float64)


def _compared(number: Ratios) -> NDArray[np.int64]:
    share = number.sums.sum(axis=0) / max(float(number.counts.sum()), 1e-12)
    compared = (share >= _MIN_SHARE) & (share <= 1 - _MIN_SHARE)
    compared[0] = True
    return np.flatnonzero(compared)

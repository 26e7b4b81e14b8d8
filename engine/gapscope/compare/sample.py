"""Random samples of positions, rows or groups."""

import numpy as np
from numpy.typing import NDArray


def sample(values: NDArray[np.int64], count: int, random: np.random.Generator | None = None) -> NDArray[np.int64]:
    """Return `count` of the values, in ascending order; all of them, as they are, where there are no more.

    Args:
        values: (n,) integers.
        count: how many to draw, each once.
        random: draws; a generator of seed 0 by default, so that the same values give the same sample.

    Example:
        >>> len(sample(np.arange(10), 3)), sample(np.array([2, 7]), 3).tolist()
        (3, [2, 7])
    """
    if len(values) <= count:
        return values
    random = random or np.random.default_rng(0)
    return np.asarray(np.sort(random.choice(values, count, replace=False)), np.int64)

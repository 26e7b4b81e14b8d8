"""How many of many p-values are false: q-values, and the share of tests whose null hypothesis does not hold."""

import numpy as np
from numpy.typing import NDArray

_THRESHOLD = 0.5
"""The lambda of Storey (2002)."""


def q_values(p: NDArray[np.float64], first: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Return q-values: listing all with q <= f keeps the expected share of false ones within f.

    Benjamini and Hochberg (1995), "Controlling the false discovery rate".

    Args:
        p: (n,) p-values.
        first: (n,) number of the first of the clones that each belongs to, its own where it has none. Clones are one
            observation that is there several times: only the first counts, and the others have its q.

    Example:
        >>> q_values(np.array([0.01, 0.5, 0.02])).round(3).tolist()
        [0.03, 0.5, 0.03]
    """
    # Not at the top: importing scipy.stats takes half a second.
    from scipy.stats import false_discovery_control

    if first is not None:
        counted, number = np.unique(first, return_inverse=True)
        return q_values(p[counted])[number]
    return np.asarray(false_discovery_control(p, method="bh"), dtype=np.float64)


def estimate_share(p: NDArray[np.float64]) -> float:
    """Return the estimated share of tests whose null hypothesis does not hold, at least 0.

    Storey (2002), "A direct approach to false discovery rates": 1 - pi0, where p-values above lambda = 0.5
    come nearly all from true nulls, which are uniform; with the 1 in the numerator of Storey, Taylor and Siegmund
    (2004).

    Args:
        p: (n,) p-values.

    Example:
        >>> estimate_share(np.array([0.001] * 6 + [0.2, 0.4, 0.6, 0.8]))
        0.4
    """
    if not len(p):
        return 0.0
    return float(max(0.0, 1.0 - (1 + np.count_nonzero(p > _THRESHOLD)) / (len(p) * (1.0 - _THRESHOLD))))

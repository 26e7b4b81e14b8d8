"""What many p-values say together."""

import numpy as np
from numpy.typing import NDArray


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return q-values: listing all with q <= f keeps the expected share of false ones within f.

    Benjamini and Hochberg (1995), "Controlling the false discovery rate".

    Args:
        p: (n,) p-values.
    """
    order = np.argsort(p, kind="stable")
    raised = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(raised)
    q[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return q


def estimated_share(p: NDArray[np.float64], above: float = 0.5) -> float:
    """Return the estimated share of tests whose null does not hold, at least 0.

    Storey (2002), "A direct approach to false discovery rates": 1 - pi0, where p-values above `above` come nearly all
    from true nulls, which are uniform; with the 1 in the numerator of Storey, Taylor and Siegmund (2004).

    Args:
        p: (n,) p-values.
        above: the lambda of that paper.
    """
    if not len(p):
        return 0.0
    return float(max(0.0, 1.0 - (1 + np.count_nonzero(p > above)) / (len(p) * (1.0 - above))))

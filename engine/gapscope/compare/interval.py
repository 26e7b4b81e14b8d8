"""Confidence intervals that need no more than sufficient statistics."""

import numpy as np
from numpy.typing import NDArray

_DRAWS = 2000
_TAILS = (0.025, 0.975)


def rounded(value: float) -> float:
    """Return a number to six digits: sums over several threads differ in their last bits from one time to the next.

    Example:
        >>> rounded(1 / 3)
        0.333333
    """
    return float(f"{value:.6g}")


def bootstrap_mean(values: NDArray[np.generic]) -> tuple[float, float]:
    """Return a 95% interval of the mean of (n,) values: percentiles of 2,000 resamples (Efron 1979).

    A resample of n values is drawn as how often each distinct value comes, which is multinomial: exact, and as cheap
    for ten million values as for a hundred where few are distinct, as counts and booleans are.
    """
    distinct, counts = np.unique(values.astype(np.float64), return_counts=True)
    total = int(counts.sum())
    drawn = np.random.default_rng(0).multinomial(total, counts / total, size=_DRAWS)
    low, high = np.quantile(drawn @ distinct / total, _TAILS)
    return float(low), float(high)


def share_interval(
    scores: NDArray[np.float32], reference_scores: NDArray[np.float32], value: float
) -> tuple[float, float]:
    """Return a 95% interval of the share outside, which `gapscope.compare.fdr.estimate_share` estimates as `value`.

    The estimate is 1 - 2 F(m) but for a term of 1 / n, with F the distribution of the query images' scores and m the
    median of the reference's. Both sides are resampled: the median of a resample is an order statistic, whose rank is
    drawn from its beta distribution, and the number of resampled query scores up to it is binomial. That is the
    bootstrap itself, without drawing n numbers a time. Neighboring images' scores depend on each other a little; they
    are taken here as independent.
    """
    if not len(scores) or not len(reference_scores):
        return 0.0, 1.0
    random = np.random.default_rng(0)
    query, reference = np.sort(scores), np.sort(reference_scores)
    middle = (len(reference) + 1) / 2
    rank = np.ceil(random.beta(middle, len(reference) + 1 - middle, size=_DRAWS) * len(reference)).astype(np.int64)
    median = reference[np.clip(rank, 1, len(reference)) - 1]
    below = np.searchsorted(query, median, side="right") / len(query)
    low, high = np.quantile(1 - 2 * random.binomial(len(query), below) / len(query), _TAILS)
    return float(np.clip(min(low, value), 0, 1)), float(np.clip(max(high, value), 0, 1))

"""Confidence intervals that need no more than sufficient statistics."""

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.fdr import estimate_share

Interval = tuple[float, float, float]
"""A number, and the ends of its 95% interval."""

_DRAWS = 2000
_TAILS = (0.025, 0.975)
_MIN_VALUES = 8


def rounded(value: float) -> float:
    """Return a number to six digits: sums over several threads differ in their last bits from one time to the next.

    Example:
        >>> rounded(1 / 3)
        0.333333
    """
    return float(f"{value:.6g}")


def bootstrap_mean(values: NDArray[np.generic]) -> tuple[float, float] | None:
    """Return a 95% interval of the mean of (n,) values; None where fewer than eight are too few for one.

    Percentiles of 2,000 resamples (Efron 1979). A resample of n values is drawn as how often each distinct value comes,
    which is multinomial: exact, and as cheap for ten million values as for a hundred where few are distinct, as counts
    and booleans are. A share of few trues, or of few falses, has no resample without them: for booleans the interval is
    at least that of Clopper and Pearson (1934).
    """
    if len(values) < _MIN_VALUES:
        return None
    distinct, counts = np.unique(values.astype(np.float64), return_counts=True)
    total = int(counts.sum())
    drawn = np.random.default_rng(0).multinomial(total, counts / total, size=_DRAWS)
    low, high = (float(end) for end in np.quantile(drawn @ distinct / total, _TAILS))
    if values.dtype == bool:
        least, most = clopper_pearson(int(np.count_nonzero(values)), total)
        low, high = min(low, least), max(high, most)
    return low, high


def clopper_pearson(count: int, total: int) -> tuple[float, float]:
    """Return the 95% interval of a share, `count` of `total`, that of Clopper and Pearson (1934).

    Example:
        >>> [round(end, 4) for end in clopper_pearson(10, 100)]
        [0.049, 0.1762]
    """
    from scipy.stats import beta

    low = float(beta.ppf(_TAILS[0], count, total + 1 - count)) if count else 0.0
    high = float(beta.ppf(_TAILS[1], count + 1, total - count)) if count < total else 1.0
    return low, high


def share_outside(
    p: NDArray[np.float64],
    scores: NDArray[np.float32],
    reference_scores: NDArray[np.float32],
    copied: NDArray[np.bool_],
    first: NDArray[np.int64] | None,
) -> Interval:
    """Return the estimated share of the query outside the reference, and its 95% interval.

    Args:
        p: (m,) p-values of being outside, 1 for what is copied.
        scores: (m,) as `share_interval` takes them.
        reference_scores: (r,) likewise.
        copied: (m,) what the reference has a copy of, which is inside for sure.
        first: (m,) as `gapscope.compare.fdr.q_values` takes it: clones count once.
    """
    counted = slice(None) if first is None else np.unique(first)
    share = estimate_share(p[counted])
    inside = np.where(copied, np.float32(-np.inf), scores)
    return share, *share_interval(inside[counted], reference_scores, share)


def share_interval(
    scores: NDArray[np.float32], reference_scores: NDArray[np.float32], value: float
) -> tuple[float, float]:
    """Return a 95% interval of the share outside, which `gapscope.compare.fdr.estimate_share` estimates as `value`.

    The estimate is 1 - 2 F(m) but for a term of 1 / n, with F the distribution of the query's scores and m the median
    of the reference's. Both are uncertain. How many of r reference scores lie below the true median is binomial (r,
    1/2), and the median is between the next two (the sign test). Given m, F(m) has the limits of Clopper and Pearson
    (1934). So the interval is as wide as it must be, up to [0, 1] where either side has a few scores. Neighboring
    images' scores depend on each other a little; they are taken here as independent.

    Args:
        scores: (n,) independent scores of the query: of images, or of one image per group.
        reference_scores: (r,) likewise of the reference.
        value: the estimate.
    """
    if not len(scores) or not len(reference_scores):
        return 0.0, 1.0
    # Not at the top: importing scipy.stats takes half a second.

    random = np.random.default_rng(0)
    query, images = np.sort(scores), len(scores)
    reference = np.concatenate([[-np.inf], np.sort(reference_scores), [np.inf]])
    below = random.binomial(len(reference_scores), 0.5, size=_DRAWS)
    # Of equal scores, all count on the side that makes the interval wider.
    fewest = np.searchsorted(query, reference[below], side="left")
    most = np.searchsorted(query, reference[below + 1], side="right")
    low = 1 - 2 * random.beta(most + 1, np.maximum(images - most, 1e-9))
    high = 1 - 2 * random.beta(np.maximum(fewest, 1e-9), images - fewest + 1)
    ends = np.quantile(low, _TAILS[0]), np.quantile(high, _TAILS[1])
    # Where the query lies closer together than the reference, the estimate is far below 0, but none of n outside may
    # still be a small share of them.
    _, most_by_count = clopper_pearson(round(value * images), images)
    return float(np.clip(min(ends[0], value), 0, 1)), float(np.clip(max(ends[1], value, most_by_count), 0, 1))

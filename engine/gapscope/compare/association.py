"""Which columns go with a response beyond chance: by permutations, corrected for all columns and responses."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import rankdata

PERMUTATIONS = 199
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Association:
    """How a column goes with responses.

    Attributes:
        p: that it goes with none of them, corrected for all columns and responses; None where too few have a value.
        response: number of the response that it goes with most.
        effect: share of that one's variance that goes with the column, without what chance explains, 0 to 1.
    """

    p: float | None
    response: int
    effect: float


@dataclass(frozen=True, eq=False)
class Predictor:
    """A column that may go with responses.

    Attributes:
        bins: (n,) int64 number of a bin; -1 for none.
        order: (n,) float64 values whose order means something; NaN for none. None for categories.
    """

    bins: NDArray[np.int64]
    order: NDArray[np.float64] | None = None


def associate(
    responses: NDArray[np.float64], predictors: Sequence[Predictor], strata: NDArray[np.int64]
) -> list[Association]:
    """Return how each of some columns goes with responses, beyond what strata explain.

    The responses are permuted within strata, which is exact where a column has nothing to do with them there. Of each
    column and response, the share of variance that lies between the column's bins, and where its values have an order
    also the squared correlation with their ranks, is held against its mean over the permutations, in standard
    deviations. The largest of a permutation corrects for how many there are (Westfall and Young 1993, "Resampling-based
    multiple testing"): where no column goes with any response, any is named in 5% of runs. The effect is the share of
    variance less what it is by chance, as epsilon squared is (Kelley 1935).

    Args:
        responses: (n, t).
        predictors: the columns.
        strata: (n,) such as classes, whose differences are no column's.

    Example:
        >>> random = np.random.default_rng(0)
        >>> cause, noise = random.integers(3, size=(2, 200))
        >>> response = (cause + random.normal(size=200))[:, None]
        >>> found = associate(response, [Predictor(cause), Predictor(noise)], np.zeros(200, np.int64))
        >>> [each.p < 0.05 for each in found]
        [True, False]
    """
    random = np.random.default_rng(0)
    centered = _without_strata(responses, strata)
    tests = [_Test.of(each) for each in predictors]
    order = np.argsort(strata, kind="stable")
    runs = np.flatnonzero(np.diff(strata[order], prepend=strata[order][:1] - 1, append=strata[order][-1:] + 1))
    explained = np.empty((PERMUTATIONS + 1, 2, len(predictors), responses.shape[1]))
    for number in range(PERMUTATIONS + 1):
        permuted = centered
        if number:
            shuffled = order.copy()
            for start, stop in pairwise(runs.tolist()):
                random.shuffle(shuffled[start:stop])
            permuted = np.empty_like(centered)
            permuted[order] = centered[shuffled]
        for place, test in enumerate(tests):
            explained[number, :, place] = test.explained(permuted)
    mean, deviation = explained.mean(axis=0), explained.std(axis=0)
    scores = np.where(deviation > 1e-12, (explained - mean) / np.maximum(deviation, 1e-12), 0).max(axis=1)
    largest = scores.max(axis=(1, 2), initial=-np.inf)
    found = []
    for place, own in enumerate(predictors):
        best = int(np.argmax(scores[0, place]))
        chance = float(mean[0, place, best])
        effect = (float(explained[0, 0, place, best]) - chance) / max(1 - chance, 1e-12)
        enough = len(np.unique(own.bins[own.bins >= 0])) > 1
        p = float((largest >= scores[0, place, best] - 1e-9).mean()) if enough else None
        found.append(Association(p, best, float(np.clip(effect, 0, 1))))
    return found


def _without_strata(responses: NDArray[np.float64], strata: NDArray[np.int64]) -> NDArray[np.float64]:
    _, number, counts = np.unique(strata, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(number, own) / counts for own in responses.T], axis=1)
    return np.asarray(responses - means[number])


@dataclass(frozen=True, eq=False)
class _Test:
    """A column, ready for many permutations.

    Attributes:
        member: the matrix whose rows are bins and whose columns are those that have them.
        counts: of each bin.
        ranks: (n,) of the values, less their mean, 0 for none, and of length 1; None for categories.
    """

    member: csr_array
    counts: NDArray[np.float64]
    ranks: NDArray[np.float64] | None

    @classmethod
    def of(cls, predictor: Predictor) -> "_Test":
        bins, order = predictor.bins, predictor.order
        known = np.flatnonzero(bins >= 0)
        shape = (int(bins[known].max(initial=0)) + 1, len(bins))
        member = csr_array((np.ones(len(known)), (bins[known], known)), shape=shape)
        ranks = None
        if order is not None and len(known) > 1:
            ranks = np.zeros(len(bins))
            ranks[known] = rankdata(order[known]) - (len(known) + 1) / 2
            ranks /= max(float(np.linalg.norm(ranks)), 1e-12)
        return cls(member, np.bincount(bins[known], minlength=shape[0]).astype(np.float64), ranks)

    def explained(self, responses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (2, t) the shares of variance by bins and by ranks, among those that have a value."""
        n = max(float(self.counts.sum()), 1.0)
        sums, squares = self.member @ responses, (self.member @ responses**2).sum(axis=0)
        center = sums.sum(axis=0) ** 2 / n
        total = np.maximum(squares - center, 1e-12)
        between = (sums**2 / np.maximum(self.counts, 1)[:, None]).sum(axis=0) - center
        by_rank = np.zeros(responses.shape[1]) if self.ranks is None else (self.ranks @ responses) ** 2
        return np.stack([between / total, by_rank / total])

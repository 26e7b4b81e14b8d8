"""Which columns go with a response beyond chance, corrected for all columns and responses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

DRAWS = 199
SIGNIFICANT = 0.05

Draw = Callable[[np.random.Generator], tuple[NDArray[np.int64], NDArray[np.float64]]]
"""Returns some of the rows, and the (rows, t) responses that they might as well have where nothing differs."""


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
    responses: NDArray[np.float64], predictors: Sequence[Predictor], strata: NDArray[np.int64], draw: Draw
) -> list[Association]:
    """Return how each of some columns goes with responses, beyond what strata explain.

    Of each column and response, two numbers are held against what they are in 199 draws of responses where nothing
    differs: the share of variance that lies between the column's bins, and where its values have an order also the
    squared correlation with their ranks, both times the number of rows. They are told in standard deviations, and the
    largest of a draw corrects for how many columns and responses there are (Westfall and Young 1993, "Resampling-based
    multiple testing"): where nothing differs, any column is named in 5% of runs. The effect is the share of variance
    less what it is by chance, as epsilon squared is (Kelley 1935).

    Responses must not be permuted instead: near images have like responses, and like values of many columns, so that
    the two go together by chance more often than permutations do.

    Args:
        responses: (n, t).
        predictors: the columns.
        strata: (n,) such as classes, whose differences are no column's.
        draw: makes responses as they are where nothing differs.

    Example:
        >>> random = np.random.default_rng(0)
        >>> cause, noise = random.integers(3, size=(2, 200))
        >>> response = (cause + random.normal(size=200))[:, None]
        >>> draw = lambda random: (np.arange(200), random.permutation(response))
        >>> found = associate(response, [Predictor(cause), Predictor(noise)], np.zeros(200, np.int64), draw)
        >>> [each.p < 0.05 for each in found]
        [True, False]
    """
    random = np.random.default_rng(0)
    tests = [_Test.of(each) for each in predictors]
    strengths = np.empty((DRAWS + 1, 2, len(predictors), responses.shape[1]))
    for number in range(DRAWS + 1):
        rows, own = draw(random) if number else (np.arange(len(responses)), responses)
        centered = _without_strata(own, strata[rows])
        for place, test in enumerate(tests):
            strengths[number, :, place] = test.strength(rows, centered)
    mean, deviation = strengths[1:].mean(axis=0), strengths[1:].std(axis=0)
    scores = np.where(deviation > 1e-9, (strengths - mean) / np.maximum(deviation, 1e-9), 0).max(axis=1)
    largest = scores.max(axis=(1, 2), initial=-np.inf)
    found = []
    for place, own_predictor in enumerate(predictors):
        best = int(np.argmax(scores[0, place]))
        known = max(2, int(np.count_nonzero(own_predictor.bins >= 0)))
        values = len(np.unique(own_predictor.bins[own_predictor.bins >= 0]))
        share, chance = strengths[0, 0, place, best] / known, (values - 1) / (known - 1)
        effect = float(np.clip((share - chance) / max(1 - chance, 1e-12), 0, 1))
        p = float((largest >= scores[0, place, best] - 1e-9).mean()) if values > 1 else None
        found.append(Association(p, best, effect))
    return found


def _without_strata(responses: NDArray[np.float64], strata: NDArray[np.int64]) -> NDArray[np.float64]:
    _, number, counts = np.unique(strata, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(number, own, len(counts)) / counts for own in responses.T], axis=1)
    return np.asarray(responses - means[number])


@dataclass(frozen=True, eq=False)
class _Test:
    """A column, ready for many draws: its bins, how many there are, and the ranks of its values, NaN for none."""

    bins: NDArray[np.int64]
    count: int
    ranks: NDArray[np.float64] | None

    @classmethod
    def of(cls, predictor: Predictor) -> "_Test":
        known = predictor.bins >= 0
        ranks = None
        if predictor.order is not None:
            ranks = np.full(len(known), np.nan)
            ranks[known] = rankdata(predictor.order[known])
        return cls(predictor.bins, int(predictor.bins.max(initial=0)) + 1, ranks)

    def strength(self, rows: NDArray[np.int64], responses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (2, t) the shares of variance by bins and by ranks, times how many rows have a value."""
        bins = self.bins[rows]
        known = np.flatnonzero(bins >= 0)
        if len(known) < 2:
            return np.zeros((2, responses.shape[1]))
        bins, own = bins[known], responses[known] - responses[known].mean(axis=0)
        counts = np.maximum(1, np.bincount(bins, minlength=self.count))
        sums = np.stack([np.bincount(bins, each, self.count) for each in own.T], axis=1)
        total = np.maximum((own**2).sum(axis=0), 1e-12)
        between = (sums**2 / counts[:, None]).sum(axis=0)
        by_rank = np.zeros(responses.shape[1])
        if self.ranks is not None:
            ranks = self.ranks[rows][known]
            ranks = ranks - ranks.mean()
            by_rank = (ranks @ own) ** 2 / max(float(ranks @ ranks), 1e-12)
        return np.stack([between / total, by_rank / total]) * len(known)

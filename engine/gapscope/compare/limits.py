"""What can be listed at all: below some number of groups even the clearest gap is not sure enough."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from gapscope.compare.outlier_tests import under_p
from gapscope.settings import CompareSettings

_FEW = 0.1
"""Where a gap has to span more than this share of the query's groups to be listed, there are few of them."""


@dataclass(frozen=True)
class ListingLimit:
    """What the two tests can list of m groups against r.

    Attributes:
        smallest_gap: how many groups of one missing kind it takes for any of them to be listed; None where not even all
            of them would be.
        few: whether that is None or more than a tenth of the query.
    """

    smallest_gap: int | None
    few: bool


@cache
def listing_limit(groups: int, references: int, settings: CompareSettings) -> ListingLimit:
    """Return what can be listed at the chosen FDR.

    A gap of g groups is taken to be as clear as can be: each is farther from the reference than any reference group is
    from the others, so that the first test gives 1 / (r + 1), and their nearest groups are each other, and then groups
    at random. Benjamini and Hochberg list g of m groups with p at most g / m times half of the FDR.

    Args:
        groups: m of the query.
        references: r of the reference.
        settings: `k_local` and `fdr`.

    Example:
        >>> listing_limit(20, 20, CompareSettings())
        ListingLimit(smallest_gap=18, few=True)
        >>> listing_limit(1000, 1000, CompareSettings())
        ListingLimit(smallest_gap=20, few=False)
    """
    k_local = min(settings.k_local, groups + references - 1)
    gaps = np.arange(1, groups + 1)
    fellows = np.minimum(gaps - 1, k_local)
    others = groups + references - 1 - fellows
    counts = np.ceil((k_local - fellows) * references / np.maximum(1, others)).astype(np.int64)
    counts = np.clip(counts, max(0, k_local - (groups - 1)), min(k_local, references))
    smallest_p = np.minimum(1 / (references + 1), under_p(counts, k_local, groups, references))
    enough = gaps[smallest_p <= gaps / groups * settings.fdr / 2]
    if not len(enough):
        return ListingLimit(None, few=True)
    return ListingLimit(int(enough[0]), few=bool(enough[0] > max(1, _FEW * groups)))

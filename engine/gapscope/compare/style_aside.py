"""Style aside: what the reference lacks beneath a difference of look, and how sure that is.

Each dataset is standardized by its own scaler. Where the looks of two datasets differ by mean and spread alone, they
are then two draws of one population but for their content, and both outlier tests hold as they stand. Elsewhere some of
the look remains, and moves the images of both datasets away from each other. Then the way back is the measure: how far
the reference's images lie from the query says how far an image may lie by its look alone.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.fdr import q_values
from gapscope.compare.outlier_scores import OutlierScores
from gapscope.compare.outlier_tests import outside_p
from gapscope.compare.style_scaler import excess_own_share

MAX_EXCESS = 0.05
"""Share of the other dataset that may be missing among an image's nearest before that counts."""
MAX_LISTED = 1 / 3
"""Share of the query that the tests may list before that is taken for what remains of its look."""
MAX_FARTHER = 0.1
"""Share of images, beyond a half, that may be farther away than the reference's median image is."""
MIN_CONTENT = 0.8
"""Content that a level must see in both datasets for a suggested list."""

_MIN_GROUPS = 50
"""With fewer, scales are too uncertain: 5 images against 600 of one population got a list in a third of the draws."""
_CENTER = 0.4
_SURE = 1.645
"""Standard errors, one-sided 95%, by which a limit must be exceeded."""


@dataclass(frozen=True)
class Residual:
    """What remains of a difference of look, among the images that neither list holds.

    Attributes:
        excess: share of the other dataset that is missing among the nearest of an image, on the side where more is; 0
            where the datasets do not differ, 1 where no image has a neighbor in the other.
        remains: whether that is beyond its limit and beyond chance, or anything else says that some of it remains.
    """

    excess: float
    remains: bool


def residual_style(scores: OutlierScores, reversed_scores: OutlierScores) -> Residual:
    """Return what remains of a difference of look between a query and its reference.

    A difference of look moves all images, and missing content only some, which the two tests list. So what is measured
    are the other images: whether they still have too few neighbors in the other dataset (more than 5% missing), and
    whether too many lie beyond the median of the reference's own scores (10 points more than half). Where more than a
    third is listed, too few others are left to tell.

    Args:
        scores: of the query against the reference, style aside, without a suggestion.
        reversed_scores: of the reference against the query.
    """
    sides = (scores, reversed_scores)
    rest = [np.flatnonzero(~side.listed) for side in sides]
    if min(map(len, rest)) < 2:
        return Residual(1.0, True)
    excesses = []
    for number, side in enumerate(sides):
        counts = side.groups.of_representatives(side.from_reference)[rest[number]] / max(1, side.k_local)
        excesses.append(excess_own_share(counts, len(rest[number]), len(rest[1 - number])))
    farther = float(np.mean(scores.outside_p[rest[0]] <= 0.5)) - 0.5
    are_farther = farther - _SURE * 0.5 / len(rest[0]) ** 0.5 > MAX_FARTHER
    lack_neighbors = any(excess - _SURE * error > MAX_EXCESS for excess, error in excesses)
    remains = lack_neighbors or are_farther or float(np.mean(scores.listed)) > MAX_LISTED
    return Residual(max(0.0, *(excess for excess, _ in excesses)), remains)


def way_back_p(there: NDArray[np.float32], back: NDArray[np.float32], friends: tuple[int, int]) -> NDArray[np.float64]:
    """Return p-values of "this image is farther from the reference than the reference's images are from the query".

    Both sets of scores are brought to one scale by what most of either have in common, their lower parts: less the 40%
    quantile, over the mean distance below it. The upper parts are compared: p is conformal, with the way back in place
    of the reference among itself. Where the query lacks as much as the reference does, p is too large.

    A scale is itself uncertain. The query's scores are made smaller by one standard error of the two scales, about the
    root of 1 / (share of scores that it is from times their number), where scores that are averages over f + 1 images
    count as one in f + 1. The p-values are no guarantee all the same: that both ways are alike is an assumption.

    Args:
        there: (n_A,) scores of the query's groups.
        back: (n_B,) scores of the reference's groups, with as many neighbors for its size; see `matched_counts` in
            `gapscope.compare.outlier_scores`.
        friends: over how many nearest of their own dataset the scores of query and reference are averaged.

    Example:
        >>> near = np.linspace(1, 2, 200, dtype=np.float32)
        >>> p = way_back_p(np.append(near, np.float32(9)), near * 3, (0, 0))
        >>> round(float(p[-1]), 4), bool(p[:-1].min() > 0.005)
        (0.005, True)
    """
    (center, scale), (back_center, back_scale) = _center_and_scale(there), _center_and_scale(back)
    error = sum((1 + own) / (2 * _CENTER * len(scores)) for own, scores in zip(friends, (there, back), strict=True))
    scaled = (there - center) / scale
    scaled = np.where(scaled > 0, scaled / (1 + error**0.5), scaled)
    return outside_p(scaled.astype(np.float32), ((back - back_center) / back_scale).astype(np.float32))


def _center_and_scale(scores: NDArray[np.float32]) -> tuple[float, float]:
    values = scores[np.isfinite(scores)].astype(np.float64)
    if not len(values):
        return 0.0, 1.0
    center = float(np.quantile(values, _CENTER))
    below = values[values < center]
    return center, max(float((center - below).mean()) if len(below) else 0.0, 1e-9)


def with_basis(
    scores: OutlierScores, reversed_scores: OutlierScores, content: float | None
) -> tuple[OutlierScores, Residual]:
    """Return scores that list what can be listed style aside, and what remains of the look.

    Both tests where nothing of the look remains. Else a suggestion, the way back's, by Benjamini and Hochberg, and no
    list where that suggests nothing, where the level does not see the same content in both datasets, or where either
    has fewer than 50 groups.

    Args:
        scores: of the query against the reference, style aside, without a suggestion.
        reversed_scores: of the reference against the query, likewise.
        content: what `gapscope.compare.content.content_agreement` returns.
    """
    residual = residual_style(scores, reversed_scores)
    if not residual.remains:
        return scores, residual
    there, back = (side.groups.of_representatives(side.score) for side in (scores, reversed_scores))
    p = way_back_p(there, back, (scores.friends, reversed_scores.friends))
    q = q_values(p, scores.first)
    sees_content = content is None or content >= MIN_CONTENT
    may_suggest = sees_content and min(len(there), len(back)) >= _MIN_GROUPS
    return replace(scores, suggested_p=p, suggested_q=q, may_suggest=may_suggest), residual

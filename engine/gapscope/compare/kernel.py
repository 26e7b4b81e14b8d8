"""The kernel distance (squared MMD) of two sets of vectors, for many weightings of these in one pass over tiles."""

from dataclasses import dataclass

import torch
from torch import Tensor

_TILE = 1024


@dataclass(frozen=True, kw_only=True)
class Weighted:
    """Vectors, and several weightings of them.

    Attributes:
        rows: (n, d) float64 vectors x / sqrt(d), for the x of `kernel_distance`.
        weights: (n, w) float64, a column per weighting: whole numbers of copies for a bootstrap, 0 and 1 for a part.
    """

    rows: Tensor
    weights: Tensor


def kernel_distance(query: Weighted, reference: Weighted) -> Tensor:
    """Return (w,) unbiased squared maximum mean discrepancies, one per weighting of both sets.

    Gretton et al. (2012), "A kernel two-sample test", with the kernel of KID (Binkowski et al. 2018), (x.y / d + 1)^3:
    with u = x / sqrt(d) and v = y / sqrt(d) it is (u.v + 1)^3. For the cosine metric u and v are unit vectors. No
    vector is paired with itself, nor with a copy of itself that a bootstrap drew.
    """
    return (
        _within(query)
        + _within(reference)
        - 2 * _weighted_sums(query, reference) / (query.weights.sum(dim=0) * reference.weights.sum(dim=0))
    )


def _within(cloud: Weighted) -> Tensor:
    sums = _weighted_sums(cloud, cloud)
    same = ((cloud.rows.square().sum(dim=1) + 1) ** 3)[:, None] * cloud.weights.square()
    pairs = cloud.weights.sum(dim=0).square() - cloud.weights.square().sum(dim=0)
    return (sums - same.sum(dim=0)) / pairs


def _weighted_sums(left: Weighted, right: Weighted) -> Tensor:
    """Sum weight times weight times kernel over all pairs: (w,). Only a tile of the kernel's matrix ever exists."""
    sums = torch.zeros(left.weights.shape[1], dtype=torch.float64, device=left.rows.device)
    for start in range(0, len(left.rows), _TILE):
        rows, weights = left.rows[start : start + _TILE], left.weights[start : start + _TILE]
        for other in range(0, len(right.rows), _TILE):
            shifted = rows @ right.rows[other : other + _TILE].T + 1
            kernel = shifted * shifted * shifted
            sums += (weights * (kernel @ right.weights[other : other + _TILE])).sum(dim=0)
    return sums

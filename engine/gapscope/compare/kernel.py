"""The kernel distance (squared MMD) of two clouds of vectors, weighed in many ways in one pass of tiles."""

from dataclasses import dataclass

import torch
from torch import Tensor

_TILE = 1024


@dataclass(frozen=True, kw_only=True)
class Weighted:
    """Vectors, and ways to weigh them.

    Attributes:
        rows: (n, d) float64 unit vectors.
        weights: (n, w) float64: a column per way; whole numbers of copies for a bootstrap, 0 and 1 for a part.
    """

    rows: Tensor
    weights: Tensor


def kernel_distance(query: Weighted, reference: Weighted) -> Tensor:
    """Return (w,) unbiased squared maximum mean discrepancies, one per way of weighing both clouds.

    Gretton et al. (2012), "A kernel two-sample test", with the kernel of KID (Binkowski et al. 2018), (x.y / d + 1)^3,
    for vectors of length sqrt(d): with unit vectors u and v it is (u.v + 1)^3. No vector is paired with itself, nor
    with a copy of itself that a bootstrap drew.
    """
    return (
        _within(query)
        + _within(reference)
        - 2 * _weighted_sums(query, reference) / (query.weights.sum(dim=0) * reference.weights.sum(dim=0))
    )


def _within(cloud: Weighted) -> Tensor:
    sums = _weighted_sums(cloud, cloud)
    itself = ((cloud.rows.square().sum(dim=1) + 1) ** 3)[:, None] * cloud.weights.square()
    pairs = cloud.weights.sum(dim=0).square() - cloud.weights.square().sum(dim=0)
    return (sums - itself.sum(dim=0)) / pairs


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

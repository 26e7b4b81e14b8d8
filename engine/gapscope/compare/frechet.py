"""The Frechet distance between two sets of vectors, each described as a Gaussian."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """Mean and covariance of a set of vectors.

    Attributes:
        mean: (d,) float64.
        factor: (r, d) float64 with factor.T @ factor the covariance (of n vectors, divided by n - 1); r is the smaller
            of n and d, so that few vectors never make a large matrix.
    """

    mean: Tensor
    factor: Tensor


def gaussian_of(rows: Tensor) -> Gaussian:
    """Return mean and covariance of (n, d) float64 vectors, n at least 2."""
    mean = rows.mean(dim=0)
    centered = rows - mean
    if len(rows) <= rows.shape[1]:
        return Gaussian(mean=mean, factor=centered / (len(rows) - 1) ** 0.5)
    return Gaussian(mean=mean, factor=_factor(centered.T @ centered / (len(rows) - 1)))


def gaussian_of_tiles(tiles: Iterable[Tensor]) -> Gaussian:
    """Return what `gaussian_of` does for tiles (n, d) of more vectors than dimensions, seen once, in O(d^2) memory.

    The vectors should lie around 0 and be of length 1, as a level's are: sums of products then lose nothing.
    """
    count = 0
    total: Tensor | None = None
    products: Tensor | None = None
    for tile in tiles:
        count += len(tile)
        total = tile.sum(dim=0) if total is None else total + tile.sum(dim=0)
        products = tile.T @ tile if products is None else products + tile.T @ tile
    if total is None or products is None:
        raise ValueError("no tiles")
    mean = total / count
    return Gaussian(mean=mean, factor=_factor((products / count - torch.outer(mean, mean)) * (count / (count - 1))))


def _factor(covariance: Tensor) -> Tensor:
    factor: Tensor
    lower, failed = torch.linalg.cholesky_ex(covariance)
    if not failed:
        factor = lower.T
        return factor
    # Dimensions that never change, or that depend on others.
    values, vectors = torch.linalg.eigh(covariance)
    factor = values.clamp(min=0).sqrt()[:, None] * vectors.T
    return factor


def frechet_distance(query: Gaussian, reference: Gaussian) -> float:
    """Return |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2)).

    Dowson and Landau (1982), "The Frechet distance between multivariate normal distributions"; the FID of Heusel et al.
    (2017) is this distance between Inception features. With S = F^T F the eigenvalues of S1 S2 other than 0 are those
    of C C^T with C = F1 F2^T, which is symmetric, so that no square root of a matrix is taken and nothing becomes
    complex, also with fewer vectors than dimensions. There the estimate is biased upwards, by much: compare only like
    numbers of vectors (Chong and Forsyth 2020, "Effectively unbiased FID").
    """
    cross = query.factor @ reference.factor.T
    gram = cross @ cross.T if cross.shape[0] <= cross.shape[1] else cross.T @ cross
    values = torch.linalg.eigvalsh(gram)
    # Rounding leaves something of a zero: it differs from one time to the next, and its root is not small.
    smallest = values[-1].clamp(min=0) * len(values) * torch.finfo(values.dtype).eps
    root = values[values > smallest].sqrt().sum()
    means = (query.mean - reference.mean).square().sum()
    traces = query.factor.square().sum() + reference.factor.square().sum()
    return max(0.0, float(means + traces - 2 * root))

"""A scaler per dataset, by which a difference of look that all its images share goes away.

Where content is missing in one dataset, its mean and spread are not those of the content that both have. Then scalers
that are fitted without the images that lie farthest from all other datasets serve better.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gapscope.compare.fdr import q_values
from gapscope.compare.outlier_tests import merged_order, outside_p, under_p
from gapscope.neighbors.embedding_view import standardize
from gapscope.neighbors.scaler import fit_scaler
from gapscope.settings import CompareSettings, Metric

MAX_SAMPLE = 2048
"""Images per dataset, of a group each, that decide whether and how scalers are trimmed."""

_MIN_IMAGES = 50
"""With fewer, what is left after trimming is too little to fit a scaler to."""
_ROUNDS = 3
_KEPT = 0.7
_FRIENDS = 15
_BETTER = 0.02
_SMALL = 0.1
_MIN_MORE = 10

Scalers = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Mean and standard deviation (channels,) per dataset."""


def trimmed_style_scalers(samples: Sequence[NDArray[np.float32]], metric: Metric) -> Scalers | None:
    """Return a scaler per dataset over the content that the datasets share; None where whole datasets serve as well.

    The 30% of each dataset that lie farthest from all others together are left out, three times over. How far an image
    lies is the distance to its 5th nearest there, averaged with its 15 nearest of its own dataset.

    Such scalers are taken where less of a difference of look remains by them, by two points; or where no more remains,
    and the two outlier tests list more by them, by two points of a dataset and by ten images of the smallest. Two draws
    of one population keep the scalers of whole datasets nearly always, so that what is calibrated for these holds.

    Args:
        samples: (n, channels) embeddings per dataset, of one image per group.
        metric: of the distances.
    """
    if len(samples) < 2 or min(map(len, samples)) < _MIN_IMAGES:
        return None
    whole = [np.ones(len(sample), bool) for sample in samples]
    kept = whole
    for _ in range(_ROUNDS):
        vectors = _standardized(samples, kept, metric)
        scores = [_smoothed_scores(vectors, number) for number in range(len(samples))]
        kept = [own <= np.quantile(own, _KEPT) for own in scores]
    before, after = (_Remaining.of(_standardized(samples, chosen, metric)) for chosen in (whole, kept))
    is_closer = after.residual < before.residual - _BETTER
    more = max(_BETTER, _MIN_MORE / min(map(len, samples)))
    lists_more = after.residual < min(before.residual + _BETTER, _SMALL) and after.listed > before.listed + more
    return _fit(samples, kept) if is_closer or lists_more else None


def excess_own_share(from_reference: NDArray[np.floating], query: int, reference: int) -> tuple[float, float]:
    """Return the share of the reference that is missing among the nearest of a query's images, and its standard error.

    It is 0 where the two do not differ, and 1 where no image has a neighbor in the reference. Schilling (1986).

    Args:
        from_reference: (n,) per image, the share of the reference among its nearest in both datasets.
        query: how many images of the query there are to be near to.
        reference: likewise of the reference.

    Example:
        >>> excess, error = excess_own_share(np.array([0.2, 0.3, 0.25]), 100, 101)
        >>> round(excess, 3), round(error, 3)
        (0.505, 0.047)
    """
    expected = reference / max(1, query + reference - 1)
    error = float(from_reference.std()) / max(1, len(from_reference)) ** 0.5
    return 1 - float(from_reference.mean()) / expected, error / expected


@dataclass(frozen=True)
class _Remaining:
    """What the outlier tests say of datasets by some scalers, each against all others together.

    Attributes:
        residual: what of a difference of look remains, among the images that are not listed: the larger of two shares.
            One is how much of the others is missing among an image's nearest, in the dataset where that is most. The
            other is how many images more than half are farther away than the others' median image is among itself, in
            the dataset where that is least, since a difference of look moves all of them.
        listed: largest share of a dataset that is listed.
    """

    residual: float
    listed: float

    @classmethod
    def of(cls, vectors: Sequence[Tensor]) -> "_Remaining":
        settings = CompareSettings()
        shares, far, listed = [], [], []
        for number, own in enumerate(vectors):
            others = _others(vectors, number)
            within, _ = _nearest(own, own, settings.k_local, same=True)
            across, _ = _nearest(own, others, settings.k_local, same=False)
            radius, _ = _nearest(others, others, settings.k, same=True)
            k_local = min(settings.k_local, len(own) + len(others) - 1)
            order = merged_order(within.numpy(), across.numpy())[:, :k_local]
            counts = (order < across.shape[1]).sum(axis=1)
            far.append(outside_p(across[:, settings.k - 1].numpy(), radius[:, -1].numpy()))
            tests = far[-1], under_p(counts, k_local, len(own), len(others))
            listed.append(np.minimum(*(2 * q_values(p) for p in tests)) <= settings.fdr)
            shares.append(counts / k_local)
        rest = [~own for own in listed]
        if not all(own.any() for own in rest):
            return cls(1.0, 1.0)
        counted = [int(own.sum()) for own in rest]
        excess = max(
            excess_own_share(share[own], count, sum(counted) - count)[0]
            for share, own, count in zip(shares, rest, counted, strict=True)
        )
        farther = min(float(np.mean(p[own] <= 0.5)) - 0.5 for p, own in zip(far, rest, strict=True))
        return cls(max(excess, farther, 0.0), max(float(own.mean()) for own in listed))


def _fit(samples: Sequence[NDArray[np.float32]], kept: Sequence[NDArray[np.bool_]]) -> Scalers:
    return [fit_scaler([sample[own]]) for sample, own in zip(samples, kept, strict=True)]


def _standardized(
    samples: Sequence[NDArray[np.float32]], kept: Sequence[NDArray[np.bool_]], metric: Metric
) -> list[Tensor]:
    scalers = _fit(samples, kept)
    return [
        torch.from_numpy(standardize(sample, *scaler, metric)) for sample, scaler in zip(samples, scalers, strict=True)
    ]


def _others(vectors: Sequence[Tensor], number: int) -> Tensor:
    return torch.cat([other for position, other in enumerate(vectors) if position != number])


def _nearest(query: Tensor, reference: Tensor, k: int, *, same: bool) -> tuple[Tensor, Tensor]:
    """Return half squared distances and positions (n, k) of the nearest, nearest first."""
    lengths = query.square().sum(dim=1, keepdim=True) / 2
    half_squares = lengths + torch.addmm(reference.square().sum(dim=1) / 2, query, reference.T, alpha=-1)
    if same:
        half_squares.fill_diagonal_(torch.inf)
    found = half_squares.topk(min(k, len(reference) - same), dim=1, largest=False)
    return found.values, found.indices


def _smoothed_scores(vectors: Sequence[Tensor], number: int) -> NDArray[np.float32]:
    own, others = vectors[number], _others(vectors, number)
    distances, _ = _nearest(own, others, CompareSettings().k, same=False)
    _, friends = _nearest(own, own, _FRIENDS, same=True)
    score = distances[:, -1]
    smoothed = torch.cat([score[:, None], score[friends]], dim=1).mean(dim=1)
    return np.asarray(smoothed.numpy(), np.float32)

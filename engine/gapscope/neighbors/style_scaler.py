"""A scaler per dataset, by which a difference of look that all its images share goes away.

Where content is missing in one dataset, its mean and spread are not those of the content that both have. So where the
datasets still differ by their own scalers, the images that lie farthest from all other datasets are left out of them.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gapscope.neighbors.embedding_view import standardize
from gapscope.neighbors.scaler import fit_scaler
from gapscope.settings import Metric

MAX_SAMPLE = 2048
"""Images per dataset, of a group each, that decide whether and how scalers are trimmed."""
MAX_EXCESS = 0.05
"""Share of the other dataset that may be missing among an image's nearest before a difference counts."""
SURE = 1.645
"""Standard errors, one-sided 95%, by which a difference must exceed a limit."""

_MIN_IMAGES = 50
"""With fewer, what is left after trimming is too little to fit a scaler to."""
_ROUNDS = 3
_KEPT = 0.7
_K = 5
_FRIENDS = 15
_NEAREST = 30

Scalers = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Mean and standard deviation (channels,) per dataset."""


def trimmed_style_scalers(samples: Sequence[NDArray[np.float32]], metric: Metric) -> Scalers | None:
    """Return a scaler per dataset over the content that the datasets share, or None where nothing needs trimming.

    The 30% of each dataset that lie farthest from all others together are left out, three times over. How far an image
    lies is the distance to its 5th nearest there, averaged with its 15 nearest of its own dataset.

    By their own mean and spread, and by those of such parts, two draws of one population are alike. Then None is
    returned, so that whatever is calibrated for scalers over whole datasets holds. They differ where more than 5% of
    the other datasets are missing among an image's 30 nearest, beyond chance, by either scalers: content that only one
    dataset has can hide in that one's own spread.

    Args:
        samples: (n, channels) embeddings per dataset, of one image per group.
        metric: of the distances.
    """
    if min(map(len, samples)) < _MIN_IMAGES:
        return None
    kept = [np.ones(len(sample), bool) for sample in samples]
    differ = _differ(_standardized(samples, kept, metric))
    for _ in range(_ROUNDS):
        vectors = _standardized(samples, kept, metric)
        scores = [_smoothed_scores(vectors, number) for number in range(len(samples))]
        kept = [own <= np.quantile(own, _KEPT) for own in scores]
    return _fit(samples, kept) if differ or _differ(_standardized(samples, kept, metric)) else None


def excess_own_share(from_reference: NDArray[np.floating], query: int, reference: int) -> tuple[float, float]:
    """Return the share of the reference that is missing among the nearest of a query's images, and its standard error.

    It is 0 where the two do not differ, and 1 where no image has a neighbor in the reference. Schilling (1986).

    Args:
        from_reference: (n,) per image, the share of the reference among its nearest in both datasets.
        query: how many images of the query there are to be near to.
        reference: likewise of the reference.
    """
    expected = reference / max(1, query + reference - 1)
    error = float(from_reference.std()) / max(1, len(from_reference)) ** 0.5
    return 1 - float(from_reference.mean()) / expected, error / expected


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


def _differ(vectors: Sequence[Tensor]) -> bool:
    """Return whether any dataset lacks neighbors in the others, beyond chance."""
    for number, own in enumerate(vectors):
        others = _others(vectors, number)
        within, _ = _nearest(own, own, _NEAREST, same=True)
        across, _ = _nearest(own, others, _NEAREST, same=False)
        k = min(_NEAREST, len(own) + len(others) - 1)
        order = torch.cat([across, within], dim=1).argsort(dim=1, stable=True)[:, :k]
        share = (order < across.shape[1]).double().mean(dim=1).numpy()
        excess, error = excess_own_share(share, len(own), len(others))
        if excess - SURE * error > MAX_EXCESS:
            return True
    return False


def _smoothed_scores(vectors: Sequence[Tensor], number: int) -> NDArray[np.float32]:
    own, others = vectors[number], _others(vectors, number)
    distances, _ = _nearest(own, others, _K, same=False)
    _, friends = _nearest(own, own, _FRIENDS, same=True)
    score = distances[:, -1]
    smoothed = torch.cat([score[:, None], score[friends]], dim=1).mean(dim=1)
    return np.asarray(smoothed.numpy(), np.float32)

"""How far apart two datasets lie as wholes: Frechet and kernel distance, with their intervals and noise floors."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from gapscope.compare.frechet import Gaussian, frechet_distance, gaussian_of, gaussian_of_tiles
from gapscope.compare.kernel import Weighted, kernel_distance
from gapscope.neighbors.embedding_view import EmbeddingView

MOST_FRECHET = 5000
"""Images of a dataset that the Frechet distance's interval and floor are taken from; the value is from all of them."""
MOST_KERNEL = 2000
"""Images of a dataset that the kernel distance is taken from."""
_TILE_ROWS = 8192
_GROUPS = 8
_FEWEST = 2 * _GROUPS
_RESAMPLES = 200
_FRECHET_SPLITS = 2
_KERNEL_SPLITS = 16


@dataclass(frozen=True, kw_only=True)
class Distance:
    """A distance of two datasets.

    Attributes:
        value: the distance.
        low: lower end of its 95% interval; None where there are too few images for one.
        high: upper end likewise.
        floor: the same number between two random parts of the reference.
        at_floor: the distance with as few images of each side as the floor has; None where that changes nothing.
    """

    value: float
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    at_floor: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times its noise floor the distance is, at like numbers of images."""
        over = self.value if self.at_floor is None else self.at_floor
        return max(0.0, over) / self.floor if self.floor else None


def distribution_distances(
    query: EmbeddingView, reference: EmbeddingView, device: torch.device
) -> tuple[dict[str, Distance], dict[str, Distance]]:
    """Measure `frechet` and `kid` between two datasets at a level, first with the one as reference, then the other.

    Both distances are symmetric; their noise floors are not. Datasets of one image have no distance.
    """
    if min(len(query), len(reference)) < 2:
        return {}, {}
    random = np.random.default_rng(0)
    first, second = (_some(view, MOST_FRECHET, random, device) for view in (query, reference))
    kernel = _kernel(first, second, random)
    frechet = _frechet(query, reference, first, second, random)
    return tuple(
        {
            "frechet": _with_frechet_floor(frechet, asking, asked, random),
            "kid": _with_kernel_floor(kernel, asking, asked, random),
        }
        for asking, asked in ((first, second), (second, first))
    )  # type: ignore[return-value]


def _some(view: EmbeddingView, most: int, random: np.random.Generator, device: torch.device) -> Tensor:
    """Return up to `most` images of a dataset as float64 vectors, in random order."""
    chosen = np.arange(len(view))
    if len(view) > most:
        chosen = np.sort(random.choice(len(view), most, replace=False))
    tiles = list(_tiles(replace(view, rows=view.rows[chosen]), device))
    return torch.cat(tiles)[torch.from_numpy(random.permutation(len(chosen)))]


def _tiles(view: EmbeddingView, device: torch.device) -> Iterator[Tensor]:
    # By stretches of rows, since a tile is read as the whole stretch that it lies in.
    cuts = np.searchsorted(view.rows, np.arange(0, int(view.rows[-1]) + _TILE_ROWS + 1, _TILE_ROWS))
    for start, stop in pairwise(cuts):
        if start < stop:
            yield torch.from_numpy(view.tile(int(start), int(stop))).to(device).double()


def _frechet(
    query: EmbeddingView, reference: EmbeddingView, first: Tensor, second: Tensor, random: np.random.Generator
) -> Distance:
    from scipy.stats import t as student

    value = frechet_distance(_gaussian(query, first), _gaussian(reference, second))
    if min(len(first), len(second)) < _FEWEST:
        return Distance(value=value)
    # The delete-a-group jackknife: unlike resampled copies, fewer images change the bias of all groups alike.
    groups = [torch.from_numpy(random.permutation(len(rows)) % _GROUPS).to(rows.device) for rows in (first, second)]
    without = np.array(
        [
            frechet_distance(gaussian_of(first[groups[0] != group]), gaussian_of(second[groups[1] != group]))
            for group in range(_GROUPS)
        ]
    )
    error = float(np.sqrt((_GROUPS - 1) / _GROUPS * np.square(without - without.mean()).sum()))
    # What was taken from a part of the images is less sure than what was taken from all.
    error *= max(len(first) / len(query), len(second) / len(reference)) ** 0.5
    reach = float(student.ppf(0.975, _GROUPS - 1)) * error
    return Distance(value=value, low=max(0.0, value - reach), high=value + reach)


def _gaussian(view: EmbeddingView, sample: Tensor) -> Gaussian:
    if len(sample) == len(view):
        return gaussian_of(sample)
    return gaussian_of_tiles(_tiles(view, sample.device))


def _with_frechet_floor(found: Distance, query: Tensor, reference: Tensor, random: np.random.Generator) -> Distance:
    size = min(len(query), len(reference) // 2)
    if size < _FEWEST:
        return found
    floors, beside = [], []
    for _ in range(_FRECHET_SPLITS):
        order = torch.from_numpy(random.permutation(len(reference))).to(reference.device)
        part, other = gaussian_of(reference[order[:size]]), gaussian_of(reference[order[size : 2 * size]])
        some = torch.from_numpy(random.permutation(len(query))[:size]).to(query.device)
        floors.append(frechet_distance(part, other))
        beside.append(frechet_distance(gaussian_of(query[some]), part))
    return replace(found, floor=float(np.mean(floors)), at_floor=float(np.mean(beside)))


def _kernel(query: Tensor, reference: Tensor, random: np.random.Generator) -> Distance:
    query, reference = query[:MOST_KERNEL], reference[:MOST_KERNEL]
    clouds = [
        Weighted(
            rows=rows,
            weights=torch.from_numpy(
                np.concatenate(
                    [
                        np.ones((len(rows), 1)),
                        random.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=_RESAMPLES).T,
                    ],
                    axis=1,
                )
            ).to(rows.device),
        )
        for rows in (query, reference)
    ]
    value, *resampled = kernel_distance(*clouds).cpu().tolist()
    if min(len(query), len(reference)) < _FEWEST:
        return Distance(value=value)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Distance(value=value, low=min(value, float(low)), high=max(value, float(high)))


def _with_kernel_floor(found: Distance, query: Tensor, reference: Tensor, random: np.random.Generator) -> Distance:
    query, reference = query[:MOST_KERNEL], reference[:MOST_KERNEL]
    size = min(len(query), len(reference) // 2)
    if size < _FEWEST:
        return found
    order = np.argsort(random.random((len(reference), _KERNEL_SPLITS)), axis=0).argsort(axis=0)
    one, other = ((order < size), (order >= size) & (order < 2 * size))
    between = kernel_distance(
        *(
            Weighted(rows=reference, weights=torch.from_numpy(part.astype(np.float64)).to(reference.device))
            for part in (one, other)
        )
    )
    # Unbiased, so around 0: its size is what noise amounts to.
    return replace(found, floor=float(between.square().mean().sqrt()))

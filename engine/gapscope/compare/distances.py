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

MAX_FRECHET_IMAGES = 5000
"""Images of a dataset that the Frechet distance's interval and floor are computed from; its value is from all."""
MAX_KERNEL_IMAGES = 2000
"""Images of a dataset that the kernel distance is computed from."""
_TILE_ROWS = 8192
_GROUPS = 8
_MIN_IMAGES = 2 * _GROUPS
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
        value = self.value if self.at_floor is None else self.at_floor
        return max(0.0, value) / self.floor if self.floor else None


def distribution_distances(
    query: EmbeddingView, reference: EmbeddingView, device: torch.device, *, frechet: bool = True
) -> tuple[dict[str, Distance], dict[str, Distance]]:
    """Measure `frechet` and `kid` between two datasets at a level, with the one as reference, then with the other.

    Both distances are symmetric; their noise floors are not. Datasets of one image have no distance. `frechet` says
    whether that one is measured, which takes longest.
    """
    if min(len(query), len(reference)) < 2:
        return {}, {}
    random = np.random.default_rng(0)
    (first, second), (kernel_first, kernel_second) = _samples(query, reference, random, device)
    kernel = _kernel(kernel_first, kernel_second, random)
    whole = _frechet(query, reference, first, second, random) if frechet else None
    return tuple(
        {
            **({} if whole is None else {"frechet": _with_frechet_floor(whole, own, other, random)}),
            "kid": _with_kernel_floor(kernel, kernel_own, kernel_other, random),
        }
        for own, other, kernel_own, kernel_other in (
            (first, second, kernel_first, kernel_second),
            (second, first, kernel_second, kernel_first),
        )
    )  # type: ignore[return-value]


def kernel_distance_alone(query: EmbeddingView, reference: EmbeddingView, device: torch.device) -> Distance | None:
    """Measure `kid` as `distribution_distances` does, without its noise floor; None where there is no distance."""
    if min(len(query), len(reference)) < 2:
        return None
    random = np.random.default_rng(0)
    return _kernel(*_samples(query, reference, random, device)[1], random)


def _samples(
    query: EmbeddingView, reference: EmbeddingView, random: np.random.Generator, device: torch.device
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return vectors of query and reference in random order, and as the kernel takes fewer of them."""
    first, second = (_sample(view, MAX_FRECHET_IMAGES, random, device) for view in (query, reference))
    kernel_first, kernel_second = (_for_kernel(vectors[:MAX_KERNEL_IMAGES], query) for vectors in (first, second))
    return (first, second), (kernel_first, kernel_second)


def _sample(view: EmbeddingView, size: int, random: np.random.Generator, device: torch.device) -> Tensor:
    """Return up to `size` images of a dataset as float64 vectors, in random order."""
    chosen = np.arange(len(view))
    if len(view) > size:
        chosen = np.sort(random.choice(len(view), size, replace=False))
    tiles = list(_tiles(view.take(chosen), device))
    return torch.cat(tiles)[torch.from_numpy(random.permutation(len(chosen)))]


def _tiles(view: EmbeddingView, device: torch.device) -> Iterator[Tensor]:
    # By chunks of rows, since a tile is read together with all rows of its range.
    cuts = np.searchsorted(view.rows, np.arange(0, int(view.rows[-1]) + _TILE_ROWS + 1, _TILE_ROWS))
    for start, stop in pairwise(cuts):
        if start < stop:
            yield torch.from_numpy(view.tile(int(start), int(stop))).to(device).double()


def _for_kernel(vectors: Tensor, view: EmbeddingView) -> Tensor:
    """Return vectors as the kernel takes them: x / sqrt(d) for the x of KID, which unit vectors are already."""
    return vectors if view.metric == "cosine" else vectors / view.channels**0.5


def _frechet(
    query: EmbeddingView, reference: EmbeddingView, first: Tensor, second: Tensor, random: np.random.Generator
) -> Distance:
    from scipy.stats import t as student

    value = frechet_distance(_gaussian(query, first), _gaussian(reference, second))
    if min(len(first), len(second)) < _MIN_IMAGES:
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
    # An interval from a part of the images is wider than the one from all.
    error *= max(len(first) / len(query), len(second) / len(reference)) ** 0.5
    half_width = float(student.ppf(0.975, _GROUPS - 1)) * error
    return Distance(value=value, low=max(0.0, value - half_width), high=value + half_width)


def _gaussian(view: EmbeddingView, sample: Tensor) -> Gaussian:
    if len(sample) == len(view):
        return gaussian_of(sample)
    return gaussian_of_tiles(_tiles(view, sample.device))


def _with_frechet_floor(distance: Distance, query: Tensor, reference: Tensor, random: np.random.Generator) -> Distance:
    size = min(len(query), len(reference) // 2)
    if size < _MIN_IMAGES:
        return distance
    floors, at_floor = [], []
    for _ in range(_FRECHET_SPLITS):
        order = torch.from_numpy(random.permutation(len(reference))).to(reference.device)
        part, other = gaussian_of(reference[order[:size]]), gaussian_of(reference[order[size : 2 * size]])
        chosen = torch.from_numpy(random.permutation(len(query))[:size]).to(query.device)
        floors.append(frechet_distance(part, other))
        at_floor.append(frechet_distance(gaussian_of(query[chosen]), part))
    return replace(distance, floor=float(np.mean(floors)), at_floor=float(np.mean(at_floor)))


def _kernel(query: Tensor, reference: Tensor, random: np.random.Generator) -> Distance:
    clouds = []
    for rows in (query, reference):
        resamples = random.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=_RESAMPLES).T
        weights = np.concatenate([np.ones((len(rows), 1)), resamples], axis=1)
        clouds.append(Weighted(rows=rows, weights=torch.from_numpy(weights).to(rows.device)))
    value, *resampled = kernel_distance(*clouds).cpu().tolist()
    if min(len(query), len(reference)) < _MIN_IMAGES:
        return Distance(value=value)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Distance(value=value, low=min(value, float(low)), high=max(value, float(high)))


def _with_kernel_floor(distance: Distance, query: Tensor, reference: Tensor, random: np.random.Generator) -> Distance:
    size = min(len(query), len(reference) // 2)
    if size < _MIN_IMAGES:
        return distance
    order = np.argsort(random.random((len(reference), _KERNEL_SPLITS)), axis=0).argsort(axis=0)
    halves = (order < size), (order >= size) & (order < 2 * size)
    distances = kernel_distance(
        *(
            Weighted(rows=reference, weights=torch.from_numpy(half.astype(np.float64)).to(reference.device))
            for half in halves
        )
    )
    # The distance is unbiased, so these lie around 0: their root mean square is the size of the noise.
    return replace(distance, floor=float(distances.square().mean().sqrt()))

"""From a level's map to one vector."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from gapscope.settings import Pool

GRID = 2
_GEM_POWER = 3.0
_GEM_LEAST = 1e-6


def mean(maps: Tensor) -> Tensor:
    """Return the mean of maps (n, channels, h, w) over space, in single precision or better: (n, channels)."""
    return _precise(maps).mean(dim=(2, 3))


def largest(maps: Tensor) -> Tensor:
    """Return the largest value of each channel: (n, channels)."""
    return _precise(maps.amax(dim=(2, 3)))


def generalised_mean(maps: Tensor) -> Tensor:
    """Return the cubic mean of what is positive: (n, channels).

    Radenovic, Tolias and Chum (2018), "Fine-tuning CNN image retrieval with no human annotation", with its p of 3.
    """
    return _precise(maps).clamp(min=_GEM_LEAST).pow(_GEM_POWER).mean(dim=(2, 3)).pow(1 / _GEM_POWER)


def grid(maps: Tensor) -> Tensor:
    """Return the mean of each quarter of the map, which keeps what is where: (n, channels * 4)."""
    return adaptive_avg_pool2d(_precise(maps), GRID).flatten(1)


POOLS: dict[Pool, Callable[[Tensor], Tensor]] = {
    "mean": mean,
    "max": largest,
    "gem": generalised_mean,
    "grid": grid,
}


def pooled_length(pool: Pool, channels: int) -> int:
    """Return the length of an embedding of a level with `channels` channels."""
    return channels * GRID * GRID if pool == "grid" else channels


def _precise(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))

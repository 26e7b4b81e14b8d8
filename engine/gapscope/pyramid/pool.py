"""Pooling over space: a level's map becomes one vector."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from gapscope.settings import Pool

GRID = 2
_GEM_POWER = 3.0
_GEM_MIN = 1e-6


def mean(maps: Tensor) -> Tensor:
    """Return the mean of maps (n, channels, h, w) over space: (n, channels), in float32 or better.

    Example:
        >>> mean(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
        tensor([[2.5000]])
    """
    return _at_least_float32(maps).mean(dim=(2, 3))


def maximum(maps: Tensor) -> Tensor:
    """Return the maximum of maps (n, channels, h, w) over space: (n, channels), in float32 or better."""
    return _at_least_float32(maps.amax(dim=(2, 3)))


def generalized_mean(maps: Tensor) -> Tensor:
    """Return the generalized mean (GeM) of maps (n, channels, h, w) over space: (n, channels), in float32 or better.

    Radenovic, Tolias and Chum (2018), "Fine-tuning CNN image retrieval with no human annotation": the p-th root of the
    mean of p-th powers, with that paper's p of 3. Values are raised to at least 1e-6 first.
    """
    return _at_least_float32(maps).clamp(min=_GEM_MIN).pow(_GEM_POWER).mean(dim=(2, 3)).pow(1 / _GEM_POWER)


def grid(maps: Tensor) -> Tensor:
    """Return the mean of each quarter of maps (n, channels, h, w): (n, channels * 4), in float32 or better.

    Unlike the other pools it keeps, roughly, where in the image something is.
    """
    return adaptive_avg_pool2d(_at_least_float32(maps), GRID).flatten(1)


# The class token is no map, so that `cls` is none of them.
POOLS: dict[Pool, Callable[[Tensor], Tensor]] = {
    "mean": mean,
    "max": maximum,
    "gem": generalized_mean,
    "grid": grid,
}


def pooled_length(pool: Pool, channels: int) -> int:
    """Return the length of an embedding whose level has `channels` channels.

    Example:
        >>> pooled_length("mean", 256), pooled_length("grid", 256)
        (256, 1024)
    """
    return channels * GRID * GRID if pool == "grid" else channels


def _at_least_float32(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))

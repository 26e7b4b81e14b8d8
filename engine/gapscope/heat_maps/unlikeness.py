"""From distances to heat maps: enlarged alike on all levels, and in a unit that is the same for all of them."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

SIDE = 28
"""Width and height of a heat map."""

_BLUR = 2.0
_RARE = 0.99


@dataclass(frozen=True)
class Unit:
    """What turns distances into unlikeness: 0 is the median of the reference's places, 1 what one in 100 exceeds.

    Attributes:
        median: of the distances.
        rare: the distance that one place in 100 exceeds.
    """

    median: float
    rare: float

    def of(self, distances: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return unlikeness.

        Example:
            >>> Unit(median=2.0, rare=4.0).of(np.array([2.0, 4.0, 8.0], np.float32)).tolist()
            [0.0, 1.0, 3.0]
        """
        return np.asarray((distances - self.median) / max(self.rare - self.median, 1e-6), np.float32)


def fit_unit(distances: NDArray[np.float32]) -> Unit:
    """Return the unit, from the distances of the reference's places."""
    median, rare = np.quantile(distances, [0.5, _RARE]).tolist()
    return Unit(median, rare)


def enlarge(maps: Tensor) -> Tensor:
    """Return maps (n, h, w) as (n, SIDE, SIDE), blurred as far as the network's own maps are."""
    large = interpolate(maps[:, None], size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    reach = math.ceil(2 * _BLUR)
    steps = torch.arange(-reach, reach + 1, dtype=maps.dtype)
    weights = torch.exp(-(steps**2) / (2 * _BLUR**2))
    weights = weights / weights.sum()
    large = pad(large, (reach, reach, reach, reach), mode="replicate")
    return conv2d(conv2d(large, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))[:, 0]


def focus_of(heat_maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (n,) how much each heat map (n, SIDE, SIDE) points at one place.

    That is the mean of its hottest window of a quarter of the side, less that of the hottest one apart from it.

    Example:
        >>> maps = np.zeros((2, SIDE, SIDE), np.float32)
        >>> maps[0, :7, :7] = maps[1, :7, :7] = maps[1, 20:27, 20:27] = 3.0
        >>> focus_of(maps).tolist()
        [3.0, 0.0]
    """
    window = SIDE // 4
    means = np.lib.stride_tricks.sliding_window_view(heat_maps, (window, window), axis=(1, 2)).mean(axis=(3, 4))
    count, side = len(heat_maps), SIDE - window + 1
    row, column = np.divmod(means.reshape(count, -1).argmax(axis=1), side)
    rows, columns = np.ogrid[:side, :side]
    apart = (abs(rows - row[:, None, None]) >= window) | (abs(columns - column[:, None, None]) >= window)
    second = np.where(apart, means, -np.inf).max(axis=(1, 2))
    return np.asarray(means.max(axis=(1, 2)) - second, np.float64)

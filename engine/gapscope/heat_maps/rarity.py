"""From distances to heat maps: enlarged alike on all levels, and in the unit of how rare they are in the reference."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

SIDE = 28
"""Width and height of a heat map."""

MAX_RARITY = 5.0
"""Largest value of a heat map."""

_BLUR = 2.0
_SHARES = np.array([1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001])
_POWERS = -np.log10(_SHARES)
_SLOPE_FROM = 6


@dataclass(frozen=True, eq=False)
class Rarity:
    """How rare distances are.

    Attributes:
        knots: the distances that each share of the reference's places exceeds, ascending.
    """

    knots: NDArray[np.float64]

    def of(self, distances: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return -log10 of the share of the reference's places that are as far away: 0 to `MAX_RARITY`.

        Beyond one place in a thousand it is extrapolated.
        """
        last = self.knots[-1]
        slope = (_POWERS[-1] - _POWERS[_SLOPE_FROM]) / max(last - self.knots[_SLOPE_FROM], 1e-6)
        beyond = _POWERS[-1] + (distances - last) * slope
        rarity = np.where(distances > last, beyond, np.interp(distances, self.knots, _POWERS))
        return np.asarray(rarity.clip(0.0, MAX_RARITY), np.float32)


def fit_rarity(distances: NDArray[np.float32]) -> Rarity:
    """Return how rare distances are, from those of the reference's places.

    Example:
        >>> rarity = fit_rarity(np.arange(10_000, dtype=np.float32))
        >>> rarity.of(np.array([0.0, 9_000.0, 9_900.0, 9_990.0], np.float32)).round(2).tolist()
        [0.0, 1.0, 2.0, 3.0]
    """
    return Rarity(np.quantile(distances, 1 - _SHARES))


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

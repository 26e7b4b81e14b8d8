"""The scaler of a level: mean and standard deviation of every dimension over all datasets of the run."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def fit_scaler(tiles: Iterable[NDArray[np.float32]], channels: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation (channels,) over the rows of all tiles (n, channels), seen once.

    Moments are merged tile by tile in float64 (Chan, Golub and LeVeque 1979). A dimension that never changes has
    std 1, so that it stays 0 when standardised.
    """
    count, mean, squares = 0, np.zeros(channels), np.zeros(channels)
    for tile in tiles:
        if not len(tile):
            continue
        values = tile.astype(np.float64)
        here = values.mean(axis=0)
        away = here - mean
        total = count + len(values)
        squares += np.square(values - here).sum(axis=0) + np.square(away) * (count * len(values) / total)
        mean += away * (len(values) / total)
        count = total
    std = np.sqrt(squares / max(count, 1))
    return mean.astype(np.float32), np.where(std > 0, std, 1.0).astype(np.float32)

"""The scaler of a level: mean and standard deviation of every dimension over all datasets of the run."""

from collections.abc import Iterable
from itertools import repeat

import numpy as np
from numpy.typing import NDArray


def fit_scaler(
    tiles: Iterable[NDArray[np.float32]], weights: Iterable[NDArray[np.float64] | None] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation (channels,) over the rows of all tiles (n, channels), read once.

    They are scikit-learn's `StandardScaler` (its `partial_fit` merges the moments of the tiles in float64: Chan, Golub
    and LeVeque 1979). A dimension that never changes gets the standard deviation 1, so that it stays 0 when it is
    standardized.

    Args:
        tiles: of rows.
        weights: (n,) per tile, the weight of each row; None for tiles whose rows all weigh 1.

    Raises:
        ValueError: there is no row.

    Example:
        >>> mean, std = fit_scaler([np.array([[1, 5], [3, 5]], np.float32), np.array([[5, 5]], np.float32)])
        >>> mean.tolist(), (std**2).round().tolist()
        ([3.0, 5.0], [3.0, 1.0])
    """
    # Not at the top: importing scikit-learn takes a second.
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    for tile, given in zip(tiles, repeat(None) if weights is None else weights, strict=weights is not None):
        if len(tile):
            # With no weights at once, scikit-learn would cut the sum of the weights so far to an integer.
            weight = np.ones(len(tile)) if given is None and weights is not None else given
            # By rounding, a dimension that never changes may have a variance just below 0; its scale becomes 1.
            with np.errstate(invalid="ignore"):
                scaler.partial_fit(tile.astype(np.float64), sample_weight=weight)
    if not hasattr(scaler, "mean_"):
        raise ValueError("there is no row to fit a scaler to")
    return scaler.mean_.astype(np.float32), scaler.scale_.astype(np.float32)

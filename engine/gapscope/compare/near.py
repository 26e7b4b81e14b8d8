"""How near two images are that count as copies of each other."""

import numpy as np
from numpy.typing import NDArray

from gapscope.settings import Reading
from gapscope.store.datasets import Pair
from gapscope.store.neighbors import read_group_distances
from gapscope.store.run_store import RunStore

NEAR = 0.25
"""Two images are near copies at a level where their distance is at most this share of the `typical_spacing` there."""
_SAMPLE_ROWS = 65536


def typical_spacing(
    run: RunStore, level: str, dataset: str, rows: NDArray[np.int64], reading: Reading = "as-is"
) -> float:
    """Return the median distance of an image to the nearest other group of its dataset; 0 where there is none.

    Args:
        run: the run.
        level: the level's name.
        dataset: the dataset's name.
        rows: of its embedded images, ascending.
        reading: whose neighbors.
    """
    sample = rows[:: max(1, len(rows) // _SAMPLE_ROWS)]
    distances = read_group_distances(run, level, Pair(dataset, dataset), sample, reading)
    return median_spacing(distances[:, 0])


def median_spacing(nearest: NDArray[np.float32]) -> float:
    """Return the median of those distances (n,) that are finite; 0 where none is."""
    nearest = nearest[np.isfinite(nearest)]
    return float(np.median(nearest)) if len(nearest) else 0.0

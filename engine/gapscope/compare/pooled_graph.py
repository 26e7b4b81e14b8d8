"""The neighbor graph of two datasets together, whose nodes are groups: their representatives."""

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.outlier_tests import merged_order
from gapscope.settings import Reading
from gapscope.store.arrays import positions_of
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.neighbors import read_group_neighbor_rows
from gapscope.store.run_store import RunStore


def nearest_of_both(
    run: RunStore,
    level: str,
    pair: Pair,
    groups: tuple[ImageGroups, ImageGroups],
    centers: NDArray[np.int64],
    k: int,
    reading: Reading,
) -> NDArray[np.int64]:
    """Return the k nearest groups of both datasets to each of some groups, without itself.

    The groups of the query have the numbers 0 to m - 1, and those of the reference follow.

    Args:
        run: the run.
        level: the level's name.
        pair: of datasets.
        groups: of the query and of the reference.
        centers: (c,) numbers of groups, ascending.
        k: at most as many as there are other groups.
        reading: whose neighbors.

    Returns:
        (c, k) int64 numbers of groups, the nearest first.
    """
    sizes = len(groups[0]), len(groups[1])
    neighbors = [np.empty((0, k), np.int64)]
    for side, (own, other) in enumerate((pair, pair.reversed)):
        first_own, first_other = (0, sizes[0]) if side == 0 else (sizes[0], 0)
        own_rows, other_rows = (groups[which].representative_rows for which in (side, 1 - side))
        chosen = centers[(centers >= first_own) & (centers < first_own + sizes[side])] - first_own
        other_distances, other_indices = read_group_neighbor_rows(
            run, level, Pair(own, other), own_rows[chosen], reading
        )
        own_distances, own_indices = read_group_neighbor_rows(run, level, Pair(own, own), own_rows[chosen], reading)
        numbers = [
            first_other + positions_of(other_rows, other_indices),
            first_own + positions_of(own_rows, own_indices),
        ]
        order = merged_order(own_distances, other_distances)[:, :k]
        neighbors.append(np.take_along_axis(np.concatenate(numbers, axis=1), order, axis=1))
    return np.concatenate(neighbors)

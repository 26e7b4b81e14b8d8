"""The nearest reference images of every image on the page, and their distances."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.support import possible_k
from gapscope.report.lists import NEAREST
from gapscope.report.points import PointIndex
from gapscope.report.selection import Selection
from gapscope.store.datasets import Pair
from gapscope.store.neighbors import read_nearest
from gapscope.store.run_store import RunStore


@dataclass(frozen=True)
class NeighborLists:
    """The nearest reference images of the m images on the page that are of the query dataset, in the page's order.

    Attributes:
        image: (m, NEAREST) int32 page numbers, nearest first, -1 where one is missing or not on the page.
        distance: (m, NEAREST) float32, infinite where one is missing.
        score: (m,) float32, the distance to the k-th, by which images are outside.
    """

    image: NDArray[np.int32]
    distance: NDArray[np.float32]
    score: NDArray[np.float32]


def read_neighbor_lists(
    run: RunStore, level: str, pair: Pair, index: PointIndex, selection: Selection
) -> NeighborLists:
    """Return the reference images nearest to each query image on the page, at a level."""
    query, reference = (index.datasets.index(name) for name in pair)
    images = selection.image[index.dataset[selection.image] == query]
    k = score_k(run, pair.reference)
    distances, rows = read_nearest(run, level, pair, index.row[images], max(k, NEAREST))
    image = np.full((len(images), NEAREST), -1, np.int32)
    distance = np.full((len(images), NEAREST), np.inf, np.float32)
    width = min(NEAREST, rows.shape[1])
    image[:, :width] = selection.page_numbers(len(index))[index.find(reference, rows[:, :width])]
    distance[:, :width] = distances[:, :width]
    return NeighborLists(image, distance, distances[:, min(k, distances.shape[1]) - 1])


def score_k(run: RunStore, reference: str) -> int:
    """Return the k of the outside score against a reference: as it was asked for, or less where that one is small."""
    return possible_k(run.record.config.compare.k, run.record.group_count(reference))

"""What the page knows of an image and a reference: the nearest images there, their distances, and its score."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.support import possible_k
from gapscope.report.lists import NEAREST
from gapscope.report.points import PointIndex
from gapscope.report.selection import Selection
from gapscope.settings import Reading
from gapscope.store.datasets import Pair
from gapscope.store.neighbors import read_nearest
from gapscope.store.run_store import RunStore
from gapscope.store.scores import read_scores


@dataclass(frozen=True)
class NeighborLists:
    """The nearest reference images of the m images on the page that are of the query dataset, in the page's order.

    Attributes:
        image: (m, NEAREST) int32 page numbers, nearest first, -1 where one is missing or not on the page.
        distance: (m, NEAREST) float32, infinite where one is missing.
        score: (m,) float32, how far each image is from the reference; NaN where that is not known.
    """

    image: NDArray[np.int32]
    distance: NDArray[np.float32]
    score: NDArray[np.float32]


def read_neighbor_lists(
    run: RunStore, reading: Reading, level: str, pair: Pair, index: PointIndex, selection: Selection
) -> NeighborLists:
    """Return the reference images nearest to each query image on the page, at a level and in a reading."""
    query, reference = (index.datasets.index(name) for name in pair)
    images = selection.image[index.dataset[selection.image] == query]
    distances, rows = read_nearest(run, level, pair, index.row[images], NEAREST, reading)
    image = np.full((len(images), NEAREST), -1, np.int32)
    distance = np.full((len(images), NEAREST), np.inf, np.float32)
    width = rows.shape[1]
    image[:, :width] = selection.page_numbers(len(index))[index.find(reference, rows)]
    distance[:, :width] = distances
    return NeighborLists(image, distance, _scores(run, reading, level, pair, index.row[images]))


def _scores(run: RunStore, reading: Reading, level: str, pair: Pair, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    table = read_scores(run.path, level, pair, reading)
    known, score = table["row"].to_numpy(), table["score"].to_numpy()
    if not len(known):
        return np.full(len(rows), np.nan, np.float32)
    at = np.minimum(np.searchsorted(known, rows), len(known) - 1)
    return np.where(known[at] == rows, score[at], np.nan).astype(np.float32)


def score_k(run: RunStore, reference: str) -> int:
    """Return the k of the distances to a reference: as it was asked for, or less where that one is small."""
    return possible_k(run.record.config.compare.k, run.record.group_count(reference))

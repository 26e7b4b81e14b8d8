"""The nearest reference images of every image on the page, and how far it is from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.report.lists import NEAREST
from gapscope.report.points import PointIndex
from gapscope.report.selection import Selection
from gapscope.run import Run
from gapscope.store.results import read_some_neighbors


@dataclass(frozen=True)
class NeighborLists:
    """What lies nearest to the m images on the page that are of the query dataset, in the page's order.

    Attributes:
        image: (m, NEAREST) int32 page numbers, nearest first, -1 where one is missing or not on the page.
        distance: (m, NEAREST) float32, infinite where one is missing.
        score: (m,) float32, distance to the k-th, which the outlier lists go by.
    """

    image: NDArray[np.int32]
    distance: NDArray[np.float32]
    score: NDArray[np.float32]


def nearest(run: Run, level: str, pair: tuple[str, str], places: PointIndex, chosen: Selection) -> NeighborLists:
    """Find the images nearest in the reference at a level."""
    query, reference = (places.datasets.index(name) for name in pair)
    asking = chosen.image[places.dataset[chosen.image] == query]
    k = score_neighbor(run, pair[1])
    distances, indices = read_some_neighbors(run.path, level, *pair, places.row[asking], max(k, NEAREST))
    image = np.full((len(asking), NEAREST), -1, np.int32)
    distance = np.full((len(asking), NEAREST), np.inf, np.float32)
    width = min(NEAREST, indices.shape[1])
    image[:, :width] = chosen.numbers(len(places))[places.find(reference, indices[:, :width])]
    distance[:, :width] = distances[:, :width]
    return NeighborLists(image, distance, distances[:, min(k, distances.shape[1]) - 1])


def score_neighbor(run: Run, reference: str) -> int:
    """Return which neighbor in a reference the outside score is the distance to; small references have no k-th."""
    k: int = run.record.config["compare"]["k"]
    return max(1, min(k, int(run.record.datasets[reference]["read"]) - 1))

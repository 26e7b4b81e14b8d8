"""The nearest reference images of every image on the page."""

import numpy as np
from numpy.typing import NDArray

from gapscope.report.places import Places
from gapscope.report.sample import Chosen
from gapscope.run import Run
from gapscope.store.results import read_neighbors

NEAREST = 5
"""Reference images shown beside a pinned image."""


def nearest(run: Run, level: str, pair: tuple[str, str], places: Places, chosen: Chosen) -> NDArray[np.int32]:
    """Return (m, NEAREST) page numbers of the images nearest in the reference, nearest first, -1 where one is missing.

    A row for each of the m images on the page that are of the query dataset, in the page's order.
    """
    query, reference = (places.datasets.index(name) for name in pair)
    _, indices = read_neighbors(run.path, level, *pair)
    asking = chosen.image[places.dataset[chosen.image] == query]
    asked = np.flatnonzero(places.dataset == reference)
    # One more than the last row, so that neighbour -1 finds no image.
    rows = np.full(run.record.datasets[pair[1]]["listed"] + 1, -1, dtype=np.int64)
    rows[places.row[asked]] = asked
    found = rows[indices[places.row[asking], :NEAREST]]
    answer = np.full((len(asking), NEAREST), -1, dtype=np.int32)
    answer[:, : found.shape[1]] = chosen.numbers(len(places))[found]
    return answer

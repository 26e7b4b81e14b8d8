"""The outlier lists of a run, with images as positions instead of uris."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.manifest import manifest_path
from gapscope.report.places import Places
from gapscope.run import Run
from gapscope.store.place import readable
from gapscope.store.results import read_some_neighbors
from gapscope.store.tables import read_whole

NEAREST = 5
"""Reference images shown beside a pinned image."""

KINDS = ("outside", "under-represented", "both")
_COLUMNS = ["row", "rank", "kind", "p", "q", "score", "nearest_distance"]


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The m outliers of one level and ordered pair of datasets, best ranked first.

    Attributes:
        level: the level's name.
        query: number of the dataset the outliers are from.
        reference: number of the dataset they do not look like.
        image: (m,) int64 positions in `Places`.
        rank: (m,) int32, from 1.
        kind: (m,) uint8 numbers into `KINDS`.
        numbers: (m, 4) float32: p, q, score and distance to the nearest reference image.
        neighbours: (m, k) int64 positions of the nearest reference images, nearest first; -1 for none.
    """

    level: str
    query: int
    reference: int
    image: NDArray[np.int64]
    rank: NDArray[np.int32]
    kind: NDArray[np.uint8]
    numbers: NDArray[np.float32]
    neighbours: NDArray[np.int64]


def read_listed(run: Run, places: Places) -> list[Listed]:
    """Read the lists of every level, fine to coarse, and ordered pair."""
    return [_one(run, places, level, query, reference) for level in run.levels for query, reference in run.pairs]


def _one(run: Run, places: Places, level: str, query: str, reference: str) -> Listed:
    with readable(manifest_path(run.path, level, query, reference)) as file:
        frame = read_whole(file, _COLUMNS).to_pandas()
    asking, asked = places.datasets.index(query), places.datasets.index(reference)
    image = places.find(asking, frame["row"].to_numpy(dtype=np.int64))
    kept, image = frame[image >= 0], image[image >= 0]
    _, near = read_some_neighbors(run.path, level, query, reference, places.row[image], NEAREST)
    return Listed(
        level=level,
        query=asking,
        reference=asked,
        image=image,
        rank=kept["rank"].to_numpy(dtype=np.int32),
        kind=np.array([KINDS.index(kind) for kind in kept["kind"]], dtype=np.uint8),
        numbers=kept[["p", "q", "score", "nearest_distance"]].to_numpy(dtype=np.float32),
        neighbours=places.find(asked, near),
    )

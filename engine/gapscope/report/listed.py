"""The outlier lists of a run, with images as positions instead of uris."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gapscope.report.places import Places
from gapscope.run import Run

KINDS = ("outside", "under-represented", "both")


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
    return [
        _one(run.outliers(level, query, reference), places, level, query, reference)
        for level in run.levels
        for query, reference in run.pairs
    ]


def _one(frame: pd.DataFrame, places: Places, level: str, query: str, reference: str) -> Listed:
    image = places.find(query, frame["uri"])
    kept = frame[image >= 0]
    return Listed(
        level=level,
        query=places.datasets.index(query),
        reference=places.datasets.index(reference),
        image=image[image >= 0],
        rank=kept["rank"].to_numpy(dtype=np.int32),
        kind=np.array([KINDS.index(kind) for kind in kept["kind"]], dtype=np.uint8),
        numbers=kept[["p", "q", "score", "nearest_distance"]].to_numpy(dtype=np.float32),
        neighbours=_neighbours(kept["neighbours"], places, reference),
    )


def _neighbours(column: "pd.Series[Any]", places: Places, reference: str) -> NDArray[np.int64]:
    rows = [list(uris) for uris in column]
    width = max(map(len, rows), default=0)
    table = np.full((len(rows), width), -1, dtype=np.int64)
    flat = places.find(reference, [uri for row in rows for uri in row])
    table[np.arange(width) < np.array([len(row) for row in rows], dtype=np.int64)[:, None]] = flat
    return table

"""The outlier lists of a run, with images as positions instead of uris."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.report.points import PointIndex, rows_named
from gapscope.run import Run
from gapscope.store.location import readable
from gapscope.store.manifests import manifest_path
from gapscope.store.results import read_some_neighbors
from gapscope.store.tables import read_whole

NEAREST = 5
"""Reference images shown beside a pinned image."""

REASONS = ("outside", "under-represented", "both")
_COLUMNS = ["row", "rank", "reason", "p", "q", "score", "nearest_distance"]


@dataclass(frozen=True, kw_only=True)
class OutlierList:
    """The m outliers of one level and ordered pair of datasets, best ranked first.

    Attributes:
        level: the level's name.
        query: number of the dataset the outliers are from.
        reference: number of the dataset they do not look like.
        image: (m,) int64 positions in `PointIndex`.
        rank: (m,) int32, from 1.
        reason: (m,) uint8 numbers into `REASONS`.
        numbers: (m, 4) float32: p, q, score and distance to the nearest reference image.
        neighbors: (m, k) int64 positions of the nearest reference images, nearest first; -1 for none.
    """

    level: str
    query: int
    reference: int
    image: NDArray[np.int64]
    rank: NDArray[np.int32]
    reason: NDArray[np.uint8]
    numbers: NDArray[np.float32]
    neighbors: NDArray[np.int64]


def read_outlier_lists(run: Run, places: PointIndex) -> list[OutlierList]:
    """Read the lists of every level, fine to coarse, and ordered pair."""
    return [_one(run, places, level, query, reference) for level in run.levels for query, reference in run.pairs]


def _one(run: Run, places: PointIndex, level: str, query: str, reference: str) -> OutlierList:
    with readable(manifest_path(run.path, level, query, reference)) as file:
        frame = read_whole(file, _COLUMNS).to_pandas()
    asking, asked = places.datasets.index(query), places.datasets.index(reference)
    image = places.find(asking, frame["row"].to_numpy(dtype=np.int64))
    kept, image = frame[image >= 0], image[image >= 0]
    _, near = read_some_neighbors(run.path, level, query, reference, places.row[image], NEAREST)
    return OutlierList(
        level=level,
        query=asking,
        reference=asked,
        image=image,
        rank=kept["rank"].to_numpy(dtype=np.int32),
        reason=np.array([REASONS.index(reason) for reason in kept["reason"]], dtype=np.uint8),
        numbers=kept[["p", "q", "score", "nearest_distance"]].to_numpy(dtype=np.float32),
        neighbors=places.find(asked, near),
    )


@dataclass(frozen=True, kw_only=True)
class OneSidedCluster:
    """A cluster of one level that almost only one dataset has.

    Attributes:
        cluster: its number.
        images: how many images it has.
        dataset: number of the dataset.
        share: the dataset's share of it, in 0..1.
        typical: (t,) int64 positions in `PointIndex` of images that stand for it, most typical first; may be empty.
    """

    cluster: int
    images: int
    dataset: int
    share: float
    typical: NDArray[np.int64]


def read_one_sided_clusters(run: Run, places: PointIndex) -> list[list[OneSidedCluster]]:
    """Read the one-sided clusters of every level, largest first."""
    found = [run.metrics["levels"][level]["clusters"]["one_sided"] for level in run.levels]
    rows = {
        name: rows_named(
            run, name, [uri for level in found for one in level if one["dataset"] == name for uri in _typical(one)]
        )
        for name in run.datasets
    }
    return [
        [
            OneSidedCluster(
                cluster=one["cluster"],
                images=one["images"],
                dataset=places.datasets.index(one["dataset"]),
                share=one["share"],
                typical=_positions(places, one["dataset"], rows[one["dataset"]], _typical(one)),
            )
            for one in level
        ]
        for level in found
    ]


def _typical(one: dict[str, object]) -> list[str]:
    # Older runs have none.
    uris = one.get("typical")
    return [uri for uri in uris if isinstance(uri, str)] if isinstance(uris, list) else []


def _positions(places: PointIndex, dataset: str, rows: dict[str, int], uris: list[str]) -> NDArray[np.int64]:
    named = np.array([rows.get(uri, -1) for uri in uris], np.int64)
    found = places.find(places.datasets.index(dataset), named)
    return found[found >= 0]

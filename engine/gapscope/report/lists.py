"""The lists of a run, with images as positions in a `PointIndex` instead of uris: outliers, rankings, clusters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.report.points import PointIndex, rows_of_uris
from gapscope.settings import Reading
from gapscope.store.datasets import Pair
from gapscope.store.manifests import read_groups_manifest, read_manifest
from gapscope.store.metrics import Metrics
from gapscope.store.neighbors import read_nearest
from gapscope.store.run_store import RunStore

NEAREST = 5
"""Reference images shown beside a pinned image."""

RANKED = 200
"""First images of a ranking that the page has, where nothing may be listed."""

REASONS = ("outside", "under-represented", "both", "suggested")
_COLUMNS: dict[Reading, list[str]] = {
    "as-is": ["row", "rank", "reason", "p", "q", "score", "nearest_distance"],
    "style-aside": ["row", "rank", "reason", "p", "q", "score", "nearest_distance", "listed"],
}


@dataclass(frozen=True, kw_only=True)
class OutlierList:
    """The m outliers of one reading, level and ordered pair of datasets, best ranked first.

    Attributes:
        reading: what was compared.
        level: the level's name.
        query: number of the dataset the outliers are from.
        reference: number of the dataset they do not look like.
        image: (m,) int64 positions in the `PointIndex`.
        rank: (m,) int32, from 1.
        reason: (m,) uint8 numbers into `REASONS`.
        numbers: (m, 4) float32: p, q, score and distance to the nearest reference image.
        neighbors: (m, k) int64 positions of the nearest reference images, nearest first; -1 for none.
    """

    reading: Reading
    level: str
    query: int
    reference: int
    image: NDArray[np.int64]
    rank: NDArray[np.int32]
    reason: NDArray[np.uint8]
    numbers: NDArray[np.float32]
    neighbors: NDArray[np.int64]


def read_outlier_lists(run: RunStore, index: PointIndex) -> list[OutlierList]:
    """Read the lists of every reading that the run lists, level, fine to coarse, and ordered pair."""
    readings = run.record.config.compare.listed_readings
    return [
        _outlier_list(run, index, reading, level, pair)
        for reading in readings
        for level in run.levels
        for pair in run.pairs
    ]


def _outlier_list(run: RunStore, index: PointIndex, reading: Reading, level: str, pair: Pair) -> OutlierList:
    table = read_manifest(run.path, level, pair, _COLUMNS[reading], reading).to_pandas()
    if reading == "style-aside":
        table = table[table["listed"].astype(bool)]
    query, reference = (index.datasets.index(name) for name in pair)
    image = index.find(query, table["row"].to_numpy(dtype=np.int64))
    table, image = table[image >= 0], image[image >= 0]
    _, neighbor_rows = read_nearest(run, level, pair, index.row[image], NEAREST, reading)
    return OutlierList(
        reading=reading,
        level=level,
        query=query,
        reference=reference,
        image=image,
        rank=table["rank"].to_numpy(dtype=np.int32),
        reason=np.array([REASONS.index(reason) for reason in table["reason"]], dtype=np.uint8),
        numbers=table[["p", "q", "score", "nearest_distance"]].to_numpy(dtype=np.float32),
        neighbors=index.find(reference, neighbor_rows),
    )


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The r images, of a group each, that stand out most at a level, where none may be listed.

    Attributes:
        reading: what was compared.
        level: the level's name.
        pair: of datasets.
        image: (r,) int64 positions in the `PointIndex`, best ranked first.
        numbers: (r, 3) float32: p, q and score.
    """

    reading: Reading
    level: str
    pair: Pair
    image: NDArray[np.int64]
    numbers: NDArray[np.float32]


def read_rankings(run: RunStore, metrics: Metrics, index: PointIndex) -> list[Ranking]:
    """Return the rankings of every reading that the run lists, level and ordered pair; empty where images are listed.

    As it is, pairs with too few groups have one; style aside, every pair of which nothing is listed.
    """
    read = {"as-is": _ranking, "style-aside": _style_aside_ranking}
    return [
        read[reading](run, metrics, index, level, pair)
        for reading in run.record.config.compare.listed_readings
        for level in run.levels
        for pair in run.pairs
    ]


def _ranking(run: RunStore, metrics: Metrics, index: PointIndex, level: str, pair: Pair) -> Ranking:
    entries = metrics["levels"][level]["pairs"][pair.name]["ranking"]
    rows = np.array([entry["row"] for entry in entries], np.int64)
    image = index.find(index.datasets.index(pair.query), rows)
    numbers = np.array(
        [[entry["p"], entry["q"], np.nan if entry["score"] is None else entry["score"]] for entry in entries],
        np.float32,
    ).reshape(-1, 3)
    return Ranking(reading="as-is", level=level, pair=pair, image=image[image >= 0], numbers=numbers[image >= 0])


def _style_aside_ranking(run: RunStore, metrics: Metrics, index: PointIndex, level: str, pair: Pair) -> Ranking:
    image, numbers = np.empty(0, np.int64), np.empty((0, 3), np.float32)
    if not metrics["levels"][level]["style_aside"][pair.name]["outliers"]:
        has_groups = run.record.has_groups(pair.query)
        ranked = (
            read_groups_manifest(run.path, level, pair, "style-aside")
            if has_groups
            else read_manifest(run.path, level, pair, _COLUMNS["style-aside"], "style-aside")
        )
        table = ranked.to_pandas()
        found = index.find(index.datasets.index(pair.query), table["row"].to_numpy(dtype=np.int64))
        # The first image of a group stands for all of it.
        kept = np.flatnonzero(found >= 0)
        kept = kept[index.turn(found[kept]) == 0][:RANKED]
        image, numbers = found[kept], table[["p", "q", "score"]].to_numpy(dtype=np.float32)[kept]
    return Ranking(reading="style-aside", level=level, pair=pair, image=image, numbers=numbers)


@dataclass(frozen=True, kw_only=True)
class OneSidedCluster:
    """A cluster of one level that belongs almost entirely to one dataset.

    Attributes:
        cluster: its number.
        images: how many images it has.
        dataset: number of the dataset.
        share: the dataset's share of it, in 0..1.
        typical: (t,) int64 positions in the `PointIndex` of typical images, most typical first; may be empty.
    """

    cluster: int
    images: int
    dataset: int
    share: float
    typical: NDArray[np.int64]


def read_one_sided_clusters(run: RunStore, metrics: Metrics, index: PointIndex) -> list[list[OneSidedCluster]]:
    """Return the one-sided clusters of every level, largest first."""
    levels = [metrics["levels"][level]["clusters"]["one_sided"] for level in run.levels]
    uris: dict[str, list[str]] = {name: [] for name in run.datasets}
    for clusters in levels:
        for cluster in clusters:
            uris[cluster["dataset"]] += cluster["typical"]
    rows = {name: rows_of_uris(run, name, own) for name, own in uris.items()}
    return [
        [
            OneSidedCluster(
                cluster=cluster["cluster"],
                images=cluster["images"],
                dataset=index.datasets.index(cluster["dataset"]),
                share=cluster["share"],
                typical=_positions(index, cluster["dataset"], rows[cluster["dataset"]], cluster["typical"]),
            )
            for cluster in clusters
        ]
        for clusters in levels
    ]


def _positions(index: PointIndex, dataset: str, rows: dict[str, int], uris: list[str]) -> NDArray[np.int64]:
    wanted = np.array([rows.get(uri, -1) for uri in uris], np.int64)
    positions = index.find(index.datasets.index(dataset), wanted)
    return positions[positions >= 0]

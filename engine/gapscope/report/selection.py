"""Which images the page shows, and which of them are points on the maps."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.report.lists import OneSidedCluster, OutlierList, Ranking, read_outlier_lists
from gapscope.report.points import PointIndex, read_point_index, read_points
from gapscope.store.run_store import RunStore

MAX_OUTLIERS = 20_000
"""Outliers drawn, best ranked first; the rest of the points shows what is ordinary."""

MAX_NEIGHBORS = 10_000
"""Images that are shown only beside an outlier that they are near to."""

_UNRANKED = np.iinfo(np.int64).max
_TYPICAL = _UNRANKED - 1


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The images on the page, most important first: listed outliers and their neighbors by rank, then a random sample.

    Attributes:
        image: (n,) int64 positions in the `PointIndex`.
        drawn: (n,) bool, whether the image is a point on the maps, the same on every level.
        important: how many images come before the sample.
        outliers: how many images are listed as an outlier on some level, drawn or not.
        outliers_drawn: how many of them are drawn.
    """

    image: NDArray[np.int64]
    drawn: NDArray[np.bool_]
    important: int
    outliers: int
    outliers_drawn: int

    def page_numbers(self, images: int) -> NDArray[np.int32]:
        """Return (images + 1,) the page's number of each image, -1 where it is not on it; so position -1 gives -1."""
        numbers = np.full(images + 1, -1, dtype=np.int32)
        numbers[self.image] = np.arange(len(self.image), dtype=np.int32)
        return numbers


def select_images(
    index: PointIndex,
    outlier_lists: list[OutlierList],
    one_sided: Iterable[OneSidedCluster] = (),
    ranked: Iterable[Ranking] = (),
    *,
    max_drawn: int,
    max_outliers: int = MAX_OUTLIERS,
    max_neighbors: int = MAX_NEIGHBORS,
) -> Selection:
    """Select the listed outliers, then a sample of all other images, then the outliers' neighbors.

    The sample depends on names alone: the order of the images does not change it. It is uniform within each dataset
    whose images count one by one, so that a map's densities stay as they are. Of each group, such as a clip, one image
    comes before all second ones, so that no clip crowds out the others. Images that are typical of a one-sided cluster
    or in a ranking are on the page too, drawn or not.
    """
    rank = _best_ranks(index, outlier_lists)
    by_hash = np.argsort(index.hash, kind="stable")
    turn = np.empty(len(index), np.int64)
    turn[by_hash] = index.turn(by_hash)
    order = np.lexsort((index.hash, turn, rank))

    outliers = int((rank != _UNRANKED).sum())
    drawn = np.zeros(len(index), dtype=bool)
    drawn[order[: min(outliers, max_outliers, max_drawn)]] = True
    outliers_drawn = int(drawn.sum())
    others = order[outliers:]
    drawn[_sample(others, index.dataset, len(index.datasets), max_drawn - outliers_drawn)] = True

    # A neighbor is as important as the best outlier that it stands beside, right after that one. What is typical of a
    # cluster comes behind all of them.
    neighbor_rank = _neighbor_ranks(rank, drawn, outlier_lists)
    for cluster in one_sided:
        neighbor_rank[cluster.typical] = np.minimum(neighbor_rank[cluster.typical], _TYPICAL)
    for ranking in ranked:
        neighbor_rank[ranking.image] = np.minimum(neighbor_rank[ranking.image], _TYPICAL)
    importance = np.minimum(rank, neighbor_rank)
    hidden = np.where(drawn, _UNRANKED, neighbor_rank)
    extra = np.lexsort((index.hash, hidden))[: min(max_neighbors, int((hidden != _UNRANKED).sum()))]
    wanted = np.concatenate([np.flatnonzero(drawn), extra])
    image = wanted[np.lexsort((index.hash[wanted], rank[wanted] == _UNRANKED, importance[wanted]))]
    return Selection(
        image=image,
        drawn=drawn[image],
        important=int((importance[image] != _UNRANKED).sum()),
        outliers=outliers,
        outliers_drawn=outliers_drawn,
    )


def _best_ranks(index: PointIndex, outlier_lists: list[OutlierList]) -> NDArray[np.int64]:
    best = np.full(len(index), _UNRANKED, dtype=np.int64)
    for outliers in outlier_lists:
        np.minimum.at(best, outliers.image, _rank_in_turn(index, outliers))
    return best


def _rank_in_turn(index: PointIndex, outliers: OutlierList) -> NDArray[np.int64]:
    """Return the rank of each outlier where the first image of every group comes before all second ones."""
    if index.group is None:
        return outliers.rank.astype(np.int64)
    in_turn = np.lexsort((outliers.rank, index.turn(outliers.image)))
    rank = np.empty(len(in_turn), np.int64)
    rank[in_turn] = np.sort(outliers.rank)
    return rank


def _neighbor_ranks(
    rank: NDArray[np.int64], drawn: NDArray[np.bool_], outlier_lists: list[OutlierList]
) -> NDArray[np.int64]:
    """Return for each image the best rank of a drawn outlier that it is a neighbor of."""
    best = np.full(len(rank), _UNRANKED, dtype=np.int64)
    for outliers in outlier_lists:
        valid = (outliers.neighbors >= 0) & drawn[outliers.image][:, None]
        outlier_ranks = np.broadcast_to(rank[outliers.image][:, None], outliers.neighbors.shape)
        np.minimum.at(best, outliers.neighbors[valid], outlier_ranks[valid])
    return best


def _sample(others: NDArray[np.int64], dataset: NDArray[np.int16], datasets: int, size: int) -> NDArray[np.int64]:
    """Take the first images of each dataset in `others`, which are in the order in which they are to be drawn."""
    by_dataset = [others[dataset[others] == number] for number in range(datasets)]
    quotas = _quotas([len(members) for members in by_dataset], size)
    return np.concatenate([members[:quota] for members, quota in zip(by_dataset, quotas, strict=True)])


def _quotas(sizes: list[int], total: int) -> list[int]:
    """Divide `total` by size, but give no dataset less than half of an equal share while it has the images.

    By size alone, two thousand real images beside a million rendered ones would be a hundred points, too few to see
    where the real ones lie.
    """
    if sum(sizes) <= total:
        return sizes
    floors = [min(size, total // (2 * len(sizes))) for size in sizes]
    rest = total - sum(floors)
    above = [size - floor for size, floor in zip(sizes, floors, strict=True)]
    return [floor + rest * more // sum(above) for floor, more in zip(floors, above, strict=True)]


@dataclass(frozen=True, kw_only=True)
class PlottedPoints:
    """The m images that are points on the maps: the same in the page, in stills and in notebooks.

    Attributes:
        run: the run.
        index: all images that have coordinates.
        outlier_lists: every outlier list.
        image: (m,) int64 positions in `index`, the most important first.
    """

    run: RunStore
    index: PointIndex
    outlier_lists: list[OutlierList]
    image: NDArray[np.int64]

    @property
    def dataset(self) -> NDArray[np.int16]:
        """(m,) number of each image's dataset."""
        return self.index.dataset[self.image]

    @property
    def row(self) -> NDArray[np.int64]:
        """(m,) row of each image in its dataset."""
        return self.index.row[self.image]

    def points(self, level: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return (m, 3) coordinates on a level's map, and (m,) clusters."""
        return read_points(self.run, level, self.index, self.image)

    def outliers(self, level: str) -> NDArray[np.bool_]:
        """Return (m,) whether a level lists the image as an outlier against any dataset."""
        listed = np.zeros(len(self.index), dtype=bool)
        for outliers in self.outlier_lists:
            if outliers.level == level:
                listed[outliers.image] = True
        return listed[self.image]


def read_plotted_points(run: RunStore, max_points: int) -> PlottedPoints:
    """Select at most `max_points` images: listed outliers, then a random sample of all others."""
    index = read_point_index(run)
    outlier_lists = read_outlier_lists(run, index)
    selection = select_images(index, outlier_lists, max_drawn=max_points, max_neighbors=0)
    image = selection.image[selection.drawn]
    return PlottedPoints(run=run, index=index, outlier_lists=outlier_lists, image=image)

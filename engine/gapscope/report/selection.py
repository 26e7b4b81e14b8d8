"""Which images the page shows, and which of them are points on the maps."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.report.lists import OneSidedCluster, OutlierList, Ranking, read_outlier_lists
from gapscope.report.points import PointIndex, read_point_index, read_points
from gapscope.settings import Reading
from gapscope.store.run_store import RunStore

MAX_OUTLIERS = 20_000
"""Outliers drawn by rank; the rest of the points shows the datasets as they are."""

MAX_NEIGHBORS = 10_000
"""Images that are shown only beside an outlier that they are near to."""

_UNRANKED = np.iinfo(np.int64).max
_TYPICAL = _UNRANKED - 1


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The images on the page, most important first: the best outliers and their neighbors, then a random sample.

    Attributes:
        image: (n,) int64 positions in the `PointIndex`.
        drawn: (n,) bool, whether the image is a point on the maps, the same on every level.
        important: how many images come before the sample.
        outliers: how many images are listed as an outlier on some level and in some reading, drawn or not.
        outliers_drawn: how many of them are drawn, by their rank or in the sample.
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
    shown: NDArray[np.int64] | None = None,
    *,
    max_drawn: int,
    max_outliers: int = MAX_OUTLIERS,
    max_neighbors: int = MAX_NEIGHBORS,
) -> Selection:
    """Select the best outliers, then a sample of all other images, then the outliers' neighbors.

    Outliers of all levels and readings are drawn by their best rank, but no more than fill half of the points. What is
    left of the points is a sample: up to half of it of images that no list holds, so that these can be seen where
    nearly everything is listed, then of other listed images, and of both alike once these are drawn as densely.

    The sample depends on names alone: the order of the images does not change it. It is uniform within each dataset
    whose images count one by one, so that a map's densities stay as they are. Of each group, such as a clip, one image
    comes before all second ones, so that no clip crowds out the others. Images that are typical of a one-sided cluster
    or in a ranking are on the page too, drawn or not, and so are those in `shown`, which come before all others.
    """
    rank = _best_ranks(index, outlier_lists)
    by_hash = np.argsort(index.hash, kind="stable")
    turn = np.empty(len(index), np.int64)
    turn[by_hash] = index.turn(by_hash)
    order = np.lexsort((index.hash, turn, rank))

    listed = rank != _UNRANKED
    drawn = np.zeros(len(index), dtype=bool)
    drawn[order[: min(int(listed.sum()), max_outliers, (max_drawn + 1) // 2)]] = True
    best = drawn.copy()
    # Of what is listed, the sample takes no better ranks first.
    at_random = np.lexsort((index.hash, turn))
    left = max_drawn - int(drawn.sum())
    unlisted = at_random[~listed[at_random]]
    drawn[_sample(unlisted, index.dataset, len(index.datasets), left // 2)] = True
    others = at_random[~drawn[at_random]]
    drawn[_sample(others, index.dataset, len(index.datasets), max_drawn - int(drawn.sum()))] = True

    # A neighbor is as important as the best outlier that it stands beside, right after that one, and what is ranked as
    # an outlier of that rank. What is typical of a cluster comes behind all of them.
    rank = np.where(best, rank, _UNRANKED)
    neighbor_rank = _neighbor_ranks(rank, best, outlier_lists)
    for cluster in one_sided:
        neighbor_rank[cluster.typical] = np.minimum(neighbor_rank[cluster.typical], _TYPICAL)
    for ranking in ranked:
        np.minimum.at(neighbor_rank, ranking.image, np.arange(1, len(ranking.image) + 1))
    if shown is not None:
        neighbor_rank[shown] = 0
    importance = np.minimum(rank, neighbor_rank)
    hidden = np.where(drawn, _UNRANKED, neighbor_rank)
    extra = np.lexsort((index.hash, hidden))[: min(max_neighbors, int((hidden != _UNRANKED).sum()))]
    wanted = np.concatenate([np.flatnonzero(drawn), extra])
    image = wanted[np.lexsort((index.hash[wanted], rank[wanted] == _UNRANKED, importance[wanted]))]
    return Selection(
        image=image,
        drawn=drawn[image],
        important=int((importance[image] != _UNRANKED).sum()),
        outliers=int(listed.sum()),
        outliers_drawn=int((listed & drawn).sum()),
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
    quotas = [floor + rest * more // sum(above) for floor, more in zip(floors, above, strict=True)]
    # What rounding leaves, less than one per dataset, goes to those that lost most by it.
    by_loss = sorted(range(len(sizes)), key=lambda number: (-(rest * above[number] % sum(above)), number))
    for number in by_loss[: total - sum(quotas)]:
        quotas[number] += 1
    return quotas


@dataclass(frozen=True, kw_only=True)
class PlottedPoints:
    """The m images that are points on the maps: the same in the page, in stills and in notebooks.

    Attributes:
        run: the run.
        index: all images that have coordinates.
        reading: by which images are marked: as they are, or style aside where the run lists nothing else.
        outlier_lists: every outlier list of that reading.
        image: (m,) int64 positions in `index`, the most important first.
    """

    run: RunStore
    index: PointIndex
    reading: Reading
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
    """Select at most `max_points` images: the best outliers, then a random sample of all others."""
    index = read_point_index(run)
    outlier_lists = read_outlier_lists(run, index)
    selection = select_images(index, outlier_lists, max_drawn=max_points, max_neighbors=0)
    return plotted_points(run, index, outlier_lists, selection.image[selection.drawn])


def plotted_points(
    run: RunStore, index: PointIndex, outlier_lists: list[OutlierList], image: NDArray[np.int64]
) -> PlottedPoints:
    """Return chosen images as points.

    Args:
        run: the run.
        index: all images that have coordinates.
        outlier_lists: of every reading.
        image: (m,) positions in `index`.
    """
    reading = run.record.config.compare.listed_readings[0]
    return PlottedPoints(
        run=run,
        index=index,
        reading=reading,
        outlier_lists=[outliers for outliers in outlier_lists if outliers.reading == reading],
        image=image,
    )

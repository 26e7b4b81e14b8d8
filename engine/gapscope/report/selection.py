"""Which images the page shows."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.report.lists import OneSidedCluster, OutlierList, read_outlier_lists
from gapscope.report.points import PointIndex, read_level, read_point_index
from gapscope.run import Run

MAX_OUTLIERS = 20_000
"""Outliers drawn, best ranked first; the rest of the points shows what is ordinary."""

MAX_NEIGHBOURS = 10_000
"""Images that are shown only beside an outlier that they are near to."""

_UNRANKED = np.iinfo(np.int64).max
_TYPICAL = _UNRANKED - 1


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The images on the page, most important first: listed outliers and their neighbors by rank, then the sample.

    Attributes:
        image: (n,) int64 positions in `PointIndex`.
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

    def numbers(self, places: int) -> NDArray[np.int32]:
        """Return (places + 1,) the page's number of each image, -1 where it is not there; so position -1 finds -1."""
        number = np.full(places + 1, -1, dtype=np.int32)
        number[self.image] = np.arange(len(self.image), dtype=np.int32)
        return number


def choose(
    places: PointIndex,
    listed: list[OutlierList],
    one_sided: Iterable[OneSidedCluster] = (),
    *,
    max_drawn: int,
    max_outliers: int = MAX_OUTLIERS,
    max_neighbors: int = MAX_NEIGHBOURS,
) -> Selection:
    """Choose the listed outliers, then a sample of all other images, then the outliers' neighbors.

    The sample is uniform within each dataset, so that a map's densities stay as they are, and it depends on names
    alone: the order of the images does not change who is in it. Images that are typical of a one-sided cluster are on
    the page too, drawn or not.
    """
    rank = _best_ranks(len(places), listed)
    order = np.lexsort((places.hash, rank))

    outliers = int((rank != _UNRANKED).sum())
    drawn = np.zeros(len(places), dtype=bool)
    drawn[order[: min(outliers, max_outliers, max_drawn)]] = True
    outliers_drawn = int(drawn.sum())
    others = order[outliers:]
    drawn[_sample(others, places.dataset, len(places.datasets), max_drawn - outliers_drawn)] = True

    # A neighbor is as important as the best outlier that it stands beside, right after that one. What is typical of a
    # cluster comes behind all of them.
    beside = _beside(rank, drawn, listed)
    for cluster in one_sided:
        beside[cluster.typical] = np.minimum(beside[cluster.typical], _TYPICAL)
    importance = np.minimum(rank, beside)
    hidden = np.where(drawn, _UNRANKED, beside)
    extra = np.lexsort((places.hash, hidden))[: min(max_neighbors, int((hidden != _UNRANKED).sum()))]
    wanted = np.concatenate([np.flatnonzero(drawn), extra])
    image = wanted[np.lexsort((places.hash[wanted], rank[wanted] == _UNRANKED, importance[wanted]))]
    return Selection(
        image=image,
        drawn=drawn[image],
        important=int((importance[image] != _UNRANKED).sum()),
        outliers=outliers,
        outliers_drawn=outliers_drawn,
    )


def _best_ranks(images: int, listed: list[OutlierList]) -> NDArray[np.int64]:
    best = np.full(images, _UNRANKED, dtype=np.int64)
    for one in listed:
        np.minimum.at(best, one.image, one.rank)
    return best


def _beside(rank: NDArray[np.int64], drawn: NDArray[np.bool_], listed: list[OutlierList]) -> NDArray[np.int64]:
    best = np.full(len(rank), _UNRANKED, dtype=np.int64)
    for one in listed:
        there = (one.neighbors >= 0) & drawn[one.image][:, None]
        owners = np.broadcast_to(rank[one.image][:, None], one.neighbors.shape)
        np.minimum.at(best, one.neighbors[there], owners[there])
    return best


def _sample(others: NDArray[np.int64], dataset: NDArray[np.int16], datasets: int, size: int) -> NDArray[np.int64]:
    """Take the first images of each dataset in `others`, which come in the order of their hashes."""
    by_dataset = [others[dataset[others] == number] for number in range(datasets)]
    quotas = _quotas([len(members) for members in by_dataset], size)
    return np.concatenate([members[:quota] for members, quota in zip(by_dataset, quotas, strict=True)])


def _quotas(sizes: list[int], total: int) -> list[int]:
    """Share `total` out by size, but leave no dataset less than half of an equal share while it has the images.

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
    """The m images that maps show.

    Attributes:
        run: the run.
        places: every image's place.
        listed: every outlier list.
        image: (m,) int64 positions in `places`, the most important first.
    """

    run: Run
    places: PointIndex
    listed: list[OutlierList]
    image: NDArray[np.int64]

    @property
    def dataset(self) -> NDArray[np.int16]:
        """(m,) number of each image's dataset."""
        return self.places.dataset[self.image]

    @property
    def row(self) -> NDArray[np.int64]:
        """(m,) row of each image in its dataset."""
        return self.places.row[self.image]

    def points(self, level: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return (m, 3) places on a level's map, and (m,) clusters."""
        return read_level(self.run, level, self.places, self.image)

    def outliers(self, level: str) -> NDArray[np.bool_]:
        """Return (m,) whether a level lists the image as an outlier against any dataset."""
        listed = np.zeros(len(self.places), dtype=bool)
        for one in self.listed:
            if one.level == level:
                listed[one.image] = True
        return listed[self.image]


def read_plotted_points(run: Run, max_points: int) -> PlottedPoints:
    """Choose at most `max_points` images: listed outliers, then a random sample of all others."""
    places = read_point_index(run)
    listed = read_outlier_lists(run, places)
    chosen: Selection = choose(places, listed, max_drawn=max_points, max_neighbors=0)
    return PlottedPoints(run=run, places=places, listed=listed, image=chosen.image[chosen.drawn])

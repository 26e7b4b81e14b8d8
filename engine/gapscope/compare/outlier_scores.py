"""What is known of the query images of one level and pair, all of it read from the neighbor graph."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.fdr import q_values
from gapscope.compare.group_scores import (
    clone_edges,
    first_clones,
    group_medians,
    group_outside_p,
    group_under_p,
    is_copied,
)
from gapscope.compare.interval import Interval, share_outside
from gapscope.compare.outlier_tests import count_reference_neighbors
from gapscope.compare.support import in_any_ball, in_ball, possible_k
from gapscope.settings import CompareSettings
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.neighbors import read_group_neighbor_rows
from gapscope.store.run_store import RunStore

_TILE_ROWS = 65536


@dataclass(frozen=True, kw_only=True)
class OutlierScores:
    """The scores of n query images in m groups, against a reference of r groups.

    Where every image is a group of its own, the m values per group are those of the images, in row order. A neighbor
    stands for a group: it is its representative.

    Attributes:
        groups: the query's groups.
        reference_groups: the reference's.
        score: (n,) distance of each image to the k-th nearest group of the reference.
        group_score: (m,) median of a group's images.
        reference_score: (r,) distance of each reference group's representative to the k-th nearest other group.
        reference_group_score: (r,) median of a reference group's images.
        outside_p: (m,) p-value of being outside the reference's support, and `outside_q` its q-value.
        under_p: (m,) p-value of being under-represented in the reference, and `under_q` its q-value.
        copied: (m,) whether the reference has an exact or near copy: `outside_p` is 1.
        first: (m,) number of the first of the clones in the query that each group belongs to; its own where it has
            none. Clones count once wherever tests are counted.
        fdr: bound on the expected share of false entries among the groups that are listed.
        k: the k of the scores: as it was asked for, or less where the reference is small.
        from_reference: (n,) how many of the `k_local` nearest groups are the reference's.
        k_local: how many nearest groups were counted.
        nearest_distance: (n,) distance to the nearest group of the reference.
        in_support: (m,) whether a representative lies no farther from one of the reference than that one's own k-th
            neighbor.
        own_neighbors: (m,) how many of the k nearest of a representative in both datasets are the query's own.
        reference_to_query: (r,) distance from every representative of the reference to its nearest of the query.
        ball_counts: (r,) how many representatives of the query lie no farther from one of the reference than its own
            k-th neighbor; as many as the graph holds at most.
        graph_k: how many neighbors the graph holds per image.
    """

    groups: ImageGroups
    reference_groups: ImageGroups
    score: NDArray[np.float32]
    group_score: NDArray[np.float32]
    reference_score: NDArray[np.float32]
    reference_group_score: NDArray[np.float32]
    outside_p: NDArray[np.float64]
    outside_q: NDArray[np.float64]
    under_p: NDArray[np.float64]
    under_q: NDArray[np.float64]
    copied: NDArray[np.bool_]
    first: NDArray[np.int64]
    fdr: float
    k: int
    from_reference: NDArray[np.int16]
    k_local: int
    nearest_distance: NDArray[np.float32]
    in_support: NDArray[np.bool_]
    own_neighbors: NDArray[np.int16]
    reference_to_query: NDArray[np.float32]
    ball_counts: NDArray[np.int32]
    graph_k: int

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) rows of the query images."""
        return self.groups.rows

    @property
    def p(self) -> NDArray[np.float64]:
        """(m,) the smaller p-value of the two tests, corrected for there being two."""
        return np.minimum(1.0, 2.0 * np.minimum(self.outside_p, self.under_p))

    @property
    def q(self) -> NDArray[np.float64]:
        """(m,) the smaller q-value of the two tests, doubled: q <= f lists what one of the tests lists at f / 2.

        Each list then holds false entries at an expected share of f / 2 at most, and the two together of f at most.
        """
        return np.minimum(1.0, 2.0 * np.minimum(self.outside_q, self.under_q))

    @property
    def outside(self) -> NDArray[np.bool_]:
        """(m,) whether a group is listed as outside the reference's support."""
        return np.asarray(2 * self.outside_q <= self.fdr)

    @property
    def under_represented(self) -> NDArray[np.bool_]:
        """(m,) whether a group is listed as under-represented in the reference."""
        return np.asarray(2 * self.under_q <= self.fdr)

    @property
    def listed(self) -> NDArray[np.bool_]:
        """(m,) whether either test lists a group."""
        return self.outside | self.under_represented

    @property
    def reason(self) -> NDArray[np.str_]:
        """(m,) why a group is listed: `outside`, `under-represented` or `both`; empty where it is not."""
        outside, under = self.outside, self.under_represented
        return np.where(outside & under, "both", np.where(outside, "outside", np.where(under, "under-represented", "")))

    def p_and_q(self, groups: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Return the columns of a manifest that hold p- and q-values, for groups by number."""
        columns = ("p", "q", "outside_p", "outside_q", "under_p", "under_q")
        return {name: getattr(self, name)[groups] for name in columns}

    @property
    def share_outside(self) -> Interval:
        """The estimated share of the query's groups outside the reference, and the ends of its 95% interval."""
        representative = self.score[self.groups.representative]
        return share_outside(self.outside_p, representative, self.reference_score, self.copied, self.first)

    def of_images(self, values: NDArray[Any], positions: NDArray[np.int64] | slice = slice(None)) -> NDArray[Any]:
        """Return, for images at some positions, the values (m,) of their groups."""
        return values[self.groups.group[positions]]


def knn_radius(run: RunStore, level: str, dataset: str, k: int, groups: ImageGroups) -> NDArray[np.float32]:
    """Return the distance of every embedded image to the k-th nearest other group of its own dataset.

    Where the dataset is too small for that, it is the distance to the last neighbor that every image has; infinite for
    a single group.
    """
    rows = groups.rows
    radius = np.empty(len(rows), np.float32)
    k = possible_k(k, len(groups))
    for part in _parts(len(rows)):
        distances, _ = read_group_neighbor_rows(run, level, Pair(dataset, dataset), rows[part])
        radius[part] = distances[:, k - 1]
    return radius


def score_outliers(
    run: RunStore,
    level: str,
    pair: Pair,
    radius: NDArray[np.float32],
    groups: tuple[ImageGroups, ImageGroups],
    settings: CompareSettings,
    spacing: float = 0.0,
) -> OutlierScores:
    """Do both tests of every query group from the neighbor graph alone, reading some rows of it at a time.

    Args:
        run: the run.
        level: the level's name.
        pair: the dataset whose images are tested, and the reference.
        radius: the reference's `knn_radius`.
        groups: of the query and of the reference.
        settings: `k`, `k_local` and `fdr`.
        spacing: the reference's `typical_spacing`; 0 takes only equal images for copies.
    """
    query_groups, reference_groups = groups
    rows, reference_rows = query_groups.rows, reference_groups.representative_rows
    query_rows = query_groups.representative_rows
    shared = query_groups.find_in(reference_groups)
    k = possible_k(settings.k, len(reference_groups))
    k_local = min(settings.k_local, len(query_groups) + len(reference_groups) - 1 - bool((shared >= 0).any()))
    radius_by_row = np.zeros(int(reference_rows[-1]) + 1, np.float32)
    radius_by_row[reference_rows] = radius[reference_groups.representative]

    images = len(rows)
    score, nearest = np.empty(images, np.float32), np.empty(images, np.float32)
    from_reference, own_neighbors = np.empty(images, np.int16), np.empty(images, np.int16)
    in_support = np.zeros(images, bool)
    clones = [np.empty((0, 2), np.int64)]
    for part in _parts(images):
        other, indices = read_group_neighbor_rows(run, level, pair, rows[part])
        own, own_indices = read_group_neighbor_rows(run, level, Pair(pair.query, pair.query), rows[part])
        score[part], nearest[part] = other[:, k - 1], other[:, 0]
        from_reference[part], k_local = count_reference_neighbors(own, other, k_local)
        reference_count, counted = count_reference_neighbors(own, other, settings.k)
        own_neighbors[part] = counted - reference_count
        in_support[part] = in_any_ball(other, indices, radius_by_row)
        clones.append(clone_edges(own, own_indices, query_groups.group[part], query_groups, query_rows))
    in_support = in_support[query_groups.representative]

    reference_to_query = np.empty(len(reference_rows), np.float32)
    ball_counts = np.empty(len(reference_rows), np.int32)
    graph_k = 0
    for part in _parts(len(reference_rows)):
        other, indices = read_group_neighbor_rows(run, level, pair.reversed, reference_rows[part])
        reference_to_query[part] = other[:, 0]
        hits = in_ball(other, radius_by_row[reference_rows[part]])
        ball_counts[part] = hits.sum(axis=1)
        graph_k = other.shape[1]
        # The reverse direction finds images whose own list is full of nearer ones with smaller balls.
        in_support[np.searchsorted(query_rows, indices[hits])] = True

    copied = is_copied(nearest, query_groups, spacing)
    first = first_clones(np.concatenate(clones), len(query_groups))
    outside = group_outside_p(score, query_groups, radius, reference_groups, shared)
    outside[copied] = 1.0
    under = group_under_p(from_reference, k_local, query_groups, len(reference_groups), shared)
    return OutlierScores(
        groups=query_groups,
        reference_groups=reference_groups,
        score=score,
        group_score=group_medians(score, query_groups),
        reference_score=radius[reference_groups.representative],
        reference_group_score=group_medians(radius, reference_groups),
        outside_p=outside,
        outside_q=q_values(outside, first),
        under_p=under,
        under_q=q_values(under, first),
        copied=copied,
        first=first,
        fdr=settings.fdr,
        k=k,
        from_reference=from_reference,
        k_local=k_local,
        nearest_distance=nearest,
        in_support=in_support,
        own_neighbors=own_neighbors[query_groups.representative],
        reference_to_query=reference_to_query,
        ball_counts=ball_counts,
        graph_k=graph_k,
    )


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, _TILE_ROWS):
        yield slice(start, min(start + _TILE_ROWS, count))

"""What is known of the query images of one level and pair, all of it read from the neighbor graph."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
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
from gapscope.settings import CompareSettings, Reading
from gapscope.store.ahead import map_ahead
from gapscope.store.arrays import positions_of, row_slices
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.neighbors import read_group_distances, read_group_indices, read_group_neighbor_rows
from gapscope.store.run_store import RunStore

Basis = Literal["calibrated", "suggested", "ranking"]
"""What a list rests on: both tests, whose promise holds; a suggestion without one; or nothing, so none is given."""

_FRIENDS = 15


@dataclass(frozen=True)
class FewValues:
    """Numbers of which few are distinct: a code of two bytes or four for each.

    Attributes:
        values: (d,) the distinct numbers.
        codes: (n,) positions in `values`.

    Example:
        >>> few = FewValues.of(np.array([0.5, 1.0, 0.5]))
        >>> few[:].tolist(), few[np.array([1, 2])].tolist(), few.codes.itemsize
        ([0.5, 1.0, 0.5], [1.0, 0.5], 2)
    """

    values: NDArray[np.float64]
    codes: NDArray[np.uint16] | NDArray[np.uint32]

    @classmethod
    def of(cls, numbers: NDArray[np.float64]) -> "FewValues":
        """Return these numbers."""
        encoded = pa.array(numbers).dictionary_encode()
        codes = encoded.indices.to_numpy()
        return cls(
            encoded.dictionary.to_numpy(), codes.astype(np.uint16 if len(encoded.dictionary) < 2**16 else np.uint32)
        )

    def __getitem__(self, positions: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """Return the numbers at some positions."""
        return self.values[self.codes[positions]]


@dataclass(frozen=True, kw_only=True)
class OutlierScores:
    """The scores of n query images in m groups, against a reference of r groups.

    Where every image is a group of its own, the m values per group are those of the images, in row order. A neighbor
    stands for a group: it is its representative.

    Attributes:
        groups: the query's groups.
        reference_groups: the reference's.
        score: (n,) how far each image is from the reference: distances like `distance`, averaged over the image and the
            `friends` nearest groups of its own dataset. It orders images better than a single distance does, but is no
            test's: averages over few and over many images are not alike.
        friends: over how many nearest groups.
        group_score: (m,) median score of a group's images.
        distance: (n,) distance of each image to the k-th nearest group of the reference.
        group_distance: (m,) median of a group's images.
        reference_distance: (r,) distance of each reference group's representative to the k-th nearest other group.
        reference_group_distance: (r,) median of a reference group's images.
        outside_p: (m,) p-value of being outside the reference's support, and `outside_q` its q-value.
        coded_under_p: (m,) p-value of being under-represented in the reference, and `coded_under_q` its q-value.
        copied: (m,) whether the reference has an exact or near copy: `outside_p` is 1.
        first: (m,) number of the first of the clones in the query that each group belongs to, its own where it has
            none; None where there are no clones. Clones count once wherever tests are counted.
        fdr: bound on the expected share of false entries among the groups that are listed.
        k: the k of the scores: as it was asked for, or less where the reference is small.
        from_reference: (n,) how many of the `k_local` nearest groups are the reference's.
        k_local: how many nearest groups were counted.
        in_support: (m,) whether a representative lies no farther from one of the reference than that one's own k-th
            neighbor.
        own_neighbors: (m,) how many of the k nearest of a representative in both datasets are the query's own.
        reference_to_query: (r,) distance from every representative of the reference to its nearest of the query.
        ball_counts: (r,) how many representatives of the query lie no farther from one of the reference than its own
            k-th neighbor; as many as the graph holds at most.
        graph_k: how many neighbors the graph holds per image.
        suggested_p: (m,) p-values in place of both tests' where these do not hold; see
            `gapscope.compare.style_aside.way_back_p`. None where they hold.
        suggested_q: (m,) their q-values; None likewise.
        may_suggest: whether these list anything; see `gapscope.compare.style_aside.with_basis`.
    """

    groups: ImageGroups
    reference_groups: ImageGroups
    score: NDArray[np.float32]
    friends: int
    group_score: NDArray[np.float32]
    distance: NDArray[np.float32]
    group_distance: NDArray[np.float32]
    reference_distance: NDArray[np.float32]
    reference_group_distance: NDArray[np.float32]
    outside_p: NDArray[np.float64]
    outside_q: NDArray[np.float64]
    coded_under_p: FewValues
    coded_under_q: FewValues
    copied: NDArray[np.bool_]
    first: NDArray[np.int64] | None
    fdr: float
    k: int
    from_reference: NDArray[np.unsignedinteger]
    k_local: int
    in_support: NDArray[np.bool_]
    own_neighbors: NDArray[np.unsignedinteger]
    reference_to_query: NDArray[np.float32]
    ball_counts: NDArray[np.uint16]
    graph_k: int
    suggested_p: NDArray[np.float64] | None = None
    suggested_q: NDArray[np.float64] | None = None
    may_suggest: bool = True

    @property
    def basis(self) -> Basis:
        """What the list rests on."""
        if self.suggested_q is None:
            return "calibrated"
        return "suggested" if self.may_suggest and (self.suggested_q <= self.fdr).any() else "ranking"

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) rows of the query images."""
        return self.groups.rows

    @property
    def under_p(self) -> NDArray[np.float64]:
        """(m,) p-value of being under-represented in the reference."""
        return self.coded_under_p[:]

    @property
    def under_q(self) -> NDArray[np.float64]:
        """(m,) its q-value."""
        return self.coded_under_q[:]

    @property
    def p(self) -> NDArray[np.float64]:
        """(m,) the smaller p-value of the two tests, corrected for there being two; or the suggested one."""
        return self.p_of(slice(None))

    @property
    def q(self) -> NDArray[np.float64]:
        """(m,) the smaller q-value of the two tests, doubled: q <= f lists what one of the tests lists at f / 2.

        Each list then holds false entries at an expected share of f / 2 at most, and the two together of f at most.
        Where p is suggested, its own q-value.
        """
        return self.q_of(slice(None))

    def p_of(self, groups: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """Return `p` of groups by number."""
        if self.suggested_p is not None:
            return self.suggested_p[groups]
        return _doubled(np.minimum(self.outside_p[groups], self.coded_under_p[groups]))

    def q_of(self, groups: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """Return `q` of groups by number."""
        if self.suggested_q is not None:
            return self.suggested_q[groups]
        return _doubled(np.minimum(self.outside_q[groups], self.coded_under_q[groups]))

    @cached_property
    def outside(self) -> NDArray[np.bool_]:
        """(m,) whether a group is listed as outside the reference's support."""
        return np.asarray((2 * self.outside_q <= self.fdr) & (self.basis == "calibrated"))

    @cached_property
    def under_represented(self) -> NDArray[np.bool_]:
        """(m,) whether a group is listed as under-represented in the reference."""
        return np.asarray((2 * self.under_q <= self.fdr) & (self.basis == "calibrated"))

    @cached_property
    def listed(self) -> NDArray[np.bool_]:
        """(m,) whether either test lists a group, or it is suggested."""
        if self.basis == "suggested":
            return np.asarray(self.q <= self.fdr)
        return self.outside | self.under_represented

    @property
    def reason(self) -> NDArray[np.str_]:
        """(m,) why a group is listed: `outside`, `under-represented`, `both`, or `suggested`; empty where it is not."""
        return self.reason_of(slice(None))

    def reason_of(self, groups: NDArray[np.int64] | slice) -> NDArray[np.str_]:
        """Return `reason` of groups by number."""
        if self.suggested_p is not None:
            return np.where(self.listed[groups], "suggested", "")
        outside, under = self.outside[groups], self.under_represented[groups]
        return np.where(outside & under, "both", np.where(outside, "outside", np.where(under, "under-represented", "")))

    def p_and_q(self, groups: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Return the columns of a manifest that hold p- and q-values, for groups by number."""
        return {
            "p": self.p_of(groups),
            "q": self.q_of(groups),
            "outside_p": self.outside_p[groups],
            "outside_q": self.outside_q[groups],
            "under_p": self.coded_under_p[groups],
            "under_q": self.coded_under_q[groups],
        }

    @property
    def share_outside(self) -> Interval:
        """The estimated share of the query's groups outside the reference, and the ends of its 95% interval."""
        representative = self.groups.of_representatives(self.distance)
        return share_outside(self.outside_p, representative, self.reference_distance, self.copied, self.first)

    def of_images(self, values: NDArray[Any], positions: NDArray[np.int64] | slice = slice(None)) -> NDArray[Any]:
        """Return, for images at some positions, the values (m,) of their groups."""
        if isinstance(positions, slice):
            return self.groups.of_images(values)[positions]
        return values[self.groups.group[positions]]


def _doubled(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return twice the numbers, but 1 at most, in their own place: these are large arrays."""
    numbers *= 2.0
    return np.minimum(numbers, 1.0, out=numbers)


def knn_radius(
    run: RunStore, level: str, dataset: str, k: int, groups: ImageGroups, reading: Reading = "as-is"
) -> NDArray[np.float32]:
    """Return the distance of every embedded image to the k-th nearest other group of its own dataset.

    Where the dataset is too small for that, it is the distance to the last neighbor that every image has; infinite for
    a single group.
    """
    rows = groups.rows
    k = possible_k(k, len(groups))

    def read(part: slice) -> NDArray[np.float32]:
        return read_group_distances(run, level, Pair(dataset, dataset), rows[part], reading)[:, k - 1].copy()

    return np.concatenate(list(map_ahead(read, row_slices(len(rows)))))


def matched_counts(count: int, own: int, other: int, most: int) -> tuple[int, int]:
    """Return how many neighbors to count in a dataset and in another one, for the same share of either.

    The k-th nearest of a small set is as far away as the 5 k-th of one that is five times as large. So the smaller set
    has `count`, and the larger one as many times more, but `most` at most; the smaller one has then fewer, and one at
    least.

    Example:
        >>> matched_counts(5, 1000, 1000, 30), matched_counts(5, 300, 900, 30), matched_counts(5, 9000, 900, 30)
        ((5, 5), (5, 15), (30, 3))
    """
    ratio = max(own, other) / min(own, other)
    larger = min(most, round(count * ratio))
    smaller = max(1, round(larger / ratio))
    return (larger, smaller) if own >= other else (smaller, larger)


def score_outliers(
    run: RunStore,
    level: str,
    pair: Pair,
    radius: NDArray[np.float32],
    groups: tuple[ImageGroups, ImageGroups],
    settings: CompareSettings,
    spacing: float = 0.0,
    reading: Reading = "as-is",
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
        reading: whose neighbors. Style aside, scores count neighbors in proportion to the sizes of the datasets, so
            that those of either direction can be compared.
    """
    query_groups, reference_groups = groups
    rows, reference_rows = query_groups.rows, reference_groups.representative_rows
    query_rows, images = query_groups.representative_rows, len(rows)
    within = Pair(pair.query, pair.query)
    shared = query_groups.find_in(reference_groups)
    k = possible_k(settings.k, len(reference_groups))
    k_local = min(settings.k_local, len(query_groups) + len(reference_groups) - 1 - bool((shared >= 0).any()))
    radius_by_row = np.zeros(int(reference_rows[-1]) + 1, np.float32)
    radius_by_row[reference_rows] = reference_groups.of_representatives(radius)

    score_k, friends = k, min(_FRIENDS, len(query_groups) - 1)
    if reading == "style-aside":
        sizes = len(query_groups), len(reference_groups)
        score_k = possible_k(matched_counts(settings.k, *sizes, settings.graph_k)[1], len(reference_groups))
        friends = min(matched_counts(_FRIENDS, *sizes, settings.graph_k)[0], len(query_groups) - 1)
    distance, nearest = np.empty(images, np.float32), np.empty(images, np.float32)
    far = distance if score_k == k else np.empty(images, np.float32)
    # One byte each where that is enough: there are as many of these as images.
    from_reference, own_neighbors = (np.empty(images, np.min_scalar_type(most)) for most in (k_local, settings.k))
    in_support = np.zeros(images, bool)

    def score_part(part: slice) -> tuple[int, NDArray[np.int64]]:
        # Parts are disjoint, so threads do not get in each other's way.
        other, indices = read_group_neighbor_rows(run, level, pair, rows[part], reading)
        own = read_group_distances(run, level, within, rows[part], reading)
        distance[part], nearest[part], far[part] = other[:, k - 1], other[:, 0], other[:, score_k - 1]
        from_reference[part], counted_local = count_reference_neighbors(own, other, k_local)
        reference_count, counted = count_reference_neighbors(own, other, settings.k)
        own_neighbors[part] = counted - reference_count
        in_support[part] = in_any_ball(other, indices, radius_by_row)
        return counted_local, _clones(run, level, within, own, part, query_groups, reading)

    scored = list(map_ahead(score_part, row_slices(images)))
    k_local = min(counted for counted, _ in scored)
    in_support = query_groups.of_representatives(in_support)

    reference_to_query = np.empty(len(reference_rows), np.float32)
    ball_counts = np.empty(len(reference_rows), np.uint16)

    def look_back(part: slice) -> int:
        other, indices = read_group_neighbor_rows(run, level, pair.reversed, reference_rows[part], reading)
        reference_to_query[part] = other[:, 0]
        hits = in_ball(other, radius_by_row[reference_rows[part]])
        ball_counts[part] = hits.sum(axis=1)
        # The reverse direction finds images whose own list is full of nearer ones with smaller balls.
        in_support[positions_of(query_rows, indices[hits])] = True
        return int(other.shape[1])

    graph_k = max(map_ahead(look_back, row_slices(len(reference_rows))))

    score = _smoothed(run, level, pair.query, far, friends, query_groups, reading)
    copied = is_copied(nearest, query_groups, spacing)
    first = first_clones(np.concatenate([edges for _, edges in scored]), len(query_groups))
    outside = group_outside_p(distance, query_groups, radius, reference_groups, shared)
    outside[copied] = 1.0
    under = group_under_p(from_reference, k_local, query_groups, len(reference_groups), shared)
    return OutlierScores(
        groups=query_groups,
        reference_groups=reference_groups,
        score=score,
        friends=friends,
        group_score=group_medians(score, query_groups),
        distance=distance,
        group_distance=group_medians(distance, query_groups),
        reference_distance=reference_groups.of_representatives(radius),
        reference_group_distance=group_medians(radius, reference_groups),
        outside_p=outside,
        outside_q=q_values(outside, first),
        coded_under_p=FewValues.of(under),
        coded_under_q=FewValues.of(q_values(under, first)),
        copied=copied,
        first=first,
        fdr=settings.fdr,
        k=k,
        from_reference=from_reference,
        k_local=k_local,
        in_support=in_support,
        own_neighbors=query_groups.of_representatives(own_neighbors),
        reference_to_query=reference_to_query,
        ball_counts=ball_counts,
        graph_k=graph_k,
    )


def _clones(
    run: RunStore,
    level: str,
    within: Pair,
    distances: NDArray[np.float32],
    part: slice,
    groups: ImageGroups,
    reading: Reading,
) -> NDArray[np.int64]:
    """Return (e, 2) `clone_edges` of images at some positions; only of those that have clones neighbors are read."""
    own = np.flatnonzero(distances[:, 0] == 0) if distances.shape[1] else np.empty(0, np.int64)
    indices = read_group_indices(run, level, within, groups.rows[part][own], reading)
    return clone_edges(distances[own], indices, groups.group[part][own], groups, groups.representative_rows)


def _smoothed(
    run: RunStore,
    level: str,
    dataset: str,
    values: NDArray[np.float32],
    friends: int,
    groups: ImageGroups,
    reading: Reading,
) -> NDArray[np.float32]:
    """Return (n,) values of images, averaged with those of the nearest groups' representatives in their dataset."""
    if friends < 1:
        return values
    of_representatives, rows = groups.of_representatives(values), groups.representative_rows

    def smooth(part: slice) -> NDArray[np.float32]:
        near = read_group_indices(run, level, Pair(dataset, dataset), groups.rows[part], reading)
        near = near[:, :friends]
        of_friends = np.where(near >= 0, of_representatives[positions_of(rows, near)], 0)
        count = 1 + (near >= 0).sum(axis=1)
        return np.asarray((values[part] + of_friends.sum(axis=1, dtype=np.float64)) / count, np.float32)

    return np.concatenate(list(map_ahead(smooth, row_slices(len(values)))))

"""From the scores of images to those of groups, such that groups of different lengths compare fairly.

Each frame of a clip is a draw from the clip. The median of thirty such draws varies less than one draw, so that a group
may only be held against medians of as many.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.near import NEAR
from gapscope.compare.outlier_tests import outside_p, under_p
from gapscope.store.groups import ImageGroups

_MAX_SIZES = 8
_MAX_FRAMES = 64


def group_outside_p(
    scores: NDArray[np.float32],
    query: ImageGroups,
    reference_scores: NDArray[np.float32],
    reference: ImageGroups,
    shared: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return (m,) conformal p-values of "this group is like nothing in the reference", over groups.

    A group's score is the median of its images'. A group of f images is held against the medians of f consecutive ones
    of each reference group, drawn at random where it has more, and of all where it has fewer, which makes small
    p-values larger. Of a group at most 64 images are compared, and where there are more than eight lengths, each is
    rounded down to one of eight, for the query's group too.

    Sources: Dunn, Wasserman and Ramdas 2023, "Distribution-free prediction sets for two-layer hierarchical models";
    Lee, Barber and Willett 2023, "Distribution-free inference with hierarchical data".

    Args:
        scores: (n,) scores of the query images.
        query: their groups.
        reference_scores: (n_B,) scores of the reference images among other groups.
        reference: their groups.
        shared: (m,) number of each query group in the reference, which it is not compared with; -1 for none.
    """
    p = np.empty(len(query))
    length = _comparable_lengths(query.lengths)
    medians = group_medians(scores, query, length)
    both = shared >= 0
    for size in np.unique(length):
        chosen = length == size
        own = medians[chosen]
        others = group_medians(reference_scores, reference, size)
        p[chosen] = outside_p(own, others)
        if (itself := chosen & both).any():
            # Without the same group on the other side, there is one group less, and one less at least as far.
            counted = others[shared[itself]] >= own[both[chosen]]
            p[itself] = (p[itself] * (len(reference) + 1) - counted) / len(reference)
    return p


def is_copied(nearest: NDArray[np.float32], query: ImageGroups, spacing: float) -> NDArray[np.bool_]:
    """Return (m,) which groups the reference has an exact or near copy of: by the median of a group's images.

    What the reference holds is not outside of it, however far its k-th neighbor there is. So the outside p-value of
    such a group is set to 1; a p-value that is raised stays valid.

    Args:
        nearest: (n,) distance of each query image to the nearest group of the reference.
        query: the groups of the query images.
        spacing: `typical_spacing` of the reference.
    """
    return np.asarray(group_medians(nearest, query) <= NEAR * spacing)


def clone_edges(
    distances: NDArray[np.float32],
    neighbors: NDArray[np.int64],
    own: NDArray[np.int64],
    groups: ImageGroups,
    names: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return (e, 2) numbers of groups that are clones: of one image each, at distance 0 of each other.

    Two clips that share a frame are different clips.

    Args:
        distances: (n, k) of images to the nearest other groups of their dataset.
        neighbors: (n, k) these groups; anything where there is none.
        own: (n,) number of each image's group.
        groups: of the dataset.
        names: (m,) ascending, what `neighbors` has for each group.
    """
    image, column = np.nonzero(distances == 0)
    edges = np.stack([own[image], np.searchsorted(names, neighbors[image, column])], axis=1)
    if not groups.counts_images:
        edges = edges[(groups.lengths[edges] == 1).all(axis=1)]
    return np.asarray(edges, np.int64)


def first_clones(edges: NDArray[np.int64], groups: int) -> NDArray[np.int64] | None:
    """Return (m,) the number of the first of the clones that each of m groups belongs to, its own where it has none.

    None where there are no clones.

    Clones are connected, but not every two of them: of a hundred, each has some tens among its neighbors.

    Args:
        edges: (e, 2) from `clone_edges`.
        groups: m.
    """
    if not len(edges):
        return None
    # Not at the top: importing it takes time that only clones are worth.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(groups, groups))
    _, number = connected_components(graph, directed=False)
    return np.asarray(np.unique(number, return_index=True)[1][number], np.int64)


def group_under_p(
    from_reference: NDArray[np.integer],
    k_local: int,
    query: ImageGroups,
    references: int,
    shared: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return (m,) p-values of "the reference has too few groups like this one".

    Among an image's nearest groups, its own left out, the count of the reference's is hypergeometric over groups,
    whatever their lengths: each is represented by one image drawn at random. A group counts by the median of its
    images. That cannot be as small as a given number more than twice as often as one count, and where images of a group
    are alike it is so less often.

    Args:
        from_reference: (n,) how many of an image's `k_local` nearest groups are the reference's.
        k_local: the number of nearest groups.
        query: the groups of the query images.
        references: number of groups of the reference.
        shared: (m,) number of each query group in the reference, which is none of its neighbors; -1 for none.
    """
    counts = _upper_medians(from_reference, query)
    p = under_p(counts, k_local, len(query), references)
    both = shared >= 0
    if both.any():
        p[both] = under_p(counts[both], k_local, len(query), references - 1)
    return p


def _comparable_lengths(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many images of each group are compared: its length, or the next smaller of at most eight lengths."""
    capped = np.minimum(lengths, _MAX_FRAMES)
    sizes = np.unique(capped)
    if len(sizes) > _MAX_SIZES:
        sizes = np.unique(np.quantile(capped, np.linspace(0, 1, _MAX_SIZES, endpoint=False), method="lower"))
    return np.asarray(sizes[np.searchsorted(sizes, capped, side="right") - 1], np.int64)


def group_medians(
    values: NDArray[np.float32], groups: ImageGroups, max_images: int | NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """Return (m,) the median value of each group's images, or of `max_images` consecutive ones drawn at random.

    Args:
        values: (n,) one per image.
        groups: of the images.
        max_images: at most so many images per group, or of each group.
    """
    if groups.counts_images:
        return values
    lengths = groups.lengths if max_images is None else np.minimum(groups.lengths, max_images)
    spare = groups.lengths - lengths
    first = groups.starts + np.floor(np.random.default_rng(0).random(len(groups)) * (spare + 1)).astype(np.int64)
    ascending, starts = _sorted_by_group(values, groups, first, lengths)
    low, high = ascending[starts + (lengths - 1) // 2], ascending[starts + lengths // 2]
    # Also where both are infinite.
    return np.asarray(np.where(low == high, low, low / 2 + high / 2), np.float32)


def _upper_medians(values: NDArray[np.integer], groups: ImageGroups) -> NDArray[np.integer]:
    """Return (m,) the median value of each group's images, the larger of two."""
    if groups.counts_images:
        return values
    ascending, starts = _sorted_by_group(values, groups, groups.starts, groups.lengths)
    return np.asarray(ascending[starts + groups.lengths // 2])


def _sorted_by_group(
    values: NDArray[Any], groups: ImageGroups, first: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return values in ascending order within each group, `lengths` of each from place `first` of `groups.order` on."""
    starts = np.cumsum(lengths) - lengths
    group = np.repeat(np.arange(len(groups)), lengths)
    chosen = values[groups.order[first[group] + np.arange(len(group)) - starts[group]]]
    return chosen[np.lexsort((chosen, group))], starts

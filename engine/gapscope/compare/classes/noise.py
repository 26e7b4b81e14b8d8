"""Which classes have a gap beyond noise: permutations of which dataset each group is of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

PERMUTATIONS = 199
MAX_CENTERS = 20_000
"""So many groups are looked at, of every class about equally many."""

MIN_GROUPS = 8
"""Fewer groups of a class are too few to say anything."""

SIGNIFICANT = 0.05


@dataclass(frozen=True, eq=False)
class ClassGraph:
    """The neighbors of some groups of two datasets at one level and reading, and the classes of these groups.

    Attributes:
        centers: (c,) numbers of groups: those of the query are 0 to m - 1, the reference's follow.
        neighbors: (c, k) numbers of the nearest groups of both datasets.
    """

    centers: NDArray[np.int64]
    neighbors: NDArray[np.int64]


def choose_centers(
    group: NDArray[np.int64], label: NDArray[np.int64], classes: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return the groups to look at: all, or where these are too many, about as many of every class.

    Args:
        group: (e,) number of a group.
        label: (e,) number of a class that it has.
        classes: how many there are.
        random: draws the groups.

    Returns:
        Numbers of groups, ascending.
    """
    every = np.unique(group)
    if len(every) <= MAX_CENTERS:
        return every
    order = np.lexsort((random.random(len(group)), label))
    starts = np.searchsorted(label[order], np.arange(classes))
    place = np.arange(len(order)) - starts[label[order]]
    per_class = max(MIN_GROUPS, MAX_CENTERS // classes)
    return np.unique(group[order[place < per_class]])


def beyond_noise(
    graphs: Sequence[ClassGraph],
    group: NDArray[np.int64],
    label: NDArray[np.int64],
    classes: int,
    sizes: tuple[int, int],
) -> list[list[bool | None]]:
    """Return, per level and reading, which classes have fewer neighbors of the reference than by chance.

    Where datasets do not differ, which of them a group is of is chance: these labels are permuted among all groups of
    both, and the classes and the graphs stay. Of each class, the share of the reference among the neighbors of the
    query's groups is held against its mean over the permutations, in standard deviations. The largest over all classes,
    levels and readings of each permutation corrects for how many there are (Westfall and Young 1993): where nothing
    differs, any class is beyond noise in 5% of runs.

    Args:
        graphs: one per level and reading, of the same centers.
        group: (e,) number of a group; those of the query are 0 to m - 1, the reference's follow.
        label: (e,) number of a class that it has.
        classes: how many there are.
        sizes: groups of the query and of the reference.

    Returns:
        One list per graph; None for a class with fewer than eight groups of the query among the centers.
    """
    total = sum(sizes)
    random = np.random.default_rng(0)
    centers = graphs[0].centers
    chosen = np.isin(group, centers)
    # Rows are classes, columns centers.
    member = csr_array(
        (np.ones(int(chosen.sum()), np.float32), (label[chosen], np.searchsorted(centers, group[chosen]))),
        shape=(classes, len(centers)),
    )
    is_query = np.arange(total) < sizes[0]
    enough = member @ is_query[centers].astype(np.float32) >= MIN_GROUPS
    if not enough.any():
        return [[None] * classes for _ in graphs]
    labels = [is_query, *(random.permutation(is_query) for _ in range(PERMUTATIONS))]
    scores = []
    for graph in graphs:
        shares = np.array([_reference_shares(own, graph, member) for own in labels])
        # A class may have no group of the query in a permutation.
        mean, deviation = np.nanmean(shares[:, enough], axis=0), np.nanstd(shares[:, enough], axis=0)
        scores.append(np.nan_to_num((mean - shares[:, enough]) / np.maximum(deviation, 1e-9)))
    largest = np.max([own.max(axis=1) for own in scores], axis=0)
    found = []
    for own in scores:
        # The observed labels are one of the permutations.
        p = (largest[None, :] >= own[0][:, None] - 1e-9).mean(axis=1)
        verdicts = np.full(classes, None, dtype=object)
        verdicts[enough] = (p <= SIGNIFICANT).tolist()
        found.append(verdicts.tolist())
    return found


def _reference_shares(is_query: NDArray[np.bool_], graph: ClassGraph, member: csr_array) -> NDArray[np.float64]:
    """Return, per class, the mean share of the reference around its groups of the query; NaN for none."""
    own = is_query[graph.centers].astype(np.float32)
    from_reference = 1 - is_query[graph.neighbors].mean(axis=1, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        return np.asarray((member @ (own * from_reference)) / (member @ own), np.float64)

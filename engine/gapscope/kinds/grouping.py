"""Which of the nominated images are alike: communities of their neighbor graph, over all lists that hold them."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gapscope.compare.sample import sample
from gapscope.kinds.nominations import LevelList, Nominations
from gapscope.store.ahead import map_ahead
from gapscope.store.arrays import row_slices
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.neighbors import read_group_indices
from gapscope.store.run_store import RunStore

MAX_GROUPED = 50_000
"""Groups that are grouped; where more are nominated, the others are assigned to the kinds of these."""
MIN_SIZE = 3
"""Groups of a kind."""

_NEAREST = 15
_MERGED = 0.08
_AMONG_LISTED = 1 / 3
_MEMBER = 0.25
_MAX_LISTS = 3
_LINKS, _MIN_VOTES, _ROUNDS = 8, 2, 5


def group_nominated(run: RunStore, pair: Pair, nominations: Nominations) -> list[NDArray[np.int64]]:
    """Return the kinds of a pair: numbers of the groups of each, ascending, the largest kind first.

    A nominated group points to its nearest of its own dataset at every list that nominates, listed or not, and a list
    weighs as much as it holds: the levels at which images stand out are those at which they are like each other. The
    communities of this graph are found by Leiden's algorithm, and joined where much of what either points to lies in
    the other. A group that points mostly to what is not listed belongs to no kind: so images that are listed here and
    there among many that are not make none.

    Source: Traag, Waltman and van Eck 2019, "From Louvain to Leiden: guaranteeing well-connected communities".

    Args:
        run: the run.
        pair: of datasets.
        nominations: what the levels list of it.
    """
    nominated = nominations.nominated
    if len(nominated) < MIN_SIZE:
        return []
    grouped = sample(nominated, MAX_GROUPED)
    lists = sorted(nominations.nominating, key=lambda own: len(own.listed), reverse=True)
    if len(grouped) < len(nominated):
        lists = lists[:_MAX_LISTS]
    edges, among = _edges(run, pair, lists, nominations.groups, nominated, grouped)
    own = np.searchsorted(nominated, grouped)
    labels = _group(edges[own], among[own])
    if len(grouped) < len(nominated):
        labels = _assign(edges, among, labels)
        labels = _spread(_links(run, pair, lists[0], nominations.groups, nominated), among, labels)
    sizes = np.bincount(labels[labels >= 0])
    order = np.argsort(-sizes, kind="stable")
    return [nominated[labels == kind] for kind in order.tolist() if sizes[kind] >= MIN_SIZE]


def _edges(
    run: RunStore,
    pair: Pair,
    lists: Sequence[LevelList],
    groups: ImageGroups,
    nominated: NDArray[np.int64],
    grouped: NDArray[np.int64],
) -> tuple[sparse.csr_array, NDArray[np.float32]]:
    """Return (c, s) edges from each nominated group to those of its nearest that are grouped, and (c,) their sums.

    The sum is the share, 0 to 1, of what a group points to that is nominated. Where only a sample of the nominated is
    grouped, an edge to a group of the sample stands for the others, too.
    """
    rows, columns = groups.representative_rows[nominated], groups.representative_rows[grouped]
    total, is_whole = sum(len(own.listed) for own in lists), len(nominated) == len(grouped)
    is_nominated = np.zeros(int(groups.representative_rows[-1]) + 1, bool)
    is_nominated[rows] = True
    graph = sparse.csr_array((len(nominated), len(grouped)), dtype=np.float32)
    among = np.zeros(len(nominated), np.float32)

    def edges_of(own: LevelList, part: slice) -> sparse.csr_array:
        near = read_group_indices(run, own.level, Pair(pair.query, pair.query), rows[part], own.reading)
        near = near[:, :_NEAREST] if is_whole else near
        weight = np.float32(len(own.listed) / total / near.shape[1])
        # Parts are disjoint, so threads do not get in each other's way.
        among[part] += weight * (is_nominated[np.maximum(near, 0)] & (near >= 0)).sum(axis=1)
        place = np.minimum(np.searchsorted(columns, near), len(columns) - 1)
        image, nth = np.nonzero((near >= 0) & (columns[place] == near))
        edges = np.full(len(image), weight), (image, place[image, nth].astype(np.int32))
        return sparse.csr_array(edges, shape=(len(near), len(grouped)))

    for own in lists:
        parts = map_ahead(partial(edges_of, own), row_slices(len(nominated)))
        graph = graph + sparse.vstack(list(parts), format="csr")
    if not is_whole:
        sums = np.asarray(graph.sum(axis=1)).ravel()
        graph = sparse.csr_array(sparse.diags_array(among / np.where(sums > 0, sums, 1)) @ graph)
    return graph, among


def _group(graph: sparse.csr_array, among: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return (s,) the kind of each node, -1 for none."""
    labels = np.full(graph.shape[0], -1, np.int64)
    kept = np.flatnonzero(among >= _AMONG_LISTED)
    # What pointed to those that are left out may point to too few now.
    while len(kept):
        inside = graph[kept][:, kept]
        enough = np.asarray(inside.sum(axis=1)).ravel() >= _AMONG_LISTED
        if enough.all():
            labels[kept] = _drop_strays(inside, _merge(inside, _communities(inside)))
            break
        kept = kept[enough]
    return labels


def _communities(graph: sparse.csr_array) -> NDArray[np.int64]:
    """Return (s,) the number of the community of each node; -1 for those that have no edge."""
    # Not at the top: importing it takes time that only a run with anything listed is worth.
    from sknetwork.clustering import Leiden

    symmetric = sparse.csr_matrix(graph + graph.T)
    linked = np.flatnonzero(np.diff(symmetric.indptr))
    labels = np.full(graph.shape[0], -1, np.int64)
    if len(linked):
        labels[linked] = Leiden(random_state=0).fit_predict(symmetric[linked][:, linked])
    return labels


def _members(labels: NDArray[np.int64]) -> sparse.csr_array:
    """Return (s, c): 1 where a node is in a community."""
    inside = np.flatnonzero(labels >= 0)
    ones = np.ones(len(inside), np.float32)
    return sparse.csr_array((ones, (inside, labels[inside])), shape=(len(labels), int(labels.max(initial=-1)) + 1))


def _merge(graph: sparse.csr_array, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join communities, those that are closest first, until no two are close.

    Two are close where the edges between them, half of those there and half of those back, are 8% or more of all that
    the groups of the smaller one point to. Each round joins the pairs that are closest to each other.
    """
    while labels.max(initial=-1) > 0:
        members = _members(labels)
        between = members.T @ graph @ members
        between = sparse.coo_array((between + between.T) / 2)
        sizes = np.bincount(labels[labels >= 0])
        first, second = between.coords
        closeness = between.data / np.minimum(sizes[first], sizes[second])
        kept = np.flatnonzero((first != second) & (closeness >= _MERGED))
        # Of equally close ones the first, so that each has one closest.
        order = kept[np.lexsort((second[kept], -closeness[kept], first[kept]))]
        starts = np.unique(first[order], return_index=True)[1]
        closest = np.full(len(sizes), -1)
        closest[first[order[starts]]] = second[order[starts]]
        mutual = np.flatnonzero((closest >= 0) & (closest[closest] == np.arange(len(sizes))))
        joined = mutual[mutual < closest[mutual]]
        if not len(joined):
            break
        number = np.arange(len(sizes))
        number[closest[joined]] = joined
        number = np.unique(number, return_inverse=True)[1]
        labels = np.where(labels >= 0, number[labels], -1)
    return labels


def _drop_strays(graph: sparse.csr_array, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return labels without the groups that point to others than their kind's with three quarters or more."""
    while (labels >= 0).any():
        inside = np.flatnonzero(labels >= 0)
        shares = (graph[inside] @ _members(labels)).tocsr()
        own = np.asarray(shares[np.arange(len(inside)), labels[inside]]).ravel()
        strays = inside[own < _MEMBER]
        if not len(strays):
            break
        labels = labels.copy()
        labels[strays] = -1
    return labels


def _assign(edges: sparse.csr_array, among: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (c,) the kind that each nominated group points to most, -1 where that is less than a quarter."""
    if not (labels >= 0).any():
        return np.full(edges.shape[0], -1, np.int64)
    shares = sparse.csr_array(edges @ _members(labels))
    best = np.asarray(shares.argmax(axis=1)).ravel()
    strength = np.asarray(shares.max(axis=1).todense()).ravel()
    return np.where((strength >= _MEMBER) & (among >= _AMONG_LISTED), best, -1)


def _links(
    run: RunStore, pair: Pair, own: LevelList, groups: ImageGroups, nominated: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Return (c, 8) positions of the nearest nominated groups of each nominated one, -1 where there are fewer."""
    rows = groups.representative_rows[nominated]
    place_of = np.full(int(groups.representative_rows[-1]) + 1, -1, np.int32)
    place_of[rows] = np.arange(len(rows), dtype=np.int32)
    links = np.empty((len(nominated), _LINKS), np.int32)

    def fill(part: slice) -> None:
        near = read_group_indices(run, own.level, Pair(pair.query, pair.query), rows[part], own.reading)
        places = np.where(near >= 0, place_of[np.maximum(near, 0)], -1)
        first = np.argsort(places < 0, axis=1, kind="stable")[:, :_LINKS]
        links[part] = -1
        links[part, : first.shape[1]] = np.take_along_axis(places, first, axis=1)

    for _ in map_ahead(fill, row_slices(len(nominated))):
        pass
    return links


def _spread(links: NDArray[np.int32], among: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return labels in which groups without one have that of most of their nearest, round by round.

    Some groups point to none of the sample that was grouped; what they point to does.
    """
    labels = labels.copy()
    for _ in range(_ROUNDS):
        without = np.flatnonzero((labels < 0) & (among >= _AMONG_LISTED))
        most, votes = most_frequent(np.where(links[without] >= 0, labels[links[without]], -1))
        chosen = votes >= _MIN_VOTES
        if not chosen.any():
            break
        labels[without[chosen]] = most[chosen]
    return labels


def most_frequent(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return per row of (n, k) numbers the most frequent one that is not -1, and how often it is there; else -1 and 0.

    Example:
        >>> most, votes = most_frequent(np.array([[3, 5, 3], [-1, -1, 2], [-1, -1, -1]]))
        >>> most.tolist(), votes.tolist()
        ([3, 2, -1], [2, 1, 0])
    """
    counts = [((numbers == column[:, None]) & (numbers >= 0)).sum(axis=1) for column in numbers.T]
    votes = np.stack(counts, axis=1)
    best = votes.argmax(axis=1)
    rows = np.arange(len(numbers))
    return np.where(votes[rows, best] > 0, numbers[rows, best], -1), votes[rows, best]

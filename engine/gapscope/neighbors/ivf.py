"""Approximate nearest neighbors from an inverted file (IVF), at a recall that is measured on a sample."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.exact import exact_neighbors, keep_nearest, read_ahead
from gapscope.neighbors.result import Neighbors, own_positions, recall

RECALL = 0.95
"""Share of the true neighbors that the search must find for the sample."""

_SAMPLE = 500
_QUERY_TILE = 16384
_PART_ROWS = 2**20
_FIRST_NPROBE = 8
_STEP = 2.0


class Ivf(Protocol):
    """An inverted file: vectors grouped around `nlist` centroids, of which a search visits the `nprobe` nearest.

    With nprobe = nlist the search is exact. Sivic and Zisserman 2003; Jegou, Douze and Schmid 2011.
    """

    @property
    def nlist(self) -> int:
        """Number of lists, one per centroid."""

    def search(self, vectors: NDArray[np.float32], k: int, nprobe: int) -> tuple[Tensor, Tensor]:
        """Return half squared distances and positions (n, k) of the nearest in `nprobe` lists; -1 for none.

        The distances are computed from differences, so equal vectors get exactly 0. Both tensors are on the device
        that searched.
        """


BuildIndex = Callable[[NDArray[np.float32], NDArray[np.float32]], Ivf]
"""Builds an index of the first vectors (n, channels) for queries like the second (m, channels)."""

Search = Callable[[EmbeddingView], Neighbors]
"""Finds the nearest vectors of a reference, which was indexed before, for each vector of a query."""


def ivf_neighbors(
    query: EmbeddingView,
    reference: EmbeddingView,
    k: int,
    *,
    same: bool,
    build_index: BuildIndex,
    device: torch.device,
    min_recall: float = RECALL,
    sample_size: int = _SAMPLE,
    step: float = _STEP,
) -> Neighbors:
    """Find nearly the k nearest vectors of `reference` for each vector of `query`.

    The search raises nprobe until it finds `min_recall` of what an exact search finds for a sample. The reference is
    indexed in parts of equal size, so that the index's memory does not grow with it.

    Args:
        query: the vectors whose neighbors are wanted.
        reference: the vectors to search, with the query's metric.
        k: number of neighbors; a smaller reference gives fewer.
        same: whether images of the same identity are not each other's neighbors.
        build_index: builds an index.
        device: where the sample is searched exactly.
        min_recall: share of the true neighbors that the search must find for the sample.
        sample_size: number of queries in the sample.
        step: by how many times nprobe is raised at a time.
    """
    random = np.random.default_rng(0)
    sample_rows = np.sort(random.choice(len(query), min(sample_size, len(query)), replace=False))
    sample = query.take(sample_rows)
    nearest = _Nearest.none_yet(len(query), k)
    exact = np.empty((len(sample_rows), 0), np.float32)
    for first in range(0, len(reference), _PART_ROWS):
        part = reference.take(slice(first, first + _PART_ROWS))
        exact_part = exact_neighbors(sample, part, k, same=same, device=device).distances
        exact = np.sort(np.concatenate([exact, exact_part], axis=1), axis=1)[:, :k]
        index = build_index(part.tile(0, len(part)), sample.tile(0, len(sample)))
        nprobe = _choose_nprobe(index, sample, part, k, exact_part, same=same, min_recall=min_recall, step=step)
        nearest.merge(query, _IndexedPart(first, part, index, nprobe), same=same)
    found = nearest.to_neighbors(query)
    return found._replace(recall=recall(found.distances[sample_rows], exact), sample=len(sample_rows))


def ivf_search(
    reference: EmbeddingView,
    k: int,
    *,
    build_index: BuildIndex,
    device: torch.device,
) -> Search:
    """Index a reference once, and return a function that finds nearly the k nearest vectors of it for each query.

    What a query finds does not depend on the other queries: nprobe is chosen by a sample of the reference.

    Args:
        reference: the vectors to search.
        k: number of neighbors; a smaller reference gives fewer.
        build_index: builds an index.
        device: where the sample is searched exactly.
    """
    parts = []
    for first in range(0, len(reference), _PART_ROWS):
        part = reference.take(slice(first, first + _PART_ROWS))
        sample = part.take(np.linspace(0, len(part) - 1, min(_SAMPLE, len(part)), dtype=np.int64))
        index = build_index(part.tile(0, len(part)), sample.tile(0, len(sample)))
        exact = exact_neighbors(sample, part, k, same=True, device=device).distances
        parts.append(_IndexedPart(first, part, index, _choose_nprobe(index, sample, part, k, exact, same=True)))

    def search(query: EmbeddingView) -> Neighbors:
        nearest = _Nearest.none_yet(len(query), k)
        for part in parts:
            nearest.merge(query, part, same=False)
        return nearest.to_neighbors(query)

    return search


class _IndexedPart(NamedTuple):
    """A part of a reference, which begins at position `first`."""

    first: int
    view: EmbeddingView
    ivf: Ivf
    nprobe: int


class _Nearest(NamedTuple):
    """The nearest of each query so far: (n, k) half squared distances and positions in the reference."""

    half_squares: NDArray[np.float32]
    positions: NDArray[np.int64]

    @classmethod
    def none_yet(cls, queries: int, k: int) -> "_Nearest":
        return cls(np.full((queries, k), np.inf, np.float32), np.full((queries, k), -1, np.int64))

    def merge(self, query: EmbeddingView, part: _IndexedPart, *, same: bool) -> None:
        """Search a part of the reference for all queries, and keep what is nearer."""
        k, start = self.positions.shape[1], 0
        for vectors in read_ahead(query.tiles(_QUERY_TILE)):
            tile = slice(start, start + len(vectors))
            start += len(vectors)
            own = own_positions(query.identities[tile], part.view.identities) if same else None
            nearest, positions = _search(part.ivf, vectors, own, k, part.nprobe)
            positions = positions + part.first
            if part.first:
                nearest = torch.cat([torch.from_numpy(self.half_squares[tile]).to(nearest.device), nearest], dim=1)
                positions = torch.cat([torch.from_numpy(self.positions[tile]).to(positions.device), positions], dim=1)
            nearest, positions = keep_nearest(nearest, positions, k)
            self.half_squares[tile], self.positions[tile] = nearest.cpu().numpy(), positions.cpu().numpy()

    def to_neighbors(self, query: EmbeddingView) -> Neighbors:
        positions = np.where(np.isfinite(self.half_squares), self.positions, -1)
        return Neighbors(query.to_distance(self.half_squares), positions, "ivf")


def _choose_nprobe(
    index: Ivf,
    sample: EmbeddingView,
    part: EmbeddingView,
    k: int,
    exact: NDArray[np.float32],
    *,
    same: bool,
    min_recall: float = RECALL,
    step: float = _STEP,
) -> int:
    """Raise nprobe until the sample's recall reaches `min_recall`."""
    nprobe = min(_FIRST_NPROBE, index.nlist)
    vectors, own = sample.tile(0, len(sample)), own_positions(sample.identities, part.identities) if same else None
    while nprobe < index.nlist:
        nearest, _ = _search(index, vectors, own, k, nprobe)
        if recall(np.sort(sample.to_distance(nearest.cpu().numpy()), axis=1), exact) >= min_recall:
            break
        nprobe = min(round(step * nprobe), index.nlist)
    return nprobe


def _search(
    index: Ivf, vectors: NDArray[np.float32], own: NDArray[np.int64] | None, k: int, nprobe: int
) -> tuple[Tensor, Tensor]:
    """Search the index. `own` is each vector's own position in it, or -1, and is never its neighbor."""
    half_squares, positions = index.search(vectors, k + (own is not None), nprobe)
    half_squares = torch.where(positions >= 0, half_squares, torch.inf)
    if own is not None:
        half_squares[positions == torch.from_numpy(own).to(positions.device)[:, None]] = torch.inf
    return half_squares, positions

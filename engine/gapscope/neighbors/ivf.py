"""Approximate nearest neighbors from an inverted file (IVF), at a recall that is measured on a sample."""

from collections.abc import Callable
from typing import Protocol

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


def ivf_neighbors(
    query: EmbeddingView,
    reference: EmbeddingView,
    k: int,
    *,
    same: bool,
    batch_invariant: bool,
    build_index: Callable[[NDArray[np.float32]], Ivf],
    device: torch.device,
) -> Neighbors:
    """Find nearly the k nearest vectors of `reference` for each vector of `query`.

    The search raises nprobe until it finds `RECALL` of what an exact search finds for a sample. The reference is
    indexed in parts of equal size, so that the index's memory does not grow with it.

    Args:
        query: the vectors whose neighbors are wanted.
        reference: the vectors to search, with the query's metric.
        k: number of neighbors; a smaller reference gives fewer.
        same: whether images of the same identity are not each other's neighbors.
        batch_invariant: a query's neighbors must not depend on the other queries; the sample is then drawn from the
            reference instead of the query.
        build_index: builds an index of vectors (n, channels).
        device: where the sample is searched exactly.
    """
    random = np.random.default_rng(0)
    sample_rows = np.sort(random.choice(len(query), min(_SAMPLE, len(query)), replace=False))
    sample = query.take(sample_rows)
    half_squares = np.full((len(query), k), np.inf, np.float32)
    indices = np.full((len(query), k), -1, np.int64)
    exact = np.empty((len(sample_rows), 0), np.float32)
    for first in range(0, len(reference), _PART_ROWS):
        part = reference.take(slice(first, first + _PART_ROWS))
        exact_part = exact_neighbors(sample, part, k, same=same, device=device).distances
        exact = np.sort(np.concatenate([exact, exact_part], axis=1), axis=1)[:, :k]
        index = build_index(part.tile(0, len(part)))
        if batch_invariant:
            nprobe = _choose_nprobe_from_reference(index, part, k, device)
        else:
            nprobe = _choose_nprobe(index, sample, part, k, exact_part, same=same)
        start = 0
        for vectors in read_ahead(query.tiles(_QUERY_TILE)):
            tile = slice(start, start + len(vectors))
            start += len(vectors)
            own = own_positions(query.identities[tile], part.identities) if same else None
            nearest, positions = _search(index, vectors, own, k, nprobe)
            positions = positions + first
            if first:
                nearest = torch.cat([torch.from_numpy(half_squares[tile]).to(nearest.device), nearest], dim=1)
                positions = torch.cat([torch.from_numpy(indices[tile]).to(positions.device), positions], dim=1)
            nearest, positions = keep_nearest(nearest, positions, k)
            half_squares[tile], indices[tile] = nearest.cpu().numpy(), positions.cpu().numpy()
    distances = query.to_distance(half_squares)
    indices = np.where(np.isfinite(half_squares), indices, -1)
    return Neighbors(distances, indices, "ivf", recall(distances[sample_rows], exact), len(sample_rows))


def _choose_nprobe_from_reference(index: Ivf, part: EmbeddingView, k: int, device: torch.device) -> int:
    sample = part.take(np.linspace(0, len(part) - 1, min(_SAMPLE, len(part)), dtype=np.int64))
    exact = exact_neighbors(sample, part, k, same=True, device=device).distances
    return _choose_nprobe(index, sample, part, k, exact, same=True)


def _choose_nprobe(
    index: Ivf, sample: EmbeddingView, part: EmbeddingView, k: int, exact: NDArray[np.float32], *, same: bool
) -> int:
    """Double nprobe until the sample's recall reaches `RECALL`."""
    nprobe = min(_FIRST_NPROBE, index.nlist)
    vectors, own = sample.tile(0, len(sample)), own_positions(sample.identities, part.identities) if same else None
    while nprobe < index.nlist:
        nearest, _ = _search(index, vectors, own, k, nprobe)
        if recall(np.sort(sample.to_distance(nearest.cpu().numpy()), axis=1), exact) >= RECALL:
            break
        nprobe = min(2 * nprobe, index.nlist)
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

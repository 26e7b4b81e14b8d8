"""Nearest neighbors without comparing everything with everything, with a recall that is measured, not hoped for."""

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
"""Share of the true neighbors that a search has to find on the sample before it is let loose on all."""

_SAMPLE = 500
_QUERY_TILE = 16384
_PART_ROWS = 2**20
_FIRST_PROBES = 8


class Ivf(Protocol):
    """An inverted file of some vectors: they lie in cells around centres, and a search looks into the nearest cells.

    Sivic and Zisserman 2003; Jegou, Douze and Schmid 2011. It is exact where it looks into all cells.
    """

    @property
    def count(self) -> int:
        """Number of cells."""

    def search(self, vectors: NDArray[np.float32], k: int, nprobe: int) -> tuple[Tensor, Tensor]:
        """Return half squared distances and positions (n, k) of the nearest in `nprobe` cells; -1 for none.

        The distances come from differences: equal vectors get exactly 0. Both stay where they were computed.
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
    """Find nearly the k nearest vectors of `reference` for each of `query`.

    As many cells are looked into as a sample of the queries needs to find `RECALL` of what an exact search finds. The
    reference is taken in parts, so that memory does not grow with it.

    Args:
        query: the vectors that look for neighbors.
        reference: the vectors they are found among, in the query's metric.
        k: how many; fewer where the reference has fewer.
        same: both are of one dataset, and no image may be its own neighbor.
        batch_invariant: what is found for a query must not depend on the others; the sample is then of the reference.
        build_index: makes cells of vectors (n, channels).
        device: where the sample is searched exactly.
    """
    random = np.random.default_rng(0)
    chosen = np.sort(random.choice(len(query), min(_SAMPLE, len(query)), replace=False))
    sample = query.take(chosen)
    near = np.full((len(query), k), np.inf, np.float32)
    where = np.full((len(query), k), -1, np.int64)
    true = np.empty((len(chosen), 0), np.float32)
    for first in range(0, len(reference), _PART_ROWS):
        part = reference.take(slice(first, first + _PART_ROWS))
        exact = exact_neighbors(sample, part, k, same=same, device=device).distances
        true = np.sort(np.concatenate([true, exact], axis=1), axis=1)[:, :k]
        cells = build_index(part.tile(0, len(part)))
        nprobe = (
            _probes(cells, part, k, device) if batch_invariant else _enough(cells, sample, part, k, exact, same=same)
        )
        start = 0
        for vectors in read_ahead(query.tiles(_QUERY_TILE)):
            asking = slice(start, start + len(vectors))
            start += len(vectors)
            own = own_positions(query.rows[asking], part.rows) if same else None
            found, at = _look(cells, vectors, own, k, nprobe)
            at = at + first
            if first:
                found = torch.cat([torch.from_numpy(near[asking]).to(found.device), found], dim=1)
                at = torch.cat([torch.from_numpy(where[asking]).to(at.device), at], dim=1)
            found, at = keep_nearest(found, at, k)
            near[asking], where[asking] = found.cpu().numpy(), at.cpu().numpy()
    distances = query.to_distance(near)
    indices = np.where(np.isfinite(near), where, -1)
    return Neighbors(distances, indices, "ivf", recall(distances[chosen], true), len(chosen))


def _probes(cells: Ivf, part: EmbeddingView, k: int, device: torch.device) -> int:
    sample = part.take(np.linspace(0, len(part) - 1, min(_SAMPLE, len(part)), dtype=np.int64))
    exact = exact_neighbors(sample, part, k, same=True, device=device).distances
    return _enough(cells, sample, part, k, exact, same=True)


def _enough(
    cells: Ivf, sample: EmbeddingView, part: EmbeddingView, k: int, exact: NDArray[np.float32], *, same: bool
) -> int:
    nprobe = min(_FIRST_PROBES, cells.count)
    vectors, own = sample.tile(0, len(sample)), own_positions(sample.rows, part.rows) if same else None
    while nprobe < cells.count:
        found, _ = _look(cells, vectors, own, k, nprobe)
        if recall(np.sort(sample.to_distance(found.cpu().numpy()), axis=1), exact) >= RECALL:
            break
        nprobe = min(2 * nprobe, cells.count)
    return nprobe


def _look(
    cells: Ivf, vectors: NDArray[np.float32], own: NDArray[np.int64] | None, k: int, nprobe: int
) -> tuple[Tensor, Tensor]:
    """Search cells for vectors, whose own positions, if they have any there, are no neighbors of theirs."""
    near, where = cells.search(vectors, k + (own is not None), nprobe)
    near = torch.where(where >= 0, near, torch.inf)
    if own is not None:
        near[where == torch.from_numpy(own).to(where.device)[:, None]] = torch.inf
    return near, where

"""Nearest neighbours by comparing everything with everything, a tile at a time, on any torch device."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gapscope.neighbors.unit_rows import UnitRows

_QUERY_TILE = 2048
_REFERENCE_TILE = 16384
_GATHER_BYTES = 256 * 2**20


def exact_neighbors(
    query: UnitRows, reference: UnitRows, k: int, *, same: bool, device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Find the k nearest vectors of `reference` for each of `query`, by cosine distance.

    Args:
        query: the vectors that look for neighbours.
        reference: the vectors they are found among.
        k: how many; fewer where the reference has fewer.
        same: `query` and `reference` are the same vectors, and none may be its own neighbour.
        device: where to compute.

    Returns:
        Distances (n, k) ascending, and positions in `reference` (n, k); infinite and -1 where there are fewer than k.
        Equal distances are in the order of position, and those of equal vectors are exactly 0.
    """
    distances = np.full((len(query), k), np.inf, np.float32)
    indices = np.full((len(query), k), -1, np.int64)
    found = min(k, len(reference) - same)
    if found <= 0:
        return distances, indices
    for start in range(0, len(query), _QUERY_TILE):
        stop = min(start + _QUERY_TILE, len(query))
        vectors = torch.from_numpy(query.tile(start, stop)).to(device)
        near, where = _nearest(vectors, reference, found, first=start if same else None)
        distances[start:stop, :found] = near.cpu().numpy()
        indices[start:stop, :found] = where.cpu().numpy()
    return distances, indices


def _nearest(vectors: Tensor, reference: UnitRows, k: int, first: int | None) -> tuple[Tensor, Tensor]:
    near = torch.empty((len(vectors), 0), device=vectors.device)
    where = torch.empty((len(vectors), 0), dtype=torch.int64, device=vectors.device)
    for start in range(0, len(reference), _REFERENCE_TILE):
        stop = min(start + _REFERENCE_TILE, len(reference))
        tile = torch.from_numpy(reference.tile(start, stop)).to(vectors.device)
        # Half the squared distance, short of the query's own length, which is the same for every candidate.
        apart = tile.square().sum(dim=1) / 2 - vectors @ tile.T
        if first is not None:
            own = torch.arange(max(first, start), max(first, start, min(first + len(vectors), stop)))
            apart[own - first, own - start] = torch.inf
        at = apart.topk(min(k, stop - start), dim=1, largest=False).indices
        measured = _half_squares(vectors, tile, at)
        if first is not None:
            itself = at + start == torch.arange(first, first + len(vectors), device=at.device)[:, None]
            measured[itself] = torch.inf
        near, where = _ordered(torch.cat([near, measured], dim=1), torch.cat([where, at + start], dim=1), k)
    return near, where


def _half_squares(vectors: Tensor, tile: Tensor, at: Tensor) -> Tensor:
    # From differences, not products: equal vectors get exactly 0, and nothing depends on how tiles were cut.
    measured = torch.empty(at.shape, device=vectors.device)
    rows = max(1, _GATHER_BYTES // (4 * at.shape[1] * vectors.shape[1]))
    for start in range(0, len(vectors), rows):
        part = slice(start, start + rows)
        measured[part] = (tile[at[part]] - vectors[part, None]).square().sum(dim=2) / 2
    return measured


def _ordered(near: Tensor, where: Tensor, k: int) -> tuple[Tensor, Tensor]:
    where, by_position = where.sort(dim=1)
    near, by_distance = near.gather(1, by_position).sort(dim=1, stable=True)
    return near[:, :k], where.gather(1, by_distance)[:, :k]

"""Nearest neighbours by comparing everything with everything, a tile at a time, on any torch device."""

import numpy as np
import torch
from torch import Tensor

from gapscope.neighbors.found import Neighbors, own_positions
from gapscope.neighbors.unit_rows import UnitRows

_QUERY_TILE = 2048
_REFERENCE_TILE = 16384
_GATHER_BYTES = 64 * 2**20
_ROUNDING = 1e-5
_SPARE = 4
"""Candidates beyond k: which of them are the nearest is decided by what they measure, not by how products round."""


def exact_neighbors(query: UnitRows, reference: UnitRows, k: int, *, same: bool, device: torch.device) -> Neighbors:
    """Find the k nearest vectors of `reference` for each of `query`.

    Args:
        query: the vectors that look for neighbours.
        reference: the vectors they are found among, in the query's metric.
        k: how many; fewer where the reference has fewer.
        same: both are of one dataset, and no image may be its own neighbour.
        device: where to compute.

    Returns:
        See `Neighbors`. Equal distances are in the order of position, and those of equal vectors are exactly 0.
    """
    distances = np.full((len(query), k), np.inf, np.float32)
    indices = np.full((len(query), k), -1, np.int64)
    found = min(k, len(reference))
    if found <= 0:
        return Neighbors(distances, indices)
    own = own_positions(query.rows, reference.rows) if same else np.full(len(query), -1, np.int64)
    for start in range(0, len(query), _QUERY_TILE):
        stop = min(start + _QUERY_TILE, len(query))
        vectors = torch.from_numpy(query.tile(start, stop)).to(device)
        near, where = _nearest(vectors, reference, found, torch.from_numpy(own[start:stop]).to(device))
        distances[start:stop, :found] = query.distance(near.cpu().numpy())
        indices[start:stop, :found] = np.where(np.isfinite(distances[start:stop, :found]), where.cpu().numpy(), -1)
    return Neighbors(distances, indices)


def _nearest(vectors: Tensor, reference: UnitRows, k: int, own: Tensor) -> tuple[Tensor, Tensor]:
    near = torch.empty((len(vectors), 0), device=vectors.device)
    where = torch.empty((len(vectors), 0), dtype=torch.int64, device=vectors.device)
    for start in range(0, len(reference), _REFERENCE_TILE):
        stop = min(start + _REFERENCE_TILE, len(reference))
        tile = torch.from_numpy(reference.tile(start, stop)).to(vectors.device)
        # Half the squared distance, short of the query's own length, which is the same for every candidate.
        apart = torch.addmm(tile.square().sum(dim=1) / 2, vectors, tile.T, alpha=-1)
        asking = torch.nonzero((own >= start) & (own < stop))[:, 0]
        apart[asking, own[asking] - start] = torch.inf
        roughly, at = apart.topk(min(k + _SPARE, stop - start), dim=1, largest=False)
        measured = _measured(vectors, tile, roughly, at, near[:, k - 1 : k])
        near, where = ordered(torch.cat([near, measured], dim=1), torch.cat([where, at + start], dim=1), k)
    return near, where


def _measured(vectors: Tensor, tile: Tensor, roughly: Tensor, at: Tensor, farthest: Tensor) -> Tensor:
    """Return half squared distances to rows `at` of a tile (n, k), infinite where they cannot be among the nearest."""
    if farthest.shape[1]:
        length = vectors.square().sum(dim=1, keepdim=True) / 2
        worth = roughly <= farthest - length + _ROUNDING * (1 + length)
    else:
        worth = roughly < torch.inf
    measured = torch.full(at.shape, torch.inf, device=at.device)
    query, column = torch.nonzero(worth, as_tuple=True)
    rows = max(1, _GATHER_BYTES // (4 * vectors.shape[1]))
    for start in range(0, len(query), rows):
        # From differences, not products: equal vectors get exactly 0, and nothing depends on how tiles were cut.
        one, other = query[start : start + rows], column[start : start + rows]
        measured[one, other] = (tile[at[one, other]] - vectors[one]).square().sum(dim=1) / 2
    return measured


def half_squares(vectors: Tensor, tile: Tensor, at: Tensor) -> Tensor:
    """Return half the squared distance (n, k) of each vector (n, channels) to the rows `at` (n, k) of `tile`."""
    measured = torch.empty(at.shape, device=vectors.device)
    rows = max(1, _GATHER_BYTES // (4 * at.shape[1] * vectors.shape[1]))
    for start in range(0, len(vectors), rows):
        part = slice(start, start + rows)
        measured[part] = (tile[at[part]] - vectors[part, None]).square().sum(dim=2) / 2
    return measured


def ordered(near: Tensor, where: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k nearest of each row, ascending, equal ones by position."""
    where, by_position = where.sort(dim=1)
    near, by_distance = near.gather(1, by_position).sort(dim=1, stable=True)
    return near[:, :k], where.gather(1, by_distance)[:, :k]

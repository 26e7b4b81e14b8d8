"""Nearest neighbours by comparing everything with everything, a tile at a time, on any torch device."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gapscope.neighbors.found import Neighbors, own_positions
from gapscope.neighbors.unit_rows import UnitRows

_QUERY_TILE = 2048
_REFERENCE_TILE = 16384
_READ_ROWS = 16384
_GATHER_BYTES = 64 * 2**20
_ROUNDING = 1e-5
_SPARE = 4
"""Candidates beyond k: which of them are the nearest is decided by what they measure, not by how products round."""

HELD_BYTES = 128 * 2**20
"""Of the reference that are held on a CPU: as much as the tiles themselves take."""


def exact_neighbors(
    query: UnitRows,
    reference: UnitRows,
    k: int,
    *,
    same: bool,
    device: torch.device,
    held_bytes: int = HELD_BYTES,
) -> Neighbors:
    """Find the k nearest vectors of `reference` for each of `query`.

    To read and standardise a vector costs the host more than a GPU takes to compare it with thousands. So each vector
    of the reference is read once, and each query once for every `held_bytes` of the reference, while the device
    computes; within a dataset that is held as a whole the queries are there already.

    Args:
        query: the vectors that look for neighbours.
        reference: the vectors they are found among, in the query's metric.
        k: how many; fewer where the reference has fewer.
        same: both are of one dataset, and no image may be its own neighbour.
        device: where to compute.
        held_bytes: of the reference that may be held in the device's memory, as float32.

    Returns:
        See `Neighbors`. Equal distances are in the order of position, and those of equal vectors are exactly 0.
    """
    distances = np.full((len(query), k), np.inf, np.float32)
    indices = np.full((len(query), k), -1, np.int64)
    k = min(k, len(reference))
    if k <= 0:
        return Neighbors(distances, indices)
    own = own_positions(query.rows, reference.rows) if same else np.full(len(query), -1, np.int64)
    held_rows = max(k, _REFERENCE_TILE, held_bytes // (4 * reference.channels))
    for first in range(0, len(reference), held_rows):
        held = _loaded(reference.some(slice(first, first + held_rows)), device)
        start = 0
        for vectors in _queries(query, own - first, held):
            part = slice(start, start + len(vectors))
            start += len(vectors)
            # What was found among the rows before these; nothing, when they are the first.
            near, where = (torch.from_numpy(found[part, : k if first else 0]) for found in (distances, indices))
            near, where = _nearest(
                vectors,
                held,
                k,
                torch.from_numpy(own[part] - first).to(device),
                near.to(device),
                where.to(device),
                first,
            )
            distances[part, :k], indices[part, :k] = near.cpu().numpy(), where.cpu().numpy()
    indices[~np.isfinite(distances)] = -1
    return Neighbors(query.distance(distances), indices)


def _loaded(view: UnitRows, device: torch.device) -> Tensor:
    """Return all vectors of a view, (n, channels) float32, in the device's memory."""
    held, start = torch.empty((len(view), view.channels), device=device), 0
    for tile in read_ahead(view.tiles(_READ_ROWS)):
        held[start : start + len(tile)] = torch.from_numpy(tile)
        start += len(tile)
    return held


def _queries(query: UnitRows, own: NDArray[np.int64], held: Tensor) -> Iterator[Tensor]:
    """Yield all queries in order, (n, channels), where `held` is; `own` says where each lies in it, if it does."""
    if len(own) and own.min() >= 0 and own.max() < len(held):
        for start in range(0, len(own), _QUERY_TILE):
            yield held[torch.from_numpy(own[start : start + _QUERY_TILE]).to(held.device)]
        return
    for tile in read_ahead(query.tiles(_READ_ROWS)):
        for vectors in torch.from_numpy(tile).split(_QUERY_TILE):
            yield vectors.to(held.device)


def read_ahead(tiles: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Yield what `tiles` yields, and have the next one made while the last one is worked on."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, tiles, None)
        while (tile := following.result()) is not None:
            following = reader.submit(next, tiles, None)
            yield tile


def _nearest(
    vectors: Tensor, held: Tensor, k: int, own: Tensor, near: Tensor, where: Tensor, first: int
) -> tuple[Tensor, Tensor]:
    """Return half squared distances and positions (n, at most k) of the nearest among `held` and those found before.

    Args:
        vectors: (n, channels) of the queries.
        held: (m, channels) of the reference, from its position `first` on.
        k: how many.
        own: (n,) where each query lies in `held`; outside of it where it does not.
        near: (n, 0 or k) half squared distances that were found before.
        where: (n, 0 or k) their positions.
        first: see `held`.
    """
    for start in range(0, len(held), _REFERENCE_TILE):
        tile = held[start : start + _REFERENCE_TILE]
        # Half the squared distance, short of the query's own length, which is the same for every candidate.
        apart = torch.addmm(tile.square().sum(dim=1) / 2, vectors, tile.T, alpha=-1)
        asking = torch.nonzero((own >= start) & (own < start + len(tile)))[:, 0]
        apart[asking, own[asking] - start] = torch.inf
        roughly, at = apart.topk(min(k + _SPARE, len(tile)), dim=1, largest=False)
        measured = _measured(vectors, tile, roughly, at, near[:, k - 1 : k])
        near, where = ordered(torch.cat([near, measured], dim=1), torch.cat([where, at + first + start], dim=1), k)
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

"""Nearest neighbors by comparing everything with everything, a tile at a time, on any torch device."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.result import Neighbors, own_positions

_QUERY_TILE = 2048
_REFERENCE_TILE = 16384
_GATHER_BYTES = 64 * 2**20
_ROUNDING = 1e-5
_SPARE = 4
"""Candidates beyond k: which of them are the nearest is decided by what they measure, not by how products round."""

HELD_BYTES = 128 * 2**20
"""Of the queries that are held on a CPU: as much as the tiles themselves take."""


def exact_neighbors(
    query: EmbeddingView,
    reference: EmbeddingView,
    k: int,
    *,
    same: bool,
    device: torch.device,
    held_bytes: int = HELD_BYTES,
) -> Neighbors:
    """Find the k nearest vectors of `reference` for each of `query`.

    To read and standardise a vector costs the host more than a GPU takes to compare it with thousands. So the queries
    are held on the device, and each vector of the reference is read once for every `held_bytes` of them, while the
    device compares those before it.

    Args:
        query: the vectors that look for neighbors.
        reference: the vectors they are found among, in the query's metric.
        k: how many; fewer where the reference has fewer.
        same: both are of one dataset, and no image may be its own neighbor.
        device: where to compute.
        held_bytes: of the queries that may be held in the device's memory, as float32.

    Returns:
        See `Neighbors`. Equal distances are in the order of position, and those of equal vectors are exactly 0.
    """
    distances = np.full((len(query), k), np.inf, np.float32)
    indices = np.full((len(query), k), -1, np.int64)
    k = min(k, len(reference))
    if k <= 0:
        return Neighbors(distances, indices)
    own = own_positions(query.rows, reference.rows) if same else np.full(len(query), -1, np.int64)
    held_rows = max(1, held_bytes // (4 * query.channels * _QUERY_TILE)) * _QUERY_TILE
    for first in range(0, len(query), held_rows):
        held = slice(first, first + held_rows)
        near, where = _nearest(query.take(held), reference, k, own[held], device)
        distances[held, :k], indices[held, :k] = near.cpu().numpy(), where.cpu().numpy()
    indices[~np.isfinite(distances)] = -1
    return Neighbors(query.to_distance(distances), indices)


def _nearest(
    query: EmbeddingView, reference: EmbeddingView, k: int, own: NDArray[np.int64], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Hold all queries on the device, and return half squared distances and positions (n, k) of their nearest."""
    tiles = [torch.from_numpy(tile).to(device) for tile in read_ahead(query.tiles(_QUERY_TILE))]
    owns = torch.from_numpy(own).to(device).split(_QUERY_TILE)
    near = [torch.empty((len(tile), 0), device=device) for tile in tiles]
    where = [torch.empty((len(tile), 0), dtype=torch.int64, device=device) for tile in tiles]
    start = 0
    for read in read_ahead(reference.tiles(_REFERENCE_TILE)):
        candidates = torch.from_numpy(read).to(device)
        for number, tile in enumerate(tiles):
            found = _nearer(tile, candidates, start, k, owns[number], near[number], where[number])
            near[number], where[number] = found
        start += len(candidates)
    return torch.cat(near), torch.cat(where)


def read_ahead(tiles: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Yield what `tiles` yields, and have the next one made while the last one is worked on."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, tiles, None)
        while (tile := following.result()) is not None:
            following = reader.submit(next, tiles, None)
            yield tile


def _nearer(
    vectors: Tensor, tile: Tensor, start: int, k: int, own: Tensor, near: Tensor, where: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the nearest of a tile of the reference, which begins at position `start`, and of those found before it."""
    # Half the squared distance, short of the query's own length, which is the same for every candidate.
    apart = torch.addmm(tile.square().sum(dim=1) / 2, vectors, tile.T, alpha=-1)
    asking = torch.nonzero((own >= start) & (own < start + len(tile)))[:, 0]
    apart[asking, own[asking] - start] = torch.inf
    roughly, at = apart.topk(min(k + _SPARE, len(tile)), dim=1, largest=False)
    measured = _measured(vectors, tile, roughly, at, near[:, k - 1 : k])
    return ordered(torch.cat([near, measured], dim=1), torch.cat([where, at + start], dim=1), k)


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

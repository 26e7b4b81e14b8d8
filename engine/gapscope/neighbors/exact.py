"""Exact nearest neighbors by brute force, a tile at a time, on any torch device."""

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
_GATHER_BYTES = 16 * 2**20
_ROUNDING = 1e-5
_SPARE = 4
"""Candidates beyond k: measured distances decide which of them are the nearest, not rounded products."""

HELD_BYTES = 128 * 2**20
"""Memory for the queries that are held on a CPU: as much as the tiles themselves take."""


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

    To read and standardize a vector costs the host more than a GPU takes to compare it with thousands. So the queries
    are held on the device, and each vector of the reference is read once for every `held_bytes` of them, while the
    device compares those before it.

    Args:
        query: the vectors whose neighbors are searched.
        reference: the vectors to search, in the query's metric.
        k: number of neighbors; fewer where the reference has fewer vectors.
        same: whether images of the same identity are not each other's neighbors.
        device: where to compute.
        held_bytes: memory on the device for the queries that are held there, as float32.

    Returns:
        See `Neighbors`. Equal distances are in the order of position, and those of equal vectors are exactly 0.
    """
    distances = np.full((len(query), k), np.inf, np.float32)
    indices = np.full((len(query), k), -1, np.int64)
    k = min(k, len(reference))
    if k <= 0:
        return Neighbors(distances, indices)
    own = own_positions(query.identities, reference.identities) if same else np.full(len(query), -1, np.int64)
    held_rows = max(1, held_bytes // (4 * query.channels * _QUERY_TILE)) * _QUERY_TILE
    for first in range(0, len(query), held_rows):
        held = slice(first, first + held_rows)
        nearest, positions = _search_held(query.take(held), reference, k, own[held], device)
        distances[held, :k], indices[held, :k] = nearest.cpu().numpy(), positions.cpu().numpy()
    indices[~np.isfinite(distances)] = -1
    return Neighbors(query.to_distance(distances), indices)


def _search_held(
    query: EmbeddingView, reference: EmbeddingView, k: int, own: NDArray[np.int64], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Hold all queries on the device, and return half squared distances and positions (n, k) of their nearest."""
    tiles = [torch.from_numpy(tile).to(device) for tile in read_ahead(query.tiles(_QUERY_TILE))]
    own_tiles = torch.from_numpy(own).to(device).split(_QUERY_TILE)
    nearest = [torch.empty((len(tile), 0), device=device) for tile in tiles]
    positions = [torch.empty((len(tile), 0), dtype=torch.int64, device=device) for tile in tiles]
    start = 0
    for array in read_ahead(reference.tiles(_REFERENCE_TILE)):
        candidates = torch.from_numpy(array).to(device)
        for number, tile in enumerate(tiles):
            nearest[number], positions[number] = _merge_tile(
                tile, candidates, start, k, own_tiles[number], nearest[number], positions[number]
            )
        start += len(candidates)
    return torch.cat(nearest), torch.cat(positions)


def read_ahead(tiles: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Yield what `tiles` yields, and prepare the next one in a thread meanwhile."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, tiles, None)
        while (tile := following.result()) is not None:
            following = reader.submit(next, tiles, None)
            yield tile


def _merge_tile(
    vectors: Tensor, tile: Tensor, start: int, k: int, own: Tensor, nearest: Tensor, positions: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the nearest of those so far and of a tile of the reference, which begins at position `start`."""
    # Half the squared distance, less the query's own half square, which is the same for every candidate.
    products = torch.addmm(tile.square().sum(dim=1) / 2, vectors, tile.T, alpha=-1)
    in_tile = torch.nonzero((own >= start) & (own < start + len(tile)))[:, 0]
    products[in_tile, own[in_tile] - start] = torch.inf
    approximate, rows = products.topk(min(k + _SPARE, len(tile)), dim=1, largest=False)
    measured = _measure_candidates(vectors, tile, approximate, rows, nearest[:, k - 1 : k])
    return keep_nearest(torch.cat([nearest, measured], dim=1), torch.cat([positions, rows + start], dim=1), k)


def _measure_candidates(vectors: Tensor, tile: Tensor, approximate: Tensor, rows: Tensor, farthest: Tensor) -> Tensor:
    """Return half squared distances to `rows` of a tile (n, k), infinite where they cannot be among the nearest."""
    if farthest.shape[1]:
        length = vectors.square().sum(dim=1, keepdim=True) / 2
        possible = approximate <= farthest - length + _ROUNDING * (1 + length)
    else:
        possible = approximate < torch.inf
    measured = torch.full(rows.shape, torch.inf, device=rows.device)
    query, column = torch.nonzero(possible, as_tuple=True)
    measured[query, column] = _pair_half_squares(vectors, tile, query, rows[query, column])
    return measured


def half_squares(vectors: Tensor, tile: Tensor, rows: Tensor) -> Tensor:
    """Return half the squared distance (n, k) of each vector (n, channels) to `rows` (n, k) of `tile`.

    Example:
        >>> half_squares(torch.zeros(1, 2), torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[0, 1]]))
        tensor([[12.5000,  0.0000]])
    """
    query = torch.arange(len(vectors), device=rows.device).repeat_interleave(rows.shape[1])
    return _pair_half_squares(vectors, tile, query, rows.reshape(-1)).reshape(rows.shape)


def _pair_half_squares(vectors: Tensor, tile: Tensor, query: Tensor, candidate: Tensor) -> Tensor:
    """Return (m,) half the squared distance between `vectors` and rows of `tile`, both by number.

    From differences, not products: equal vectors get exactly 0, and nothing depends on how tiles were cut.
    """
    squares = torch.empty(len(query), device=vectors.device)
    step = max(1, _GATHER_BYTES // (4 * vectors.shape[1]))
    # Fresh memory for every step would cost the CPU more than the arithmetic.
    differences = torch.empty((min(step, len(query)), vectors.shape[1]), device=vectors.device)
    subtracted = torch.empty_like(differences)
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        size = len(query[part])
        torch.index_select(tile, 0, candidate[part], out=differences[:size])
        torch.index_select(vectors, 0, query[part], out=subtracted[:size])
        torch.sum(differences[:size].sub_(subtracted[:size]).square_(), dim=1, out=squares[part])
    return squares / 2


def keep_nearest(half_squares: Tensor, positions: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k nearest of each row, ascending, equal ones by position: half squared distances and positions."""
    positions, by_position = positions.sort(dim=1)
    half_squares, by_distance = half_squares.gather(1, by_position).sort(dim=1, stable=True)
    return half_squares[:, :k], positions.gather(1, by_distance)[:, :k]

"""The neighbor graph of all datasets together, merged from the graphs of every ordered pair."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gapscope.neighbors.cache import NEIGHBOR_CACHE
from gapscope.store.datasets import Pair, concatenated_slices
from gapscope.store.index import rows_read
from gapscope.store.neighbors import read_neighbor_range
from gapscope.store.run_store import RunStore

_CHUNK_ROWS = 65536

Graph = tuple[NDArray[np.float32], NDArray[np.int64]]
"""(n, k) distances, ascending, and (n, k) positions of each image's nearest."""


def merge_graphs(run: RunStore, level: str, n_neighbors: int, search: str = "") -> Graph:
    """Return the distances and indices (n, n_neighbors) of every embedded image's nearest, the image itself first.

    Positions count the embedded images of all datasets, one dataset after the other.

    Args:
        run: the run.
        level: the level's name.
        n_neighbors: neighbors per image, the image itself included: at most the number of images, and at most one more
            than the pairs' graphs hold.
        search: id of a search: neighbors that this process has kept of it are taken, and the others read from the run.
    """
    rows = {name: rows_read(run, name) for name in run.record.datasets}
    slices = concatenated_slices({name: len(own) for name, own in rows.items()})
    distances, indices = [], []
    for query, query_rows in rows.items():
        graphs = {
            reference: _pair_graph(run, level, Pair(query, reference), query_rows, own, n_neighbors - 1, search)
            for reference, own in rows.items()
        }
        for start in range(0, len(query_rows), _CHUNK_ROWS):
            chunk = slice(start, min(start + _CHUNK_ROWS, len(query_rows)))
            parts = [np.zeros((chunk.stop - start, 1), np.float32)]
            positions = [slices[query].start + np.arange(start, chunk.stop)[:, None]]
            for reference, read in graphs.items():
                distance, position = read(chunk)
                parts.append(distance)
                positions.append(np.where(position >= 0, slices[reference].start + position, -1))
            merged, merged_positions = np.concatenate(parts, axis=1), np.concatenate(positions, axis=1)
            # The image itself stays in front of its copies, since the sort is stable.
            order = np.argsort(merged, axis=1, kind="stable")[:, :n_neighbors]
            distances.append(np.take_along_axis(merged, order, axis=1))
            indices.append(np.take_along_axis(merged_positions, order, axis=1))
    return _without_gaps(np.concatenate(distances), np.concatenate(indices))


def _pair_graph(
    run: RunStore,
    level: str,
    pair: Pair,
    query_rows: NDArray[np.int64],
    reference_rows: NDArray[np.int64],
    k: int,
    search: str,
) -> Callable[[slice], tuple[NDArray[np.float32], NDArray[np.integer]]]:
    """Return a function that gives distances and positions (n, k) for a chunk of a pair's query images."""
    cached = NEIGHBOR_CACHE.pop(search, level, pair)
    if cached is not None:
        return lambda chunk: (cached.distances[chunk, :k], cached.positions[chunk, :k])

    def read(chunk: slice) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
        rows = query_rows[chunk]
        distances, indices = read_neighbor_range(run, level, pair, int(rows[0]), int(rows[-1]) + 1)
        neighbor_rows = indices[rows - rows[0], :k]
        positions = np.where(neighbor_rows >= 0, np.searchsorted(reference_rows, neighbor_rows), -1)
        return distances[rows - rows[0], :k], positions

    return read


def with_self(distances: NDArray[np.float32], indices: NDArray[np.int64]) -> Graph:
    """Return the graph (n, k) of n images among themselves with each image as its own first neighbor: (n, k + 1)."""
    own = np.arange(len(indices))[:, None]
    zero = np.zeros((len(indices), 1), np.float32)
    return _without_gaps(np.concatenate([zero, distances], axis=1), np.concatenate([own, indices], axis=1))


def is_saturated(distances: NDArray[np.float32]) -> bool:
    """Return whether some image has nothing but copies among its neighbors, so that the graph does not lead away."""
    return bool((distances[:, -1] == 0).any())


def _without_gaps(distances: NDArray[np.float32], indices: NDArray[np.int64]) -> Graph:
    """Put the image itself, which adds no edge, where an approximate search found fewer neighbors than asked for."""
    missing = indices < 0
    if not missing.any():
        return distances, indices
    farthest = np.where(np.isfinite(distances), distances, 0).max(axis=1, keepdims=True)
    return np.where(missing, farthest, distances), np.where(missing, indices[:, :1], indices)

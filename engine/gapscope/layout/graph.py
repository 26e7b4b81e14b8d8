"""The neighbour graph of all datasets together, merged from that of every ordered pair."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gapscope.store.index import rows_read
from gapscope.store.record import Record
from gapscope.store.results import neighbor_stretch

_STRETCH_ROWS = 65536


def merged_graph(
    run: Path, record: Record, level: str, n_neighbors: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the distances and indices (n, n_neighbors) of every read image's nearest, itself first.

    Positions count the read images of all datasets, one dataset after the other. `n_neighbors` must not be larger than
    the number of these images, nor than what the pairs' graphs keep plus one.
    """
    rows = {name: rows_read(run, name) for name in record.datasets}
    first = dict(zip(rows, np.cumsum([0, *map(len, rows.values())])[:-1], strict=True))
    distances, indices = [], []
    stretches = (
        (query, start, asking[start : start + _STRETCH_ROWS])
        for query, asking in rows.items()
        for start in range(0, len(asking), _STRETCH_ROWS)
    )
    for query, start, asking in stretches:
        near = [np.zeros((len(asking), 1), np.float32)]
        where = [first[query] + start + np.arange(len(asking))[:, None]]
        for reference, asked in rows.items():
            found, listed = neighbor_stretch(run, level, query, reference, int(asking[0]), int(asking[-1]) + 1)
            row = listed[asking - asking[0], :n_neighbors]
            near.append(found[asking - asking[0], :n_neighbors])
            where.append(np.where(row >= 0, first[reference] + np.searchsorted(asked, row), -1))
        together, positions = np.concatenate(near, axis=1), np.concatenate(where, axis=1)
        # The image itself stays in front of its copies, since the sort is stable.
        order = np.argsort(together, axis=1, kind="stable")[:, :n_neighbors]
        distances.append(np.take_along_axis(together, order, axis=1))
        indices.append(np.take_along_axis(positions, order, axis=1))
    return _filled(np.concatenate(distances), np.concatenate(indices))


def with_itself(
    distances: NDArray[np.float32], indices: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the graph (n, k) of n images among themselves with each image as its own first neighbour: (n, k + 1)."""
    itself = np.arange(len(indices))[:, None]
    zero = np.zeros((len(indices), 1), np.float32)
    return _filled(np.concatenate([zero, distances], axis=1), np.concatenate([itself, indices], axis=1))


def is_saturated(distances: NDArray[np.float32]) -> bool:
    """Tell whether some image has nothing but copies among its neighbours, so that the graph does not lead away."""
    return bool((distances[:, -1] == 0).any())


def _filled(
    distances: NDArray[np.float32], indices: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Put the image itself, which weighs nothing, where an approximate search found fewer neighbours than asked for."""
    missing = indices < 0
    if not missing.any():
        return distances, indices
    farthest = np.where(np.isfinite(distances), distances, 0).max(axis=1, keepdims=True)
    return np.where(missing, farthest, distances), np.where(missing, indices[:, :1], indices)

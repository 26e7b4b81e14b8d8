"""The neighbor graph of all datasets together, merged from that of every ordered pair."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gapscope.neighbors.cache import NEIGHBOR_CACHE
from gapscope.store.index import rows_read
from gapscope.store.results import neighbor_stretch
from gapscope.store.run_record import RunRecord

_STRETCH_ROWS = 65536


def merge_graphs(
    run: Path, record: RunRecord, level: str, n_neighbors: int, search: str = ""
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the distances and indices (n, n_neighbors) of every read image's nearest, itself first.

    Positions count the read images of all datasets, one dataset after the other. `n_neighbors` must not be larger than
    the number of these images, nor than what the pairs' graphs keep plus one.

    Args:
        run: the run's folder.
        record: its run.json.
        level: the level's name.
        n_neighbors: per image, the image itself included.
        search: what this process has kept of the neighbors that `find_neighbors` found under that name is taken, and
            the rest read from the run.
    """
    rows = {name: rows_read(run, name) for name in record.datasets}
    first = dict(zip(rows, np.cumsum([0, *map(len, rows.values())])[:-1], strict=True))
    distances, indices = [], []
    for query, asking in rows.items():
        nearest = {
            reference: _nearest(run, (level, query, reference), asking, asked, n_neighbors - 1, search)
            for reference, asked in rows.items()
        }
        for start in range(0, len(asking), _STRETCH_ROWS):
            stretch = slice(start, min(start + _STRETCH_ROWS, len(asking)))
            near = [np.zeros((stretch.stop - start, 1), np.float32)]
            where = [first[query] + np.arange(start, stretch.stop)[:, None]]
            for reference, found_in in nearest.items():
                found, at = found_in(stretch)
                near.append(found)
                where.append(np.where(at >= 0, first[reference] + at, -1))
            together, positions = np.concatenate(near, axis=1), np.concatenate(where, axis=1)
            # The image itself stays in front of its copies, since the sort is stable.
            order = np.argsort(together, axis=1, kind="stable")[:, :n_neighbors]
            distances.append(np.take_along_axis(together, order, axis=1))
            indices.append(np.take_along_axis(positions, order, axis=1))
    return _filled(np.concatenate(distances), np.concatenate(indices))


def _nearest(
    run: Path, pair: tuple[str, str, str], asking: NDArray[np.int64], asked: NDArray[np.int64], k: int, search: str
) -> Callable[[slice], tuple[NDArray[np.float32], NDArray[np.integer]]]:
    """Return what gives distances and positions (n, k) for a stretch of a pair's query images."""
    kept = NEIGHBOR_CACHE.take(search, pair)
    if kept is not None:
        return lambda stretch: (kept.distances[stretch, :k], kept.positions[stretch, :k])

    def read(stretch: slice) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
        rows = asking[stretch]
        distances, indices = neighbor_stretch(run, *pair, int(rows[0]), int(rows[-1]) + 1)
        listed = indices[rows - rows[0], :k]
        return distances[rows - rows[0], :k], np.where(listed >= 0, np.searchsorted(asked, listed), -1)

    return read


def with_self(
    distances: NDArray[np.float32], indices: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the graph (n, k) of n images among themselves with each image as its own first neighbor: (n, k + 1)."""
    itself = np.arange(len(indices))[:, None]
    zero = np.zeros((len(indices), 1), np.float32)
    return _filled(np.concatenate([zero, distances], axis=1), np.concatenate([itself, indices], axis=1))


def is_saturated(distances: NDArray[np.float32]) -> bool:
    """Tell whether some image has nothing but copies among its neighbors, so that the graph does not lead away."""
    return bool((distances[:, -1] == 0).any())


def _filled(
    distances: NDArray[np.float32], indices: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Put the image itself, which weighs nothing, where an approximate search found fewer neighbors than asked for."""
    missing = indices < 0
    if not missing.any():
        return distances, indices
    farthest = np.where(np.isfinite(distances), distances, 0).max(axis=1, keepdims=True)
    return np.where(missing, farthest, distances), np.where(missing, indices[:, :1], indices)

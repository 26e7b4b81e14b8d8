"""neighbors.zarr: the nearest images of every image, per level and ordered pair of datasets.

Where images of the reference form groups, the nearest groups are kept as well: the nearest of their representatives,
without the image's own group.
"""

from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray

from gapscope.settings import Reading
from gapscope.store.arrays import (
    array_attributes,
    create_array,
    is_done,
    lacks_chunks,
    mark_array_done,
    read_array,
    take_ascending,
    take_rows,
    write_array,
)
from gapscope.store.datasets import Graph, Pair
from gapscope.store.metrics import NeighborSearchInfo
from gapscope.store.run_store import RunStore

NAME = "neighbors.zarr"

DistancesAndIndices = tuple[NDArray[np.float32], NDArray[np.int64]]
"""(rows, k) distances, ascending, infinite where there are fewer than k; and rows of the reference, -1 there."""


_PREFIX: dict[Graph, str] = {"images": "", "groups": "group_", "style-aside": "style_aside_"}


def _path(level: str, pair: Pair, array: str, graph: Graph = "images") -> str:
    return f"{NAME}/{level}/{pair.name}/{_PREFIX[graph]}{array}"


def neighbor_arrays(level: str, pair: Pair, graph: Graph = "images") -> tuple[str, str]:
    """Return the paths, within a run, of the arrays of distances and of rows of a level and pair."""
    return _path(level, pair, "distances", graph), _path(level, pair, "indices", graph)


def has_neighbors(run: RunStore, level: str, pair: Pair, graph: Graph = "images", digest: str | None = None) -> bool:
    """Return whether the neighbors of a level and pair are on disk, whole.

    Args:
        run: the run.
        level: the level's name.
        pair: of datasets.
        graph: which neighbors.
        digest: what `finish_neighbors` took, so that neighbors among other groups do not count; None for any.
    """
    path = _path(level, pair, "distances", graph)
    if not is_done(run, path) or lacks_chunks(run, _path(level, pair, "indices", graph)):
        return False
    return digest is None or array_attributes(run, path).get("digest") == digest


def write_neighbors(
    run: RunStore, level: str, pair: Pair, distances: NDArray[np.float32], indices: NDArray[np.int64]
) -> None:
    """Write the neighbors of every query row in the reference.

    Args:
        run: the run.
        level: the level's name.
        pair: the dataset whose images look for neighbors, and the one in which they are found.
        distances: (rows, k), ascending; infinite where there are fewer than k.
        indices: (rows, k) rows of the reference; -1 where there are fewer.
    """
    write_array(run, _path(level, pair, "indices"), indices)
    write_array(run, _path(level, pair, "distances"), distances)


def create_neighbors(run: RunStore, level: str, pair: Pair, k: int, graph: Graph = "images") -> None:
    """Create empty arrays (rows, k) for the neighbors of a level and pair, to be written in parts."""
    shape = (run.record.datasets[pair.query].listed, k)
    create_array(run, _path(level, pair, "indices", graph), shape, np.dtype(np.int64))
    create_array(run, _path(level, pair, "distances", graph), shape, np.dtype(np.float32), float("inf"))


def write_neighbor_rows(
    run: RunStore,
    level: str,
    pair: Pair,
    rows: NDArray[np.int64],
    distances: NDArray[np.float32],
    indices: NDArray[np.int64],
    graph: Graph = "images",
) -> None:
    """Write the neighbors of ascending query `rows`: distances and rows of the reference, (n, k) each."""
    if not len(rows):
        return
    for name, values, fill_value in (("indices", indices, -1), ("distances", distances, np.inf)):
        chunk = np.full((int(rows[-1] - rows[0]) + 1, values.shape[1]), fill_value, values.dtype)
        chunk[rows - rows[0]] = values
        run.array(_path(level, pair, name, graph), "r+")[int(rows[0]) : int(rows[-1]) + 1] = chunk


def finish_neighbors(
    run: RunStore, level: str, pair: Pair, info: NeighborSearchInfo, graph: Graph = "images", digest: str = ""
) -> None:
    """Record that all neighbors of a level and pair are on disk, how they were found, and among which groups."""
    described: dict[str, Any] = {**info, **({"digest": digest} if digest else {})}
    # The array that is marked last is the one that `has_neighbors` looks at.
    for name, attributes in (("indices", {}), ("distances", described)):
        path = _path(level, pair, name, graph)
        mark_array_done(run, path, run.open_array(path, "r+"), attributes)


def neighbor_search_info(run: RunStore, level: str, pair: Pair, graph: Graph = "images") -> NeighborSearchInfo:
    """Return how the neighbors of a level and pair were found, as `finish_neighbors` took it."""
    attributes = array_attributes(run, _path(level, pair, "distances", graph))
    known = NeighborSearchInfo.__annotations__
    return cast("NeighborSearchInfo", {name: value for name, value in attributes.items() if name in known})


def read_neighbors(run: RunStore, level: str, pair: Pair) -> DistancesAndIndices:
    """Return the distances and indices of all query rows."""
    return read_array(run, _path(level, pair, "distances")), read_array(run, _path(level, pair, "indices"))


def read_neighbor_range(
    run: RunStore, level: str, pair: Pair, start: int, stop: int, graph: Graph = "images"
) -> DistancesAndIndices:
    """Return the distances and indices of query rows `start` to `stop` (exclusive)."""
    distances, indices = _open(run, level, pair, graph)
    return np.asarray(distances[start:stop]), np.asarray(indices[start:stop])


def read_neighbor_rows(run: RunStore, level: str, pair: Pair, rows: NDArray[np.int64]) -> DistancesAndIndices:
    """Return the distances and indices of ascending query `rows`, reading a chunk of the arrays at a time."""
    distances, indices = _open(run, level, pair)
    return take_ascending(distances, rows), take_ascending(indices, rows)


def read_group_neighbor_rows(
    run: RunStore, level: str, pair: Pair, rows: NDArray[np.int64], reading: Reading = "as-is"
) -> DistancesAndIndices:
    """Return distances and rows of the nearest groups' representatives of ascending query `rows`, in a reading.

    Where every image is a group of its own, these are the nearest images.
    """
    distances, indices = _open(run, level, pair, run.record.graph(pair, reading))
    return take_ascending(distances, rows), take_ascending(indices, rows)


def read_group_indices(
    run: RunStore, level: str, pair: Pair, rows: NDArray[np.int64], reading: Reading = "as-is"
) -> NDArray[np.int64]:
    """Return the rows of `read_group_neighbor_rows` alone, which spares reading the distances."""
    return take_ascending(run.array(_path(level, pair, "indices", run.record.graph(pair, reading))), rows)


def read_group_distances(
    run: RunStore, level: str, pair: Pair, rows: NDArray[np.int64], reading: Reading = "as-is"
) -> NDArray[np.float32]:
    """Return the distances of `read_group_neighbor_rows` alone."""
    return take_ascending(run.array(_path(level, pair, "distances", run.record.graph(pair, reading))), rows)


def read_nearest(
    run: RunStore, level: str, pair: Pair, rows: NDArray[np.int64], k: int, reading: Reading = "as-is"
) -> DistancesAndIndices:
    """Return the distances and indices, (n, at most k), of query `rows` in any order; of each group one image."""
    distances, indices = _open(run, level, pair, run.record.graph(pair, reading))
    return take_rows(distances, rows)[:, :k], take_rows(indices, rows)[:, :k]


def _open(
    run: RunStore, level: str, pair: Pair, graph: Graph = "images"
) -> tuple["zarr.Array[Any]", "zarr.Array[Any]"]:
    return run.array(_path(level, pair, "distances", graph)), run.array(_path(level, pair, "indices", graph))

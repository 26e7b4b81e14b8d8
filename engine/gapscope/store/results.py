"""neighbors.zarr, layout.zarr and clusters.zarr: what is computed per level once every image is embedded."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

_CHUNK_ROWS = 65536


def pair_name(query: str, reference: str) -> str:
    """Return the name of an ordered pair of datasets, as files and arrays carry it."""
    return f"{query}-vs-{reference}"


def has_neighbors(run: Path, level: str, query: str, reference: str) -> bool:
    """Tell whether the neighbours of a level and ordered pair are on disk, whole."""
    return _is_done(run / "neighbors.zarr", f"{level}/{pair_name(query, reference)}/distances")


def write_neighbors(
    run: Path,
    level: str,
    query: str,
    reference: str,
    distances: NDArray[np.float32],
    indices: NDArray[np.int64],
) -> None:
    """Write the neighbours of every query row in the reference.

    Args:
        run: the run's folder.
        level: the level's name.
        query: the dataset whose images look for neighbours.
        reference: the dataset they are found in.
        distances: (rows, k), ascending; infinite where there is no such neighbour.
        indices: (rows, k) rows of the reference; -1 where there is no such neighbour.
    """
    path = f"{level}/{pair_name(query, reference)}"
    _write(run / "neighbors.zarr", f"{path}/indices", indices)
    _write(run / "neighbors.zarr", f"{path}/distances", distances)


def read_neighbors(run: Path, level: str, query: str, reference: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the distances and indices that `write_neighbors` took."""
    path = f"{level}/{pair_name(query, reference)}"
    return _read(run / "neighbors.zarr", f"{path}/distances"), _read(run / "neighbors.zarr", f"{path}/indices")


def read_some_neighbors(
    run: Path, level: str, query: str, reference: str, rows: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return distances and indices, (rows, at most k), of the nearest reference images of some query rows."""
    path = f"{level}/{pair_name(query, reference)}"
    order = np.argsort(rows, kind="stable")
    back = np.argsort(order, kind="stable")
    arrays = [zarr.open_array(run / "neighbors.zarr", path=f"{path}/{name}", mode="r") for name in _NEIGHBORS]
    width = min(k, arrays[0].shape[1])
    found = [np.asarray(array.oindex[rows[order], slice(0, width)])[back] for array in arrays]
    return found[0], found[1]


_NEIGHBORS = ("distances", "indices")


def has_layout(run: Path, level: str) -> bool:
    """Tell whether a level's layout and clusters are on disk, whole."""
    return _is_done(run / "layout.zarr", level) and _is_done(run / "clusters.zarr", level)


def write_layout(run: Path, level: str, points: NDArray[np.float32], clusters: NDArray[np.int32]) -> None:
    """Write a level's (all rows, 3) coordinates, NaN for rejected rows, and (all rows,) clusters, -1 for none.

    All rows are those of every dataset, one dataset after the other, in the run's order.
    """
    _write(run / "clusters.zarr", level, clusters)
    _write(run / "layout.zarr", level, points)


def read_layout(run: Path, level: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the coordinates and clusters that `write_layout` took."""
    return _read(run / "layout.zarr", level), _read(run / "clusters.zarr", level)


def forget_results(run: Path) -> None:
    """Remove all that was made of the embeddings: they are not the same any more."""
    # First what says that a run is finished.
    (run / "metrics.json").unlink(missing_ok=True)
    for store in ("neighbors.zarr", "layout.zarr", "clusters.zarr", "manifests"):
        shutil.rmtree(run / store, ignore_errors=True)


def _is_done(store: Path, path: str) -> bool:
    try:
        return bool(zarr.open_array(store, path=path, mode="r").attrs.get("done", False))
    except FileNotFoundError:
        return False


def _write(store: Path, path: str, values: NDArray[Any]) -> None:
    zarr.open_group(store, mode="a", zarr_format=3)
    chunks = (max(1, min(len(values), _CHUNK_ROWS)), *values.shape[1:])
    fill_value = -1 if values.dtype.kind == "i" else float("nan")
    array = zarr.create_array(
        store, name=path, shape=values.shape, dtype=values.dtype, chunks=chunks, fill_value=fill_value, overwrite=True
    )
    array[...] = values
    array.attrs["done"] = True


def _read(store: Path, path: str) -> NDArray[Any]:
    return np.asarray(zarr.open_array(store, path=path, mode="r")[...])

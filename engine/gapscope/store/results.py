"""neighbors.zarr, layout.zarr and clusters.zarr: what is computed per level once every image is embedded."""

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from gapscope.store.place import remove_tree, zarr_store

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


def forget_results(run: Path, *, neighbors: bool = True) -> None:
    """Remove all that was made of the embeddings: they are not the same any more, or not those of the same datasets.

    Args:
        run: the run's folder.
        neighbors: remove these as well, which depend on the embeddings of two datasets alone.
    """
    # First what says that a run is finished.
    (run / "metrics.json").unlink(missing_ok=True)
    for store in (*(["neighbors.zarr"] if neighbors else []), "layout.zarr", "clusters.zarr", "manifests"):
        remove_tree(run / store)


def forget_pairs(run: Path, dataset: str) -> None:
    """Remove the neighbours of every pair that a dataset is in."""
    store = run / "neighbors.zarr"
    for level in store.iterdir() if store.exists() else ():
        for pair in level.iterdir() if level.is_dir() else ():
            if dataset in pair.name.split("-vs-"):
                remove_tree(pair)


def _is_done(store: Path, path: str) -> bool:
    try:
        return bool(zarr.open_array(zarr_store(store), path=path, mode="r").attrs.get("done", False))
    except FileNotFoundError:
        return False


def _write(store: Path, path: str, values: NDArray[Any]) -> None:
    zarr.open_group(zarr_store(store), mode="a", zarr_format=3)
    chunks = (max(1, min(len(values), _CHUNK_ROWS)), *values.shape[1:])
    fill_value = -1 if values.dtype.kind == "i" else float("nan")
    array = zarr.create_array(
        zarr_store(store),
        name=path,
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunks,
        fill_value=fill_value,
        overwrite=True,
    )
    array[...] = values
    array.attrs["done"] = True


def _read(store: Path, path: str) -> NDArray[Any]:
    return np.asarray(zarr.open_array(zarr_store(store), path=path, mode="r")[...])

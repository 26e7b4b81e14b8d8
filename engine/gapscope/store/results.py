"""neighbors.zarr, layout.zarr and clusters.zarr: what is computed per level once every image is embedded."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec, ZstdCodec

from gapscope.errors import DamageError
from gapscope.store import checksums
from gapscope.store.atomic import flush
from gapscope.store.location import remove_tree, zarr_store

_CHUNK_ROWS = 65536
_EVERY_CHUNK: Any = {"write_empty_chunks": True}
"""Also those that hold nothing but the fill value are written, so that one that is lost is missed."""


def pair_name(query: str, reference: str) -> str:
    """Return the name of an ordered pair of datasets, as files and arrays carry it."""
    return f"{query}-vs-{reference}"


def has_neighbors(run: Path, level: str, query: str, reference: str) -> bool:
    """Tell whether the neighbors of a level and ordered pair are on disk, whole."""
    path = f"{level}/{pair_name(query, reference)}"
    return _is_done(run / "neighbors.zarr", f"{path}/distances") and not has_gaps(
        run / "neighbors.zarr", f"{path}/indices"
    )


def write_neighbors(
    run: Path,
    level: str,
    query: str,
    reference: str,
    distances: NDArray[np.float32],
    indices: NDArray[np.int64],
) -> None:
    """Write the neighbors of every query row in the reference.

    Args:
        run: the run's folder.
        level: the level's name.
        query: the dataset whose images look for neighbors.
        reference: the dataset they are found in.
        distances: (rows, k), ascending; infinite where there is no such neighbor.
        indices: (rows, k) rows of the reference; -1 where there is no such neighbor.
    """
    path = f"{level}/{pair_name(query, reference)}"
    _write(run / "neighbors.zarr", f"{path}/indices", indices)
    _write(run / "neighbors.zarr", f"{path}/distances", distances)


def create_neighbors(run: Path, level: str, query: str, reference: str, rows: int, k: int) -> None:
    """Make place for the neighbors of a level and ordered pair, to be written in parts: (rows, k)."""
    path = f"{level}/{pair_name(query, reference)}"
    _create(run / "neighbors.zarr", f"{path}/indices", (rows, k), np.dtype(np.int64))
    _create(run / "neighbors.zarr", f"{path}/distances", (rows, k), np.dtype(np.float32), float("inf"))


def write_neighbor_rows(
    run: Path,
    level: str,
    query: str,
    reference: str,
    rows: NDArray[np.int64],
    distances: NDArray[np.float32],
    indices: NDArray[np.int64],
) -> None:
    """Write the neighbors of ascending query `rows`: distances and rows of the reference, (n, k) each."""
    if not len(rows):
        return
    path = f"{level}/{pair_name(query, reference)}"
    for name, values, nothing in (("indices", indices, -1), ("distances", distances, np.inf)):
        stretch = np.full((int(rows[-1] - rows[0]) + 1, values.shape[1]), nothing, values.dtype)
        stretch[rows - rows[0]] = values
        array = zarr.open_array(
            zarr_store(run / "neighbors.zarr"), path=f"{path}/{name}", mode="r+", zarr_format=3, config=_EVERY_CHUNK
        )
        array[int(rows[0]) : int(rows[-1]) + 1] = stretch


def finish_neighbors(run: Path, level: str, query: str, reference: str, facts: dict[str, Any]) -> None:
    """Say that all neighbors of a level and ordered pair are on disk, and how they were found."""
    path = f"{level}/{pair_name(query, reference)}"
    array = zarr.open_array(zarr_store(run / "neighbors.zarr"), path=f"{path}/distances", mode="r+", zarr_format=3)
    flush(run / "neighbors.zarr" / path)
    indices = zarr.open_array(zarr_store(run / "neighbors.zarr"), path=f"{path}/indices", mode="r+", zarr_format=3)
    indices.attrs.update({"done": True})
    array.attrs.update({**facts, "done": True})


def neighbor_search_info(run: Path, level: str, query: str, reference: str) -> dict[str, Any]:
    """Return what `finish_neighbors` took."""
    path = f"{level}/{pair_name(query, reference)}/distances"
    attributes = _attributes(run / "neighbors.zarr", path)
    return {name: value for name, value in attributes.items() if name != "done"}


def read_neighbors(run: Path, level: str, query: str, reference: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the distances and indices that `write_neighbors` took."""
    path = f"{level}/{pair_name(query, reference)}"
    return _read(run / "neighbors.zarr", f"{path}/distances"), _read(run / "neighbors.zarr", f"{path}/indices")


def neighbor_stretch(
    run: Path, level: str, query: str, reference: str, first: int, stop: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the distances and indices of query rows `first` to `stop` (exclusive)."""
    distances, indices = _open_neighbors(run, level, query, reference)
    return np.asarray(distances[first:stop]), np.asarray(indices[first:stop])


def some_neighbors(
    run: Path, level: str, query: str, reference: str, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the distances and indices of ascending `rows`, reading a stretch of the arrays at a time."""
    distances, indices = _open_neighbors(run, level, query, reference)
    return _some(distances, rows), _some(indices, rows)


def read_some_neighbors(
    run: Path, level: str, query: str, reference: str, rows: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return distances and indices, (rows, at most k), of the nearest reference images of query rows in any order."""
    order = np.argsort(rows, kind="stable")
    back = np.argsort(order, kind="stable")
    distances, indices = some_neighbors(run, level, query, reference, rows[order])
    return distances[back, :k], indices[back, :k]


def _open_neighbors(run: Path, level: str, query: str, reference: str) -> tuple[zarr.Array[Any], zarr.Array[Any]]:
    store, path = zarr_store(run / "neighbors.zarr"), f"{level}/{pair_name(query, reference)}"
    return (
        zarr.open_array(store, path=f"{path}/distances", mode="r", zarr_format=3),
        zarr.open_array(store, path=f"{path}/indices", mode="r", zarr_format=3),
    )


def _some(array: zarr.Array[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    if not len(rows):
        return np.empty((0, *array.shape[1:]), array.dtype)
    cuts = np.searchsorted(rows, np.arange(0, array.shape[0] + _CHUNK_ROWS, _CHUNK_ROWS))
    parts = [rows[first:last] for first, last in pairwise(cuts) if first < last]
    return np.concatenate([np.asarray(array[int(part[0]) : int(part[-1]) + 1])[part - part[0]] for part in parts])


def has_layout(run: Path, level: str) -> bool:
    """Tell whether a level's layout and clusters are on disk, whole, and aligned to the other levels'."""
    return _is_done(run / "clusters.zarr", level) and _attributes(run / "layout.zarr", level).get("aligned", False)


def has_unaligned_layout(run: Path, level: str) -> bool:
    """Tell whether a level's layout and clusters are on disk, whole, be it aligned or not."""
    return _is_done(run / "clusters.zarr", level) and _is_done(run / "layout.zarr", level)


def write_layout(
    run: Path,
    level: str,
    points: NDArray[np.float32],
    clusters: NDArray[np.int32],
    *,
    listed: Mapping[str, int] | None = None,
    facts: Mapping[str, Any] | None = None,
    aligned: bool = True,
) -> None:
    """Write a level's layout.

    Args:
        run: the run's folder.
        level: the level's name.
        points: (all rows, 3) coordinates, NaN for rejected rows. All rows are those of every dataset, one dataset after
            the other, in the run's order.
        clusters: (all rows,) cluster numbers, -1 for none.
        listed: rows of each dataset, in the run's order; a layout without it is not kept when the datasets change.
        facts: how the layout was made and how good it is; JSON values.
        aligned: it is turned like the other levels'.
    """
    said = {"listed": dict(listed or {}), "facts": dict(facts or {}), "aligned": aligned}
    _write(run / "clusters.zarr", level, clusters)
    _write(run / "layout.zarr", level, points, said)


def read_layout(run: Path, level: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the coordinates and clusters that `write_layout` took."""
    return _read(run / "layout.zarr", level), _read(run / "clusters.zarr", level)


def layout_info(run: Path, level: str) -> dict[str, Any]:
    """Return the facts that `write_layout` took."""
    return dict(_attributes(run / "layout.zarr", level).get("facts", {}))


def previous_layout(run: Path, level: str, dataset: str) -> NDArray[np.float32] | None:
    """Return a dataset's coordinates (rows, 3) in the layout before the last change, NaN where there are none."""
    path = f"{level}/{dataset}"
    return _read(run / "previous_layout.zarr", path) if _is_done(run / "previous_layout.zarr", path) else None


def forget_previous_coordinates(run: Path, dataset: str, rows: Sequence[int]) -> None:
    """Take rows whose images are not the same any more out of the earlier layouts."""
    gone = np.array(rows, np.int64)
    for level in _names(run / "previous_layout.zarr"):
        points = previous_layout(run, level, dataset)
        if points is not None:
            points[gone[gone < len(points)]] = np.nan
            _write(run / "previous_layout.zarr", f"{level}/{dataset}", points)


def reopen(run: Path) -> None:
    """Remove what says that a run is finished; it goes before anything else that is taken out of one."""
    (run / "metrics.json").unlink(missing_ok=True)
    (run / checksums.NAME).unlink(missing_ok=True)


def forget_results(run: Path, *, neighbors: bool = True) -> None:
    """Remove all that was made of the embeddings: they are not the same any more, or not those of the same datasets.

    Layouts become the earlier ones.

    Args:
        run: the run's folder.
        neighbors: remove these as well, which depend on the embeddings of two datasets alone.
    """
    reopen(run)
    _retire_layouts(run)
    for store in (*(["neighbors.zarr"] if neighbors else []), "layout.zarr", "clusters.zarr", "manifests"):
        remove_tree(run / store)


def forget_dataset(run: Path, dataset: str) -> None:
    """Remove the neighbors of every pair that a dataset is in, and its earlier layouts."""
    for name in ("neighbors.zarr", "previous_layout.zarr"):
        store = run / name
        for level in store.iterdir() if store.exists() else ():
            for group in level.iterdir() if level.is_dir() else ():
                if dataset in group.name.split("-vs-"):
                    remove_tree(group)


def _retire_layouts(run: Path) -> None:
    for level in _names(run / "layout.zarr"):
        listed = _attributes(run / "layout.zarr", level).get("listed", {})
        if listed and has_layout(run, level):
            parts = np.split(_read(run / "layout.zarr", level), np.cumsum(list(listed.values()))[:-1])
            for dataset, points in zip(listed, parts, strict=True):
                _write(run / "previous_layout.zarr", f"{level}/{dataset}", points)


def _names(store: Path) -> list[str]:
    try:
        return sorted(name for name, _ in zarr.open_group(zarr_store(store), mode="r").members())
    except FileNotFoundError:
        return []


def has_gaps(store: Path, path: str) -> bool:
    """Tell whether an array that is said to be whole lacks a part, which would be read as nothing was found there."""
    try:
        array = zarr.open_array(zarr_store(store), path=path, mode="r", zarr_format=3)
    except FileNotFoundError:
        return False
    return bool(array.attrs.get("done", False)) and array.nchunks_initialized != array.nchunks


def _is_done(store: Path, path: str) -> bool:
    return bool(_attributes(store, path).get("done", False)) and not has_gaps(store, path)


def _attributes(store: Path, path: str) -> dict[str, Any]:
    try:
        return dict(zarr.open_array(zarr_store(store), path=path, mode="r", zarr_format=3).attrs.asdict())
    except FileNotFoundError:
        return {}


def _write(store: Path, path: str, values: NDArray[Any], facts: dict[str, Any] | None = None) -> None:
    array = _create(store, path, values.shape, values.dtype)
    array[...] = values
    flush(store / path)
    array.attrs.update({**(facts or {}), "done": True})


def _create(
    store: Path, path: str, shape: tuple[int, ...], dtype: np.dtype[Any], nothing: float = float("nan")
) -> zarr.Array[Any]:
    zarr.open_group(zarr_store(store), mode="a", zarr_format=3)
    chunks = (max(1, min(shape[0], _CHUNK_ROWS)), *shape[1:])
    fill_value = -1 if dtype.kind == "i" else nothing
    return zarr.create_array(
        zarr_store(store),
        name=path,
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        compressors=[ZstdCodec(level=0), Crc32cCodec()],
        fill_value=fill_value,
        config=_EVERY_CHUNK,
        overwrite=True,
    )


def _read(store: Path, path: str) -> NDArray[Any]:
    if has_gaps(store, path):
        raise DamageError(f"{store / path} lacks a part; see `gapscope verify {store.parent}`")
    return np.asarray(zarr.open_array(zarr_store(store), path=path, mode="r", zarr_format=3)[...])

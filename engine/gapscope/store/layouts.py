"""layout.zarr, clusters.zarr and previous_layout.zarr: the 3-D map of every level, and its clusters."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from gapscope.store import checksums, metrics
from gapscope.store.arrays import (
    array_attributes,
    check_chunks,
    is_done,
    member_names,
    read_array,
    take_rows,
    write_array,
)
from gapscope.store.classes import remove_class_table
from gapscope.store.compared import NAME as COMPARED
from gapscope.store.gaps import remove_gaps
from gapscope.store.heat_maps import remove_heat_maps
from gapscope.store.location import remove_tree
from gapscope.store.metrics import LayoutInfo
from gapscope.store.neighbors import NAME as NEIGHBORS
from gapscope.store.run_store import RunStore
from gapscope.store.shuffle import NAME as SHUFFLE

LAYOUT, CLUSTERS, PREVIOUS = "layout.zarr", "clusters.zarr", "previous_layout.zarr"


def has_aligned_layout(run: RunStore, level: str) -> bool:
    """Return whether a level's clusters are on disk, whole, and its layout is aligned to the other levels'."""
    return is_done(run, f"{CLUSTERS}/{level}") and array_attributes(run, f"{LAYOUT}/{level}").get("aligned", False)


def has_layout(run: RunStore, level: str) -> bool:
    """Return whether a level's layout and clusters are on disk, whole, whether or not the layout is aligned."""
    return is_done(run, f"{CLUSTERS}/{level}") and is_done(run, f"{LAYOUT}/{level}")


def write_layout(
    run: RunStore,
    level: str,
    coordinates: NDArray[np.float32],
    clusters: NDArray[np.int32],
    info: LayoutInfo | None = None,
    *,
    aligned: bool = True,
) -> None:
    """Write a level's layout.

    Args:
        run: the run.
        level: the level's name.
        coordinates: (all rows, 3), NaN for rejected rows. All rows are those of every dataset, one dataset after the
            other, in the run's order.
        clusters: (all rows,) cluster numbers, -1 for none.
        info: how the layout was made and how good it is.
        aligned: whether it is turned like the other levels' layouts.
    """
    listed = {name: dataset.listed for name, dataset in run.record.datasets.items()}
    write_array(run, f"{CLUSTERS}/{level}", clusters)
    write_array(run, f"{LAYOUT}/{level}", coordinates, {"listed": listed, "info": info or {}, "aligned": aligned})


def read_layout(run: RunStore, level: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the coordinates (all rows, 3) and clusters (all rows,) of a level."""
    return read_array(run, f"{LAYOUT}/{level}"), read_array(run, f"{CLUSTERS}/{level}")


def read_layout_rows(
    run: RunStore, level: str, dataset: str, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the coordinates (n, 3) and clusters (n,) of rows of a dataset, in any order.

    Raises:
        DamageError: a chunk is missing.
    """
    first = run.record.row_slices[dataset].start
    for store in (LAYOUT, CLUSTERS):
        check_chunks(run, f"{store}/{level}")
    coordinates, clusters = (take_rows(run.array(f"{store}/{level}"), first + rows) for store in (LAYOUT, CLUSTERS))
    return coordinates, clusters


def read_clusters(run: RunStore, level: str, dataset: str) -> NDArray[np.int32]:
    """Return the clusters (rows,) of a dataset at a level.

    Raises:
        DamageError: a chunk is missing.
    """
    part = run.record.row_slices[dataset]
    check_chunks(run, f"{CLUSTERS}/{level}")
    return np.asarray(run.array(f"{CLUSTERS}/{level}")[part])


def layout_info(run: RunStore, level: str) -> LayoutInfo:
    """Return how a level's layout was made and how good it is, as `write_layout` took it."""
    return cast("LayoutInfo", dict(array_attributes(run, f"{LAYOUT}/{level}").get("info", {})))


def previous_layout(run: RunStore, level: str, dataset: str) -> NDArray[np.float32] | None:
    """Return a dataset's coordinates (rows, 3) in the layout before the last change, NaN where there are none."""
    path = f"{PREVIOUS}/{level}/{dataset}"
    return read_array(run, path) if is_done(run, path) else None


def forget_previous_coordinates(run: RunStore, dataset: str, rows: Sequence[int]) -> None:
    """Remove rows whose images have changed from the previous layouts."""
    removed = np.array(rows, np.int64)
    for level in member_names(run.path / PREVIOUS):
        coordinates = previous_layout(run, level, dataset)
        if coordinates is not None:
            coordinates[removed[removed < len(coordinates)]] = np.nan
            write_array(run, f"{PREVIOUS}/{level}/{dataset}", coordinates)


def mark_unfinished(run: RunStore) -> None:
    """Remove what says that a run is finished; it goes before anything else that is removed from one."""
    (run.path / metrics.NAME).unlink(missing_ok=True)
    (run.path / checksums.NAME).unlink(missing_ok=True)


def remove_results(run: RunStore, *, neighbors: bool = True) -> None:
    """Remove all that was computed from the embeddings, which have changed, or belong to other datasets now.

    Layouts become the previous ones.

    Args:
        run: the run.
        neighbors: remove the neighbors too, which depend on the embeddings of two datasets alone.
    """
    mark_unfinished(run)
    _retire_layouts(run)
    for store in (*([NEIGHBORS] if neighbors else []), LAYOUT, CLUSTERS, SHUFFLE, COMPARED, "manifests", "scores"):
        remove_tree(run.path / store)
        run.close(store)
    remove_gaps(run.path)
    remove_class_table(run.path)
    remove_heat_maps(run.path)
    # Without a dataset's look is without the look that it has now; neighbors by another scaler are found again.
    run.record.style_scaler = {}
    run.write_record()


def remove_dataset_results(run: RunStore, dataset: str) -> None:
    """Remove the neighbors of every pair that a dataset is in, and its previous layouts."""
    for name in (NEIGHBORS, PREVIOUS):
        store = run.path / name
        for level in store.iterdir() if store.exists() else ():
            for group in level.iterdir() if level.is_dir() else ():
                if dataset in group.name.split("-vs-"):
                    remove_tree(group)
        run.close(name)


def _retire_layouts(run: RunStore) -> None:
    for level in member_names(run.path / LAYOUT):
        listed = array_attributes(run, f"{LAYOUT}/{level}").get("listed", {})
        if listed and has_aligned_layout(run, level):
            coordinates = read_array(run, f"{LAYOUT}/{level}")
            parts = np.split(coordinates, np.cumsum(list(listed.values()))[:-1])
            for dataset, part in zip(listed, parts, strict=True):
                write_array(run, f"{PREVIOUS}/{level}/{dataset}", part)

"""Checks of what is computed per level: scalers, neighbors and layouts."""

from collections.abc import Mapping
from itertools import product

import numpy as np
import zarr
from numpy.typing import NDArray

from gapscope.store.arrays import lacks_chunks
from gapscope.store.datasets import Graph, Pair, all_pairs
from gapscope.store.layouts import (
    CLUSTERS,
    LAYOUT,
    PREVIOUS,
    has_aligned_layout,
    has_layout,
    previous_layout,
    read_layout,
)
from gapscope.store.location import zarr_store
from gapscope.store.neighbors import NAME as NEIGHBORS
from gapscope.store.neighbors import (
    has_neighbors,
    neighbor_arrays,
    neighbor_search_info,
    read_neighbor_range,
)
from gapscope.store.pyramid import NAME as PYRAMID
from gapscope.store.run_record import ScalerRecord
from gapscope.store.run_store import RunStore
from gapscope.store.shapes import check_array
from gapscope.verify.result import Check

Embedded = Mapping[str, NDArray[np.bool_]]
"""Per dataset, whether each row was embedded."""

_CHUNK_ROWS = 65536


def check_groups(run: RunStore) -> Check:
    """Open the groups that make folders of arrays one Zarr store each."""
    names = list(run.datasets)
    pairs = [f"{level}/{pair.name}" for level in run.levels for pair in all_pairs(names)]
    stores = {
        PYRAMID: ["", *names],
        NEIGHBORS: ["", *run.levels, *pairs],
        LAYOUT: [""],
        CLUSTERS: [""],
        PREVIOUS: ["", *run.levels],
    }
    check = Check(what="groups of arrays", unit="group")
    for store, paths in stores.items():
        for path in paths:
            if (run.path / store).joinpath(path).is_dir():
                where = "/".join(part for part in (store, path, "zarr.json") if part)
                with check.reading(where, "group", store, path):
                    zarr.open_group(zarr_store(run.path / store), path=path, mode="r", zarr_format=3)
                check.count += 1
    return check


def check_scaler(run: RunStore, level: str) -> Check:
    """Check the scaler of a level, by which its neighbors were found."""
    check = Check(what=f"scaler of {level}", unit="dimension")
    if level not in run.record.scaler:
        check.waiting = "not measured yet"
        with check.reading(f"{NEIGHBORS}/{level}", "scaler", level):
            used = any(has_neighbors(run, level, Pair(name, name)) for name in run.record.datasets)
            check.expect(not used, "run.json", f"has lost the scaler of {level}", "scaler", level)
        return check
    scaler = run.record.scaler[level]
    check.count = len(scaler.mean)
    own = run.record.style_scaler.get(level, {})
    right = all(map(_measures, [scaler, *own.values()])) and (not own or own.keys() == run.record.datasets.keys())
    check.expect(right, "run.json", f"holds a scaler of {level} that measures nothing", "scaler", level)
    return check


def _measures(scaler: ScalerRecord) -> bool:
    mean, std = np.asarray(scaler.mean, np.float64), np.asarray(scaler.std, np.float64)
    return mean.shape == std.shape and bool(np.isfinite(mean).all() and (std > 0).all())


def check_neighbors(run: RunStore, level: str, pair: Pair, embedded: Embedded) -> Check:
    """Check the neighbors of every image of one dataset in another."""
    check = Check(what=f"neighbors {level} {pair.name}", unit="row")
    with check.reading(f"{NEIGHBORS}/{level}/{pair.name}", "neighbors", level, *pair):
        _check_neighbors(check, run, level, pair, embedded, "images")
        if run.record.graph(pair) == "groups" and not (check.faults or check.waiting):
            check.count = 0
            _check_neighbors(check, run, level, pair, embedded, "groups")
        if pair in run.record.style_aside_pairs and not (check.faults or check.waiting):
            check.count = 0
            _check_neighbors(check, run, level, pair, embedded, "style-aside")
    return check


def _check_neighbors(check: Check, run: RunStore, level: str, pair: Pair, embedded: Embedded, graph: Graph) -> None:
    which, where = (level, *pair), f"{NEIGHBORS}/{level}/{pair.name}"
    rows, arrays = len(embedded[pair.query]), neighbor_arrays(level, pair, graph)
    for array, kind in zip(arrays, "fi", strict=True):
        check_array(run, array, kind, (rows, None))
    incomplete = any(lacks_chunks(run, array) for array in arrays)
    if not check.expect(not incomplete, where, "lacks a part", "neighbors", *which):
        return
    if not has_neighbors(run, level, pair, graph):
        check.waiting = "not found yet"
        return
    # How many groups an image has besides its own depends on the image.
    exact = graph == "images" and neighbor_search_info(run, level, pair)["method"] == "exact"
    for first in range(0, rows, _CHUNK_ROWS):
        chunk = slice(first, first + _CHUNK_ROWS)
        distances, indices = read_neighbor_range(run, level, pair, chunk.start, chunk.stop, graph)
        query = embedded[pair.query][chunk]
        own = pair.query == pair.reference
        fault = _neighbor_fault(distances, indices, first, query, embedded[pair.reference], own=own, exact=exact)
        if fault:
            check.expect(False, where, fault, "neighbors", *which)
            return
        check.count += len(distances)


def _neighbor_fault(
    distances: NDArray[np.float32],
    indices: NDArray[np.int64],
    first: int,
    query: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    *,
    own: bool,
    exact: bool,
) -> str:
    exists = indices >= 0
    if not np.array_equal(np.isfinite(distances), exists) or np.isnan(distances).any():
        return "has distances without a neighbor, or the other way round"
    if (indices < -1).any() or (indices >= len(reference)).any() or not reference[indices[exists]].all():
        return "names images that the reference does not have, or that were not read"
    if (distances[:, 1:] < distances[:, :-1]).any() or (distances < 0).any():
        return "has neighbors that are not in the order of their distance"
    if own and (indices == (first + np.arange(len(indices)))[:, None]).any():
        return "has images that are their own neighbors"
    counts = exists.sum(axis=1)
    expected = min(distances.shape[1], int(reference.sum()) - own)
    if counts[~query].any() or (exact and (counts[query] != expected).any()):
        return "lacks neighbors, or has some of images that were not read"
    return ""


def check_layout(run: RunStore, level: str, embedded: Embedded) -> Check:
    """Check the map and the clusters of a level."""
    where = f"{LAYOUT}/{level}"
    check = Check(what=f"map of {level}", unit="row")
    with check.reading(where, "layout", level):
        has_image = np.concatenate([embedded[name] for name in run.record.datasets])
        check_array(run, f"{LAYOUT}/{level}", "f", (len(has_image), 3))
        check_array(run, f"{CLUSTERS}/{level}", "i", (len(has_image),))
        for store in (LAYOUT, CLUSTERS):
            path = f"{store}/{level}"
            check.expect(not lacks_chunks(run, path), path, "lacks a part", "layout", level)
        if check.faults:
            return check
        if not has_layout(run, level):
            check.waiting = "not drawn yet"
            return check
        coordinates, clusters = read_layout(run, level)
        check.count = len(coordinates)
        finite = np.isfinite(coordinates)
        right = coordinates.shape == (len(has_image), 3) and np.array_equal(finite.all(axis=1), has_image)
        what = "does not have a place for each image that was read, and for no other"
        check.expect(right, where, what, "layout", level)
        right = clusters.shape == has_image.shape and bool(
            (clusters >= -1).all() and (clusters[~has_image] == -1).all()
        )
        check.expect(right, f"{CLUSTERS}/{level}", "does not fit the rows of the datasets", "layout", level)
        if not has_aligned_layout(run, level):
            check.waiting = "not turned like the others yet"
    return check


def check_previous_layouts(run: RunStore) -> Check:
    """Check the maps before the last update."""
    check = Check(what="earlier maps", unit="map")
    for level, name in product(run.levels, run.datasets):
        path = f"{PREVIOUS}/{level}/{name}"
        if (run.path / path).exists():
            with check.reading(path, "previous", level, name):
                check_array(run, path, "f", (None, 3))
                previous_layout(run, level, name)
                check.count += 1
    return check

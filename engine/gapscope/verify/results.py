"""Scalers, neighbors and maps of a run."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from gapscope.store.location import zarr_store
from gapscope.store.results import (
    has_gaps,
    has_layout,
    has_neighbors,
    has_unaligned_layout,
    neighbor_search_info,
    neighbor_stretch,
    pair_name,
    previous_layout,
    read_layout,
)
from gapscope.store.run_record import RunRecord
from gapscope.store.shapes import check_array
from gapscope.verify.result import Check

Read = Mapping[str, NDArray[np.bool_]]
"""Per dataset which rows were read."""

_STRETCH_ROWS = 65536


def check_groups(run: Path, record: RunRecord) -> Check:
    """Look at what makes folders of arrays one Zarr store each."""
    names, levels = list(record.config["datasets"]), record.config["embed"]["levels"]
    pairs = [f"{level}/{pair_name(*pair)}" for level in levels for pair in product(names, names)]
    stores = {
        "pyramid.zarr": ["", *names],
        "neighbors.zarr": ["", *levels, *pairs],
        "layout.zarr": [""],
        "clusters.zarr": [""],
        "previous_layout.zarr": ["", *levels],
    }
    check = Check(what="groups of arrays", unit="group")
    for store, paths in stores.items():
        for path in paths:
            if (run / store).joinpath(path).is_dir():
                at = "/".join(part for part in (store, path, "zarr.json") if part)
                with check.reading(at, "group", store, path):
                    zarr.open_group(zarr_store(run / store), path=path, mode="r", zarr_format=3)
                check.looked_at += 1
    return check


def check_scaler(run: Path, record: RunRecord, level: str) -> Check:
    """Look at the scaler of a level, by which its neighbors were found."""
    check = Check(what=f"scaler of {level}", unit="dimension")
    if level not in record.scaler:
        check.waiting = "not measured yet"
        with check.reading(f"neighbors.zarr/{level}", "scaler", level):
            found = any(has_neighbors(run, level, name, name) for name in record.datasets)
            check.expect(not found, "run.json", f"has lost the scaler of {level}", "scaler", level)
        return check
    with check.reading("run.json", "scaler", level):
        mean, std = (np.asarray(record.scaler[level][what], np.float64) for what in ("mean", "std"))
        check.looked_at = len(mean)
        right = mean.shape == std.shape and bool(np.isfinite(mean).all() and (std > 0).all())
        check.expect(right, "run.json", f"holds a scaler of {level} that measures nothing", "scaler", level)
    return check


def check_neighbors(run: Path, record: RunRecord, level: str, query: str, reference: str, read: Read) -> Check:
    """Look at the neighbors of every image of one dataset in another."""
    where = (level, query, reference)
    at = f"neighbors.zarr/{level}/{pair_name(query, reference)}"
    check = Check(what=f"neighbors {level} {pair_name(query, reference)}", unit="row")
    with check.reading(at, "neighbors", *where):
        for of, kind in (("distances", "f"), ("indices", "i")):
            check_array(run, f"{at}/{of}", kind, (len(read[query]), None))
        gaps = any(has_gaps(run / "neighbors.zarr", f"{at.partition('/')[2]}/{of}") for of in ("distances", "indices"))
        if not check.expect(not gaps, at, "lacks a part", "neighbors", *where):
            return check
        if not has_neighbors(run, *where):
            check.waiting = "not found yet"
            return check
        rows = len(read[query])
        exact = neighbor_search_info(run, *where)["method"] == "exact"
        for first in range(0, rows, _STRETCH_ROWS):
            stretch = slice(first, first + _STRETCH_ROWS)
            distances, indices = neighbor_stretch(run, *where, stretch.start, stretch.stop)
            asking = np.flatnonzero(read[query][stretch]) + first
            problem = _problem(distances, indices, first, asking, read[reference], own=query == reference, exact=exact)
            if problem:
                check.expect(False, at, problem, "neighbors", *where)
                break
            check.looked_at += len(distances)
    return check


def _problem(
    distances: NDArray[np.float32],
    indices: NDArray[np.int64],
    first: int,
    asking: NDArray[np.int64],
    asked: NDArray[np.bool_],
    *,
    own: bool,
    exact: bool,
) -> str:
    there = indices >= 0
    if not np.array_equal(np.isfinite(distances), there) or np.isnan(distances).any():
        return "has distances without a neighbor, or the other way round"
    if (indices < -1).any() or (indices >= len(asked)).any() or not asked[indices[there]].all():
        return "names images that the reference does not have, or that were not read"
    if (distances[:, 1:] < distances[:, :-1]).any() or (distances < 0).any():
        return "has neighbors that are not in the order of their distance"
    if own and (indices == (first + np.arange(len(indices)))[:, None]).any():
        return "has images that are their own neighbors"
    counts = there.sum(axis=1)
    most = min(distances.shape[1], int(asked.sum()) - own)
    inside = np.zeros(len(counts), bool)
    inside[asking - first] = True
    if counts[~inside].any() or (exact and (counts[inside] != most).any()):
        return "lacks neighbors, or has some of images that were not read"
    return ""


def check_layout(run: Path, record: RunRecord, level: str, read: Read) -> Check:
    """Look at the map and the clusters of a level."""
    at = f"layout.zarr/{level}"
    check = Check(what=f"map of {level}", unit="row")
    with check.reading(at, "layout", level):
        inside = np.concatenate([read[name] for name in record.datasets])
        check_array(run, f"layout.zarr/{level}", "f", (len(inside), 3))
        check_array(run, f"clusters.zarr/{level}", "i", (len(inside),))
        for store in ("layout.zarr", "clusters.zarr"):
            check.expect(not has_gaps(run / store, level), f"{store}/{level}", "lacks a part", "layout", level)
        if check.faults:
            return check
        if not has_unaligned_layout(run, level):
            check.waiting = "not drawn yet"
            return check
        points, clusters = read_layout(run, level)
        check.looked_at = len(points)
        finite = np.isfinite(points)
        right = points.shape == (len(inside), 3) and np.array_equal(finite.all(axis=1), inside)
        check.expect(right, at, "does not have a place for each image that was read, and for no other", "layout", level)
        right = clusters.shape == inside.shape and bool((clusters >= -1).all() and (clusters[~inside] == -1).all())
        check.expect(right, f"clusters.zarr/{level}", "does not fit the rows of the datasets", "layout", level)
        if not has_layout(run, level):
            check.waiting = "not turned like the others yet"
    return check


def check_earlier(run: Path, record: RunRecord) -> Check:
    """Look at the maps before the last update."""
    check = Check(what="earlier maps", unit="map")
    for level, name in product(record.config["embed"]["levels"], record.config["datasets"]):
        at = f"previous_layout.zarr/{level}/{name}"
        if (run / at).exists():
            with check.reading(at, "earlier", level, name):
                check_array(run, at, "f", (None, 3))
                previous_layout(run, level, name)
                check.looked_at += 1
    return check

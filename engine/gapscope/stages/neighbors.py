"""The stage that finds every image's nearest images, per level and ordered pair of datasets, itself included."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from distributed.system import MEMORY_LIMIT

from gapscope.cluster import Connect, run_jobs, workers_per_host
from gapscope.device import Device
from gapscope.device.cores import share_cores
from gapscope.neighbors.cache import NEIGHBOR_CACHE, CachedNeighbors
from gapscope.neighbors.embedding_view import open_view, read_rows_float32
from gapscope.neighbors.scaler import fit_scaler
from gapscope.progress import Progress
from gapscope.store.index import rows_read
from gapscope.store.pyramid import open_embeddings
from gapscope.store.results import (
    create_neighbors,
    finish_neighbors,
    has_neighbors,
    neighbor_search_info,
    write_neighbor_rows,
)
from gapscope.store.run_record import RunRecord

_TILE_ROWS = 8192
_STRETCH_ROWS = 2**20
"""Query images whose neighbors are in memory at a time."""
_KEPT_SHARE = 1 / 8
"""Of the machine's memory for neighbors that its workers keep for the map."""


def fit_scalers(run: Path, record: RunRecord) -> None:
    """Measure the scaler of every level that has none yet, and keep it in run.json."""
    for level in record.config["embed"]["levels"]:
        if level in record.scaler:
            continue
        arrays = [(open_embeddings(run, name, level), rows_read(run, name)) for name in record.datasets]
        mean, std = fit_scaler(
            (
                read_rows_float32(array, rows[start : start + _TILE_ROWS])
                for array, rows in arrays
                for start in range(0, len(rows), _TILE_ROWS)
            ),
            channels=arrays[0][0].shape[1],
        )
        record.scaler[level] = {"mean": mean.tolist(), "std": std.tolist()}
    record.write(run)


@dataclass(frozen=True, kw_only=True)
class _Pair:
    run: Path
    record: RunRecord
    level: str
    query: str
    reference: str
    k: int
    device: Device
    processes_per_host: int
    search: str
    graph_k: int


def find_neighbors(
    run: Path,
    record: RunRecord,
    device: Device,
    k: int,
    connect: Connect,
    progress: Progress,
    *,
    graph_k: int = 0,
) -> str:
    """Write the k nearest images of every image, for each level and ordered pair that is not on disk yet.

    Args:
        run: the run's folder.
        record: its run.json.
        device: on what.
        k: how many.
        connect: gives the cluster's client.
        progress: shows the work.
        graph_k: so many of them stay in the memory of the worker that found them, as far as there is room, for
            `gapscope.stages.layout.compute_layouts`.

    Returns:
        The name of this search, by which `compute_layouts` asks workers for what they kept.

    Raises:
        ClusterError: the cluster cannot be had, or fails; finished pairs are kept.
    """
    search = uuid4().hex
    levels, names = record.config["embed"]["levels"], list(record.datasets)
    work = [
        (level, query, reference)
        for level, (query, reference) in product(levels, product(names, names))
        if not has_neighbors(run, level, query, reference)
    ]
    if not work:
        return search
    for level, query, reference in work:
        create_neighbors(run, level, query, reference, record.datasets[query]["listed"], k)
    client = connect()
    with progress.task("neighbors", len(work), "pair") as task:
        processes_per_host = workers_per_host(client)
        pairs = (
            _Pair(
                run=run,
                record=record,
                level=level,
                query=query,
                reference=reference,
                k=k,
                device=device,
                processes_per_host=processes_per_host,
                search=search,
                graph_k=min(k, graph_k),
            )
            for level, query, reference in work
        )
        for _ in run_jobs(client, _write_pair, pairs):
            task.advance(1)
    _tell_recall(run, work, progress)
    return search


def neighbor_search_infos(run: Path, level: str, datasets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return how the neighbors of each ordered pair of a level were found: method, recall, and its sample's size."""
    return {
        f"{query}-vs-{reference}": neighbor_search_info(run, level, query, reference)
        for query, reference in product(datasets, datasets)
    }


def _write_pair(pair: _Pair) -> None:
    where = (pair.run, pair.level, pair.query, pair.reference)
    asking = open_view(pair.run, pair.record, pair.query, pair.level)
    asked = open_view(pair.run, pair.record, pair.reference, pair.level)
    share_cores(pair.processes_per_host)
    methods, samples = [], []
    # For the map; what would not fit is read from the disk again.
    most = int(MEMORY_LIMIT * _KEPT_SHARE / max(1, pair.processes_per_host))
    kept = CachedNeighbors.empty(len(asking), pair.graph_k if len(asking) * pair.graph_k * 8 <= most else 0)
    for start in range(0, len(asking), _STRETCH_ROWS):
        stretch = asking.some(slice(start, start + _STRETCH_ROWS))
        found = pair.device.neighbors(stretch, asked, pair.k, same=pair.query == pair.reference)
        indices = np.where(found.indices >= 0, asked.rows[found.indices], -1)
        write_neighbor_rows(*where, stretch.rows, found.distances, indices)
        kept.distances[start : start + len(stretch)] = found.distances[:, : kept.distances.shape[1]]
        kept.positions[start : start + len(stretch)] = found.indices[:, : kept.positions.shape[1]]
        methods.append(found.method)
        samples.append((found.recall, found.sample))
    shares, sizes = np.array(samples, dtype=np.float64).reshape(-1, 2).T
    recall = float(np.average(shares, weights=np.maximum(sizes, 1))) if len(shares) else 1.0
    method = "ivf" if "ivf" in methods else "exact"
    finish_neighbors(*where, {"method": method, "recall": recall, "sample": int(sizes.sum())})
    if kept.distances.shape[1]:
        NEIGHBOR_CACHE.keep(pair.search, (pair.level, pair.query, pair.reference), kept, most)


def _tell_recall(run: Path, work: Sequence[tuple[str, str, str]], progress: Progress) -> None:
    near = [facts for pair in work if (facts := neighbor_search_info(run, *pair))["method"] != "exact"]
    if near:
        worst = min(facts["recall"] for facts in near)
        progress.note(
            f"neighbors: {len(near)} of {len(work)} pairs are too large to compare everything; "
            f"on samples at least {worst:.1%} of the true neighbors were found"
        )

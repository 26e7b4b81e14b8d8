"""The stage that finds every image's nearest images, per level and ordered pair of datasets, itself included."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from distributed.system import MEMORY_LIMIT

from gapscope.cluster import Connect, run_jobs, workers_per_machine
from gapscope.device import Device
from gapscope.device.cores import share_cores
from gapscope.neighbors.recent import RECENT, NearestImages
from gapscope.neighbors.ruler import measure_ruler
from gapscope.neighbors.unit_rows import UnitRows, raw_tile
from gapscope.progress import Progress
from gapscope.store.index import rows_read
from gapscope.store.pyramid import open_embeddings
from gapscope.store.record import Record
from gapscope.store.results import (
    create_neighbors,
    finish_neighbors,
    has_neighbors,
    neighbor_facts,
    write_neighbor_rows,
)

_TILE_ROWS = 8192
_STRETCH_ROWS = 2**20
"""Query images whose neighbours are in memory at a time."""
_KEPT_SHARE = 1 / 8
"""Of the machine's memory for neighbours that its workers keep for the map."""


def measure_rulers(run: Path, record: Record) -> None:
    """Measure the ruler of every level that has none yet, and keep it in run.json."""
    for level in record.config["embed"]["levels"]:
        if level in record.ruler:
            continue
        arrays = [(open_embeddings(run, name, level), rows_read(run, name)) for name in record.datasets]
        mean, spread = measure_ruler(
            (
                raw_tile(array, rows[start : start + _TILE_ROWS])
                for array, rows in arrays
                for start in range(0, len(rows), _TILE_ROWS)
            ),
            channels=arrays[0][0].shape[1],
        )
        record.ruler[level] = {"mean": mean.tolist(), "spread": spread.tolist()}
    record.write(run)


def unit_rows(run: Path, record: Record, dataset: str, level: str) -> UnitRows:
    """Return the read images of a dataset and level as vectors by the run's ruler and metric."""
    ruler = record.ruler[level]
    return UnitRows(
        embeddings=open_embeddings(run, dataset, level),
        rows=rows_read(run, dataset),
        mean=np.asarray(ruler["mean"], np.float32),
        spread=np.asarray(ruler["spread"], np.float32),
        metric=record.config.get("neighbors", {}).get("metric", "cosine"),
    )


@dataclass(frozen=True, kw_only=True)
class _Pair:
    run: Path
    record: Record
    level: str
    query: str
    reference: str
    k: int
    device: Device
    sharing: int
    search: str
    graph_k: int


def find_neighbors(
    run: Path,
    record: Record,
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
            `gapscope.layout.stage.lay_out`.

    Returns:
        The name of this search, by which `lay_out` asks workers for what they kept.

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
        sharing = workers_per_machine(client)
        pairs = (
            _Pair(
                run=run,
                record=record,
                level=level,
                query=query,
                reference=reference,
                k=k,
                device=device,
                sharing=sharing,
                search=search,
                graph_k=min(k, graph_k),
            )
            for level, query, reference in work
        )
        for _ in run_jobs(client, _write_pair, pairs):
            task.advance(1)
    _tell_recall(run, work, progress)
    return search


def neighbor_numbers(run: Path, level: str, datasets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return how the neighbours of each ordered pair of a level were found: way, recall, and the size of its sample."""
    return {
        f"{query}-vs-{reference}": neighbor_facts(run, level, query, reference)
        for query, reference in product(datasets, datasets)
    }


def _write_pair(pair: _Pair) -> None:
    where = (pair.run, pair.level, pair.query, pair.reference)
    asking = unit_rows(pair.run, pair.record, pair.query, pair.level)
    asked = unit_rows(pair.run, pair.record, pair.reference, pair.level)
    share_cores(pair.sharing)
    ways, samples = [], []
    # For the map; what would not fit is read from the disk again.
    most = int(MEMORY_LIMIT * _KEPT_SHARE / max(1, pair.sharing))
    kept = NearestImages.empty(len(asking), pair.graph_k if len(asking) * pair.graph_k * 8 <= most else 0)
    for start in range(0, len(asking), _STRETCH_ROWS):
        stretch = asking.some(slice(start, start + _STRETCH_ROWS))
        found = pair.device.neighbors(stretch, asked, pair.k, same=pair.query == pair.reference)
        indices = np.where(found.indices >= 0, asked.rows[found.indices], -1)
        write_neighbor_rows(*where, stretch.rows, found.distances, indices)
        kept.distances[start : start + len(stretch)] = found.distances[:, : kept.distances.shape[1]]
        kept.positions[start : start + len(stretch)] = found.indices[:, : kept.positions.shape[1]]
        ways.append(found.way)
        samples.append((found.recall, found.sample))
    shares, sizes = np.array(samples, dtype=np.float64).reshape(-1, 2).T
    recall = float(np.average(shares, weights=np.maximum(sizes, 1))) if len(shares) else 1.0
    way = "cells" if "cells" in ways else "exact"
    finish_neighbors(*where, {"way": way, "recall": recall, "sample": int(sizes.sum())})
    if kept.distances.shape[1]:
        RECENT.keep(pair.search, (pair.level, pair.query, pair.reference), kept, most)


def _tell_recall(run: Path, work: Sequence[tuple[str, str, str]], progress: Progress) -> None:
    near = [facts for pair in work if (facts := neighbor_facts(run, *pair))["way"] != "exact"]
    if near:
        worst = min(facts["recall"] for facts in near)
        progress.note(
            f"neighbors: {len(near)} of {len(work)} pairs are too large to compare everything; "
            f"on samples at least {worst:.1%} of the true neighbours were found"
        )

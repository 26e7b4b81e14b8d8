"""The stage that draws a level's 3-D map of all datasets together, and finds its clusters."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.cluster import Connect, run_jobs, workers_per_host
from gapscope.device import Device
from gapscope.device.cores import share_cores
from gapscope.layout.align import align
from gapscope.layout.clustering import cluster_points
from gapscope.layout.quality import map_quality
from gapscope.layout.strategy import compute_layout
from gapscope.neighbors.cache import clear_neighbor_cache
from gapscope.neighbors.embedding_view import open_view
from gapscope.progress import Progress
from gapscope.settings import LayoutSettings
from gapscope.stages.neighbors import neighbor_search_infos
from gapscope.store.index import rows_read
from gapscope.store.results import (
    has_layout,
    has_unaligned_layout,
    layout_info,
    read_layout,
    write_layout,
)
from gapscope.store.run_record import RunRecord


@dataclass(frozen=True, kw_only=True)
class _Level:
    run: Path
    record: RunRecord
    level: str
    settings: LayoutSettings
    device: Device
    processes_per_host: int
    search: str


def compute_layouts(
    run: Path,
    record: RunRecord,
    settings: LayoutSettings,
    device: Device,
    connect: Connect,
    progress: Progress,
    search: str = "",
) -> None:
    """Write the layout and clusters of every level that has none on disk yet, levels side by side, then align them.

    Args:
        run: the run's folder.
        record: its run.json.
        settings: how.
        device: on what.
        connect: gives the cluster's client.
        progress: shows the work.
        search: what `gapscope.stages.neighbors.find_neighbors` returned: neighbors that a worker still has in memory
            are not read from the run again.

    Raises:
        ClusterError: the cluster cannot be had, or fails; finished levels are kept.
    """
    levels = record.config["embed"]["levels"]
    work = [level for level in levels if not has_unaligned_layout(run, level)]
    if work:
        client = connect()
        with progress.task("layout", len(work), "level") as task:
            processes_per_host = workers_per_host(client)
            jobs = (
                _Level(
                    run=run,
                    record=record,
                    level=level,
                    settings=settings,
                    device=device,
                    processes_per_host=processes_per_host,
                    search=search,
                )
                for level in work
            )
            for note in run_jobs(client, _lay_out_level, jobs):
                task.advance(1)
                if note:
                    progress.note(note)
        # Of levels that another worker drew; one that is lost meanwhile has nothing to forget.
        with suppress(Exception):
            client.run(clear_neighbor_cache)
    _align_levels(run, record, levels)


def level_infos(run: Path, record: RunRecord, level: str) -> dict[str, Any]:
    """Return what metrics.json says of a level's neighbors, how they were found, and of its map, how good it is."""
    return {"neighbors": neighbor_search_infos(run, level, list(record.datasets)), "layout": layout_info(run, level)}


def _lay_out_level(job: _Level) -> str:
    """Write a level's layout, and return what is worth telling of it."""
    run, record, level = job.run, job.record, job.level
    share_cores(job.processes_per_host)
    made = compute_layout(run, record, level, job.settings, job.device, max(1, job.processes_per_host), job.search)
    views = [open_view(run, record, name, level) for name in record.datasets]
    clusters = cluster_points(made.points, job.device, job.settings.seed)
    facts = {**made.facts(), **map_quality(views, made.points, job.settings.seed), "clustered": clusters.sample}
    _write(run, record, level, made.points, clusters.labels, facts, final=made.strategy == "extended")
    notes = "; ".join(filter(None, (made.note, clusters.note)))
    return f"{level}: {notes}" if notes else ""


def _write(
    run: Path,
    record: RunRecord,
    level: str,
    points: NDArray[np.float32],
    clusters: NDArray[np.int32],
    facts: dict[str, Any],
    *,
    final: bool,
) -> None:
    listed = {name: about["listed"] for name, about in record.datasets.items()}
    read = _read_positions(run, record)
    all_points = np.full((sum(listed.values()), 3), np.nan, np.float32)
    all_clusters = np.full(len(all_points), -1, np.int32)
    all_points[read], all_clusters[read] = points, clusters
    write_layout(run, level, all_points, all_clusters, listed=listed, facts=facts, aligned=final)


def _read_positions(run: Path, record: RunRecord) -> NDArray[np.int64]:
    positions, first = [], 0
    for name, facts in record.datasets.items():
        positions.append(first + rows_read(run, name))
        first += facts["listed"]
    return np.concatenate(positions)


def _align_levels(run: Path, record: RunRecord, levels: list[str]) -> None:
    read = _read_positions(run, record)
    before: NDArray[np.float32] | None = None
    for level in levels:
        all_points, all_clusters = read_layout(run, level)
        points, clusters = all_points[read], all_clusters[read]
        if not has_layout(run, level):
            # A map without extent has nothing to be turned to.
            points = align(points, before if before is not None and before.any() else None)
            _write(run, record, level, points, clusters, layout_info(run, level), final=True)
        before = points

"""The stage that lays out every level in three dimensions, all datasets together, and finds its clusters."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.cluster import Connect, run_jobs, workers_per_host
from gapscope.device import Device
from gapscope.device.cores import share_cores
from gapscope.layout.align import align
from gapscope.layout.clustering import cluster_points
from gapscope.layout.quality import layout_quality
from gapscope.layout.strategy import compute_layout
from gapscope.neighbors.cache import clear_neighbor_cache
from gapscope.neighbors.embedding_view import open_views
from gapscope.progress import Progress
from gapscope.settings import LayoutSettings
from gapscope.store.index import rows_read
from gapscope.store.layouts import has_aligned_layout, has_layout, layout_info, read_layout, write_layout
from gapscope.store.metrics import LayoutInfo
from gapscope.store.run_store import RunStore


@dataclass(frozen=True, kw_only=True)
class _Job:
    run: RunStore
    level: str
    settings: LayoutSettings
    device: Device
    processes_per_host: int
    search: str


def compute_layouts(
    run: RunStore, settings: LayoutSettings, device: Device, connect: Connect, progress: Progress, search: str = ""
) -> None:
    """Write the layout and clusters of every level that has none on disk yet, levels side by side, then align them.

    Args:
        run: the run.
        settings: of the layouts.
        device: where to compute.
        connect: returns the cluster's client.
        progress: shows the work.
        search: what `gapscope.stages.neighbors.find_neighbors` returned: neighbors that a worker still holds in memory
            are not read from the run again.

    Raises:
        ClusterError: the cluster cannot be started or reached, or fails; finished levels are kept.
    """
    missing = [level for level in run.levels if not has_layout(run, level)]
    if missing:
        client = connect()
        with progress.task("layout", len(missing), "level") as task:
            processes = workers_per_host(client)
            jobs = (
                _Job(
                    run=run,
                    level=level,
                    settings=settings,
                    device=device,
                    processes_per_host=processes,
                    search=search,
                )
                for level in missing
            )
            for note in run_jobs(client, _layout_level, jobs):
                task.advance(1)
                if note:
                    progress.note(note)
        # Workers still hold the neighbors of levels that another one laid out. A worker that is lost holds nothing.
        with suppress(Exception):
            client.run(clear_neighbor_cache)
    _align_levels(run)


def _layout_level(job: _Job) -> str:
    """Write a level's layout, and return what is worth telling of it."""
    run, level, seed = job.run, job.level, job.settings.seed
    share_cores(job.processes_per_host)
    layout = compute_layout(run, level, job.settings, job.device, max(1, job.processes_per_host), job.search)
    clusters = cluster_points(layout.coordinates, job.device, seed)
    info = LayoutInfo(
        strategy=layout.strategy,
        images=len(layout.coordinates),
        umap_images=layout.umap_images,
        note=layout.note,
        **layout_quality(open_views(run, level), layout.coordinates, seed),
        clustered=clusters.sample,
    )
    _write(run, level, layout.coordinates, clusters.labels, info, aligned=layout.strategy == "extended")
    notes = "; ".join(filter(None, (layout.note, clusters.note)))
    return f"{level}: {notes}" if notes else ""


def _write(
    run: RunStore,
    level: str,
    coordinates: NDArray[np.float32],
    clusters: NDArray[np.int32],
    info: LayoutInfo,
    *,
    aligned: bool,
) -> None:
    embedded = _embedded_positions(run)
    rows = run.record.listed
    all_coordinates = np.full((rows, 3), np.nan, np.float32)
    all_clusters = np.full(rows, -1, np.int32)
    all_coordinates[embedded], all_clusters[embedded] = coordinates, clusters
    write_layout(run, level, all_coordinates, all_clusters, info, aligned=aligned)


def _embedded_positions(run: RunStore) -> NDArray[np.int64]:
    """Return the positions of the embedded images among the rows of all datasets."""
    return np.concatenate([part.start + rows_read(run, name) for name, part in run.record.row_slices.items()])


def _align_levels(run: RunStore) -> None:
    embedded = _embedded_positions(run)
    finer: NDArray[np.float32] | None = None
    for level in run.levels:
        all_coordinates, all_clusters = read_layout(run, level)
        coordinates, clusters = all_coordinates[embedded], all_clusters[embedded]
        if not has_aligned_layout(run, level):
            # A map without extent cannot be a target.
            coordinates = align(coordinates, finer if finer is not None and finer.any() else None)
            _write(run, level, coordinates, clusters, layout_info(run, level), aligned=True)
        finer = coordinates

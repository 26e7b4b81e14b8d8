"""The stage that lays out every level in three dimensions, all datasets together, and finds its clusters."""

import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from gapscope.cluster import Connect, run_jobs, workers_per_host
from gapscope.device import Device
from gapscope.device.cores import share_cores
from gapscope.layout.align import align
from gapscope.layout.clustering import cluster_points
from gapscope.layout.interpolate import Interpolator
from gapscope.layout.quality import layout_quality
from gapscope.layout.strategy import (
    FittedLayout,
    LevelLayout,
    compute_layout,
    fit_layout,
    known_coordinates,
    place_others,
    whole_layout,
)
from gapscope.neighbors.cache import clear_neighbor_cache
from gapscope.neighbors.embedding_view import concat_views, open_view, open_views
from gapscope.neighbors.partition import PARTITION_FROM
from gapscope.progress import Progress
from gapscope.settings import LayoutSettings
from gapscope.store.index import rows_read
from gapscope.store.layouts import has_aligned_layout, has_layout, layout_info, read_layout, write_layout
from gapscope.store.location import Location, remove_tree
from gapscope.store.metrics import LayoutInfo
from gapscope.store.run_store import RunStore
from gapscope.store.shuffle import NAME as SHUFFLE
from gapscope.store.shuffle import read_arrays, write_arrays

_PLACED_ROWS = 2**20
"""Images that a job places on a map; each of its processes prepares the map for that once."""
_SCRATCH = "maps"


@dataclass(frozen=True, kw_only=True)
class _LevelJob:
    """Fit a level's map, and finish it where all images are on it."""

    run: RunStore
    level: str
    settings: LayoutSettings
    device: Device
    processes_per_host: int
    search: str

    def do(self) -> str | None:
        run, level = self.run, self.level
        arguments = run, level, self.settings, self.device, max(1, self.processes_per_host), self.search
        if run.record.embedded < PARTITION_FROM:
            return _finish(self, compute_layout(*arguments))
        if not _fitted_path(run, level).exists():
            fitted = fit_layout(*arguments)
            if fitted.positions is None:
                return _finish(self, whole_layout(fitted))
            _write_fitted(run, level, fitted)
        return None


@dataclass(frozen=True, kw_only=True)
class _PlacingJob:
    """Place some of a dataset's images among those of a level's map."""

    of: _LevelJob
    dataset: str
    number: int

    @property
    def path(self) -> Location:
        return self.of.run.path / SHUFFLE / _SCRATCH / f"{self.of.level}-{self.dataset}-{self.number:06d}.npz"

    def do(self) -> None:
        run, level = self.of.run, self.of.level
        fitted = _read_fitted(run, level)
        earlier = takewhile(lambda name: name != self.dataset, run.record.datasets)
        before = sum(run.record.datasets[name].read or 0 for name in earlier)
        first = self.number * _PLACED_ROWS
        rows = rows_read(run, self.dataset)[first : first + _PLACED_ROWS]
        known = known_coordinates(run, level, fitted, self.dataset, rows, before + first)
        place = _PREPARED.get(self.of, fitted)
        write_arrays(self.path, coordinates=place_others(open_view(run, self.dataset, level, rows=rows), known, place))


@dataclass(frozen=True, kw_only=True)
class _FinishingJob:
    """Put the parts of a level's map together."""

    of: _LevelJob
    parts: tuple[_PlacingJob, ...]

    def do(self) -> str:
        fitted = _read_fitted(self.of.run, self.of.level)
        coordinates = np.concatenate([read_arrays(part.path)["coordinates"] for part in self.parts])
        return _finish(self.of, whole_layout(fitted, coordinates))


class _PreparedMap:
    """The map of this process on which images are being placed; it is prepared once for all jobs of a level."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key = ("", "")
        self._interpolator: Interpolator | None = None

    def get(self, job: _LevelJob, fitted: FittedLayout) -> Interpolator:
        key = job.run.session, job.level
        with self._lock:
            if self._interpolator is None or self._key != key:
                # The one before goes first: two may not fit into memory.
                self._interpolator = None
                reference = concat_views(open_views(job.run, job.level), fitted.positions)
                self._key, self._interpolator = key, Interpolator(reference, fitted.coordinates, job.device, many=True)
            return self._interpolator

    def clear(self) -> None:
        with self._lock:
            self._interpolator = None


_PREPARED = _PreparedMap()


def compute_layouts(
    run: RunStore, settings: LayoutSettings, device: Device, connect: Connect, progress: Progress, search: str = ""
) -> None:
    """Write the layout and clusters of every level that has none on disk yet, levels side by side, then align them.

    Of a million images and more, each level's map is fitted to some, and the others are placed on it in jobs of their
    own, so that all workers have work.

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
            jobs: deque[_Job] = deque(
                _LevelJob(
                    run=run,
                    level=level,
                    settings=settings,
                    device=device,
                    processes_per_host=processes,
                    search=search,
                )
                for level in missing
            )
            unplaced: dict[str, set[Location]] = {}
            for job, note in run_jobs(client, _do, jobs):
                if note is not None:
                    task.advance(1)
                    if note:
                        progress.note(note)
                elif isinstance(job, _LevelJob):
                    parts = _placing_jobs(job)
                    waiting = [part for part in parts if not part.path.exists()]
                    unplaced[job.level] = {part.path for part in waiting}
                    jobs.extend(waiting or [_FinishingJob(of=job, parts=parts)])
                elif isinstance(job, _PlacingJob):
                    unplaced[job.of.level].discard(job.path)
                    if not unplaced[job.of.level]:
                        jobs.append(_FinishingJob(of=job.of, parts=_placing_jobs(job.of)))
        # Workers still hold the neighbors of levels that another one laid out. A worker that is lost holds nothing.
        with suppress(Exception):
            client.run(_clear_caches)
        remove_tree(run.path / SHUFFLE)
    _align_levels(run)


_Job = _LevelJob | _PlacingJob | _FinishingJob


def _do(job: _Job) -> tuple[_Job, str | None]:
    """Do a job on a worker, and return it with what is worth telling of a level that is finished, or None."""
    share_cores((job if isinstance(job, _LevelJob) else job.of).processes_per_host)
    return job, job.do()


def _clear_caches() -> None:
    clear_neighbor_cache()
    _PREPARED.clear()


def _placing_jobs(job: _LevelJob) -> tuple[_PlacingJob, ...]:
    return tuple(
        _PlacingJob(of=job, dataset=name, number=number)
        for name, dataset in job.run.record.datasets.items()
        for number in range(-(-(dataset.read or 0) // _PLACED_ROWS))
    )


def _fitted_path(run: RunStore, level: str) -> Location:
    return run.path / SHUFFLE / _SCRATCH / f"{level}.npz"


def _write_fitted(run: RunStore, level: str, fitted: FittedLayout) -> None:
    assert fitted.positions is not None
    words = np.array([fitted.strategy, fitted.note])
    umap_images = np.array(fitted.umap_images)
    write_arrays(
        _fitted_path(run, level),
        coordinates=fitted.coordinates,
        positions=fitted.positions,
        words=words,
        umap_images=umap_images,
    )


def _read_fitted(run: RunStore, level: str) -> FittedLayout:
    arrays = read_arrays(_fitted_path(run, level))
    strategy, note = arrays["words"].tolist()
    return FittedLayout(
        coordinates=arrays["coordinates"],
        positions=arrays["positions"],
        strategy=strategy,
        umap_images=int(arrays["umap_images"]),
        note=note,
    )


def _finish(job: _LevelJob, layout: LevelLayout) -> str:
    """Write a level's layout, and return what is worth telling of it."""
    run, level, seed = job.run, job.level, job.settings.seed
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

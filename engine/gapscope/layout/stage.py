"""The stage that draws a level's 3-D map of all datasets together, and finds its clusters."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gapscope.device import Device
from gapscope.layout.graph import merged_graph
from gapscope.layout.start import principal_start
from gapscope.neighbors.stage import unit_rows
from gapscope.progress import Progress
from gapscope.settings import LayoutSettings
from gapscope.store.index import rows_read
from gapscope.store.record import Record
from gapscope.store.results import has_layout, write_layout

_TILE_ROWS = 8192
_FEWEST = 8
"""Below this many images a graph says less than the principal axes do."""
_SMALLEST_CLUSTER = 5


def lay_out(run: Path, record: Record, settings: LayoutSettings, device: Device, progress: Progress) -> None:
    """Write the layout and clusters of every level that has none on disk yet."""
    levels = [level for level in record.config["embed"]["levels"] if not has_layout(run, level)]
    with progress.task("layout", len(levels), "level") as task:
        for level in levels:
            _lay_out_level(run, record, level, settings, device)
            task.advance(1)


def _lay_out_level(run: Path, record: Record, level: str, settings: LayoutSettings, device: Device) -> None:
    views = [unit_rows(run, record, name, level) for name in record.datasets]

    def tiles() -> Iterator[NDArray[np.float32]]:
        for view in views:
            for start in range(0, len(view), _TILE_ROWS):
                yield view.tile(start, start + _TILE_ROWS)

    points = principal_start(tiles, views[0].channels, settings.seed)
    if len(points) >= _FEWEST:
        distances, indices = merged_graph(run, record, level, min(settings.n_neighbors, len(points) - 1))
        points = device.layout(points, distances, indices, settings)
    clusters = np.full(len(points), -1, np.int32)
    if len(points) >= 2 * _SMALLEST_CLUSTER:
        clusters = device.cluster_labels(points, max(_SMALLEST_CLUSTER, round(len(points) ** 0.5) // 2))
    listed = sum(facts["listed"] for facts in record.datasets.values())
    all_points, all_clusters = np.full((listed, 3), np.nan, np.float32), np.full(listed, -1, np.int32)
    read = _read_positions(run, record)
    all_points[read], all_clusters[read] = points, clusters
    write_layout(run, level, all_points, all_clusters)


def _read_positions(run: Path, record: Record) -> NDArray[np.int64]:
    positions, first = [], 0
    for name, facts in record.datasets.items():
        positions.append(first + rows_read(run, name))
        first += facts["listed"]
    return np.concatenate(positions)

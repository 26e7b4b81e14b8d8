"""The stage that finds every image's nearest images, per level and ordered pair of datasets, itself included."""

from itertools import product
from pathlib import Path

import numpy as np

from gapscope.device import Device
from gapscope.neighbors.ruler import measure_ruler
from gapscope.neighbors.unit_rows import UnitRows, raw_tile
from gapscope.progress import Progress
from gapscope.store.index import rows_read
from gapscope.store.pyramid import open_embeddings
from gapscope.store.record import Record
from gapscope.store.results import has_neighbors, write_neighbors

_TILE_ROWS = 8192


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
    """Return the read images of a dataset and level as unit vectors by the run's ruler."""
    ruler = record.ruler[level]
    return UnitRows(
        embeddings=open_embeddings(run, dataset, level),
        rows=rows_read(run, dataset),
        mean=np.asarray(ruler["mean"], np.float32),
        spread=np.asarray(ruler["spread"], np.float32),
    )


def find_neighbors(run: Path, record: Record, device: Device, k: int, progress: Progress) -> None:
    """Write the k nearest images of every image, for each level and ordered pair that is not on disk yet."""
    levels, names = record.config["embed"]["levels"], list(record.datasets)
    work = [
        (level, query, reference)
        for level, (query, reference) in product(levels, product(names, names))
        if not has_neighbors(run, level, query, reference)
    ]
    with progress.task("neighbors", len(work), "pair") as task:
        for level, query, reference in work:
            _write_pair(run, record, device, k, (level, query, reference))
            task.advance(1)


def _write_pair(run: Path, record: Record, device: Device, k: int, pair: tuple[str, str, str]) -> None:
    level, query, reference = pair
    asking, asked = unit_rows(run, record, query, level), unit_rows(run, record, reference, level)
    near, where = device.neighbors(asking, asked, k, same=query == reference)
    rows = record.datasets[query]["listed"]
    distances = np.full((rows, k), np.inf, np.float32)
    indices = np.full((rows, k), -1, np.int64)
    distances[asking.rows] = near
    indices[asking.rows] = np.where(where >= 0, asked.rows[where], -1)
    write_neighbors(run, level, query, reference, distances, indices)

"""A run up to its embeddings, which a test provides; and the stages from there to the maps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recording_progress import RecordingProgress

from gapscope.cluster import lazy_cluster
from gapscope.device.cpu import Cpu
from gapscope.settings import LayoutSettings, Metric, NeighborSettings
from gapscope.sources import Entry
from gapscope.stages.layout import compute_layouts
from gapscope.stages.neighbors import find_neighbors, fit_scalers
from gapscope.store.image_stats import ImageStats, merge_image_stats, write_image_stats
from gapscope.store.index import GROUP_ROWS, write_index
from gapscope.store.pyramid import create_pyramid, write_embeddings
from gapscope.store.run_record import DatasetRecord, RunRecord
from gapscope.store.run_store import RunStore

Levels = Mapping[str, NDArray[Any]]
"""Level to (rows, channels) embeddings; a row that is not finite stands for a rejected image."""


def write_embedded_run(
    folder: Path,
    datasets: Mapping[str, Levels],
    metric: Metric = "cosine",
    uris: Mapping[str, Sequence[str]] | None = None,
) -> RunStore:
    """Write indexes and embeddings into a new run, and fit the scalers; return the run."""
    rows = {name: len(next(iter(levels.values()))) for name, levels in datasets.items()}
    channels = {level: array.shape[1] for level, array in next(iter(datasets.values())).items()}
    neighbors = NeighborSettings(metric=metric)
    run = RunStore(folder, RunRecord.of_embeddings(rows, channels, block_rows=GROUP_ROWS, neighbors=neighbors))
    folder.mkdir()
    for name, levels in datasets.items():
        write_dataset(run, name, levels, (uris or {}).get(name))
    run.write_record()
    fit_scalers(run)
    return run


def write_dataset(run: RunStore, name: str, levels: Levels, uris: Sequence[str] | None = None) -> None:
    """Write a dataset's index and embeddings; replaces existing ones. A uri is NAME/ROW where none are given."""
    rows = len(next(iter(levels.values())))
    readable = np.all([np.isfinite(embeddings).all(axis=1) for embeddings in levels.values()], axis=0)
    n_read = int(readable.sum())
    run.record.datasets[name] = DatasetRecord(listed=rows, read=n_read, rejected=rows - n_read)
    write_index(run, name, [Entry(uri, 1, 1) for uri in uris or [f"{name}/{row}" for row in range(rows)]])
    stats: list[ImageStats] = [
        {"status": "ok", "error": ""} if ok else {"status": "broken", "error": "cut"} for ok in readable
    ]
    for block in range(-(-rows // GROUP_ROWS)):
        write_image_stats(run, name, block, stats[block * GROUP_ROWS : (block + 1) * GROUP_ROWS])
    merge_image_stats(run, name)
    create_pyramid(run, name, {level: embeddings.shape[1] for level, embeddings in levels.items()})
    write_embeddings(run, name, 0, {level: embeddings.astype(np.float16) for level, embeddings in levels.items()})


def compute_maps(run: RunStore, settings: LayoutSettings | None = None, k: int = 30) -> list[str]:
    """Find the neighbors and compute the layout of every level; return the notes of both stages."""
    progress = RecordingProgress()
    settings = settings or LayoutSettings(n_epochs=50)
    with lazy_cluster("inline", "cpu", 0) as connect:
        search = find_neighbors(run, Cpu(), k, connect, progress, graph_k=settings.graph_k)
        compute_layouts(run, settings, Cpu(), connect, progress, search)
    return progress.notes


def make_blobs(count: int, channels: int, centers: Sequence[int], seed: int) -> NDArray[np.float32]:
    """Return (count, channels) points around fixed centers, in the order of the centers.

    Args:
        count: number of points, spread evenly over the centers.
        channels: number of dimensions.
        centers: indices of the centers to use, 0 to 19; they are the same points in every call.
        seed: of the points around the centers.
    """
    all_centers = np.random.default_rng(99).normal(size=(20, channels)) * 3
    random = np.random.default_rng(seed)
    point_centers = all_centers[np.sort(np.resize(centers, count))]
    return np.asarray(point_centers + random.normal(size=(count, channels)), dtype=np.float32)

"""A run up to its embeddings, which a test provides; and the stages from there to the maps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recording_progress import RecordingProgress

from gapscope.cluster import lazy_cluster
from gapscope.device.cpu import Cpu
from gapscope.settings import LayoutSettings
from gapscope.sources import Entry
from gapscope.stages.layout import compute_layouts
from gapscope.stages.neighbors import find_neighbors, fit_scalers
from gapscope.store.index import GROUP_ROWS, merge_image_stats, write_image_stats, write_index
from gapscope.store.pyramid import create_pyramid, write_embeddings
from gapscope.store.run_record import RunRecord

Levels = Mapping[str, NDArray[Any]]
"""Level to (rows, channels) embeddings; a row that is not finite stands for a rejected image."""


def write_embedded_run(run: Path, datasets: Mapping[str, Levels], metric: str = "cosine") -> RunRecord:
    """Write indexes and embeddings into a new run, and fit the scalers; return the run's record."""
    levels = list(next(iter(datasets.values())))
    config = {"embed": {"levels": levels}, "neighbors": {"metric": metric}}
    record = RunRecord(config=config, model={}, versions={})
    run.mkdir()
    for name, levels_of_dataset in datasets.items():
        write_dataset(run, record, name, levels_of_dataset)
    record.write(run)
    fit_scalers(run, record)
    return record


def write_dataset(run: Path, record: RunRecord, name: str, levels: Levels) -> None:
    """Write a dataset's index and embeddings; replaces existing ones."""
    rows = len(next(iter(levels.values())))
    write_index(run, name, [Entry(f"{name}/{row}", 1, 1) for row in range(rows)])
    readable = np.all([np.isfinite(embeddings).all(axis=1) for embeddings in levels.values()], axis=0)
    stats = [{"status": "ok", "error": ""} if ok else {"status": "broken", "error": "cut"} for ok in readable]
    for block in range(-(-rows // GROUP_ROWS)):
        write_image_stats(run, name, block, stats[block * GROUP_ROWS : (block + 1) * GROUP_ROWS])
    merge_image_stats(run, name, GROUP_ROWS)
    channels = {level: embeddings.shape[1] for level, embeddings in levels.items()}
    create_pyramid(run, name, rows, GROUP_ROWS, channels)
    write_embeddings(run, name, 0, {level: embeddings.astype(np.float16) for level, embeddings in levels.items()})
    n_read = int(readable.sum())
    record.datasets[name] = {"listed": rows, "read": n_read, "rejected": rows - n_read}


def compute_maps(run: Path, record: RunRecord, settings: LayoutSettings | None = None, k: int = 30) -> list[str]:
    """Find the neighbors and compute the layout of every level; return the notes of both stages."""
    progress = RecordingProgress()
    settings = settings or LayoutSettings(n_epochs=50)
    with lazy_cluster("inline", "cpu", 0) as connect:
        search = find_neighbors(run, record, Cpu(), k, connect, progress, graph_k=settings.graph_k)
        compute_layouts(run, record, settings, Cpu(), connect, progress, search)
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

"""A run with given embeddings, compared by the real stages without images or a network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.cluster import lazy_cluster
from gapscope.device import choose_device
from gapscope.progress import Silent
from gapscope.run import Run, open_run
from gapscope.settings import CompareSettings, Metric, NeighborSettings
from gapscope.sources import Entry, Value
from gapscope.sources.entry import Kind
from gapscope.stages.compare import compare_datasets
from gapscope.stages.groups import record_groups
from gapscope.stages.neighbors import find_group_neighbors, find_neighbors, find_style_aside_neighbors, fit_scalers
from gapscope.store.groups import write_groups
from gapscope.store.image_stats import ImageStats, merge_image_stats, write_image_stats
from gapscope.store.index import GROUP_ROWS, write_index
from gapscope.store.layouts import write_layout
from gapscope.store.metrics import LayoutInfo
from gapscope.store.pyramid import create_pyramid, mark_done, write_embeddings
from gapscope.store.run_record import DatasetRecord, RunRecord
from gapscope.store.run_store import RunStore

Vectors = Mapping[str, Mapping[str, NDArray[Any]]]
"""Dataset to level to (n, channels) embeddings; n is the same for all levels of a dataset."""

IMAGE_STATS: ImageStats = {
    "format": "PNG",
    "width": 64,
    "height": 48,
    "mean_red": 100.0,
    "mean_green": 100.0,
    "mean_blue": 100.0,
    "std_red": 40.0,
    "std_green": 40.0,
    "std_blue": 40.0,
    "sharpness": 10.0,
    "status": "ok",
    "error": "",
}


def compare_vectors(
    folder: Path,
    vectors: Vectors,
    *,
    clusters: Mapping[str, NDArray[np.int32]] | None = None,
    broken: Mapping[str, int] | None = None,
    metadata: Mapping[str, list[Value]] | None = None,
    columns: Mapping[str, Mapping[str, Sequence[Value]]] | None = None,
    metric: Metric = "cosine",
    group: Mapping[str, Sequence[object]] | None = None,
    **settings: Any,
) -> Run:
    """Write a run with the given embeddings and compare its datasets.

    Args:
        folder: the run's folder, which must not exist.
        vectors: the embeddings; all datasets have the same levels.
        clusters: dataset to (n,) cluster of each image, the same at every level; 0 by default.
        broken: dataset to a number of unreadable images, which are put before the others.
        metadata: dataset to the value of each image in its source's column `kind`.
        columns: dataset to more columns of its source, each with the values of its images; of numbers or of texts.
        metric: distance between standardized embeddings.
        group: dataset to the group of each image; an image each by default.
        settings: arguments of `CompareSettings`.
    """
    levels = list(next(iter(vectors.values())))
    compare_settings, broken = CompareSettings(**settings), broken or {}
    rows = {name: broken.get(name, 0) + len(by_level[levels[0]]) for name, by_level in vectors.items()}
    channels = {level: array.shape[1] for level, array in next(iter(vectors.values())).items()}
    record = RunRecord.of_embeddings(
        rows,
        channels,
        block_rows=GROUP_ROWS,
        compare=compare_settings,
        neighbors=NeighborSettings(metric=metric),
    )
    record.created = "2026-01-01"
    folder.mkdir(parents=True)
    run = RunStore(folder, record)
    run.write_record()
    points, labels = [], []
    for name, by_level in vectors.items():
        n_broken, n_images = broken.get(name, 0), len(by_level[levels[0]])
        own = dict(columns.get(name, {})) if columns else {}
        if metadata and metadata.get(name):
            own["kind"] = metadata[name]
        kinds: dict[str, Kind] = {
            key: "number" if all(isinstance(value, float | int | None) for value in values) else "text"
            for key, values in own.items()
        }
        entries = [
            Entry(
                f"/{name}/{row}.png",
                100,
                0,
                values={key: values[row - n_broken] for key, values in own.items()} if row >= n_broken else {},
            )
            for row in range(n_broken + n_images)
        ]
        write_index(run, name, entries, kinds or None)
        unreadable: ImageStats = {"status": "broken", "error": "cut"}
        stats = [unreadable] * n_broken + [IMAGE_STATS] * n_images
        for block, start in enumerate(range(0, len(stats), GROUP_ROWS)):
            write_image_stats(run, name, block, stats[start : start + GROUP_ROWS])
        merge_image_stats(run, name)
        record.datasets[name] = DatasetRecord(listed=rows[name], read=n_images, rejected=n_broken)
        create_pyramid(run, name, channels)
        padded = {
            level: np.concatenate([np.full((n_broken, array.shape[1]), np.nan), array]).astype(np.float16)
            for level, array in by_level.items()
        }
        write_embeddings(run, name, 0, padded)
        mark_done(run, name, 0)
        points.append(np.concatenate([np.full((n_broken, 3), np.nan), by_level[levels[0]][:, :3]]).astype(np.float32))
        dataset_labels = np.zeros(n_images, np.int32) if clusters is None else clusters[name]
        labels.append(np.concatenate([np.full(n_broken, -1, np.int32), dataset_labels]).astype(np.int32))
    (folder / "rejects.csv").write_text("dataset,row,uri,status,error\n")
    run.write_record()
    for name, own_groups in (group or {}).items():
        write_groups(run, name, [*[None] * broken.get(name, 0), *map(str, own_groups)])
    record_groups(run, {name: "values" if name in (group or {}) else "none" for name in vectors}, Silent())
    fit_scalers(run)
    device = choose_device("cpu")
    with lazy_cluster("inline", device.name, 0) as connect:
        find_neighbors(run, device, compare_settings.graph_k, connect, Silent())
        find_group_neighbors(run, device, compare_settings.graph_k, connect, Silent())
        find_style_aside_neighbors(run, device, compare_settings.graph_k, connect, Silent())
    read = sum(dataset.read or 0 for dataset in record.datasets.values())
    info: LayoutInfo = {
        "strategy": "full",
        "images": read,
        "umap_images": read,
        "note": "",
        "trustworthiness": None,
        "neighbor_recall": None,
        "k": 0,
        "sample": 0,
        "clustered": read,
    }
    for level in levels:
        write_layout(run, level, np.concatenate(points), np.concatenate(labels), info)
    compare_datasets(run, compare_settings, device, Silent())
    return open_run(folder)

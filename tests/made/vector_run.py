"""A run whose embeddings are given: compared by the real stages, without an image or a network."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.cluster import lazy_cluster
from gapscope.device import choose_device
from gapscope.progress import Silent
from gapscope.run import Run, open_run
from gapscope.settings import CompareSettings
from gapscope.sources import Entry, Value
from gapscope.stages.compare import compare_datasets
from gapscope.stages.neighbors import find_neighbors, fit_scalers
from gapscope.store.index import GROUP_ROWS, merge_image_stats, write_image_stats, write_index
from gapscope.store.pyramid import create_pyramid, mark_done, write_embeddings
from gapscope.store.results import write_layout
from gapscope.store.run_record import RunRecord

Vectors = Mapping[str, Mapping[str, NDArray[Any]]]

FACT = {
    "format": "PNG",
    "width": 64,
    "height": 48,
    **{f"mean_{channel}": 100.0 for channel in ("red", "green", "blue")},
    **{f"std_{channel}": 40.0 for channel in ("red", "green", "blue")},
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
    said: Mapping[str, list[Value]] | None = None,
    **settings: Any,
) -> Run:
    """Compare the rows of dataset -> level -> (n, channels); the same levels and n for all levels of a dataset.

    Args:
        folder: where the run goes.
        vectors: the embeddings.
        clusters: dataset to a cluster per image, the same at each level; 0 by default.
        broken: dataset to the number of images before the first that could not be read.
        said: dataset to what its source says of each image, in a column `kind`.
        settings: of the comparison.
    """
    levels = list(next(iter(vectors.values())))
    chosen, broken = CompareSettings(**settings), broken or {}
    config: dict[str, Any] = {
        "datasets": {name: f"/{name}" for name in vectors},
        "embed": {"levels": levels, "model": "given"},
        "compare": asdict(chosen),
    }
    record = RunRecord(config=config, model={"name": "given", "weights_sha256": "0"}, versions={}, created="2026-01-01")
    folder.mkdir(parents=True)
    record.write(folder)
    points, numbers = [], []
    for name, by_level in vectors.items():
        lost, images = broken.get(name, 0), len(by_level[levels[0]])
        values = said.get(name, []) if said else []
        entries = [
            Entry(f"/{name}/{row}.png", 100, 0, values={"kind": values[row - lost]} if values and row >= lost else {})
            for row in range(lost + images)
        ]
        write_index(folder, name, entries, {"kind": "text"} if values else None)
        facts = [{"status": "broken", "error": "cut"}] * lost + [FACT] * images
        for block, start in enumerate(range(0, len(facts), GROUP_ROWS)):
            write_image_stats(folder, name, block, facts[start : start + GROUP_ROWS])
        merge_image_stats(folder, name, GROUP_ROWS)
        record.datasets[name] = {"listed": lost + images, "read": images, "rejected": lost}
        channels = {level: array.shape[1] for level, array in by_level.items()}
        create_pyramid(folder, name, lost + images, GROUP_ROWS, channels)
        padded = {
            level: np.concatenate([np.full((lost, array.shape[1]), np.nan), array]).astype(np.float16)
            for level, array in by_level.items()
        }
        write_embeddings(folder, name, 0, padded)
        mark_done(folder, name, 0)
        points.append(np.concatenate([np.full((lost, 3), np.nan), by_level[levels[0]][:, :3]]).astype(np.float32))
        mine = np.zeros(images, np.int32) if clusters is None else clusters[name]
        numbers.append(np.concatenate([np.full(lost, -1, np.int32), mine]).astype(np.int32))
    (folder / "rejects.csv").write_text("dataset,row,uri,status,error\n")
    record.write(folder)
    fit_scalers(folder, record)
    device = choose_device("cpu")
    with lazy_cluster("inline", device.name, 0) as connect:
        find_neighbors(folder, record, device, chosen.graph_k, connect, Silent())
    for level in levels:
        write_layout(folder, level, np.concatenate(points), np.concatenate(numbers))
    compare_datasets(folder, record, chosen, device, Silent())
    return open_run(folder)

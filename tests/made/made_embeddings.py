"""A run that is embedded and no further, with embeddings that a test chooses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.cluster import lazy_cluster
from gapscope.device.cpu import Cpu
from gapscope.progress import Silent
from gapscope.settings import LayoutSettings
from gapscope.sources import Entry
from gapscope.stages.layout import compute_layouts
from gapscope.stages.neighbors import find_neighbors, fit_scalers
from gapscope.store.index import GROUP_ROWS, merge_image_stats, write_image_stats, write_index
from gapscope.store.pyramid import create_pyramid, write_embeddings
from gapscope.store.run_record import RunRecord

Levels = Mapping[str, NDArray[Any]]
"""Level to (rows, channels); a row that is not finite is an image that was rejected."""


class Told(Silent):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def embedded_run(run: Path, datasets: Mapping[str, Levels], metric: str = "cosine") -> RunRecord:
    """Write indexes and embeddings, and return the record with the scalers measured."""
    levels = list(next(iter(datasets.values())))
    config = {"embed": {"levels": levels}, "neighbors": {"metric": metric}}
    record = RunRecord(config=config, model={}, versions={})
    run.mkdir()
    for name, values in datasets.items():
        embed(run, record, name, values)
    record.write(run)
    fit_scalers(run, record)
    return record


def embed(run: Path, record: RunRecord, name: str, values: Levels) -> None:
    """Write a dataset's index and embeddings, in place of what is there."""
    rows = len(next(iter(values.values())))
    write_index(run, name, [Entry(f"{name}/{row}", 1, 1) for row in range(rows)])
    good = np.all([np.isfinite(level).all(axis=1) for level in values.values()], axis=0)
    facts = [{"status": "ok", "error": ""} if ok else {"status": "broken", "error": "cut"} for ok in good]
    for block in range(-(-rows // GROUP_ROWS)):
        write_image_stats(run, name, block, facts[block * GROUP_ROWS : (block + 1) * GROUP_ROWS])
    merge_image_stats(run, name, GROUP_ROWS)
    create_pyramid(run, name, rows, GROUP_ROWS, {level: found.shape[1] for level, found in values.items()})
    write_embeddings(run, name, 0, {level: found.astype(np.float16) for level, found in values.items()})
    record.datasets[name] = {"listed": rows, "read": int(good.sum()), "rejected": int(rows - good.sum())}


def mapped(run: Path, record: RunRecord, settings: LayoutSettings | None = None, k: int = 30) -> list[str]:
    """Find neighbors and lay out every level; return what was told."""
    told = Told()
    with lazy_cluster("inline", "cpu", 0) as connect:
        chosen = settings or LayoutSettings(n_epochs=50)
        search = find_neighbors(run, record, Cpu(), k, connect, told, graph_k=chosen.graph_k)
        compute_layouts(run, record, chosen, Cpu(), connect, told, search)
    return told.notes


def blobs(count: int, channels: int, centers: Sequence[int], seed: int) -> NDArray[np.float32]:
    """Points around some of a fixed set of centres, `count` in all, in the order of the centres."""
    middle = np.random.default_rng(99).normal(size=(20, channels)) * 3
    random = np.random.default_rng(seed)
    around = middle[np.sort(np.resize(centers, count))]
    return np.asarray(around + random.normal(size=(count, channels)), dtype=np.float32)

"""A map is drawn from neighbors that are still in memory, and comes out as from those on the disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedded_run import compute_maps, make_blobs, write_embedded_run

from gapscope.cluster import lazy_cluster
from gapscope.device.cpu import Cpu
from gapscope.layout import graph
from gapscope.neighbors import cache
from gapscope.neighbors.cache import NEIGHBOR_CACHE, CachedNeighbors, NeighborCache
from gapscope.progress import Silent
from gapscope.settings import LayoutSettings
from gapscope.stages.layout import compute_layouts
from gapscope.stages.neighbors import find_neighbors
from gapscope.store.datasets import Pair
from gapscope.store.layouts import read_layout
from gapscope.store.neighbors import read_neighbor_range
from gapscope.store.run_store import RunStore

# Odd ones out: a rejected row, copies, and fewer images in one dataset than there are neighbors.
VALUES = make_blobs(120, 6, [0, 1], 1)
VALUES[7] = np.nan
DATASETS = {"a": {"P2": VALUES}, "b": {"P2": np.repeat(make_blobs(3, 6, [1], 2), 3, axis=0)}}


def test_the_map_does_not_wait_for_the_disk_and_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from_disk, from_memory = (write_embedded_run(tmp_path / name, DATASETS) for name in ("disk", "memory"))
    settings = LayoutSettings(n_epochs=50)
    with lazy_cluster("inline", "cpu", 0) as connect:
        find_neighbors(from_disk, Cpu(), 30, connect, Silent())
        compute_layouts(from_disk, settings, Cpu(), connect, Silent())
    monkeypatch.setattr(graph, "_CHUNK_ROWS", 50)
    monkeypatch.setattr(graph, "read_neighbor_range", None)
    compute_maps(from_memory, settings)
    for actual, expected in zip(read_layout(from_memory, "P2"), read_layout(from_disk, "P2"), strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert not NEIGHBOR_CACHE._neighbors


def test_what_there_is_no_room_for_comes_from_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapscope.stages.neighbors.MEMORY_LIMIT", 8 * 100 * 14 * 8)
    read: set[str] = set()

    def record_reads(run: RunStore, level: str, pair: Pair, start: int, stop: int) -> Any:
        read.add(pair.query)
        return read_neighbor_range(run, level, pair, start, stop)

    monkeypatch.setattr(graph, "read_neighbor_range", record_reads)
    compute_maps(write_embedded_run(tmp_path / "run", DATASETS))
    # There is room for 100 rows of 14 neighbors: those of the small dataset.
    assert read == {"a"}


def test_neighbors_of_another_search_are_not_returned() -> None:
    kept, pair, neighbors = NeighborCache(), Pair("a", "b"), CachedNeighbors.empty(4, 3)
    kept.put("first", "P2", pair, neighbors, 10**6)
    assert kept.pop("second", "P2", pair) is None
    assert kept.pop("", "P2", pair) is None
    assert kept.pop("first", "P2", pair) is neighbors
    assert kept.pop("first", "P2", pair) is None
    kept.put("first", "P2", pair, neighbors, 10**6)
    kept.put("second", "P3", pair, neighbors, 10**6)
    assert kept.pop("second", "P2", pair) is None
    cache.clear_neighbor_cache()

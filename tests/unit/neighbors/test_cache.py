"""A map is drawn from neighbors that are still in memory, and comes out as from those on the disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedded_run import compute_maps, make_blobs, write_embedded_run
from gapscope.store.results import neighbor_stretch, read_layout

from gapscope.cluster import lazy_cluster
from gapscope.device.cpu import Cpu
from gapscope.layout import graph
from gapscope.neighbors import cache
from gapscope.neighbors.cache import NEIGHBOR_CACHE, CachedNeighbors, NeighborCache
from gapscope.progress import Silent
from gapscope.settings import LayoutSettings
from gapscope.stages.layout import compute_layouts
from gapscope.stages.neighbors import find_neighbors

# Odd ones out: a rejected row, copies, and fewer images in one dataset than there are neighbors.
VALUES = make_blobs(120, 6, [0, 1], 1)
VALUES[7] = np.nan
DATASETS = {"a": {"P2": VALUES}, "b": {"P2": np.repeat(make_blobs(3, 6, [1], 2), 3, axis=0)}}


def test_the_map_does_not_wait_for_the_disk_and_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = write_embedded_run(tmp_path / "disk", DATASETS)
    settings = LayoutSettings(n_epochs=50)
    with lazy_cluster("inline", "cpu", 0) as connect:
        find_neighbors(tmp_path / "disk", record, Cpu(), 30, connect, Silent())
        compute_layouts(tmp_path / "disk", record, settings, Cpu(), connect, Silent())
    monkeypatch.setattr(graph, "_STRETCH_ROWS", 50)
    monkeypatch.setattr(graph, "neighbor_stretch", None)
    compute_maps(tmp_path / "memory", write_embedded_run(tmp_path / "memory", DATASETS), settings)
    for one, other in zip(read_layout(tmp_path / "disk", "P2"), read_layout(tmp_path / "memory", "P2"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not NEIGHBOR_CACHE._pairs


def test_what_there_is_no_room_for_comes_from_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapscope.stages.neighbors.MEMORY_LIMIT", 8 * 100 * 14 * 8)
    read: set[str] = set()

    def reading(run: Path, level: str, query: str, *more: Any) -> Any:
        read.add(query)
        return neighbor_stretch(run, level, query, *more)

    monkeypatch.setattr(graph, "neighbor_stretch", reading)
    compute_maps(tmp_path / "run", write_embedded_run(tmp_path / "run", DATASETS))
    # Room for 100 rows of 14 neighbors: for those of the small dataset.
    assert read == {"a"}


def test_nothing_of_another_search_is_taken() -> None:
    kept, pair, found = NeighborCache(), ("P2", "a", "b"), CachedNeighbors.empty(4, 3)
    kept.keep("first", pair, found, 10**6)
    assert kept.take("second", pair) is None
    assert kept.take("", pair) is None
    assert kept.take("first", pair) is found
    assert kept.take("first", pair) is None
    kept.keep("first", pair, found, 10**6)
    kept.keep("second", ("P3", "a", "b"), found, 10**6)
    assert kept.take("second", pair) is None
    cache.clear_neighbor_cache()

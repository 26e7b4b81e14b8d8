"""Neighbors in overlapping parts of embedding space: nearly those of a search of everything, at any shape of data."""

from pathlib import Path

import numpy as np
import pytest
import torch
from embedded_run import write_embedded_run
from numpy.typing import NDArray
from recording_progress import RecordingProgress

from gapscope.cluster import lazy_cluster
from gapscope.device.cpu import Cpu
from gapscope.neighbors import partition
from gapscope.neighbors.embedding_view import open_view
from gapscope.neighbors.exact import exact_neighbors
from gapscope.neighbors.result import recall
from gapscope.stages import neighbors, partition_jobs, partitioned_search
from gapscope.store import arrays
from gapscope.store.datasets import Pair, all_pairs
from gapscope.store.neighbors import neighbor_search_info, read_neighbor_rows
from gapscope.store.run_store import RunStore

K = 6


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partition what is small, and in many parts, chunks and jobs."""
    monkeypatch.setattr(neighbors, "PARTITION_FROM", 1)
    monkeypatch.setattr(partition, "PART_ROWS", 256)
    monkeypatch.setattr(partitioned_search, "PART_ROWS", 256)
    monkeypatch.setattr(partition, "SMALL_ROWS", 64)
    monkeypatch.setattr(partition, "MIN_PART_ROWS", 32)
    for module in (partitioned_search, arrays):
        monkeypatch.setattr(module, "CHUNK_ROWS", 512)
    monkeypatch.setattr(partitioned_search, "_MAX_CHUNKS", 1)


def clustered(rows: int, seed: int, shift: float = 0.0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    kinds = np.random.default_rng(0).normal(size=(12, 16)) * np.linspace(1, 0.2, 16)
    values = kinds[random.integers(0, 12, rows)] + 0.35 * random.normal(size=(rows, 16)) * np.linspace(1, 0.2, 16)
    values[:, 3] += shift
    return values.astype(np.float16).astype(np.float32)


def search(run: RunStore) -> RecordingProgress:
    progress = RecordingProgress()
    with lazy_cluster("inline", "cpu", 0) as connect:
        neighbors.find_neighbors(run, Cpu(), K, connect, progress)
    return progress


def shares_found(run: RunStore, level: str = "P") -> dict[Pair, float]:
    """Return what share of the true neighbors is on disk, by distance; check that all else about them is right."""
    shares = {}
    for pair in all_pairs(list(run.record.datasets)):
        query, reference = (open_view(run, name, level) for name in pair)
        own = pair.query == pair.reference
        true = exact_neighbors(query, reference, K, same=own, device=torch.device("cpu"))
        distances, indices = read_neighbor_rows(run, level, pair, query.rows)
        shares[pair] = recall(distances, true.distances)
        exists = indices >= 0
        assert (exists == np.isfinite(distances)).all()
        assert (distances[:, 1:] >= distances[:, :-1]).all()
        if own:
            assert not (indices == query.rows[:, None]).any()
        for row in indices[:50]:
            assert len(set(row[row >= 0])) == (row >= 0).sum()
    return shares


@pytest.mark.usefixtures("small_parts")
def test_nearly_all_neighbors_are_found_within_and_between_datasets(tmp_path: Path) -> None:
    run = write_embedded_run(
        tmp_path / "run", {"real": {"P": clustered(3000, 1)}, "synthetic": {"P": clustered(1700, 2)}}
    )
    progress = search(run)
    print(progress.__dict__)
    shares = shares_found(run)
    print(shares)
    assert min(shares.values()) >= 0.95
    for pair, share in shares.items():
        info = neighbor_search_info(run, "P", pair)
        assert info["method"] == "partitioned"
        assert info["recall"] == pytest.approx(share, abs=0.02)
    assert not (run.path / "shuffle").exists()

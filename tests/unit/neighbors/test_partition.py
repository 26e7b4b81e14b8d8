"""Neighbors in overlapping parts of embedding space: nearly those of a search of everything, at any shape of data."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from embedded_run import write_embedded_run
from kill_in_parts import clustered, partition_finely
from numpy.typing import NDArray
from recording_progress import RecordingProgress
from vector_run import compare_vectors

from gapscope.cluster import lazy_cluster, run_jobs
from gapscope.device.cpu import Cpu
from gapscope.errors import ClusterError
from gapscope.neighbors.embedding_view import open_view
from gapscope.neighbors.exact import exact_neighbors
from gapscope.neighbors.result import recall
from gapscope.run import Run
from gapscope.settings import Metric
from gapscope.stages import neighbors, partition_jobs, partitioned_search
from gapscope.store.datasets import Pair, all_pairs
from gapscope.store.neighbors import (
    has_neighbors,
    neighbor_search_info,
    read_group_neighbor_rows,
    read_neighbor_rows,
)
from gapscope.store.run_store import RunStore, open_store
from gapscope.store.shuffle import write_segments

K = 6


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    partition_finely(monkeypatch.setattr)


def run_of(folder: Path, metric: Metric = "cosine", **datasets: NDArray[np.float32]) -> RunStore:
    return write_embedded_run(folder / "run", {name: {"P": values} for name, values in datasets.items()}, metric)


def search(run: RunStore) -> str:
    progress = RecordingProgress()
    with lazy_cluster("inline", "cpu", 0) as connect:
        neighbors.find_neighbors(run, Cpu(), K, connect, progress)
    return "\n".join(progress.notes)


def found(run: RunStore, pair: Pair) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    return read_neighbor_rows(run, "P", pair, open_view(run, pair.query, "P").rows)


def true_distances(run: RunStore, pair: Pair) -> NDArray[np.float32]:
    query, reference = (open_view(run, name, "P") for name in pair)
    own = pair.query == pair.reference
    return exact_neighbors(query, reference, K, same=own, device=torch.device("cpu")).distances


def shares_found(run: RunStore) -> dict[Pair, float]:
    """Return what share of the true neighbors is on disk, by distance; check that all else about them is right."""
    shares = {}
    for pair in all_pairs(list(run.record.datasets)):
        distances, indices = found(run, pair)
        shares[pair] = recall(distances, true_distances(run, pair))
        exists = indices >= 0
        assert (exists == np.isfinite(distances)).all()
        assert (distances[:, 1:] >= distances[:, :-1]).all()
        if pair.query == pair.reference:
            assert not (indices == open_view(run, pair.query, "P").rows[:, None]).any()
        ascending = np.sort(np.where(exists, indices, -1 - np.arange(K)), axis=1)
        assert (ascending[:, 1:] > ascending[:, :-1]).all(), "a neighbor is there twice"
        info = neighbor_search_info(run, "P", pair)
        assert info["method"] == "partitioned"
        assert info["recall"] == pytest.approx(shares[pair], abs=0.03)
    assert not (run.path / "shuffle").exists()
    return shares


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_nearly_all_neighbors_are_found_within_and_between_datasets(tmp_path: Path, metric: Metric) -> None:
    real = clustered(3000, 1)
    real[::7] = np.nan
    run = run_of(tmp_path, metric, real=real, synthetic=clustered(1700, 2, shift=0.3))
    notes = search(run)
    assert min(shares_found(run).values()) >= 0.95
    assert "within datasets" in notes
    assert "between datasets of the true neighbors were found" in notes


@pytest.mark.usefixtures("small_parts")
def test_of_datasets_that_lie_far_apart_the_recall_is_told_and_distances_are_nearly_right(tmp_path: Path) -> None:
    run = run_of(tmp_path, real=clustered(2500, 1), synthetic=clustered(2500, 2, shift=3.0))
    search(run)
    shares_found(run)
    for pair in (Pair("real", "synthetic"), Pair("synthetic", "real")):
        distances, _ = found(run, pair)
        excess = distances[:, -1] / true_distances(run, pair)[:, -1] - 1
        assert np.quantile(excess, [0.5, 0.95, 1]).tolist() < [0.001, 0.02, 0.25]


@pytest.mark.usefixtures("small_parts")
def test_a_dataset_of_ten_is_found_by_all_images_of_a_large_one(tmp_path: Path) -> None:
    run = run_of(tmp_path, real=clustered(3000, 1), synthetic=clustered(10, 2))
    search(run)
    assert shares_found(run)[Pair("real", "synthetic")] == 1


@pytest.mark.usefixtures("small_parts")
def test_copies_that_no_part_can_hold_are_at_no_distance_and_nobody_is_his_own_neighbor(tmp_path: Path) -> None:
    copies = np.repeat(clustered(1, 3), 2500, axis=0)
    run = run_of(tmp_path, real=np.concatenate([clustered(600, 1), copies]), synthetic=clustered(900, 2))
    search(run)
    assert min(shares_found(run).values()) >= 0.95
    distances, indices = found(run, Pair("real", "real"))
    assert (distances[600:] == 0).all()
    assert (indices[600:] >= 600).all()


@pytest.mark.usefixtures("small_parts")
def test_images_that_are_all_alike_have_neighbors_too(tmp_path: Path) -> None:
    alike = np.ones((1500, 16), np.float32)
    run = run_of(tmp_path, real=alike, synthetic=alike[:700])
    search(run)
    assert set(shares_found(run).values()) == {1.0}


def interrupt_after(jobs: int) -> Callable[..., Iterator[Any]]:
    def interrupted(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for number, result in enumerate(run_jobs(*args, **kwargs)):
            if number == jobs:
                raise ClusterError("stopped by the test")
            yield result

    return interrupted


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("jobs", [0, 12, 25, 45])
def test_a_search_that_was_stopped_anywhere_ends_with_the_same_neighbors(
    tmp_path: Path, jobs: int, monkeypatch: pytest.MonkeyPatch, undisturbed: RunStore
) -> None:
    run = run_of(tmp_path, real=clustered(3000, 1), synthetic=clustered(1700, 2))
    with monkeypatch.context() as patch:
        patch.setattr(partitioned_search, "run_jobs", interrupt_after(jobs))
        with pytest.raises(ClusterError):
            search(run)
    assert not has_neighbors(run, "P", Pair("real", "real"))
    done = len(list((run.path / "shuffle").rglob("*")))
    search(open_store(run.path))
    assert done > jobs
    assert_same_neighbors(run, undisturbed)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunStore]:
    with pytest.MonkeyPatch.context() as patch:
        partition_finely(patch.setattr)
        run = run_of(tmp_path_factory.mktemp("undisturbed"), real=clustered(3000, 1), synthetic=clustered(1700, 2))
        search(run)
        yield run


@pytest.mark.usefixtures("small_parts")
def test_a_disk_that_was_full_or_lost_a_file_costs_only_what_it_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: RunStore
) -> None:
    run = run_of(tmp_path, real=clustered(3000, 1), synthetic=clustered(1700, 2))
    left = 20

    def write_until_full(*args: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_segments(*args)

    with monkeypatch.context() as patch:
        patch.setattr(partition_jobs, "write_segments", write_until_full)
        with pytest.raises(ClusterError, match=r"No space left on device.*the same command goes on"):
            search(run)
    sorted_files = sorted((tmp_path / "run" / "shuffle").rglob("sorted-*"))
    sorted_files[0].unlink()
    sorted_files[-2].write_bytes(b"cut")
    search(open_store(run.path))
    assert_same_neighbors(run, undisturbed)


def listed(run: Run) -> dict[str, set[int]]:
    return {
        f"{query} {reading}": set(run.outliers("P", query, reference, reading)["row"])
        for query, reference in (("real", "synthetic"), ("synthetic", "real"))
        for reading in ("as-is", "style-aside")
    }


@pytest.mark.slow
def test_groups_and_style_aside_list_what_they_list_without_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, synthetic = clustered(1500, 1), clustered(1200, 2) * 1.5 + 0.5
    missing = np.flatnonzero(real[:, 0] > np.quantile(real[:, 0], 0.9))
    real[missing, 1] += 3
    vectors = {"real": {"P": real}, "synthetic": {"P": synthetic}}
    group = {"real": (np.arange(1500) // 3).tolist()}
    whole = listed(compare_vectors(tmp_path / "whole", vectors, group=group, k_local=K, k=K))
    partition_finely(monkeypatch.setattr)
    parts = listed(compare_vectors(tmp_path / "parts", vectors, group=group, k_local=K, k=K))
    assert len(whole["real as-is"]) > 100
    for name, rows in whole.items():
        assert len(rows & parts[name]) >= 0.95 * len(rows | parts[name]), name


@pytest.mark.usefixtures("small_parts")
def test_style_aside_neighbors_are_found_in_whatever_order_datasets_are_given(tmp_path: Path) -> None:
    run = run_of(tmp_path, synthetic=clustered(2500, 1), real=clustered(1800, 2))
    with lazy_cluster("inline", "cpu", 0) as connect:
        neighbors.find_style_aside_neighbors(run, Cpu(), K, connect, RecordingProgress())
    assert len(run.record.style_aside_pairs) == 4
    for pair in run.record.style_aside_pairs:
        query, reference = (open_view(run, name, "P", "style-aside") for name in pair)
        own = pair.query == pair.reference
        true = exact_neighbors(query, reference, K, same=own, device=torch.device("cpu")).distances
        distances, _ = read_group_neighbor_rows(run, "P", pair, query.rows, "style-aside")
        assert recall(distances, true) >= 0.95, pair


def assert_same_neighbors(run: RunStore, expected: RunStore) -> None:
    for pair in all_pairs(list(run.record.datasets)):
        for actual, wanted in zip(found(run, pair), found(expected, pair), strict=True):
            np.testing.assert_array_equal(actual, wanted)

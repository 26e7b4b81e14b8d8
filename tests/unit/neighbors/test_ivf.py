"""Approximate neighbors: what they say of their own recall is true, and copies and oneself are no trouble."""

import numpy as np
import pytest
import torch
import zarr
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from gapscope.device import cpu
from gapscope.neighbors import embedding_view, ivf
from gapscope.neighbors.embedding_view import EmbeddingView, read_rows_float32
from gapscope.neighbors.exact import exact_neighbors
from gapscope.neighbors.faiss_ivf import FaissFastScan, FaissIvf
from gapscope.neighbors.result import Neighbors, recall
from gapscope.settings import Metric

CPU = torch.device("cpu")


def rows_of(values: NDArray[np.float32], metric: Metric = "cosine") -> EmbeddingView:
    return EmbeddingView(
        embeddings=zarr.create_array({}, data=values, chunks=(64, values.shape[1])),
        rows=np.arange(len(values)),
        mean=np.zeros(values.shape[1], np.float32),
        std=np.ones(values.shape[1], np.float32),
        metric=metric,
    )


def normal(rows: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(rows, 16)).astype(np.float32)


def search(query: EmbeddingView, reference: EmbeddingView, k: int, *, same: bool = False) -> Neighbors:
    return ivf.ivf_neighbors(query, reference, k, same=same, build_index=FaissIvf, device=CPU, min_recall=ivf.RECALL)


@pytest.fixture(params=[2**20, 700], ids=["one part", "many parts"])
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ivf, "_PART_ROWS", request.param)
    monkeypatch.setattr(ivf, "_QUERY_TILE", 500)


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("same", [False, True])
def test_recall_is_what_it_is_said_to_be_and_enough(same: bool) -> None:
    reference = rows_of(normal(2000, 1))
    query = reference if same else rows_of(normal(900, 2))
    actual = search(query, reference, 10, same=same)
    exact = exact_neighbors(query, reference, 10, same=same, device=CPU)
    share = recall(actual.distances, exact.distances)
    assert actual.method == "ivf"
    assert share >= ivf.RECALL - 0.02
    assert share == pytest.approx(actual.recall, abs=0.02)
    # Independent of how recall is judged: the images themselves.
    by_index = np.mean(
        [len(set(first) & set(second)) / 10 for first, second in zip(actual.indices, exact.indices, strict=True)]
    )
    assert by_index == pytest.approx(share, abs=1e-3)
    if same:
        assert not (actual.indices == np.arange(2000)[:, None]).any()


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_looking_into_all_cells_is_exact(monkeypatch: pytest.MonkeyPatch, metric: Metric) -> None:
    monkeypatch.setattr(ivf, "RECALL", 2.0)
    values, query = normal(1500, 1), normal(300, 2)
    actual = search(rows_of(query, metric), rows_of(values, metric), 7)
    distances, indices = NearestNeighbors(n_neighbors=7, metric=metric).fit(values).kneighbors(query)
    np.testing.assert_allclose(actual.distances, distances, atol=1e-5)
    np.testing.assert_array_equal(actual.indices, indices)
    assert actual.recall == 1


def test_copies_by_the_thousand_are_at_no_distance_and_nobody_is_his_own_neighbor() -> None:
    values = np.concatenate([np.repeat(normal(3, 1), 1000, axis=0), normal(1000, 2)])
    actual = search(rows_of(values), rows_of(values), 10, same=True)
    assert (actual.distances[:3000] == 0).all()
    assert (actual.indices[:3000] // 1000 == np.arange(3000)[:, None] // 1000).all()
    assert not (actual.indices == np.arange(4000)[:, None]).any()
    assert actual.recall >= ivf.RECALL


def test_a_query_alone_finds_what_it_finds_in_company(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_IVF_FROM", 500)
    reference, query = rows_of(normal(2000, 1)), rows_of(normal(300, 2))
    search_reference = cpu.Cpu().neighbor_search(reference, 5)
    together = search_reference(query)
    assert together.method == "ivf"
    for some in (slice(17, 18), slice(100, 140)):
        separately = search_reference(query.take(some))
        np.testing.assert_array_equal(separately.indices, together.indices[some])
        np.testing.assert_array_equal(separately.distances, together.distances[some])


def test_the_same_search_finds_the_same() -> None:
    view = rows_of(normal(3000, 1))
    first, second = search(view, view, 10, same=True), search(view, view, 10, same=True)
    np.testing.assert_array_equal(first.indices, second.indices)


def test_scattered_rows_are_read_a_chunk_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_view, "_CHUNK_ROWS", 8)
    values = normal(100, 1)
    rows = np.array([0, 1, 7, 8, 9, 40, 41, 90, 99])
    np.testing.assert_array_equal(read_rows_float32(rows_of(values).embeddings, rows), values[rows])
    assert read_rows_float32(rows_of(values).embeddings, rows[:0]).shape == (0, 16)


def test_euclidean_tells_lengths_apart_and_cosine_does_not() -> None:
    values = normal(40, 1)
    merged = np.concatenate([values, 3 * values])
    cosine = exact_neighbors(rows_of(merged), rows_of(merged), 1, same=True, device=CPU)
    np.testing.assert_array_equal(cosine.indices[:40, 0], np.arange(40, 80))
    euclidean = exact_neighbors(rows_of(merged, "euclidean"), rows_of(merged, "euclidean"), 5, same=True, device=CPU)
    fitted = NearestNeighbors(n_neighbors=5).fit(merged)
    distances, indices = fitted.kneighbors()
    np.testing.assert_allclose(euclidean.distances, distances, rtol=1e-5)
    np.testing.assert_array_equal(euclidean.indices, indices)


@pytest.mark.parametrize("channels", [16, 200])
def test_codes_find_the_neighbors_of_queries_from_elsewhere_too(channels: int) -> None:
    random = np.random.default_rng(0)
    basis = random.normal(size=(12, channels))
    values = (random.normal(size=(2000, 12)) @ basis).astype(np.float32)
    elsewhere = (random.normal(size=(500, 12)) @ basis + 2 * random.normal(size=channels)).astype(np.float32)
    query, reference = rows_of(elsewhere, "euclidean"), rows_of(values, "euclidean")
    actual = ivf.ivf_neighbors(
        query, reference, 10, same=False, build_index=FaissFastScan, device=CPU, min_recall=ivf.RECALL
    )
    exact = exact_neighbors(query, reference, 10, same=False, device=CPU)
    assert recall(actual.distances, exact.distances) >= ivf.RECALL - 0.02

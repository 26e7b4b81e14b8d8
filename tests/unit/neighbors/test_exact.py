from collections import Counter

import numpy as np
import pytest
import torch
import zarr
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from gapscope.neighbors import exact
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.scaler import fit_scaler

CPU = torch.device("cpu")


def open_view(values: NDArray[np.float32], rows: NDArray[np.int64] | None = None) -> EmbeddingView:
    stored = zarr.create_array({}, data=values, chunks=(7, values.shape[1]))
    length = values.shape[1]
    return EmbeddingView(
        embeddings=stored,
        rows=np.arange(len(values)) if rows is None else rows,
        mean=np.zeros(length, np.float32),
        std=np.ones(length, np.float32),
    )


def normal(rows: int, length: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(rows, length)).astype(np.float32)


@pytest.fixture(params=[(2048, 16384), (10, 16)], ids=["one tile", "many tiles"])
def tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, rows in zip(("_QUERY_TILE", "_REFERENCE_TILE"), request.param, strict=True):
        monkeypatch.setattr(exact, name, rows)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("held_rows", [1, 37, 1000])
@pytest.mark.parametrize("same", [False, True])
def test_neighbors_are_scikit_learns(same: bool, held_rows: int) -> None:
    reference = normal(70, 12, 1)
    query = reference if same else normal(45, 12, 2)
    distances, indices, *_ = exact.exact_neighbors(
        open_view(query), open_view(reference), 6, same=same, device=CPU, held_bytes=held_rows * 12 * 4
    )
    fitted = NearestNeighbors(n_neighbors=6, metric="cosine").fit(reference)
    expected, where = fitted.kneighbors(None if same else query)
    np.testing.assert_allclose(distances, expected, atol=1e-5)
    np.testing.assert_array_equal(indices, where)


@pytest.mark.usefixtures("tiles")
def test_copies_are_at_no_distance_and_come_in_order_but_never_the_image_itself() -> None:
    values = np.repeat(normal(5, 8, 1), 6, axis=0)
    distances, indices, *_ = exact.exact_neighbors(open_view(values), open_view(values), 5, same=True, device=CPU)
    assert (distances == 0).all()
    for row, found in enumerate(indices):
        group = range(row // 6 * 6, row // 6 * 6 + 6)
        assert found.tolist() == [other for other in group if other != row]


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize(("held_rows", "times"), [(1000, 1), (40, 3)])
def test_no_vector_is_read_again_for_every_tile(held_rows: int, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    query, reference, read, tile = (
        open_view(normal(90, 12, 1)),
        open_view(normal(70, 12, 2)),
        Counter[str](),
        EmbeddingView.tile,
    )

    def counted(view: EmbeddingView, start: int, stop: int) -> NDArray[np.float32]:
        found = tile(view, start, stop)
        read["query" if view.embeddings is query.embeddings else "reference"] += len(found)
        return found

    monkeypatch.setattr(EmbeddingView, "tile", counted)
    monkeypatch.setattr(exact, "_QUERY_TILE", 10)
    exact.exact_neighbors(query, reference, 5, same=False, device=CPU, held_bytes=held_rows * 12 * 4)
    assert read == {"reference": 70 * times, "query": 90}
    # Some scattered queries, as the sample of an approximate search: what lies between them must not be read again.
    read.clear()
    exact.exact_neighbors(query.take(np.arange(3, 60, 2)), query, 5, same=True, device=CPU)
    assert read == {"query": 90 + 29}


def test_fewer_than_k_are_padded() -> None:
    values = normal(3, 8, 1)
    distances, indices, *_ = exact.exact_neighbors(open_view(values), open_view(values), 5, same=True, device=CPU)
    assert np.isfinite(distances[:, :2]).all()
    assert np.isinf(distances[:, 2:]).all()
    assert (indices[:, 2:] == -1).all()
    alone = open_view(values[:1])
    assert (exact.exact_neighbors(alone, alone, 2, same=True, device=CPU)[1] == -1).all()


def test_rejected_rows_are_left_out() -> None:
    values = normal(40, 8, 1)
    rows = np.flatnonzero(np.arange(40) % 3)
    values[np.arange(40) % 3 == 0] = np.nan
    view = open_view(values, rows)
    assert len(view) == len(rows)
    tile = view.tile(5, 20)
    np.testing.assert_allclose(np.linalg.norm(tile, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(tile * np.linalg.norm(values[rows[5:20]], axis=1, keepdims=True), values[rows[5:20]])


def test_an_image_at_the_mean_is_at_one_distance_from_all_others() -> None:
    values = normal(6, 8, 1)
    values[2] = 0
    distances = exact.exact_neighbors(open_view(values[2:3]), open_view(values), 6, same=False, device=CPU).distances
    np.testing.assert_allclose(distances[0], [0, 0.5, 0.5, 0.5, 0.5, 0.5], atol=1e-6)


def test_scaler_is_scikit_learns_and_does_not_depend_on_tiles() -> None:
    # Far from zero, where naive sums of squares lose everything.
    values = (normal(101, 9, 1) * 0.01 + 1000).astype(np.float32)
    values[:, 4] = 7
    mean, std = fit_scaler(values[start : start + 13] for start in range(0, 101, 13))
    scaler = StandardScaler().fit(values.astype(np.float64))
    np.testing.assert_allclose(mean, scaler.mean_, rtol=1e-6)
    np.testing.assert_allclose(std, scaler.scale_, rtol=1e-5)
    assert std[4] == 1

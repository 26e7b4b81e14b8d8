import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from gapscope.layout import quality
from gapscope.layout.quality import layout_quality
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.settings import Metric


def rows_of(values: NDArray[np.float32], metric: Metric = "cosine") -> EmbeddingView:
    return EmbeddingView(
        embeddings=zarr.create_array({}, data=values),
        rows=np.arange(len(values)),
        mean=np.zeros(values.shape[1], np.float32),
        std=np.ones(values.shape[1], np.float32),
        metric=metric,
    )


VALUES = np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)
VIEWS = [rows_of(VALUES[:150]), rows_of(VALUES[150:])]


def test_it_is_scikit_learns_trustworthiness_and_the_share_of_neighbors() -> None:
    points = VALUES[:, :3] + 0.1 * VALUES[:, 3:]
    found = layout_quality(VIEWS, points, seed=0)
    assert found["sample"] == 400
    expected = trustworthiness(VALUES, points, n_neighbors=15, metric="cosine")
    assert found["trustworthiness"] == pytest.approx(expected, abs=1e-4)
    by_embedding = NearestNeighbors(n_neighbors=15, metric="cosine").fit(VALUES).kneighbors(return_distance=False)
    on_map = NearestNeighbors(n_neighbors=15).fit(points).kneighbors(return_distance=False)
    shared = np.mean([len(set(one) & set(other)) / 15 for one, other in zip(by_embedding, on_map, strict=True)])
    assert found["neighbor_recall"] == pytest.approx(shared, abs=1e-4)


def test_a_faithful_map_is_perfect_and_a_random_one_is_not() -> None:
    flat = np.pad(VALUES[:, :3], ((0, 0), (0, 3)))
    assert layout_quality([rows_of(flat, "euclidean")], VALUES[:, :3], seed=0) == {
        "trustworthiness": 1.0,
        "neighbor_recall": 1.0,
        "k": 15,
        "sample": 400,
    }
    random = np.random.default_rng(1).normal(size=(400, 3)).astype(np.float32)
    recall = layout_quality(VIEWS, random, seed=0)["neighbor_recall"]
    assert recall is not None
    assert recall < 0.1


def test_a_sample_says_nearly_what_all_images_say(monkeypatch: pytest.MonkeyPatch) -> None:
    points = VALUES[:, :3]
    everything = layout_quality(VIEWS, points, seed=0)
    monkeypatch.setattr(quality, "_SAMPLE", 150)
    some = layout_quality(VIEWS, points, seed=0)
    assert some["sample"] == 150
    for number in ("trustworthiness", "neighbor_recall"):
        assert some[number] == pytest.approx(everything[number], abs=0.05)


@pytest.mark.parametrize("images", [1, 2, 3, 5])
def test_few_images_have_no_number_rather_than_a_wrong_one(images: int) -> None:
    found = layout_quality([rows_of(VALUES[:images])], VALUES[:images, :3], seed=0)
    assert (found["trustworthiness"] is None) == (images < 3)


def test_copies_are_as_near_as_can_be() -> None:
    values = np.repeat(VALUES[:20], 20, axis=0)
    found = layout_quality([rows_of(values)], values[:, :3] + 1e-3 * VALUES[:, :3], seed=0)
    assert found["trustworthiness"] == 1

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from gapscope import OptionError, Run
from gapscope.device import choose_device
from gapscope.layout.graph import merge_graphs
from gapscope.layout.pca_init import pca_init
from gapscope.neighbors.embedding_view import EmbeddingView, open_view
from gapscope.settings import LayoutSettings, Metric


def views(run: Run, level: str) -> list[EmbeddingView]:
    return [open_view(run.store, name, level) for name in run.datasets]


def vectors(run: Run, level: str) -> NDArray[np.float32]:
    return np.concatenate([view.tile(0, len(view)) for view in views(run, level)])


def rows_of(values: NDArray[np.float32], metric: Metric = "euclidean") -> EmbeddingView:
    """Vectors as they are, as if they were a dataset."""
    return EmbeddingView(
        embeddings=zarr.create_array({}, data=values.astype(np.float32)),
        rows=np.arange(len(values)),
        mean=np.zeros(values.shape[1], np.float32),
        std=np.ones(values.shape[1], np.float32),
        metric=metric,
    )


def test_start_is_the_first_principal_components() -> None:
    scales = np.array([9, 5, 3, 1, 1, 1])
    values = (np.random.default_rng(0).normal(size=(200, 6)) * scales).astype(np.float32)
    start = pca_init([rows_of(part) for part in np.split(values, 4)], seed=0)
    expected = PCA(3).fit_transform(values)
    assert np.abs(start).max() == pytest.approx(10, abs=0.01)
    for axis in range(3):
        assert abs(np.corrcoef(start[:, axis], expected[:, axis])[0, 1]) > 0.9999


@pytest.mark.parametrize("shape", [(5, 2), (1, 4), (6, 3)])
def test_start_exists_for_few_dimensions_and_equal_images(shape: tuple[int, int]) -> None:
    start = pca_init([rows_of(np.ones(shape, np.float32))], seed=0)
    assert start.shape == (shape[0], 3)
    assert np.isfinite(start).all()
    assert len(np.unique(start, axis=0)) == shape[0]


def test_merged_graph_is_that_of_all_images_together(small_run: Run) -> None:
    distances, indices = merge_graphs(small_run.store, "P4", 15)
    everything = vectors(small_run, "P4")
    expected, expected_indices = (
        NearestNeighbors(n_neighbors=15, metric="cosine").fit(everything).kneighbors(everything)
    )
    np.testing.assert_array_equal(indices[:, 0], np.arange(len(everything)))
    np.testing.assert_allclose(distances, expected, atol=1e-5)
    assert (indices == expected_indices).mean() > 0.99


def test_the_map_keeps_neighborhoods_and_repeats_itself(small_run: Run) -> None:
    for level in small_run.levels:
        coordinates = small_run.layout(level)[["x", "y", "z"]].to_numpy()
        assert trustworthiness(vectors(small_run, level), coordinates, n_neighbors=10, metric="cosine") > 0.85
    distances, indices = merge_graphs(small_run.store, "P4", 15)
    start = pca_init(views(small_run, "P4"), seed=0)
    device = choose_device("cpu")
    first, second = (device.layout(start, distances, indices, LayoutSettings(seed=3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_clusters_are_the_planted_ones() -> None:
    points, planted = make_blobs([60, 60, 60], 3, centers=np.eye(3) * 20, random_state=0)
    labels = choose_device("cpu").cluster(points.astype(np.float32), 10)
    assert adjusted_rand_score(planted, labels) > 0.95


def test_images_of_no_dataset_are_placed_on_the_map(small_run: Run) -> None:
    known = small_run.embeddings("real", "P4")
    layout = small_run.layout("P4")
    real = layout[layout["dataset"] == "real"]
    placed = small_run.transform("P4", known[real["row"]])
    np.testing.assert_allclose(placed, real[["x", "y", "z"]].to_numpy(), rtol=1e-4, atol=1e-4)
    assert small_run.transform("P4", known[:0]).shape == (0, 3)
    with pytest.raises(OptionError, match=r"level P4 takes \(images, 112\)"):
        small_run.transform("P4", known[:, :5])
    with pytest.raises(OptionError, match="NaN"):
        small_run.transform("P4", known)


def test_metrics_say_how_good_the_map_and_its_graph_are(small_run: Run) -> None:
    for level in small_run.levels:
        numbers = small_run.metrics["levels"][level]
        pairs = {f"{query}-vs-{reference}" for query in small_run.datasets for reference in small_run.datasets}
        assert set(numbers["neighbors"]) == pairs
        assert numbers["neighbors"]["real-vs-synthetic"] == {"method": "exact", "recall": 1.0, "sample": 0}
        layout = numbers["layout"]
        assert (layout["strategy"], layout["umap_images"], layout["sample"]) == ("full", 132, 132)
        coordinates = small_run.layout(level)[["x", "y", "z"]].to_numpy()
        expected = trustworthiness(vectors(small_run, level), coordinates, n_neighbors=15, metric="cosine")
        assert layout["trustworthiness"] == pytest.approx(expected, abs=1e-3)

"""The CUDA device gives the CPU's answers. Skipped, with the reason, where there is no NVIDIA GPU."""

import importlib.util

import numpy as np
import pytest
import torch
import zarr
from numpy.typing import NDArray
from sklearn.datasets import make_blobs
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score

from gapscope.device.cpu import Cpu
from gapscope.device.cuda import Cuda
from gapscope.layout.start import principal_start
from gapscope.neighbors.unit_rows import UnitRows
from gapscope.pyramid import MODELS, load_pyramid
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Frame, LayoutSettings

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here"),
]
needs_cuml = pytest.mark.skipif(importlib.util.find_spec("cuml") is None, reason="cuML is not installed")


def unit_rows(rows: int, length: int, seed: int) -> UnitRows:
    values, _ = make_blobs(rows, length, centers=8, random_state=seed)
    return UnitRows(
        embeddings=zarr.create_array({}, data=values.astype(np.float16), chunks=(1024, length)),
        rows=np.arange(rows),
        mean=np.zeros(length, np.float32),
        spread=np.ones(length, np.float32),
    )


def test_embeddings_are_the_cpus() -> None:
    weights = MODELS["bundled"].weights()
    settings = EmbedSettings(
        model="bundled",
        weights=str(weights),
        weights_sha256=sha256_of(weights),
        levels=MODELS["bundled"].choose_levels(None),
        frame=Frame(size=224),
    )
    pixels = np.random.default_rng(0).integers(0, 256, (16, 224, 224, 3), dtype=np.uint8)
    expected = Cpu().embed(Cpu().place(load_pyramid(settings)), pixels, "float32")
    found = Cuda().embed(Cuda().place(load_pyramid(settings)), pixels, "float32")
    for level, values in expected.items():
        assert np.abs(found[level] - values).max() < 5e-3 * np.abs(values).max()


@pytest.mark.parametrize("same", [False, True])
def test_neighbors_are_the_cpus(same: bool) -> None:
    query = unit_rows(3000, 64, 1)
    reference = query if same else unit_rows(2000, 64, 2)
    expected = Cpu().neighbors(query, reference, 10, same=same)
    found = Cuda().neighbors(query, reference, 10, same=same)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    assert (found[1] == expected[1]).mean() > 0.999


@needs_cuml
def test_the_layout_is_as_good_as_the_cpus() -> None:
    view = unit_rows(2000, 64, 1)
    vectors = view.tile(0, len(view))
    near, where = Cpu().neighbors(view, view, 14, same=True)
    itself = np.arange(len(view))[:, None]
    distances = np.concatenate([np.zeros((len(view), 1), np.float32), near], axis=1)
    indices = np.concatenate([itself, where], axis=1)
    start = principal_start(lambda: iter([vectors]), 64, seed=0)

    def quality(points: NDArray[np.float32]) -> float:
        assert points.shape == (len(view), 3)
        return float(trustworthiness(vectors, points, n_neighbors=10))

    ours = quality(Cuda().layout(start, distances, indices, LayoutSettings()))
    assert ours > quality(Cpu().layout(start, distances, indices, LayoutSettings())) - 0.02


@needs_cuml
def test_clusters_are_the_cpus() -> None:
    points, _ = make_blobs([200, 200, 200], 3, centers=np.eye(3) * 20, random_state=0)
    labels = [device.cluster_labels(points.astype(np.float32), 20) for device in (Cpu(), Cuda())]
    assert adjusted_rand_score(*labels) > 0.95


def test_distances_of_datasets_are_the_cpus() -> None:
    query, reference = unit_rows(3000, 64, 1), unit_rows(2500, 64, 2)
    expected, found = (device.set_distances(query, reference) for device in (Cpu(), Cuda()))
    for one, other in zip(expected, found, strict=True):
        for name, distance in one.items():
            assert other[name].value == pytest.approx(distance.value, rel=1e-6, abs=1e-9)
            assert other[name].ratio == pytest.approx(distance.ratio, rel=1e-6)

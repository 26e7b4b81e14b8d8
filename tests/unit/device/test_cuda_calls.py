"""Calls of the CUDA libraries, checked with stand-ins that behave as the sources of those libraries say."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import HDBSCAN
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from gapscope.device.cpu import Cpu
from gapscope.device.cuda import Cuda, local_cuda_cluster
from gapscope.layout import clustering
from gapscope.layout.clustering import cluster_points
from gapscope.settings import LayoutSettings

POINTS, PLANTED = make_blobs([300, 200, 100, 80], 3, cluster_std=1.5, center_box=(-12, 12), random_state=3)
POINTS = POINTS.astype(np.float32)


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    module = ModuleType(name)
    vars(module).update(content)
    monkeypatch.setitem(sys.modules, name, module)


class CumlHdbscan:
    """As cuml/cluster/hdbscan.pyx of 26.10: `min_samples` does not count the point itself, and is at most 1023."""

    max_points = 10**9

    def __init__(self, *, min_cluster_size: int, min_samples: int | None = None, output_type: str) -> None:
        assert output_type == "numpy"
        self._min_cluster_size, self._min_samples = min_cluster_size, min_samples or min_cluster_size

    def fit(self, points: NDArray[np.float32]) -> "CumlHdbscan":
        if len(points) > self.max_points:
            raise RuntimeError("std::bad_alloc: out_of_memory: CUDA error")
        assert 1 <= self._min_samples <= 1023
        cpu = HDBSCAN(min_cluster_size=self._min_cluster_size, min_samples=self._min_samples + 1, copy=True)
        self.labels_ = cpu.fit_predict(points)
        return self


@pytest.fixture
def cuml(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "cuml", cluster=SimpleNamespace(HDBSCAN=CumlHdbscan))


@pytest.mark.usefixtures("cuml")
@pytest.mark.parametrize("min_cluster_size", [2, 5, 20])
def test_min_cluster_size_means_what_it_means_on_the_cpu(min_cluster_size: int) -> None:
    np.testing.assert_array_equal(Cuda().cluster(POINTS, min_cluster_size), Cpu().cluster(POINTS, min_cluster_size))


@pytest.mark.usefixtures("cuml")
def test_min_cluster_size_may_exceed_cumls_largest_min_samples() -> None:
    points = np.random.default_rng(0).normal(size=(2600, 3)).astype(np.float32)
    assert len(Cuda().cluster(points, 1100)) == len(points)


@pytest.mark.usefixtures("cuml")
def test_clusters_for_which_memory_runs_out_are_those_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CumlHdbscan, "max_points", 200)
    monkeypatch.setattr(clustering, "_MIN_SAMPLE", 100)
    clusters = cluster_points(POINTS, Cuda(), seed=0)
    assert clusters.sample == 170
    assert clusters.note == "memory ran out over clusters of more: they are those of 170 of 680 images"
    assert adjusted_rand_score(PLANTED, clusters.labels) > 0.8
    monkeypatch.setattr(CumlHdbscan, "max_points", 50)
    with pytest.raises(MemoryError):
        cluster_points(POINTS, Cuda(), seed=0)


def test_cuml_gets_the_graph_without_conversions(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the host, in C order, once: cuML copies it, and would convert anything else."""
    received: dict[str, Any] = {}

    class Umap:
        def __init__(self, **options: Any) -> None:
            received.update(options)

        def fit(self, values: NDArray[np.float32]) -> "Umap":
            received["values"] = values
            self.embedding_ = values + 1
            return self

    stand_in(monkeypatch, "cuml", manifold=SimpleNamespace(UMAP=Umap))
    start = POINTS[:50]
    distances, indices = np.zeros((50, 15), np.float32), np.zeros((50, 15), np.int64)
    layout = Cuda().layout(start, distances, indices, LayoutSettings(seed=3, min_dist=0.2, n_epochs=20))
    np.testing.assert_array_equal(layout, start + 1)
    assert received["values"] is start
    assert received["init"] is start
    knn_indices, knn_distances = received["precomputed_knn"]
    assert knn_indices is indices
    assert knn_distances is distances
    expected = {"n_components": 3, "n_neighbors": 15, "min_dist": 0.2, "n_epochs": 20, "random_state": 3}
    assert expected.items() <= received.items()


def test_workers_start_without_cudf(monkeypatch: pytest.MonkeyPatch) -> None:
    class CUDFSetup:
        """Imports cuDF on the worker, which ends if that fails with anything but ImportError."""

    class RMMSetup: ...

    class LocalCUDACluster:
        def __init__(self, **options: Any) -> None:
            self.options = options

        def new_worker_spec(self) -> dict[str, Any]:
            return {"0": {"cls": object, "options": {"plugins": {CUDFSetup(), RMMSetup()}, "nthreads": 2}}}

    plugins = {"RMMSetup": RMMSetup, "CUDFSetup": CUDFSetup}
    stand_in(monkeypatch, "dask_cuda", LocalCUDACluster=LocalCUDACluster)
    stand_in(monkeypatch, "dask_cuda.plugins", **plugins)
    cluster: Any = local_cuda_cluster(2, None)
    (spec,) = cluster.new_worker_spec().values()
    assert [type(plugin) for plugin in spec["options"]["plugins"]] == [RMMSetup]
    assert spec["options"]["nthreads"] == 2
    assert cluster.options["rmm_allocator_external_lib_list"] == ["torch", "cupy"]

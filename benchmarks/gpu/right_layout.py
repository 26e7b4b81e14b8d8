"""Neighbors, maps, clusters, metrics and manifests from the GPU, compared with the CPU's; every option, odd inputs."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from gpu.points import copy_run, embeddings, two_datasets, view_of, write_run
from gpu.stage import Part, Result, Setting
from numpy.typing import NDArray
from scipy.spatial import procrustes
from sklearn.metrics import adjusted_rand_score

from gapscope.cluster import lazy_cluster
from gapscope.compare.outlier_scores import knn_radius, score_outliers
from gapscope.device import Device
from gapscope.device.cpu import Cpu
from gapscope.layout.graph import with_self
from gapscope.layout.pca_init import pca_init
from gapscope.layout.quality import layout_quality
from gapscope.layout.strategy import layout_by_landmarks
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.result import recall
from gapscope.progress import Silent
from gapscope.run import open_run
from gapscope.settings import CompareSettings, LayoutSettings
from gapscope.stages.compare import compare_datasets
from gapscope.stages.layout import compute_layouts
from gapscope.stages.neighbors import find_neighbors, find_style_aside_neighbors
from gapscope.store.datasets import Pair, all_pairs
from gapscope.store.groups import read_groups
from gapscope.store.layouts import layout_info, read_layout
from gapscope.store.manifests import manifest_path
from gapscope.store.neighbors import read_neighbors
from gapscope.store.run_store import RunStore, open_store

_K = 30
_OPTIONS = {
    "default": LayoutSettings(),
    "n_neighbors 5": LayoutSettings(n_neighbors=5),
    "n_neighbors 31": LayoutSettings(n_neighbors=31),
    "min_dist 0": LayoutSettings(min_dist=0.0),
    "min_dist 0.5": LayoutSettings(min_dist=0.5),
    "n_epochs 100": LayoutSettings(n_epochs=100),
    "seed 1": LayoutSettings(seed=1),
}
_CPU_MAX_POINTS = 20_000
"""With more points umap-learn and scikit-learn's HDBSCAN take minutes."""
_P_VALUES = ("p", "q", "outside_p", "outside_q", "under_p", "under_q")


def _maps(count: int, setting: Setting) -> Iterator[Result]:
    """Lay out the same graph with every option, on the CPU too unless that takes minutes."""
    values, kind = embeddings(setting, setting.size(count, 300))
    view = view_of(values)
    neighbors = setting.device.neighbors(view, view, _K, same=True)
    yield {"points": len(view), "kind": kind}
    devices = {"device": setting.device, **({"cpu": Cpu()} if len(view) <= _CPU_MAX_POINTS else {})}
    options = _OPTIONS if not setting.dry else {"default": LayoutSettings(n_epochs=11)}
    for name, settings in options.items():
        layouts = {
            device_name: _layout(view, neighbors.distances, neighbors.indices, settings, device)
            for device_name, device in devices.items()
        }
        yield {name: {device_name: result for device_name, (_, result) in layouts.items()}}
        if name == "default":
            first = layouts["device"][0]
            again, _ = _layout(view, neighbors.distances, neighbors.indices, settings, setting.device)
            yield {"same_again": bool(np.array_equal(first, again))}
            smallest = max(5, round(len(first) ** 0.5) // 2)
            labels = [device.cluster(first, smallest) for device in devices.values()]
            yield {"clusters": int(labels[0].max() + 1)}
            if len(labels) > 1:
                yield {"clusters_adjusted_rand_index": float(adjusted_rand_score(*labels))}
        if name == "seed 1":
            yield {"likeness_of_two_seeds": float(1 - procrustes(first, layouts["device"][0])[2])}
    landmarks = layout_by_landmarks([view], options["default"], setting.device, len(view) // 2, "half of them")
    yield {"landmarks, half": layout_quality([view], landmarks.coordinates, seed=0)}


def _layout(
    view: EmbeddingView,
    distances: NDArray[np.float32],
    indices: NDArray[np.int64],
    settings: LayoutSettings,
    device: Device,
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    graph = with_self(distances[:, : settings.graph_k], indices[:, : settings.graph_k])
    initial, start = pca_init([view], settings.seed), time.perf_counter()
    points = device.layout(initial, *graph, settings)
    seconds = time.perf_counter() - start
    return points, {"layout_seconds": seconds, **layout_quality([view], points, seed=0)}


def _stages(setting: Setting) -> Iterator[Result]:
    """Compare the same embeddings on both devices; both runs get the CPU's map, whose coordinates manifests quote."""
    values, kind = embeddings(setting, setting.size(10_000, 90))
    parent = setting.folder("stages")
    by_cpu = write_run(parent / "cpu", two_datasets(values, 1))
    by_device = open_store(copy_run(parent / "cpu", parent / "device"))
    with lazy_cluster("inline", setting.device.name, 0) as connect:
        for run, device in ((by_cpu, Cpu()), (by_device, setting.device)):
            find_neighbors(run, device, _K, connect, Silent())
            find_style_aside_neighbors(run, device, _K, connect, Silent())
        yield {"points": len(values), "kind": kind, "neighbors": _compare_neighbors(by_cpu, by_device)}
        compute_layouts(by_cpu, LayoutSettings(n_epochs=setting.size(None, 11)), Cpu(), connect, Silent())
    for name in ("layout.zarr", "clusters.zarr"):
        copy_run(parent / "cpu" / name, parent / "device" / name)
    for run, device in ((by_cpu, Cpu()), (by_device, setting.device)):
        compare_datasets(run, CompareSettings(), device, Silent())
    yield {"manifests": {pair.name: _compare_manifests(by_cpu, by_device, pair) for pair in by_cpu.pairs}}
    cpu_metrics, device_metrics = (open_run(run.path).metrics["levels"] for run in (by_cpu, by_device))
    yield {"metrics": _compare_metrics(cpu_metrics, device_metrics)}
    points = read_layout(by_cpu, "P2")[0]
    labels = [device.cluster(points, 20) for device in (Cpu(), setting.device)]
    yield {"clusters": {"adjusted_rand_index": float(adjusted_rand_score(*labels))}}


def _compare_neighbors(by_cpu: RunStore, by_device: RunStore) -> Result:
    result: Result = {}
    for pair in all_pairs(by_cpu.datasets):
        (cpu_distances, cpu_rows), (distances, rows) = (read_neighbors(run, "P2", pair) for run in (by_cpu, by_device))
        result[pair.name] = {
            "recall": recall(distances, cpu_distances),
            "same_rows": float((cpu_rows == rows).mean()),
            "largest_difference": float(np.abs(cpu_distances - distances).max()),
        }
    return result


def _compare_manifests(by_cpu: RunStore, by_device: RunStore, pair: Pair) -> Result:
    cpu_table, device_table = (
        pq.read_table(manifest_path(run.path, "P2", pair)).to_pandas().set_index("uri").sort_index()
        for run in (by_cpu, by_device)
    )
    groups = read_groups(by_cpu, pair.query), read_groups(by_cpu, pair.reference)
    radii = [knn_radius(run, "P2", pair.reference, CompareSettings().k, groups[1]) for run in (by_cpu, by_device)]
    # The scores of all images, listed or not.
    cpu_scores, device_scores = (
        score_outliers(run, "P2", pair, radius, groups, CompareSettings())
        for run, radius in zip((by_cpu, by_device), radii, strict=True)
    )
    differences = {
        name: float(np.abs(getattr(cpu_scores, name) - getattr(device_scores, name)).max()) for name in _P_VALUES
    }
    return {
        "listed": len(cpu_table),
        "same_images": bool(cpu_table.index.equals(device_table.index)),
        "within_1e-6": all(value <= 1e-6 for value in differences.values()),
        "largest_differences": differences,
    }


def _compare_metrics(by_cpu: Any, by_device: Any) -> Result:
    differences = {path: abs(a - b) / max(1.0, abs(a)) for path, a, b in _number_pairs(by_cpu, by_device, "")}
    worst = max(differences, key=lambda path: differences[path])
    largest = differences[worst]
    return {"numbers": len(differences), "worst": worst, "difference": largest, "within_1e-4": largest <= 1e-4}


def _number_pairs(by_cpu: Any, by_device: Any, path: str) -> list[tuple[str, float, float]]:
    """Return every number of two results of the same shape, with its path."""
    if isinstance(by_cpu, dict):
        return [pair for name in by_cpu for pair in _number_pairs(by_cpu[name], by_device[name], f"{path}/{name}")]
    if isinstance(by_cpu, list):
        return [
            pair
            for index, (a, b) in enumerate(zip(by_cpu, by_device, strict=True))
            for pair in _number_pairs(a, b, f"{path}/{index}")
        ]
    return [(path, float(by_cpu), float(by_device))] if isinstance(by_cpu, int | float) else []


def _odd(setting: Setting) -> Iterator[Result]:
    """Check that the stages end, with finite coordinates, on degenerate inputs."""
    random = np.random.default_rng(0)
    cases = {
        "all equal": np.ones((200, 64)),
        "six images": random.normal(size=(6, 64)),
        "twenty images": random.normal(size=(20, 64)),
        "mostly copies": np.concatenate(
            [np.repeat(random.normal(size=(1, 64)), 300, axis=0), random.normal(size=(100, 64))]
        ),
        "two values": np.repeat(random.normal(size=(2, 64)), 100, axis=0),
        "one dimension": np.pad(random.normal(size=(400, 1)), ((0, 0), (0, 63))),
    }
    for name, values in cases.items():
        yield {name: _run_stages(setting, values.astype(np.float16))}


def _run_stages(setting: Setting, values: NDArray[np.float16]) -> Result:
    run = write_run(setting.folder("odd") / "run", {"a": {"P2": values[::2]}, "b": {"P2": values[1::2]}})
    with lazy_cluster("inline", setting.device.name, 0) as connect:
        find_neighbors(run, setting.device, _K, connect, Silent())
        find_style_aside_neighbors(run, setting.device, _K, connect, Silent())
        compute_layouts(run, LayoutSettings(n_epochs=setting.size(None, 11)), setting.device, connect, Silent())
    compare_datasets(run, CompareSettings(), setting.device, Silent())
    points = read_layout(run, "P2")[0]
    return {"finite": bool(np.isfinite(points).all()), "way": layout_info(run, "P2")["strategy"]}


PARTS: dict[str, Part] = {
    "stages": _stages,
    "odd inputs": _odd,
    "maps of 10 thousand": partial(_maps, 10_000),
    "maps of 100 thousand": partial(_maps, 100_000),
}
